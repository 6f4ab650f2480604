/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's faults, segmentation, port strings and interruptions: what the processor cannot be asked natively. */
/* sources: vm/decode.c vm/decode_table.c vm/emulate.c vm/emulate_mem.c vm/emulate_alu.c vm/emulate_string.c vm/emulate_sse.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/emulate_priv.h"

#define MEMORY_BYTES 0x20000

/* The guest: memory at linear 0, segments and registers that a test sets, and what happened. */
static struct {
	uint8_t memory[MEMORY_BYTES];
	struct segment seg[SEG_COUNT];
	uint64_t gpr[GPR_COUNT];
	uint64_t rip, rflags;
	struct emu_cpu cpu;
	int vector; /* of the last fault, -1: none */
	bool has_error;
	uint64_t no_access; /* linear address from which on memory faults with #PF */
	uint32_t refuse;    /* cmpxchg calls that say EMU_AGAIN */
	uint32_t in, out;
	uint32_t out_sum;
	enum emu_result port_result;
	uint8_t xmm[16][16];
} g;

static struct segment get_seg(void *ctx, enum seg_reg seg)
{
	(void)ctx;
	return g.seg[seg];
}

static void fault(void *ctx, uint8_t vector, bool has_error, uint32_t error)
{
	(void)ctx;
	assert_int_equal(error, 0);
	assert_int_equal(g.vector, -1);
	g.vector = vector;
	g.has_error = has_error;
}

static enum emu_result check(void *ctx, gva_t gva, uint32_t size)
{
	if (gva.v + size > g.no_access) {
		fault(ctx, EXC_PF, true, 0);
		return EMU_FAULT;
	}
	assert_true(gva.v + size <= MEMORY_BYTES);
	return EMU_DONE;
}

static enum emu_result mem_read(void *ctx, gva_t gva, uint32_t size, void *buf, uint32_t flags)
{
	enum emu_result r = check(ctx, gva, size);

	(void)flags;
	if (!r)
		memcpy(buf, g.memory + gva.v, size);
	return r;
}

static enum emu_result mem_write(void *ctx, gva_t gva, uint32_t size, const void *buf,
				 uint32_t flags)
{
	enum emu_result r = check(ctx, gva, size);

	(void)flags;
	if (!r)
		memcpy(g.memory + gva.v, buf, size);
	return r;
}

static enum emu_result mem_cmpxchg(void *ctx, gva_t gva, uint32_t size, const void *expected,
				   const void *desired)
{
	assert_memory_equal(g.memory + gva.v, expected, size);
	if (g.refuse) {
		g.refuse--;
		return EMU_AGAIN;
	}
	return mem_write(ctx, gva, size, desired, 0);
}

static enum emu_result io_in(void *ctx, uint16_t port, uint32_t size, uint32_t *value)
{
	(void)ctx;
	assert_int_equal(port, 0x1f0);
	if (g.port_result)
		return g.port_result;
	*value = 0xa1b2c300 + g.in++;
	*value &= (uint32_t)size_mask(size);
	return EMU_DONE;
}

static enum emu_result io_out(void *ctx, uint16_t port, uint32_t size, uint32_t value)
{
	(void)ctx;
	(void)size;
	assert_int_equal(port, 0x1f0);
	g.out++;
	g.out_sum += value;
	return EMU_DONE;
}

static void xmm_read(void *ctx, uint32_t n, void *buf)
{
	(void)ctx;
	memcpy(buf, g.xmm[n], 16);
}

static void xmm_write(void *ctx, uint32_t n, const void *buf)
{
	(void)ctx;
	memcpy(g.xmm[n], buf, 16);
}

static const struct emu_ops ops = {
	.get_seg = get_seg,
	.mem_read = mem_read,
	.mem_write = mem_write,
	.mem_cmpxchg = mem_cmpxchg,
	.mem_check = check,
	.io_in = io_in,
	.io_out = io_out,
	.xmm_read = xmm_read,
	.xmm_write = xmm_write,
	.fault = fault,
};

#define DATA_ATTR (SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DB | 0x3)
#define CODE_ATTR (SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DB | 0xb)

