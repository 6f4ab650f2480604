/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction decoder: lengths and validity against capstone, fields against encodings written by hand. */
/* sources: vm/decode.c vm/decode_table.c */
/* libs: capstone */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "decode_oracle.h"

#define CASES 200000

static uint64_t seed;

/* xorshift64: the same bytes in every run. */
static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* Up to four prefixes, then a covered-looking opcode of any map, then anything. */
static void generate(uint8_t *bytes, uint32_t size, enum cpu_mode mode)
{
	static const uint8_t prefix[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					 0x66, 0x67, 0xf0, 0xf2, 0xf3};
	uint32_t pos = 0, prefixes = rnd() % 8;

	for (uint32_t k = 0; k < size; k++)
		bytes[k] = (uint8_t)rnd();
	for (uint32_t k = 0; prefixes > 3 && k < prefixes - 3; k++)
		bytes[pos++] = prefix[rnd() % sizeof(prefix)];
	if (mode == CPU_MODE_64 && rnd() % 2)
		bytes[pos++] = (uint8_t)(0x40 | (rnd() & 15));
	if (rnd() % 2)
		bytes[pos++] = 0x0f;
	if (bytes[pos - (pos > 0)] == 0x0f && rnd() % 8 == 0)
		bytes[pos++] = 0x38;
}

static void compare_mode(enum cpu_mode mode)
{
	uint32_t wrong = 0, covered = 0;

	seed = 0x9e3779b97f4a7c15ULL + mode;
	for (uint32_t k = 0; k < CASES; k++) {
		uint8_t bytes[24];
		const char *named, *message;
		struct insn i;

		generate(bytes, sizeof(bytes), mode);
		covered += insn_decode(&i, bytes, sizeof(bytes), mode) == 0;
		message = oracle_compare(bytes, sizeof(bytes), mode, &named);
		if (message && wrong++ < 40)
			print_error("%s\n", message);
	}
	assert_int_equal(wrong, 0);
	assert_true(covered > CASES / 4);
}

static void lengths_16(void **state)
{
	(void)state;
	compare_mode(CPU_MODE_16);
}

static void lengths_32(void **state)
{
	(void)state;
	compare_mode(CPU_MODE_32);
}

static void lengths_64(void **state)
{
	(void)state;
	compare_mode(CPU_MODE_64);
}

/* Every shorter piece of a covered instruction asks for more; exactly its bytes suffice. */
static void pieces(void **state)
{
	(void)state;
	seed = 0x2545f4914f6cdd1dULL;
	for (uint32_t k = 0; k < CASES / 4; k++) {
		enum cpu_mode mode = k % 3;
		uint8_t bytes[24];
		struct insn whole, part;

		generate(bytes, sizeof(bytes), mode);
		if (insn_decode(&whole, bytes, sizeof(bytes), mode))
			continue;
		for (uint32_t n = 0; n < whole.length; n++)
			assert_int_equal(insn_decode(&part, bytes, n, mode), -EAGAIN);
		assert_int_equal(insn_decode(&part, bytes, whole.length, mode), 0);
		assert_memory_equal(&part, &whole, sizeof(whole));
	}
}

static void longest(void **state)
{
	uint8_t bytes[16];
	struct insn i;

	(void)state;
	memset(bytes, 0x66, sizeof(bytes));
	assert_int_equal(insn_decode(&i, bytes, 14, CPU_MODE_64), -EAGAIN);
	assert_int_equal(insn_decode(&i, bytes, 15, CPU_MODE_64), -EINVAL);
	assert_int_equal(insn_decode(&i, bytes, 16, CPU_MODE_64), -EINVAL);
	bytes[14] = 0x90;
	assert_int_equal(insn_decode(&i, bytes, 16, CPU_MODE_64), 0);
	assert_int_equal(i.length, 15);
	/* 11 prefixes and MOV EAX, imm32 are 16 bytes. */
	bytes[11] = 0xb8;
	for (uint32_t k = 0; k < 11; k++)
		bytes[k] = 0x2e;
	assert_int_equal(insn_decode(&i, bytes, 16, CPU_MODE_64), -EINVAL);
}

