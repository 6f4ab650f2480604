/* SPDX-License-Identifier: BSD-2-Clause */
/* Port instructions of all sizes, the repeated string forms across pages included. */

#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

#define PIC_MASK   0x21 /* the first 8259's mask: 8 bits, read back as written */
#define PIC_MASK2  0xa1
#define ELCR	   0x4d0 /* two registers of 8 bits, some bits fixed at 0 */
#define ELCR_WRITE 0x0c20
#define NOBODY	   0x5550
#define HIGH	   0xdeadbeef00000000ULL

/* Run @code with RAX and RDX; registers apart from @changes must stay. */
static bool port_insn(const char *code, uint32_t len, uint64_t rax, uint64_t rdx, uint32_t changes,
		      struct insn_regs *r)
{
	struct insn_regs before;

	insn_init(&before);
	before.gpr[RAX] = rax;
	before.gpr[RDX] = rdx;
	before.gpr[RSP] = before.rsp;
	*r = before;
	insn_run(r, (const uint8_t *)code, len);
	if (!r->done)
		return case_fail("exception %lu error %lx", r->vector, r->error);
	if (insn_differs(&before, r, changes))
		return case_fail("registers %x were changed", insn_differs(&before, r, changes));
	return true;
}

#define PORT_INSN(code, rax, rdx, changes, r)                                           \
	do {                                                                            \
		if (!port_insn((code), sizeof(code) - 1, (rax), (rdx), (changes), (r))) \
			return false;                                                   \
	} while (0)

static bool io_byte(void)
{
	struct insn_regs r;

	PORT_INSN("\xe6\x21", 0xa5, 0, 0, &r); /* out 0x21, al */
	PORT_INSN("\xe4\x21", HIGH | 0x12345678, 0, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], HIGH | 0x123456a5);
	PORT_INSN("\xee", 0x5a, 0xffff0000 | PIC_MASK2, 0, &r); /* out dx, al */
	PORT_INSN("\xec", HIGH, 0xffff0000 | PIC_MASK2, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], HIGH | 0x5a);
	PORT_INSN("\x66\x67\xf3\xe4\x21", HIGH, 0, CHANGES(RAX),
		  &r); /* prefixes that mean nothing here */
	CHECK_EQ(r.gpr[RAX], HIGH | 0xa5);
	out8(PIC_MASK, 0xff);
	out8(PIC_MASK2, 0xff);
	return true;
}

static bool io_word(void)
{
	struct insn_regs r;

	PORT_INSN("\x66\xef", HIGH | ELCR_WRITE, ELCR, 0, &r); /* out dx, ax */
	PORT_INSN("\x66\xed", HIGH | 0x77777777, ELCR, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], HIGH | 0x77770000 | ELCR_WRITE);
	CHECK_EQ(in8(ELCR), ELCR_WRITE & 0xff);
	CHECK_EQ(in8(ELCR + 1), ELCR_WRITE >> 8);
	PORT_INSN("\x66\xe7\x80", 0, 0, 0, &r); /* out 0x80, ax */
	PORT_INSN("\x66\xe5\x80", HIGH, 0, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX] >> 16, HIGH >> 16);
	return true;
}

static bool io_long(void)
{
	struct insn_regs r;

	PORT_INSN("\xef", 0x12345678, NOBODY, 0, &r); /* out dx, eax */
	PORT_INSN("\xed", HIGH | 1, NOBODY, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], 0xffffffff);
	PORT_INSN("\x48\xed", HIGH | 1, NOBODY, CHANGES(RAX), &r); /* REX.W changes nothing */
	CHECK_EQ(r.gpr[RAX], 0xffffffff);
	return true;
}

static bool io_nobody(void)
{
	struct insn_regs r;

	PORT_INSN("\xec", HIGH | 0x1200, NOBODY, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], HIGH | 0x12ff);
	PORT_INSN("\x66\xed", HIGH | 0x12340000, NOBODY, CHANGES(RAX), &r);
	CHECK_EQ(r.gpr[RAX], HIGH | 0x1234ffff);
	PORT_INSN("\xec", HIGH, 0xffff, CHANGES(RAX), &r);
	PORT_INSN("\xed", HIGH, 0xffff, CHANGES(RAX), &r); /* over the end of port space */
	return true;
}