static int reset(void **state)
{
	(void)state;
	memset(&g, 0, sizeof(g));
	for (uint32_t k = 0; k < SEG_COUNT; k++)
		g.seg[k] = (struct segment){.attr = DATA_ATTR, .limit = UINT32_MAX};
	g.seg[SEG_CS].attr = CODE_ATTR;
	g.rip = 0x1000;
	g.rflags = RFLAGS_FIXED;
	g.vector = -1;
	g.no_access = UINT64_MAX;
	g.cpu = (struct emu_cpu){.gpr = g.gpr,
				 .rip = &g.rip,
				 .rflags = &g.rflags,
				 .cr0 = CR0_PE | CR0_PG,
				 .cr4 = CR4_OSFXSR,
				 .max_iterations = 16};
	return 0;
}

static enum emu_result run(enum cpu_mode mode, const char *bytes, uint32_t n)
{
	struct insn i;

	assert_int_equal(insn_decode(&i, (const uint8_t *)bytes, n, mode), 0);
	assert_int_equal(i.length, n);
	return emulate(&ops, NULL, &g.cpu, &i);
}

#define RUN(mode, bytes) run(mode, bytes, sizeof(bytes) - 1)

/* @vector came, and neither RIP nor flags have changed. */
#define ASSERT_FAULT(mode, bytes, expected)                    \
	do {                                                   \
		uint64_t rip_ = g.rip, rflags_ = g.rflags;     \
		g.vector = -1;                                 \
		assert_int_equal(RUN(mode, bytes), EMU_FAULT); \
		assert_int_equal(g.vector, expected);          \
		assert_int_equal(g.rip, rip_);                 \
		assert_int_equal(g.rflags, rflags_);           \
	} while (0)

static void canonical(void **state)
{
	(void)state;
	g.gpr[RBX] = 0x0000800000000000ULL;
	ASSERT_FAULT(CPU_MODE_64, "\x8b\x03", EXC_GP);
	assert_true(g.has_error);
	g.gpr[RBX] = 0x00007ffffffffffeULL; /* the second half of it is not */
	ASSERT_FAULT(CPU_MODE_64, "\x8b\x03", EXC_GP);
	g.gpr[RBP] = 0x8000000000000000ULL; /* through the stack segment by default */
	ASSERT_FAULT(CPU_MODE_64, "\x8b\x45\x00", EXC_SS);
	ASSERT_FAULT(CPU_MODE_64, "\x64\x8b\x45\x00", EXC_GP);
	g.gpr[RSP] = 0x8000000000000000ULL;
	ASSERT_FAULT(CPU_MODE_64, "\x53", EXC_SS);
	/* FS has a base, and its limit does not count. */
	g.seg[SEG_FS] = (struct segment){.base = 0x100, .limit = 0, .attr = DATA_ATTR};
	g.gpr[RBX] = 0x20;
	g.memory[0x120] = 0x5a;
	assert_int_equal(RUN(CPU_MODE_64, "\x64\x8a\x03"), EMU_DONE);
	assert_int_equal(g.gpr[RAX], 0x5a);
	assert_int_equal(g.rip, 0x1003);
	/* DS has one too, but not in 64-bit mode. */
	g.seg[SEG_DS].base = 0x5000;
	assert_int_equal(RUN(CPU_MODE_64, "\x8a\x0b"), EMU_DONE);
	assert_int_equal(g.gpr[RCX], 0);
}

