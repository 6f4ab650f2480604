/* SPDX-License-Identifier: BSD-2-Clause */
/* MTRR types: what real firmware sets up, precedence, and random registers against a page-by-page reading. */
/* sources: arch/mtrr.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/mtrr.h"

#define WIDTH 36
#define ON    (MTRR_DEF_ENABLE | MTRR_DEF_FIXED_ENABLE)

static struct mtrr_state s;

static int setup(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.maxphyaddr = WIDTH;
	s.cap = MTRR_CAP_FIXED | 8;
	s.def_type = ON | MEMTYPE_UC;
	return 0;
}

static void set_range(uint32_t i, uint64_t base, uint64_t size, uint64_t type)
{
	s.base[i] = base | type;
	s.mask[i] = (~(size - 1) & (BIT(WIDTH) - 1)) | MTRR_MASK_VALID;
}

static void check(uint64_t pa, enum memtype type, uint64_t to)
{
	uint64_t uniform_to = 0;

	assert_int_equal(mtrr_type(&s, HPA(pa), &uniform_to), type);
	assert_int_equal(uniform_to, to);
	assert_int_equal(mtrr_type(&s, HPA(pa), NULL), type);
}

/* As PC firmware does it: 3 GiB and what is above 4 GiB write-back, the frame buffer write-combining. */
static void test_usual(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < MTRR_FIXED; i++)
		s.fixed[i] = i == 1 || i == 0 ? 0x0606060606060606 : 0;
	set_range(0, 0, 2 * GIB, MEMTYPE_WB);
	set_range(1, 2 * GIB, GIB, MEMTYPE_WB);
	set_range(2, 4 * GIB, 4 * GIB, MEMTYPE_WB);
	set_range(3, 0xe0000000, 16 * MIB, MEMTYPE_WC);
	check(0, MEMTYPE_WB, 0xa0000);
	check(0x9ffff, MEMTYPE_WB, 0xa0000);
	check(0xa0000, MEMTYPE_UC, 0x100000);
	check(0x100000, MEMTYPE_WB, 3 * GIB);
	check(3 * GIB, MEMTYPE_UC, 0xe0000000);
	check(0xe0000000, MEMTYPE_WC, 0xe1000000);
	check(0xe1000000, MEMTYPE_UC, 4 * GIB);
	check(4 * GIB, MEMTYPE_WB, 8 * GIB);
	check(8 * GIB, MEMTYPE_UC, UINT64_MAX);
	check(BIT(WIDTH), MEMTYPE_UC, UINT64_MAX);
	check(UINT64_MAX, MEMTYPE_UC, UINT64_MAX);
}

/* As OVMF does it: write-back by default, the hole below 4 GiB uncached. */
static void test_default_wb(void **state)
{
	(void)state;
	s.def_type = MTRR_DEF_ENABLE | MEMTYPE_WB;
	set_range(0, 2 * GIB, 2 * GIB, MEMTYPE_UC);
	check(0, MEMTYPE_WB, 2 * GIB); /* fixed ranges are off */
	check(2 * GIB, MEMTYPE_UC, 4 * GIB);
	check(4 * GIB, MEMTYPE_WB, BIT(WIDTH));
}

static void test_fixed(void **state)
{
	static const struct {
		uint32_t start, step;
	} regs[MTRR_FIXED] = {
		{0,	    0x10000},
		   {0x80000, 0x4000 },
		      {0xa0000, 0x4000 },
		 {0xc0000, 0x1000 },
		{0xc8000, 0x1000 },
		   {0xd0000, 0x1000 },
		      {0xd8000, 0x1000 },
		 {0xe0000, 0x1000 },
		{0xe8000, 0x1000 },
		   {0xf0000, 0x1000 },
		      {0xf8000, 0x1000 },
	};

	(void)state;
	set_range(0, 0, 2 * GIB, MEMTYPE_WB);
	for (uint32_t r = 0; r < MTRR_FIXED; r++) {
		for (uint32_t b = 0; b < 8; b++) {
			uint64_t at = regs[r].start + b * regs[r].step;

			memset(s.fixed, 0, sizeof(s.fixed));
			s.fixed[r] = (uint64_t)MEMTYPE_WT << (8 * b);
			check(at, MEMTYPE_WT, at + regs[r].step);
			if (at)
				check(0, MEMTYPE_UC, at);
			check(at + regs[r].step - 1, MEMTYPE_WT, at + regs[r].step);
		}
	}
	s.fixed[0] = 0x0203070809ff0601; /* types that there are not */
	check(0, MEMTYPE_WC, 0x10000);
	check(0x10000, MEMTYPE_WB, 0x20000);
	check(0x20000, MEMTYPE_UC, 0xff000);
	s.cap &= ~MTRR_CAP_FIXED;
	check(0, MEMTYPE_WB, 2 * GIB);
}

static void test_disabled(void **state)
{
	(void)state;
	set_range(0, 0, 2 * GIB, MEMTYPE_WB);
	s.def_type = MTRR_DEF_FIXED_ENABLE | MEMTYPE_WB;
	check(0, MEMTYPE_UC, UINT64_MAX);
}