static bool io_ring3(void)
{
	static const char *const code[] = {"\xec", "\xee", "\x6c", "\x6e"};

	for (uint32_t i = 0; i < ARRAY_SIZE(code); i++) {
		struct insn_regs r;

		insn_init(&r);
		r.cs = SEL_USER64;
		r.ss = SEL_USERDATA;
		r.gpr[RDX] = PIC_MASK;
		r.gpr[RDI] = r.gpr[RSI] = (uint64_t)insn_buffer + PAGE_SIZE;
		insn_run(&r, (const uint8_t *)code[i], 1);
		CHECK_EQ(r.vector, EXC_GP);
		CHECK_EQ(r.length, 0);
	}
	return true;
}

/* With IOPL 3, ring 3 may, and exits all the same. */
static bool io_ring3_iopl(void)
{
	struct insn_regs r;

	out8(PIC_MASK, 0x9c);
	insn_init(&r);
	r.cs = SEL_USER64;
	r.ss = SEL_USERDATA;
	r.rflags |= RFLAGS_IOPL3;
	r.gpr[RDX] = PIC_MASK;
	r.gpr[RAX] = 0;
	insn_run(&r, (const uint8_t *)"\xec", 1);
	out8(PIC_MASK, 0xff);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], 0x9c);
	return true;
}

/* --- string forms --- */

static uint8_t buffer[4 * PAGE_SIZE] ALIGNED(4096);

/* Fill of what must not be touched. */
#define FILL 0x33

struct string_op {
	const char *code;
	uint32_t len, size; /* of the instruction, of an element */
	bool in;
};

/*
 * One string instruction with RCX = @count at @offset of the buffer. What it leaves in RDI or RSI and RCX is checked,
 * all other registers too.
 */
static bool string_insn(const struct string_op *op, uint16_t port, uint64_t count, uint32_t offset,
			bool down, bool rep)
{
	uint64_t done = rep ? count : 1, at = (uint64_t)buffer + offset;
	uint64_t step = down ? -(uint64_t)op->size : op->size;
	uint32_t index = op->in ? RDI : RSI;
	struct insn_regs before, r;

	insn_init(&before);
	before.gpr[RDX] = port;
	before.gpr[RCX] = count;
	before.gpr[index] = at;
	before.gpr[RSP] = before.rsp;
	if (down)
		before.rflags |= RFLAGS_DF;
	r = before;
	insn_run(&r, (const uint8_t *)op->code, op->len);
	if (!r.done)
		return case_fail("exception %lu error %lx RIP +%lu", r.vector, r.error, r.length);
	CHECK_EQ(insn_differs(&before, &r, CHANGES(index) | CHANGES(RCX)), 0);
	CHECK_EQ(r.gpr[index], at + done * step);
	CHECK_EQ(r.gpr[RCX], rep ? 0 : count);
	return true;
}

#define STRING(c, s, i)                                                   \
	{                                                                 \
		.code = (c), .len = sizeof(c) - 1, .size = (s), .in = (i) \
	}

static bool ins_single(void)
{
	static const struct string_op op = STRING("\x6c", 1, true);

	memset(buffer, FILL, sizeof(buffer));
	out8(PIC_MASK, 0x4b);
	if (!string_insn(&op, PIC_MASK, 7, 100, false, false))
		return false;
	out8(PIC_MASK, 0xff);
	CHECK_EQ(buffer[99], FILL);
	CHECK_EQ(buffer[100], 0x4b);
	CHECK_EQ(buffer[101], FILL);
	return true;
}

/* Across a page, and more elements than one exit may do. */
static bool rep_ins_byte(void)
{
	static const struct string_op op = STRING("\xf3\x6c", 1, true);
	uint32_t first = PAGE_SIZE - 150, count = 300;

	memset(buffer, FILL, sizeof(buffer));
	out8(PIC_MASK, 0x4c);
	if (!string_insn(&op, PIC_MASK, count, first, false, true))
		return false;
	out8(PIC_MASK, 0xff);
	for (uint32_t i = 0; i < sizeof(buffer); i++) {
		uint8_t wanted = i >= first && i < first + count ? 0x4c : FILL;

		if (buffer[i] != wanted)
			return case_fail("byte %u is %x, not %x", i, buffer[i], wanted);
	}
	return true;
}