static void limits(void **state)
{
	(void)state;
	g.seg[SEG_DS].limit = 0xfff;
	g.gpr[RBX] = 0xffc;
	assert_int_equal(RUN(CPU_MODE_32, "\x8b\x03"), EMU_DONE);
	g.gpr[RBX] = 0xffd;
	ASSERT_FAULT(CPU_MODE_32, "\x8b\x03", EXC_GP);
	g.gpr[RBX] = 0xfffffffe; /* no wrap at 4 GiB within one access */
	g.seg[SEG_DS].limit = UINT32_MAX;
	ASSERT_FAULT(CPU_MODE_32, "\x8b\x03", EXC_GP);

	g.seg[SEG_SS].limit = 0xff;
	g.gpr[RBP] = 0x100;
	ASSERT_FAULT(CPU_MODE_32, "\x8b\x45\x00", EXC_SS);

	/* Expand-down: valid are offsets above the limit, to 64 KiB or 4 GiB. */
	g.seg[SEG_DS] = (struct segment){.attr = DATA_ATTR | 0x4, .limit = 0xfff};
	g.gpr[RBX] = 0xfff;
	ASSERT_FAULT(CPU_MODE_32, "\x8b\x03", EXC_GP);
	g.gpr[RBX] = 0x1000;
	assert_int_equal(RUN(CPU_MODE_32, "\x8b\x03"), EMU_DONE);
	g.seg[SEG_DS].attr &= (uint16_t)~SEG_ATTR_DB;
	g.gpr[RBX] = 0xfffd;
	ASSERT_FAULT(CPU_MODE_32, "\x8b\x03", EXC_GP);
}

static void types(void **state)
{
	(void)state;
	g.seg[SEG_DS].attr = DATA_ATTR & ~0x2; /* read-only */
	assert_int_equal(RUN(CPU_MODE_32, "\x8b\x03"), EMU_DONE);
	ASSERT_FAULT(CPU_MODE_32, "\x89\x03", EXC_GP);
	ASSERT_FAULT(CPU_MODE_32, "\x01\x03", EXC_GP);
	assert_int_equal(RUN(CPU_MODE_32, "\x39\x03"), EMU_DONE); /* CMP only reads */
	ASSERT_FAULT(CPU_MODE_32, "\x2e\x89\x03", EXC_GP);	  /* code is not writable */
	assert_int_equal(RUN(CPU_MODE_32, "\x2e\x8b\x03"), EMU_DONE);
	g.seg[SEG_CS].attr = CODE_ATTR & ~0x2; /* execute-only */
	ASSERT_FAULT(CPU_MODE_32, "\x2e\x8b\x03", EXC_GP);
	g.seg[SEG_ES].attr = 0; /* null selector */
	ASSERT_FAULT(CPU_MODE_32, "\x26\x8b\x03", EXC_GP);
	/* Real mode has limits, but no types and no error codes. */
	g.cpu.cr0 = 0;
	assert_int_equal(RUN(CPU_MODE_16, "\x2e\x89\x07"), EMU_DONE);
	g.seg[SEG_DS].limit = 0xffff;
	g.gpr[RBX] = 0xffff;
	ASSERT_FAULT(CPU_MODE_16, "\x89\x07", EXC_GP);
	assert_false(g.has_error);
}

static void real_mode_addresses(void **state)
{
	(void)state;
	g.cpu.cr0 = 0;
	for (uint32_t k = 0; k < SEG_COUNT; k++)
		g.seg[k].limit = 0xffff;
	g.seg[SEG_DS].base = 0x10000;
	g.gpr[RBX] = 0xdead0000ffffULL;
	g.gpr[RSI] = 0x12;
	g.gpr[RAX] = 0x7788;
	assert_int_equal(RUN(CPU_MODE_16, "\x89\x00"), EMU_DONE); /* [BX + SI] wraps at 64 KiB */
	assert_int_equal(g.memory[0x10011], 0x88);
	assert_int_equal(g.memory[0x10012], 0x77);
	/* PUSH with a 16-bit stack leaves the upper half of RSP. */
	g.seg[SEG_SS].attr &= (uint16_t)~SEG_ATTR_DB;
	g.gpr[RSP] = 0x55550002;
	assert_int_equal(RUN(CPU_MODE_16, "\x50"), EMU_DONE);
	assert_int_equal(g.gpr[RSP], 0x55550000);
	assert_int_equal(g.memory[0], 0x88);
	assert_int_equal(RUN(CPU_MODE_16, "\x50"), EMU_DONE);
	assert_int_equal(g.gpr[RSP], 0x5555fffe);
	/* RIP is cut to 32 bits outside 64-bit mode. */
	g.rip = 0xfffffffe;
	assert_int_equal(RUN(CPU_MODE_32, "\x66\x50"), EMU_DONE);
	assert_int_equal(g.rip, 0);
}

