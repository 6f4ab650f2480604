/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory ownership against a flat model of one owner per frame. */
/* sources: ept/frame.c lib/lock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "ept/frame.h"

static void *table;

#define SUB_BYTES 1024u

/* @without: sub-tables that are to be missing. */
static void start_without(const struct mem_range *map, uint32_t n, uint32_t without)
{
	uint64_t bytes = frame_table_bytes(map, n) - without * SUB_BYTES;

	free(table);
	table = malloc(bytes);
	assert_int_equal(frame_init(map, n, table, bytes), 0);
}

static void start(const struct mem_range *map, uint32_t n)
{
	start_without(map, n, 0);
}

static int teardown(void **state)
{
	(void)state;
	free(table);
	table = NULL;
	return 0;
}

static uint64_t rnd_state = 2463534242ULL;

static uint64_t rnd(uint64_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % n;
}

/* --- The model: 40 MiB with the edges that firmware makes --- */

#define PER_BLOCK 512u
#define FRAMES	  (20u * PER_BLOCK)
#define SUBS	  9u		      /* few enough to run out */
#define SUBS_FULL (FRAME_SPARES + 7u) /* seven bounds of the map are inside blocks */

static const struct mem_range small_map[] = {
	{{0},			0x9f000,		       MEM_RAM     },
	{{0x9f000},		    0x61000,		     MEM_RESERVED},
	{{0x100000},		     15 * MIB,		       MEM_RAM     },
	{{24 * MIB},		     16 * MIB - 3 * PAGE_SIZE, MEM_RAM     },
	{{40 * MIB - 3 * PAGE_SIZE}, 3 * PAGE_SIZE,	    MEM_NVS	   },
	{{64 * MIB},		     MIB,			  MEM_RESERVED},
};

static uint16_t model[FRAMES];

static void model_start(void)
{
	start_without(small_map, ARRAY_SIZE(small_map), SUBS_FULL - SUBS);
	memset(model, 0, sizeof(model));
	for (uint32_t i = 0; i < ARRAY_SIZE(small_map); i++) {
		uint64_t at = small_map[i].base.v / PAGE_SIZE;

		for (uint64_t k = 0; k < small_map[i].size / PAGE_SIZE && at + k < FRAMES; k++)
			model[at + k] = small_map[i].type == MEM_RAM ? OWNER_FREE : OWNER_RESERVED;
	}
}

static bool model_mixed(uint32_t block)
{
	for (uint32_t i = 1; i < PER_BLOCK; i++) {
		if (model[block * PER_BLOCK + i] != model[block * PER_BLOCK])
			return true;
	}
	return false;
}

static uint32_t model_free_subs(void)
{
	uint32_t n = SUBS;

	for (uint32_t b = 0; b < FRAMES / PER_BLOCK; b++)
		n -= model_mixed(b);
	return n;
}

/* Blocks that the range covers in part, and that have one owner: these are split, unless nothing changes. */
static uint32_t model_splits(uint32_t first, uint32_t n)
{
	uint32_t splits = 0;

	for (uint32_t b = first / PER_BLOCK; b <= (first + n - 1) / PER_BLOCK; b++) {
		bool whole = first <= b * PER_BLOCK && first + n >= (b + 1) * PER_BLOCK;

		splits += !whole && !model_mixed(b);
	}
	return splits;
}

static int model_give(uint32_t first, uint32_t n, uint16_t from, uint16_t to)
{
	if (first + n > FRAMES)
		return -ERANGE;
	for (uint32_t i = 0; i < n; i++) {
		if (model[first + i] != from)
			return -EBUSY;
	}
	if (from != to && model_splits(first, n) > model_free_subs())
		return -ENOSPC;
	for (uint32_t i = 0; i < n; i++)
		model[first + i] = to;
	return 0;
}

struct cursor {
	uint32_t at;
	uint16_t last;
};

static int check_run(void *arg, hpa_t base, uint64_t size, uint16_t owner)
{
	struct cursor *c = arg;

	assert_int_equal(base.v, c->at * PAGE_SIZE);
	assert_true(!c->at || owner != c->last);
	for (uint64_t i = 0; i < size / PAGE_SIZE; i++)
		assert_int_equal(model[c->at++], owner);
	c->last = owner;
	return 0;
}