/* Elements that lie in two pages. */
static bool rep_ins_long_split(void)
{
	static const struct string_op op = STRING("\xf3\x6d", 4, true);
	uint32_t first = PAGE_SIZE - 10, count = 5;

	memset(buffer, FILL, sizeof(buffer));
	if (!string_insn(&op, NOBODY, count, first, false, true))
		return false;
	for (uint32_t i = first - 4; i < first + count * 4 + 4; i++) {
		uint8_t wanted = i >= first && i < first + count * 4 ? 0xff : FILL;

		if (buffer[i] != wanted)
			return case_fail("byte %u is %x, not %x", i, buffer[i], wanted);
	}
	return true;
}

static bool rep_ins_word_down(void)
{
	static const struct string_op op = STRING("\xf3\x66\x6d", 2, true);

	memset(buffer, FILL, sizeof(buffer));
	out16(ELCR, ELCR_WRITE);
	if (!string_insn(&op, ELCR, 100, PAGE_SIZE + 50, true, true))
		return false;
	CHECK_EQ(buffer[PAGE_SIZE + 50], ELCR_WRITE & 0xff);
	CHECK_EQ(buffer[PAGE_SIZE + 51], ELCR_WRITE >> 8);
	CHECK_EQ(buffer[PAGE_SIZE + 52], FILL);
	CHECK_EQ(buffer[PAGE_SIZE + 50 - 198], ELCR_WRITE & 0xff);
	CHECK_EQ(buffer[PAGE_SIZE + 50 - 199], FILL);
	return true;
}

static bool rep_ins_none(void)
{
	static const struct string_op op = STRING("\xf3\x6d", 4, true);

	memset(buffer, FILL, sizeof(buffer));
	if (!string_insn(&op, NOBODY, 0, 0, false, true))
		return false;
	CHECK_EQ(buffer[0], FILL);
	return true;
}

/* The last byte written is what the port holds. */
static bool rep_outs_byte(void)
{
	static const struct string_op op = STRING("\xf3\x6e", 1, false);
	uint32_t first = PAGE_SIZE - 77, count = 200;

	for (uint32_t i = 0; i < sizeof(buffer); i++)
		buffer[i] = (uint8_t)(i * 7);
	if (!string_insn(&op, PIC_MASK, count, first, false, true))
		return false;
	CHECK_EQ(in8(PIC_MASK), (uint8_t)((first + count - 1) * 7));
	out8(PIC_MASK, 0xff);
	return true;
}

static bool rep_outs_word(void)
{
	static const struct string_op op = STRING("\xf3\x66\x6f", 2, false);

	memset(buffer, 0, sizeof(buffer));
	buffer[2 * PAGE_SIZE - 1] = ELCR_WRITE & 0xff; /* the last element lies in two pages */
	buffer[2 * PAGE_SIZE] = ELCR_WRITE >> 8;
	out16(ELCR, 0);
	if (!string_insn(&op, ELCR, 90, 2 * PAGE_SIZE - 1 - 89 * 2, false, true))
		return false;
	CHECK_EQ(in16(ELCR), ELCR_WRITE);
	out16(ELCR, 0);
	return true;
}

/* An address size of 32 bits: ECX and EDI count, and the upper halves become 0. */
static bool rep_ins_address32(void)
{
	struct insn_regs r;

	memset(buffer, FILL, sizeof(buffer));
	insn_init(&r);
	r.gpr[RDX] = NOBODY;
	r.gpr[RCX] = 0xffffffff00000003;
	r.gpr[RDI] = 0xffffffff00000000 | (uint64_t)buffer;
	insn_run(&r, (const uint8_t *)"\xf3\x67\x6c", 3);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RCX], 0);
	CHECK_EQ(r.gpr[RDI], (uint64_t)buffer + 3);
	CHECK_EQ(buffer[2], 0xff);
	CHECK_EQ(buffer[3], FILL);
	return true;
}