/* What intercepts name: bytes, mode, operation, length. */
struct named {
	const char *bytes;
	uint8_t mode;
	uint8_t op;
	uint8_t length;
};

static void intercepted(void **state)
{
	static const struct named row[] = {
		{"\x0f\xa2",			     CPU_MODE_64, OP_CPUID,    2},
		{"\x66\x0f\xa2",			 CPU_MODE_64, OP_CPUID,	3},
		{"\xf3\x48\x0f\xa2",		     CPU_MODE_64, OP_CPUID,    4},
		{"\x0f\x32",			     CPU_MODE_16, OP_RDMSR,    2},
		{"\x0f\x30",			     CPU_MODE_32, OP_WRMSR,    2},
		{"\x0f\x31",			     CPU_MODE_64, OP_RDTSC,    2},
		{"\x0f\x01\xf9",			 CPU_MODE_64, OP_RDTSCP,	 3},
		{"\x0f\x33",			     CPU_MODE_64, OP_RDPMC,    2},
		{"\xf4",			     CPU_MODE_64, OP_HLT,      1},
		{"\x0f\x08",			     CPU_MODE_64, OP_INVD,	   2},
		{"\x0f\x09",			     CPU_MODE_64, OP_WBINVD,   2},
		{"\xf3\x0f\x09",			 CPU_MODE_64, OP_WBNOINVD, 3},
		{"\x0f\x01\xd9",			 CPU_MODE_64, OP_VMMCALL,  3},
		{"\x0f\x01\xc1",			 CPU_MODE_64, OP_VMCALL,	 3},
		{"\x0f\x01\xd8",			 CPU_MODE_64, OP_VMRUN,	3},
		{"\x0f\x01\xd1",			 CPU_MODE_64, OP_XSETBV,	 3},
		{"\x0f\x01\xc8",			 CPU_MODE_64, OP_MONITOR,  3},
		{"\x0f\x01\xc9",			 CPU_MODE_64, OP_MWAIT,	3},
		{"\x0f\x20\xc0",			 CPU_MODE_64, OP_MOV_CR,	 3},
		{"\x44\x0f\x22\xc0",		     CPU_MODE_64, OP_MOV_CR,   4},
		{"\x0f\x23\xf8",			 CPU_MODE_64, OP_MOV_DR,	 3},
		{"\x0f\x06",			     CPU_MODE_64, OP_CLTS,	   2},
		{"\x0f\x01\xf0",			 CPU_MODE_64, OP_LMSW,     3},
		{"\x0f\x01\x77\x08",		     CPU_MODE_64, OP_LMSW,	   4},
		{"\x0f\x01\xe0",			 CPU_MODE_64, OP_SMSW,     3},
		{"\xf3\x90",			     CPU_MODE_64, OP_PAUSE,    2},
		{"\x0f\x01\x3c\x25\x00\x10\x00\x00", CPU_MODE_64, OP_INVLPG,   8},
		{"\x66\x0f\x38\x82\x00",		 CPU_MODE_64, OP_INVPCID,  5},
		{"\xcd\x80",			     CPU_MODE_64, OP_INT,	  2},
		{"\xf3\x6c",			     CPU_MODE_64, OP_INS,	  2},
		{"\x67\xf3\x66\x6f",		     CPU_MODE_64, OP_OUTS,	   4},
		{"\xe4\x71",			     CPU_MODE_16, OP_IN,	 2},
	};

	(void)state;
	for (uint32_t k = 0; k < ARRAY_SIZE(row); k++) {
		struct insn i;

		assert_int_equal(
			insn_decode(&i, (const uint8_t *)row[k].bytes, row[k].length, row[k].mode),
			0);
		assert_int_equal(i.op, row[k].op);
		assert_int_equal(i.length, row[k].length);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *bytes;
		uint8_t mode;
		int result;
	} row[] = {
		{"\xc5\xf8\x28\x00\0\0\0\0",     CPU_MODE_64, -ENOSYS}, /* VMOVAPS */
		{"\x62\xf1\x7c\x48\x28\x00\0\0", CPU_MODE_32, -ENOSYS}, /* EVEX */
		{"\xd9\x00\0\0\0\0\0\0",	 CPU_MODE_64, -ENOSYS}, /* FLD */
		{"\xf0\x89\x00\0\0\0\0\0",	   CPU_MODE_64, -EINVAL}, /* LOCK MOV */
		{"\xf0\x01\xc0\0\0\0\0\0",	   CPU_MODE_64, -EINVAL}, /* LOCK ADD EAX, EAX */
		{"\x0f\x20\xc8\0\0\0\0\0",	   CPU_MODE_64, -EINVAL}, /* MOV EAX, CR1 */
		{"\x8e\xc8\0\0\0\0\0\0",	 CPU_MODE_64, -EINVAL}, /* MOV CS, EAX */
		{"\xfe\xd0\0\0\0\0\0\0",	 CPU_MODE_64, -EINVAL},
		{"\x82\xc0\x01\0\0\0\0\0",	   CPU_MODE_64, -EINVAL},
	};

	(void)state;
	for (uint32_t k = 0; k < ARRAY_SIZE(row); k++) {
		struct insn i;

		assert_int_equal(insn_decode(&i, (const uint8_t *)row[k].bytes, 8, row[k].mode),
				 row[k].result);
		assert_int_equal(!!(i.prefixes & INSN_VEX), k < 2);
	}
}