static void check_model(void)
{
	struct cursor c = {0, 0};
	uint64_t total[OWNER_COUNT] = {0};

	assert_int_equal(frame_for_each(check_run, &c), 0);
	assert_int_equal(c.at, FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		total[model[i]] += PAGE_SIZE;
		if (frame_owner(HPA(i * PAGE_SIZE + 77)) != model[i])
			fail_msg("frame %u", i);
	}
	for (uint16_t o = 0; o < OWNER_COUNT; o++)
		assert_int_equal(frame_total(o), total[o]);
}

static int stop_at_third(void *arg, hpa_t base, uint64_t size, uint16_t owner)
{
	(void)base;
	(void)size;
	(void)owner;
	return ++*(int *)arg == 3 ? -EAGAIN : 0;
}

static void test_init(void **state)
{
	int calls = 0;

	(void)state;
	model_start();
	check_model();
	assert_int_equal(frame_owner(HPA(64 * MIB)), OWNER_NONE); /* above all RAM */
	assert_int_equal(frame_owner(HPA(UINT64_MAX)), OWNER_NONE);
	assert_int_equal(frame_total(OWNER_COUNT), 0);
	assert_int_equal(frame_for_each(stop_at_third, &calls), -EAGAIN);
	assert_int_equal(calls, 3);
}

static void test_bad_maps(void **state)
{
	static uint64_t small[4096];
	const struct mem_range bad[][2] = {
		{{{0}, 5, MEM_RAM},	    {{MIB}, MIB, MEM_RAM}	 }, /* not pages */
		{{{0}, 0, MEM_RAM},	    {{MIB}, MIB, MEM_RAM}	 }, /* empty */
		{{{0}, 2 * MIB, MEM_RAM},	  {{MIB}, MIB, MEM_RAM}	       }, /* overlap */
		{{{4 * MIB}, MIB, MEM_RAM}, {{MIB}, MIB, MEM_RAM}	 }, /* not sorted */
		{{{0}, MIB, MEM_RESERVED},  {{MIB}, MIB, MEM_ACPI}	 }, /* no RAM */
		{{{0}, MIB, MEM_RAM},	      {{0 - MIB}, 2 * MIB, MEM_BAD}}, /* wraps */
	};
	const struct mem_range gib = {{0}, GIB, MEM_RAM};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(frame_init(bad[i], 2, small, sizeof(small)), -EINVAL);
	assert_int_equal(frame_init(NULL, 0, small, sizeof(small)), -EINVAL);
	assert_int_equal(frame_init(&gib, 1, small, 1023), -ENOSPC);
	assert_int_equal(frame_init(&gib, 1, small, 1024), 0); /* no sub-table at all */
	assert_int_equal(frame_claim(HPA(0), PAGE_SIZE, OWNER_HV), -ENOSPC);
	assert_int_equal(frame_claim(HPA(0), 2 * MIB, OWNER_HV), 0);
	assert_int_equal(frame_init(small_map, ARRAY_SIZE(small_map), small, 1024), -ENOSPC);
}

static void test_arguments(void **state)
{
	(void)state;
	model_start();
	assert_int_equal(frame_give(HPA(MIB), 0, OWNER_FREE, OWNER_HV), -EINVAL);
	assert_int_equal(frame_give(HPA(MIB + 1), PAGE_SIZE, OWNER_FREE, OWNER_HV), -EINVAL);
	assert_int_equal(frame_give(HPA(MIB), PAGE_SIZE + 1, OWNER_FREE, OWNER_HV), -EINVAL);
	assert_int_equal(frame_give(HPA(MIB), PAGE_SIZE, OWNER_NONE, OWNER_HV), -EINVAL);
	assert_int_equal(frame_give(HPA(MIB), PAGE_SIZE, OWNER_FREE, OWNER_NONE), -EINVAL);
	assert_int_equal(frame_give(HPA(MIB), PAGE_SIZE, OWNER_FREE, OWNER_COUNT), -EINVAL);
	assert_int_equal(frame_claim(HPA(MIB), 0 - PAGE_SIZE, OWNER_HV), -ERANGE);
	assert_int_equal(frame_claim(HPA(0 - PAGE_SIZE), 2 * PAGE_SIZE, OWNER_HV), -ERANGE);
	assert_int_equal(frame_claim(HPA(40 * MIB), PAGE_SIZE, OWNER_HV), -ERANGE);
	assert_int_equal(frame_claim(HPA(20 * MIB), PAGE_SIZE, OWNER_HV), -EBUSY); /* a hole */
	assert_int_equal(frame_claim(HPA(0x9f000), PAGE_SIZE, OWNER_HV),
			 -EBUSY); /* the firmware's */
	check_model();
}