static bool string_compat(void)
{
	struct insn_regs r;

	memset(buffer, FILL, sizeof(buffer));
	insn_init(&r);
	r.cs = SEL_CODE32;
	r.gpr[RDX] = NOBODY;
	r.gpr[RCX] = 3;
	r.gpr[RDI] = (uint64_t)buffer;
	insn_run(&r, (const uint8_t *)"\xf3\x6d", 2);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RDI], (uint64_t)buffer + 12);
	CHECK_EQ(buffer[11], 0xff);
	CHECK_EQ(buffer[12], FILL);
	return true;
}

/* Two pages of 2 MiB, the second without memory in the guest's own tables: the fault comes in the middle. */
#define WINDOW	  0xc0000000UL
#define PAGE_2M	  0x200000UL
#define PTE_LARGE 0x87

static bool fault_in_the_middle(bool in)
{
	uint64_t *second = page_entry(WINDOW + PAGE_2M), saved = *second,
		 saved_first = *page_entry(WINDOW);
	struct insn_regs r;

	*page_entry(WINDOW) = ((uint64_t)buffer & ~(PAGE_2M - 1)) | PTE_LARGE;
	*second = 0;
	invlpg((void *)WINDOW);
	invlpg((void *)(WINDOW + PAGE_2M));
	insn_init(&r);
	r.gpr[RDX] = NOBODY;
	r.gpr[RCX] = 10;
	r.gpr[in ? RDI : RSI] = WINDOW + PAGE_2M - 12;
	insn_run(&r, (const uint8_t *)(in ? "\xf3\x6d" : "\xf3\x6f"), 2);
	*second = saved;
	*page_entry(WINDOW) = saved_first;
	invlpg((void *)WINDOW);
	invlpg((void *)(WINDOW + PAGE_2M));
	CHECK_EQ(r.vector, EXC_PF);
	CHECK_EQ(r.error, in ? 2 : 0);
	CHECK_EQ(r.length, 0);
	CHECK_EQ(r.gpr[RCX], 7);
	CHECK_EQ(r.gpr[in ? RDI : RSI], WINDOW + PAGE_2M);
	CHECK_EQ(read_cr2(), WINDOW + PAGE_2M);
	return true;
}

static bool rep_ins_fault(void)
{
	uint64_t end = ((uint64_t)buffer & ~(PAGE_2M - 1)) + PAGE_2M;
	uint8_t saved[12];
	bool ok;

	/* what the first three elements overwrite at the end of the 2 MiB that the window shows */
	memcpy(saved, (void *)(end - sizeof(saved)), sizeof(saved));
	ok = fault_in_the_middle(true);
	memcpy((void *)(end - sizeof(saved)), saved, sizeof(saved));
	return ok;
}

static bool rep_outs_fault(void)
{
	return fault_in_the_middle(false);
}

static bool outs_segment(void)
{
	struct insn_regs r;

	buffer[0x40] = 0x6d;
	wrmsr(MSR_FS_BASE, (uint64_t)buffer);
	insn_init(&r);
	r.gpr[RDX] = PIC_MASK;
	r.gpr[RSI] = 0x40;
	insn_run(&r, (const uint8_t *)"\x64\x6e", 2); /* outsb with an FS prefix */
	wrmsr(MSR_FS_BASE, 0);
	CHECK(r.done);
	CHECK_EQ(in8(PIC_MASK), 0x6d);
	out8(PIC_MASK, 0xff);
	return true;
}

static const struct test_case cases[] = {
	{"io-byte",	    io_byte	   },
	{"io-word",	    io_word	   },
	{"io-long",	    io_long	   },
	{"io-nobody",	      io_nobody	       },
	{"io-ring3",	     io_ring3	     },
	{"io-ring3-iopl",	  io_ring3_iopl     },
	{"ins-single",	       ins_single	 },
	{"rep-ins-byte",	 rep_ins_byte	     },
	{"rep-ins-long-split", rep_ins_long_split},
	{"rep-ins-word-down",  rep_ins_word_down },
	{"rep-ins-none",	 rep_ins_none	     },
	{"rep-outs-byte",	  rep_outs_byte     },
	{"rep-outs-word",	  rep_outs_word     },
	{"rep-ins-address32",  rep_ins_address32 },
	{"string-compat",	  string_compat     },
	{"rep-ins-fault",	  rep_ins_fault     },
	{"rep-outs-fault",	   rep_outs_fault	 },
	{"outs-segment",	 outs_segment	     },
};

uint32_t guest_main(void)
{
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