/* MOV [RIP + 0x12345678], R9D behind FS; the address, its segment and the operands. */
static void fields(void **state)
{
	static const uint8_t store[] = {0x64, 0x44, 0x89, 0x0d, 0x78, 0x56, 0x34, 0x12};
	static const uint8_t sib[] = {0x43, 0x8a, 0x44, 0xac,
				      0xf0};			/* MOV AL, [R12 + R13*4 - 16] */
	static const uint8_t bp16[] = {0x01, 0x82, 0x00, 0x80}; /* ADD [BP + SI - 0x8000], AX */
	static const uint8_t moffs[] = {0x48, 0xa3, 1, 2, 3, 4, 5, 6, 7, 0xfe};
	struct insn i;

	(void)state;
	assert_int_equal(insn_decode(&i, store, sizeof(store), CPU_MODE_64), 0);
	assert_int_equal(i.op, OP_MOV);
	assert_int_equal(i.seg, SEG_FS);
	assert_int_equal(i.reg, R9);
	assert_int_equal(i.disp, 0x12345678);
	assert_int_equal(i.dst, OPND_RM);
	assert_int_equal(i.dst_size, 4);
	assert_int_equal(i.flags, INSN_MODRM | INSN_MEM | INSN_WRITES | INSN_RIP_REL);

	assert_int_equal(insn_decode(&i, sib, sizeof(sib), CPU_MODE_64), 0);
	assert_int_equal(i.base, R12);
	assert_int_equal(i.index, R13);
	assert_int_equal(i.scale, 2);
	assert_int_equal(i.disp, -16);
	assert_int_equal(i.src_size, 1);
	assert_int_equal(i.seg, SEG_DS);

	assert_int_equal(insn_decode(&i, bp16, sizeof(bp16), CPU_MODE_16), 0);
	assert_int_equal(i.base, RBP);
	assert_int_equal(i.index, RSI);
	assert_int_equal(i.seg, SEG_SS);
	assert_int_equal(i.disp, -0x8000);

	assert_int_equal(insn_decode(&i, moffs, sizeof(moffs), CPU_MODE_64), 0);
	assert_int_equal(i.disp, (int64_t)0xfe07060504030201ULL);
	assert_int_equal(i.dst_size, 8);
}

static int setup(void **state)
{
	(void)state;
	return oracle_open() ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	oracle_close();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_16), cmocka_unit_test(lengths_32),
		cmocka_unit_test(lengths_64), cmocka_unit_test(pieces),
		cmocka_unit_test(longest),    cmocka_unit_test(intercepted),
		cmocka_unit_test(refused),    cmocka_unit_test(fields),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