static void random_give(void)
{
	static const uint16_t owners[] = {OWNER_FREE, OWNER_HV, OWNER_SHARED, OWNER_VM(0),
					  OWNER_VM(FRAME_VMS - 1)};
	uint32_t first =
		rnd(2) ? (uint32_t)rnd(FRAMES) : (uint32_t)rnd(FRAMES / PER_BLOCK) * PER_BLOCK;
	uint32_t n = rnd(3) ? 1 + (uint32_t)rnd(900) : PER_BLOCK * (1 + (uint32_t)rnd(3));
	uint16_t from = first < FRAMES && rnd(8) ? model[first] : owners[rnd(ARRAY_SIZE(owners))];
	uint16_t to = owners[rnd(ARRAY_SIZE(owners))];

	/* Mostly what succeeds: the run that is there. */
	for (uint32_t i = 0; rnd(8) && i < n && first + i < FRAMES; i++) {
		if (model[first + i] != from && i)
			n = i;
	}
	if (!from || from == OWNER_RESERVED)
		return;
	assert_int_equal(frame_give(HPA(first * PAGE_SIZE), n * PAGE_SIZE, from, to),
			 model_give(first, n, from, to));
}

static void test_random(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 6; round++) {
		model_start();
		for (uint32_t i = 0; i < 2000; i++) {
			random_give();
			if (i % 50 == 0)
				check_model();
		}
		check_model();
	}
}

/* Sub-tables run out; the refusal changes nothing, and giving one back helps. */
static void test_no_sub_tables(void **state)
{
	const struct mem_range map = {{0}, GIB, MEM_RAM};

	(void)state;
	start(&map, 1);
	for (uint32_t i = 0; i < FRAME_SPARES; i++)
		assert_int_equal(frame_claim(HPA(i * 2 * MIB), PAGE_SIZE, OWNER_HV), 0);
	assert_int_equal(frame_claim(HPA(500 * MIB), PAGE_SIZE, OWNER_HV), -ENOSPC);
	assert_int_equal(frame_claim(HPA(501 * MIB), 2 * MIB, OWNER_HV), -ENOSPC);
	assert_int_equal(frame_claim(HPA(500 * MIB), 2 * MIB, OWNER_HV), 0);
	assert_int_equal(frame_owner(HPA(502 * MIB)), OWNER_FREE);
	assert_int_equal(frame_total(OWNER_HV), FRAME_SPARES * PAGE_SIZE + 2 * MIB);
	assert_int_equal(frame_give(HPA(2 * MIB), PAGE_SIZE, OWNER_HV, OWNER_FREE), 0);
	assert_int_equal(frame_claim(HPA(511 * MIB), 2 * MIB, OWNER_HV),
			 -ENOSPC); /* two, and one is there */
	assert_int_equal(frame_claim(HPA(510 * MIB), MIB, OWNER_HV), 0);
	assert_int_equal(frame_claim(HPA(511 * MIB), MIB, OWNER_HV),
			 0); /* the block is whole again */
	assert_int_equal(frame_claim(HPA(600 * MIB), PAGE_SIZE, OWNER_HV), 0);
}

static bool brute_fits(uint32_t at, uint32_t frames, uint32_t align, uint32_t max)
{
	if (at % align || at + frames > max)
		return false;
	for (uint32_t i = 0; i < frames; i++) {
		if (model[at + i] != OWNER_FREE)
			return false;
	}
	return true;
}

static int64_t brute_find(uint32_t frames, uint32_t align, uint32_t min, uint32_t max, bool top)
{
	if (max > FRAMES)
		max = FRAMES;
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t at = top ? FRAMES - 1 - i : i;

		if (at >= min && brute_fits(at, frames, align, max))
			return at;
	}
	return -1;
}