static void alignment(void **state)
{
	(void)state;
	g.gpr[RBX] = 0x101;
	g.cpu.cr0 |= CR0_AM;
	g.cpu.cpl = 3;
	assert_int_equal(RUN(CPU_MODE_64, "\x8b\x03"), EMU_DONE);
	g.rflags |= RFLAGS_AC;
	ASSERT_FAULT(CPU_MODE_64, "\x8b\x03", EXC_AC);
	g.cpu.cpl = 0;
	assert_int_equal(RUN(CPU_MODE_64, "\x8b\x03"), EMU_DONE);
	/* CMPXCHG16B, MOVAPS: 16-byte operands on their boundary. */
	ASSERT_FAULT(CPU_MODE_64, "\x48\x0f\xc7\x0b", EXC_GP);
	ASSERT_FAULT(CPU_MODE_64, "\x0f\x28\x03", EXC_GP);
	ASSERT_FAULT(CPU_MODE_64, "\x66\x0f\xe7\x03", EXC_GP);
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x10\x03"), EMU_DONE);
}

static void sse_conditions(void **state)
{
	(void)state;
	g.gpr[RBX] = 0x100;
	g.cpu.cr0 |= CR0_TS;
	ASSERT_FAULT(CPU_MODE_64, "\x0f\x28\x03", EXC_NM);
	assert_false(g.has_error);
	g.cpu.cr0 |= CR0_EM;
	ASSERT_FAULT(CPU_MODE_64, "\x0f\x28\x03", EXC_UD);
	g.cpu.cr0 &= ~(CR0_EM | CR0_TS);
	g.cpu.cr4 = 0;
	ASSERT_FAULT(CPU_MODE_64, "\x0f\x28\x03", EXC_UD);
	g.cpu.cr4 = CR4_OSFXSR;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\x28\xc3"), EMU_STOP); /* no memory operand */
}

static void not_covered(void **state)
{
	(void)state;
	assert_int_equal(RUN(CPU_MODE_64, "\x0f\xa2"), EMU_STOP);
	assert_int_equal(RUN(CPU_MODE_64, "\x8e\x1b"), EMU_STOP); /* MOV DS, [RBX] */
	assert_int_equal(g.rip, 0x1000);
	g.seg[SEG_FS].sel = 0x1234;
	g.gpr[RBX] = 0x40;
	assert_int_equal(RUN(CPU_MODE_64, "\x8c\x23"), EMU_DONE); /* MOV [RBX], FS: two bytes */
	assert_int_equal(g.memory[0x40], 0x34);
	assert_int_equal(g.memory[0x41], 0x12);
	assert_int_equal(g.memory[0x42], 0);
}

/* A page fault changes nothing: POP has not moved RSP, ADD no flag, XADD no register. */
static void nothing_changed(void **state)
{
	uint64_t before[GPR_COUNT];

	(void)state;
	g.no_access = 0x2000;
	g.gpr[RBX] = 0x2000;
	g.gpr[RSP] = 0x100;
	g.gpr[RAX] = 0x1234;
	memcpy(before, g.gpr, sizeof(before));
	ASSERT_FAULT(CPU_MODE_64, "\x8f\x03", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\xff\x33", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\x01\x03", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\xf0\x0f\xc1\x03", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\x87\x03", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\x0f\xb1\x03", EXC_PF);
	ASSERT_FAULT(CPU_MODE_64, "\x0f\xc7\x0b", EXC_PF);
	g.gpr[RDI] = 0x2000;
	ASSERT_FAULT(CPU_MODE_64, "\xa4", EXC_PF);
	g.gpr[RDI] = 0;
	assert_memory_equal(before, g.gpr, sizeof(before));
}

static void locked_retries(void **state)
{
	(void)state;
	g.gpr[RBX] = 0x100;
	g.gpr[RAX] = 5;
	g.refuse = 3;
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x01\x03"), EMU_DONE);
	assert_int_equal(g.memory[0x100], 5);
	g.refuse = 1000; /* somebody always wins: the guest tries again, nothing has changed */
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x01\x03"), EMU_AGAIN);
	assert_int_equal(RUN(CPU_MODE_64, "\xf0\x0f\xc7\x0b"), EMU_AGAIN);
	assert_int_equal(g.memory[0x100], 5);
	assert_int_equal(g.rip, 0x1003);
}

static void repeat_in_steps(void **state)
{
	uint32_t calls = 1;

	(void)state;
	g.gpr[RDI] = 0x100;
	g.gpr[RCX] = 100;
	g.gpr[RAX] = 0x77;
	while (RUN(CPU_MODE_64, "\xf3\xaa") == EMU_AGAIN) {
		assert_int_equal(g.gpr[RCX], 100 - 16 * calls);
		assert_int_equal(g.gpr[RDI], 0x100 + 16 * calls);
		assert_int_equal(g.rip, 0x1000);
		assert_true(g.rflags & RFLAGS_RF);
		calls++;
	}
	assert_int_equal(calls, 7);
	assert_int_equal(g.rip, 0x1002);
	assert_false(g.rflags & RFLAGS_RF);
	assert_int_equal(g.memory[0x100 + 99], 0x77);
	assert_int_equal(g.memory[0x100 + 100], 0);
	assert_int_equal(g.gpr[RCX], 0);
	/* None at all: nothing but RIP moves. */
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMU_DONE);
	assert_int_equal(g.gpr[RDI], 0x164);
	assert_int_equal(g.rip, 0x1004);
}