static void test_precedence(void **state)
{
	static const uint8_t types[] = {MEMTYPE_UC, MEMTYPE_WC, MEMTYPE_WT, MEMTYPE_WP, MEMTYPE_WB};

	(void)state;
	for (uint32_t a = 0; a < ARRAY_SIZE(types); a++) {
		for (uint32_t b = 0; b < ARRAY_SIZE(types); b++) {
			bool wt_wb = types[a] + types[b] == MEMTYPE_WT + MEMTYPE_WB &&
				     (types[a] == MEMTYPE_WB || types[b] == MEMTYPE_WB);
			uint8_t expect = a == b ? types[a] : wt_wb ? MEMTYPE_WT : MEMTYPE_UC;

			set_range(0, 4 * GIB, GIB, types[a]);
			set_range(1, 4 * GIB, GIB, types[b]);
			assert_int_equal(mtrr_type(&s, HPA(4 * GIB), NULL), expect);
			set_range(2, 4 * GIB, GIB, MEMTYPE_UC);
			assert_int_equal(mtrr_type(&s, HPA(4 * GIB), NULL), MEMTYPE_UC);
			s.mask[2] = 0;
		}
	}
}

static void test_bounds(void **state)
{
	(void)state;
	/* More pairs than the count says are not there; more than 32 are not looked at. */
	set_range(8, 0, 2 * GIB, MEMTYPE_WB);
	check(MIB, MEMTYPE_UC, UINT64_MAX);
	s.cap |= 0xff;
	check(MIB, MEMTYPE_WB, 2 * GIB);
	/* An empty mask covers everything. */
	s.base[8] = MEMTYPE_WT;
	s.mask[8] = MTRR_MASK_VALID;
	check(MIB, MEMTYPE_WT, BIT(WIDTH));
	/* Bits above the address width mean nothing. */
	s.base[8] = BIT(50) | GIB | MEMTYPE_WB;
	s.mask[8] = BIT(51) | (BIT(WIDTH) - GIB) | MTRR_MASK_VALID;
	check(GIB, MEMTYPE_WB, 2 * GIB);
	s.maxphyaddr = 52;
	s.mask[8] = 0;
	check(MIB, MEMTYPE_UC, UINT64_MAX);
}

/* --- Random registers, masks with holes included --- */

#define SMALL_WIDTH 32
#define STEP	    (1 * MIB) /* registers have no finer parts */

static enum memtype brute(uint64_t pa)
{
	uint32_t seen = 0;

	for (uint32_t i = 0; i < 8; i++) {
		uint64_t mask = s.mask[i] & (BIT(SMALL_WIDTH) - 1) & ~PAGE_MASK;

		if ((s.mask[i] & MTRR_MASK_VALID) && (pa & mask) == (s.base[i] & mask))
			seen |= 1u << (s.base[i] & 7);
	}
	if (!seen)
		return s.def_type & 7;
	if (!(seen & (seen - 1)))
		return (enum memtype)__builtin_ctz(seen);
	return seen == (1u << MEMTYPE_WT | 1u << MEMTYPE_WB) ? MEMTYPE_WT : MEMTYPE_UC;
}

static uint64_t random_bits(void)
{
	uint64_t low = (uint32_t)rand();
	uint64_t high = (uint32_t)rand();

	return (high << 20 ^ low) & (BIT(SMALL_WIDTH) - 1) & ~(STEP - 1);
}

static void random_registers(bool holes)
{
	static const uint8_t types[] = {MEMTYPE_UC, MEMTYPE_WC, MEMTYPE_WT,
					MEMTYPE_WP, MEMTYPE_WB, MEMTYPE_WB};

	s.maxphyaddr = SMALL_WIDTH;
	s.def_type = MTRR_DEF_ENABLE | types[rand() % 6];
	for (uint32_t i = 0; i < 8; i++) {
		uint64_t mask = BIT(SMALL_WIDTH) - (STEP << rand() % 13);

		if (holes)
			mask &= random_bits() | random_bits() | random_bits();
		s.mask[i] = (mask & (BIT(SMALL_WIDTH) - 1)) | (rand() % 3 ? MTRR_MASK_VALID : 0);
		s.base[i] = random_bits() | types[rand() % 6];
	}
}

/* Every step has the right type; where it says "uniform" it is, and it says so as far as it is. */
static void check_registers(bool exact)
{
	uint64_t pa = 0;

	while (pa < BIT(SMALL_WIDTH)) {
		uint64_t to;
		enum memtype type = mtrr_type(&s, HPA(pa), &to);
		uint64_t at = pa;

		assert_true(to > pa);
		for (; at < min_u64(to, BIT(SMALL_WIDTH)); at += STEP)
			assert_int_equal(type, brute(at));
		if (exact && at < BIT(SMALL_WIDTH))
			assert_int_not_equal(type, brute(at));
		pa = at;
	}
}

static void test_random(void **state)
{
	(void)state;
	srand(3);
	for (uint32_t i = 0; i < 400; i++) {
		random_registers(i % 2);
		check_registers(i % 2 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_usual, setup),
		cmocka_unit_test_setup(test_default_wb, setup),
		cmocka_unit_test_setup(test_fixed, setup),
		cmocka_unit_test_setup(test_disabled, setup),
		cmocka_unit_test_setup(test_precedence, setup),
		cmocka_unit_test_setup(test_bounds, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests_name("mtrr", tests, NULL, NULL);
}