static void test_find(void **state)
{
	hpa_t out;

	(void)state;
	model_start();
	assert_int_equal(frame_find(0, PAGE_SIZE, 0, UINT64_MAX, false, &out), -EINVAL);
	assert_int_equal(frame_find(5, PAGE_SIZE, 0, UINT64_MAX, false, &out), -EINVAL);
	assert_int_equal(frame_find(PAGE_SIZE, 3 * PAGE_SIZE, 0, UINT64_MAX, false, &out), -EINVAL);
	assert_int_equal(frame_find(PAGE_SIZE, 0, 0, UINT64_MAX, false, &out), -EINVAL);
	assert_int_equal(frame_find(PAGE_SIZE, 16, 0, UINT64_MAX, true, &out), -EINVAL);
	assert_int_equal(frame_find(0 - PAGE_SIZE, PAGE_SIZE, 0, UINT64_MAX, false, &out), -ENOMEM);
	assert_int_equal(frame_find(PAGE_SIZE, BIT(63), PAGE_SIZE, UINT64_MAX, false, &out),
			 -ENOMEM);
	assert_int_equal(frame_find(PAGE_SIZE, PAGE_SIZE, 1, 2 * PAGE_SIZE, false, &out), 0);
	assert_int_equal(out.v, PAGE_SIZE);

	for (uint32_t i = 0; i < 1500; i++) {
		uint32_t frames = 1 + (uint32_t)rnd(rnd(2) ? 1500 : 20);
		uint32_t align = 1u << rnd(11);
		uint32_t min = rnd(2) ? 0 : (uint32_t)rnd(FRAMES);
		uint32_t max = rnd(2) ? FRAMES + 5 : (uint32_t)rnd(FRAMES);
		bool top = rnd(2);
		int64_t expect = brute_find(frames, align, min, max, top);
		int err = frame_find(frames * PAGE_SIZE, align * PAGE_SIZE, min * PAGE_SIZE,
				     max * PAGE_SIZE, top, &out);

		assert_int_equal(err, expect < 0 ? -ENOMEM : 0);
		if (!err)
			assert_int_equal(out.v, (uint64_t)expect * PAGE_SIZE);
		random_give();
	}
}

/* --- RAM for VMs --- */

static const struct mem_range big_map[] = {
	{{0},	      0x9f000,	       MEM_RAM},
	{{MIB},	3 * GIB - MIB,       MEM_RAM},
	{{4 * GIB}, 8 * GIB + 300 * MIB, MEM_RAM},
};

static void check_pieces(const struct mem_range *r, uint32_t n, uint64_t size, uint16_t owner)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += r[i].size;
		for (uint64_t at = 0; at < r[i].size; at += PAGE_SIZE) {
			if (frame_owner(HPA(r[i].base.v + at)) != owner)
				fail_msg("piece %u", i);
		}
	}
	assert_int_equal(sum, size);
}