/* The fault of a later iteration: those before it are done. */
static void repeat_faults(void **state)
{
	(void)state;
	g.no_access = 0x110;
	g.gpr[RDI] = 0x100;
	g.gpr[RSI] = 0x40;
	g.gpr[RCX] = 10;
	ASSERT_FAULT(CPU_MODE_64, "\xf3\xa5", EXC_PF);
	assert_int_equal(g.gpr[RCX], 6);
	assert_int_equal(g.gpr[RDI], 0x110);
	assert_int_equal(g.gpr[RSI], 0x50);
	/* A comparison's flags are those from before it. */
	g.gpr[RDI] = 0x10e;
	g.gpr[RCX] = 10;
	g.gpr[RAX] = 0;
	ASSERT_FAULT(CPU_MODE_64, "\xf3\xae", EXC_PF);
	assert_int_equal(g.gpr[RCX], 8);
	assert_false(g.rflags & RFLAGS_ZF);
}

static void single_step(void **state)
{
	(void)state;
	g.rflags |= RFLAGS_TF | RFLAGS_RF;
	g.gpr[RBX] = 0x100;
	assert_int_equal(RUN(CPU_MODE_64, "\x89\x03"), EMU_DONE);
	assert_true(g.cpu.single_step);
	assert_false(g.rflags & RFLAGS_RF);
	g.gpr[RCX] = 3;
	g.gpr[RDI] = 0x100;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMU_AGAIN);
	assert_true(g.cpu.single_step);
	assert_int_equal(g.gpr[RCX], 2);
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMU_AGAIN);
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\xaa"), EMU_DONE);
	assert_true(g.cpu.single_step);
	g.rflags &= ~RFLAGS_TF;
	assert_int_equal(RUN(CPU_MODE_64, "\x89\x03"), EMU_DONE);
	assert_false(g.cpu.single_step);
}

static void ports(void **state)
{
	(void)state;
	g.gpr[RDX] = 0xabcd01f0;
	g.gpr[RDI] = 0xff7; /* the second element crosses a page */
	g.gpr[RCX] = 3;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\x6d"), EMU_DONE);
	assert_int_equal(g.in, 3);
	assert_int_equal(g.memory[0xff7], 0x00);
	assert_int_equal(g.memory[0xffb], 0x01);
	assert_int_equal(g.memory[0xffa], 0xa1);
	assert_int_equal(g.memory[0xffe], 0xa1);
	assert_int_equal(g.gpr[RDI], 0x1003);

	g.gpr[RSI] = 0xffb;
	assert_int_equal(RUN(CPU_MODE_64, "\x6e"), EMU_DONE);
	assert_int_equal(g.out, 1);
	assert_int_equal(g.out_sum, 1);
	/* REX.W does not make it wider, 66 narrows it, 67 cuts the pointers. */
	g.gpr[RSI] = 0x7700000ff7ULL;
	assert_int_equal(RUN(CPU_MODE_64, "\x67\x66\x6f"), EMU_DONE);
	assert_int_equal(g.out_sum, 1 + 0xc300);
	assert_int_equal(g.gpr[RSI], 0xff9);

	/* Downwards, from a segment that an override names, with 16-bit addresses that wrap. */
	g.seg[SEG_FS].base = 0x1000;
	g.rflags |= RFLAGS_DF;
	g.gpr[RSI] = 0x90001;
	g.gpr[RCX] = 0x50002;
	g.memory[0x1001] = 0x20;
	g.memory[0x1000] = 0x02;
	g.out_sum = 0;
	assert_int_equal(RUN(CPU_MODE_16, "\xf3\x64\x6e"), EMU_DONE);
	assert_int_equal(g.out_sum, 0x22);
	assert_int_equal(g.gpr[RSI], 0x9ffff);
	assert_int_equal(g.gpr[RCX], 0x50000);
}