static void test_alloc_ram(void **state)
{
	struct mem_range r[8];
	uint32_t n;

	(void)state;
	start(big_map, ARRAY_SIZE(big_map));
	assert_int_equal(frame_alloc_ram(0, OWNER_VM(0), r, 8, &n), -EINVAL);
	assert_int_equal(frame_alloc_ram(5, OWNER_VM(0), r, 8, &n), -EINVAL);
	assert_int_equal(frame_alloc_ram(MIB, OWNER_FREE, r, 8, &n), -EINVAL);
	assert_int_equal(frame_alloc_ram(64 * GIB, OWNER_VM(0), r, 8, &n), -ENOMEM);
	assert_int_equal(frame_alloc_ram(GIB, OWNER_VM(0), r, 0, &n), -ENOSPC);
	assert_int_equal(frame_alloc_ram(10 * GIB, OWNER_VM(0), r, 1, &n), -ENOSPC);
	assert_int_equal(frame_total(OWNER_VM(0)), 0);

	/* A small one: above 4 GiB, whole 2 MiB pages, at the end where it hurts no 1 GiB page. */
	assert_int_equal(frame_alloc_ram(32 * MIB, OWNER_VM(0), r, 8, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(r[0].base.v, 12 * GIB + 268 * MIB);
	check_pieces(r, n, 32 * MIB, OWNER_VM(0));

	/* A large one: one piece, 1 GiB-aligned. */
	assert_int_equal(frame_alloc_ram(3 * GIB + 64 * MIB, OWNER_VM(1), r, 8, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(r[0].base.v, 4 * GIB);
	check_pieces(r, n, 3 * GIB + 64 * MIB, OWNER_VM(1));

	/* More than is left above: the rest comes from below, 1 GiB-aligned as far as that goes. */
	assert_int_equal(frame_alloc_ram(6 * GIB + 512 * MIB, OWNER_VM(2), r, 8, &n), 0);
	assert_true(n >= 2);
	assert_int_equal(r[0].base.v, 8 * GIB);
	check_pieces(r, n, 6 * GIB + 512 * MIB, OWNER_VM(2));

	/* All there is, then nothing is left but the first MiB, which is not for VMs. */
	n = 0;
	assert_int_equal(frame_alloc_ram(frame_total(OWNER_FREE) - 0x9f000, OWNER_VM(3), r, 8, &n),
			 0);
	assert_int_equal(frame_total(OWNER_FREE), 0x9f000);
	assert_int_equal(frame_alloc_ram(PAGE_SIZE, OWNER_VM(3), r, 8, &n), -ENOMEM);
}

/* A small VM takes the tightest run, and leaves the large one whole. */
static void test_alloc_ram_fit(void **state)
{
	const struct mem_range map[] = {
		{{4 * GIB},  GIB,	 MEM_RAM},
		{{8 * GIB},  64 * MIB, MEM_RAM},
		{{10 * GIB}, GIB,	  MEM_RAM}
	  };
	struct mem_range r[1];
	uint32_t n;

	(void)state;
	start(map, ARRAY_SIZE(map));
	assert_int_equal(frame_alloc_ram(32 * MIB, OWNER_VM(0), r, 1, &n), 0);
	assert_int_equal(r[0].base.v, 8 * GIB + 32 * MIB);
}

static void test_alloc_ram_random(void **state)
{
	struct mem_range r[16];
	uint32_t n;

	(void)state;
	for (uint32_t round = 0; round < 30; round++) {
		start(big_map, ARRAY_SIZE(big_map));
		for (uint16_t vm = 0; vm < 20; vm++) {
			uint64_t size = (1 + rnd(rnd(2) ? 700000 : 3000)) * PAGE_SIZE;
			uint64_t left = frame_total(OWNER_FREE);
			int err = frame_alloc_ram(size, OWNER_VM(vm), r, (uint32_t)rnd(16), &n);

			if (err) {
				assert_int_equal(n, 0);
				assert_int_equal(frame_total(OWNER_VM(vm)), 0);
				assert_int_equal(frame_total(OWNER_FREE), left);
				continue;
			}
			assert_int_equal(frame_total(OWNER_VM(vm)), size);
			assert_int_equal(frame_total(OWNER_FREE), left - size);
			if (round < 3)
				check_pieces(r, n, size, OWNER_VM(vm));
			for (uint32_t i = 0; rnd(3) == 0 && i < n; i++)
				assert_int_equal(
					frame_give(r[i].base, r[i].size, OWNER_VM(vm), OWNER_FREE),
					0);
		}
	}
}

/* 64 TiB: two bytes per 2 MiB. */
static void test_huge(void **state)
{
	const uint64_t tib = 1024 * GIB;
	const struct mem_range map[] = {
		{{0},	      2 * GIB,	       MEM_RAM},
		 {{4 * GIB}, 64 * tib - 4 * GIB, MEM_RAM}
	 };
	struct mem_range r[2];
	uint32_t n;
	hpa_t out;

	(void)state;
	assert_true(frame_table_bytes(map, 2) <= 64 * MIB + 64 * KIB);
	start(map, 2);
	assert_int_equal(frame_owner(HPA(64 * tib - 1)), OWNER_FREE);
	assert_int_equal(frame_owner(HPA(64 * tib)), OWNER_NONE);
	assert_int_equal(frame_alloc_ram(tib, OWNER_VM(0), r, 2, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(frame_find(62 * tib, GIB, 0, UINT64_MAX, true, &out), 0);
	assert_int_equal(out.v, 2 * tib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_bad_maps),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_no_sub_tables),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_alloc_ram),
		cmocka_unit_test(test_alloc_ram_fit),
		cmocka_unit_test(test_alloc_ram_random),
		cmocka_unit_test(test_huge),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, teardown);
}