/* No port is read when its value could not be stored. */
static void port_input_checks_first(void **state)
{
	(void)state;
	g.no_access = 0x104;
	g.gpr[RDX] = 0x1f0;
	g.gpr[RDI] = 0x100;
	g.gpr[RCX] = 4;
	ASSERT_FAULT(CPU_MODE_64, "\xf3\x66\x6d", EXC_PF);
	assert_int_equal(g.in, 2);
	assert_int_equal(g.gpr[RCX], 2);
	g.gpr[RDI] = 0x10;
	g.port_result = EMU_AGAIN; /* the device is not ready: come back later */
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\x66\x6d"), EMU_AGAIN);
	assert_int_equal(g.gpr[RCX], 2);
	g.port_result = EMU_STOP;
	assert_int_equal(RUN(CPU_MODE_64, "\xf3\x66\x6d"), EMU_STOP);
	assert_int_equal(g.rip, 0x1000);
}

/* BT with a negative index and 16-bit addresses; INC by its short form, which only exists outside 64-bit mode. */
static void narrow_modes(void **state)
{
	(void)state;
	g.gpr[RBX] = 0x100;
	g.gpr[RCX] = 0xfff7; /* -9: bit 7 of the word before */
	g.memory[0xfe] = 0x80;
	assert_int_equal(RUN(CPU_MODE_16, "\x0f\xb3\x0f"), EMU_DONE);
	assert_true(g.rflags & RFLAGS_CF);
	assert_int_equal(g.memory[0xfe], 0);
	g.gpr[RAX] = 0xffff;
	assert_int_equal(RUN(CPU_MODE_16, "\x40"), EMU_DONE);
	assert_int_equal(g.gpr[RAX], 0);
	assert_true(g.rflags & RFLAGS_ZF && g.rflags & RFLAGS_CF);
	g.gpr[RSP] = 0x200;
	assert_int_equal(RUN(CPU_MODE_32, "\x6a\xff"), EMU_DONE);
	assert_int_equal(g.gpr[RSP], 0x1fc);
	assert_int_equal(g.memory[0x1ff], 0xff);
	/* POP [ESP + 4]: the address sees ESP after the increment. */
	g.memory[0x1fc] = 0x99;
	assert_int_equal(RUN(CPU_MODE_32, "\x8f\x44\x24\x04"), EMU_DONE);
	assert_int_equal(g.memory[0x204], 0x99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(canonical, reset),
		cmocka_unit_test_setup(limits, reset),
		cmocka_unit_test_setup(types, reset),
		cmocka_unit_test_setup(real_mode_addresses, reset),
		cmocka_unit_test_setup(alignment, reset),
		cmocka_unit_test_setup(sse_conditions, reset),
		cmocka_unit_test_setup(not_covered, reset),
		cmocka_unit_test_setup(nothing_changed, reset),
		cmocka_unit_test_setup(locked_retries, reset),
		cmocka_unit_test_setup(repeat_in_steps, reset),
		cmocka_unit_test_setup(repeat_faults, reset),
		cmocka_unit_test_setup(single_step, reset),
		cmocka_unit_test_setup(ports, reset),
		cmocka_unit_test_setup(port_input_checks_first, reset),
		cmocka_unit_test_setup(narrow_modes, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
