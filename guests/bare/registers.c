/* SPDX-License-Identifier: BSD-2-Clause */
/* Control and debug registers: what a guest may write, what it reads back, and what faults. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

#define COMPLETES 0xff
#define ANY_CPUID 0

/* Run @code with RAX = @rax; true if it ends as @vector says (COMPLETES, or an exception with error code 0). */
static bool ends(const char *code, uint32_t len, uint64_t rax, uint8_t vector, struct insn_regs *r)
{
	struct insn_regs before;

	insn_init(&before);
	before.gpr[RAX] = rax;
	before.gpr[RSP] = before.rsp;
	*r = before;
	insn_run(r, (const uint8_t *)code, len);
	if (vector == COMPLETES && !r->done)
		return case_fail("RAX %lx: exception %lu error %lx", rax, r->vector, r->error);
	if (vector != COMPLETES && (r->vector != vector || r->error || r->length))
		return case_fail("RAX %lx: vector %lu error %lx RIP +%lu instead of %u", rax,
				 r->vector, r->error, r->length, vector);
	if (insn_differs(&before, r, CHANGES(RAX)))
		return case_fail("RAX %lx: registers %x were changed", rax,
				 insn_differs(&before, r, CHANGES(RAX)));
	return true;
}

#define ENDS(code, rax, vector)                                                \
	do {                                                                   \
		struct insn_regs ends_r;                                       \
		if (!ends((code), sizeof(code) - 1, (rax), (vector), &ends_r)) \
			return false;                                          \
	} while (0)

#define MOV_CR0_RAX "\x0f\x22\xc0"
#define MOV_CR3_RAX "\x0f\x22\xd8"
#define MOV_CR4_RAX "\x0f\x22\xe0"
#define MOV_CR8_RAX "\x44\x0f\x22\xc0"
#define MOV_RAX_CR8 "\x44\x0f\x20\xc0"

/* --- CR0 --- */

static bool cr0_bits(void)
{
	static const uint64_t bits[] = {CR0_WP, CR0_AM, CR0_NE, CR0_MP, CR0_TS, CR0_EM, CR0_CD};
	uint64_t start = read_cr0();

	for (uint32_t i = 0; i < ARRAY_SIZE(bits); i++) {
		write_cr0(start ^ bits[i]);
		CHECK_EQ(read_cr0(), start ^ bits[i]);
		write_cr0(start);
		CHECK_EQ(read_cr0(), start);
	}
	return true;
}

static bool cr0_high(void)
{
	ENDS(MOV_CR0_RAX, read_cr0() | BIT(32), EXC_GP);
	return true;
}

static bool cr0_nw_alone(void)
{
	uint64_t start = read_cr0();

	ENDS(MOV_CR0_RAX, start | CR0_NW, EXC_GP);
	CHECK_EQ(read_cr0(), start);
	return true;
}

static bool cr0_paging_off(void)
{
	/* In 64-bit mode paging cannot be switched off. */
	ENDS(MOV_CR0_RAX, read_cr0() & ~CR0_PG, EXC_GP);
	return true;
}

static bool cr0_paging_alone(void)
{
	ENDS(MOV_CR0_RAX, read_cr0() & ~CR0_PE, EXC_GP);
	return true;
}

static bool clts(void)
{
	struct insn_regs r;

	write_cr0(read_cr0() | CR0_TS);
	if (!ends("\x0f\x06", 2, 0, COMPLETES, &r))
		return false;
	CHECK(!(read_cr0() & CR0_TS));
	return true;
}

static bool lmsw_smsw(void)
{
	struct insn_regs r;
	uint64_t start = read_cr0();

	if (!ends("\x0f\x01\xf0", 3, CR0_PE | CR0_TS, COMPLETES, &r)) /* lmsw ax */
		return false;
	CHECK_EQ(read_cr0() & 0xf, CR0_PE | CR0_TS);
	/* PE cannot be cleared by it */
	if (!ends("\x0f\x01\xf0", 3, 0, COMPLETES, &r))
		return false;
	CHECK_EQ(read_cr0() & 0xf, CR0_PE);
	if (!ends("\x48\x0f\x01\xe0", 4, 0, COMPLETES, &r)) /* smsw rax */
		return false;
	CHECK_EQ(r.gpr[RAX] & 0xffffffff, read_cr0());
	write_cr0(start);
	return true;
}

static bool lmsw_memory(void)
{
	static uint16_t word = CR0_PE | CR0_TS | CR0_MP;
	struct insn_regs r;
	uint64_t start = read_cr0();

	if (!ends("\x0f\x01\x30", 3, (uint64_t)&word, COMPLETES, &r)) /* lmsw [rax] */
		return false;
	CHECK_EQ(read_cr0() & 0xf, word);
	write_cr0(start);
	return true;
}

/* --- CR2, CR3, CR4, CR8 --- */

static bool cr2(void)
{
	write_cr2(0xffff800012345678);
	cpuid(ANY_CPUID, 0);
	CHECK_EQ(read_cr2(), 0xffff800012345678);
	return true;
}

static bool cr3(void)
{
	uint64_t start = read_cr3();

	write_cr3(start | BIT(3));
	CHECK_EQ(read_cr3(), start | BIT(3));
	write_cr3(start);
	CHECK_EQ(read_cr3(), start);
	return true;
}

static bool cr3_reserved(void)
{
	ENDS(MOV_CR3_RAX, read_cr3() | BIT(62), EXC_GP);
	return true;
}

static bool cr4_bits(void)
{
	static const uint64_t bits[] = {CR4_TSD,    CR4_DE,	    CR4_PGE,
					CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE};
	uint64_t start = read_cr4();

	for (uint32_t i = 0; i < ARRAY_SIZE(bits); i++) {
		ENDS(MOV_CR4_RAX, start ^ bits[i], COMPLETES);
		CHECK_EQ(read_cr4(), start ^ bits[i]);
		write_cr4(start);
	}
	return true;
}

static bool cr4_refused(void)
{
	uint64_t start = read_cr4();

	ENDS(MOV_CR4_RAX, start | CR4_LA57, EXC_GP);
	ENDS(MOV_CR4_RAX, start | CR4_VMXE, EXC_GP);
	ENDS(MOV_CR4_RAX, start | BIT(15), EXC_GP);
	ENDS(MOV_CR4_RAX, start | BIT(31), EXC_GP);
	ENDS(MOV_CR4_RAX, start | BIT(63), EXC_GP);
	ENDS(MOV_CR4_RAX, start & ~CR4_PAE, EXC_GP);
	CHECK_EQ(read_cr4(), start);
	return true;
}

/* PCIDE cannot be set while CR3 has a PCID, or where CPUID does not offer it. */
static bool cr4_pcide(void)
{
	uint64_t start = read_cr4();

	if (!(cpuid(1, 0).ecx & BIT(17))) {
		ENDS(MOV_CR4_RAX, start | CR4_PCIDE, EXC_GP);
		return true;
	}
	write_cr3(read_cr3() | 1);
	ENDS(MOV_CR4_RAX, start | CR4_PCIDE, EXC_GP);
	write_cr3(read_cr3() & ~1ULL);
	ENDS(MOV_CR4_RAX, start | CR4_PCIDE, COMPLETES);
	write_cr4(start);
	return true;
}

/* The processor takes mod = 3 whatever the byte says. */
static bool cr_odd_modrm(void)
{
	uint64_t start = read_cr4();

	ENDS("\x0f\x22\x20", start | CR4_DE, COMPLETES);
	CHECK_EQ(read_cr4(), start | CR4_DE);
	write_cr4(start);
	ENDS("\x0f\x22\x20", start | CR4_LA57, EXC_GP);
	return true;
}

static bool cr8(void)
{
	struct insn_regs r;

	for (uint64_t tpr = 0; tpr < 16; tpr++) {
		ENDS(MOV_CR8_RAX, tpr, COMPLETES);
		CHECK_EQ(apic_read(APIC_TPR), tpr << 4);
	}
	apic_write(APIC_TPR, 0x53);
	if (!ends(MOV_RAX_CR8, 4, 0, COMPLETES, &r))
		return false;
	CHECK_EQ(r.gpr[RAX], 5);
	apic_write(APIC_TPR, 0);
	ENDS(MOV_CR8_RAX, 16, EXC_GP);
	ENDS(MOV_CR8_RAX, BIT(63), EXC_GP);
	CHECK_EQ(read_cr8(), 0);
	return true;
}

/* Every general register as source and destination: decoders mix up RSP and those with a REX bit. */
static bool cr8_all_registers(void)
{
	for (uint32_t reg = 0; reg < 16; reg++) {
		uint8_t write[] = {(uint8_t)(0x44 | reg >> 3), 0x0f, 0x22,
				   (uint8_t)(0xc0 | (reg & 7))};
		uint8_t read[] = {(uint8_t)(0x44 | reg >> 3), 0x0f, 0x20,
				  (uint8_t)(0xc0 | (reg & 7))};
		struct insn_regs r;

		if (reg == RSP)
			continue; /* an exception needs its stack */
		insn_init(&r);
		r.gpr[reg] = 0xa;
		insn_run(&r, write, sizeof(write));
		CHECK(r.done);
		CHECK_EQ(read_cr8(), 0xa);
		insn_init(&r);
		insn_run(&r, read, sizeof(read));
		CHECK(r.done);
		CHECK_EQ(r.gpr[reg], 0xa);
	}
	write_cr8(0);
	return true;
}

static bool cr_undefined(void)
{
	ENDS("\x0f\x20\xc8", 0, EXC_UD);     /* mov rax, cr1 */
	ENDS("\x0f\x22\xe8", 0, EXC_UD);     /* mov cr5, rax */
	ENDS("\x0f\x22\xf8", 0, EXC_UD);     /* mov cr7, rax */
	ENDS("\x44\x0f\x22\xc8", 0, EXC_UD); /* mov cr9, rax */
	return true;
}

static bool cr_ring3(void)
{
	static const char *const code[] = {MOV_CR0_RAX, MOV_CR4_RAX, "\x0f\x20\xc0",
					   "\x0f\x20\xe0"};

	for (uint32_t i = 0; i < ARRAY_SIZE(code); i++) {
		struct insn_regs r;

		insn_init(&r);
		r.cs = SEL_USER64;
		r.ss = SEL_USERDATA;
		insn_run(&r, (const uint8_t *)code[i], 3);
		CHECK_EQ(r.vector, EXC_GP);
		CHECK_EQ(r.length, 0);
	}
	return true;
}

/* --- debug registers --- */

static bool dr_values(void)
{
	write_dr0(0x1111);
	write_dr1(0x2222222222);
	write_dr2(0xffff800000003333);
	write_dr3(0x4444);
	write_dr7(0x400);
	cpuid(ANY_CPUID, 0);
	in8(0x21);
	CHECK_EQ(read_dr0(), 0x1111);
	CHECK_EQ(read_dr1(), 0x2222222222);
	CHECK_EQ(read_dr2(), 0xffff800000003333);
	CHECK_EQ(read_dr3(), 0x4444);
	CHECK_EQ(read_dr7(), 0x400);
	return true;
}

static bool dr6_value(void)
{
	write_dr6(0xffff0ff0 | 5);
	cpuid(ANY_CPUID, 0);
	CHECK_EQ(read_dr6(), 0xffff0ff5);
	write_dr6(0xffff0ff0);
	return true;
}

static bool dr_high(void)
{
	ENDS("\x0f\x23\xf8", BIT(32) | 0x400, EXC_GP); /* mov dr7, rax */
	ENDS("\x0f\x23\xf0", BIT(32), EXC_GP);	       /* mov dr6, rax */
	return true;
}

/* DR4 and DR5 are DR6 and DR7, or with CR4.DE undefined. */
static bool dr_aliases(void)
{
	struct insn_regs r;
	bool ok;

	if (!ends("\x0f\x21\xe8", 3, 0, COMPLETES, &r)) /* mov rax, dr5 */
		return false;
	CHECK_EQ(r.gpr[RAX], read_dr7());
	write_cr4(read_cr4() | CR4_DE);
	ok = ends("\x0f\x21\xe8", 3, 0, EXC_UD, &r);
	write_cr4(read_cr4() & ~CR4_DE);
	return ok;
}

#define DR7_G0 0x402
#define DR7_GD 0x2400
#define DR6_BD BIT(13)

/* A breakpoint on an intercepted instruction comes before it, and its DR6 bit says which. */
static bool dr_breakpoint(void)
{
	struct insn_regs r;

	insn_init(&r);
	write_dr6(0xffff0ff0);
	write_dr0((uint64_t)insn_buffer + 64); /* where insn_run puts the instruction */
	write_dr7(DR7_G0);
	insn_run(&r, (const uint8_t *)"\x0f\xa2", 2);
	write_dr7(0x400);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 0);
	CHECK_EQ(read_dr6() & 0xf, DR6_B0);
	write_dr6(0xffff0ff0);
	return true;
}

/* A breakpoint on the instruction behind an intercepted one. */
static bool dr_breakpoint_behind(void)
{
	struct insn_regs r;

	insn_init(&r);
	write_dr0((uint64_t)insn_buffer + 66);
	write_dr7(DR7_G0);
	insn_run(&r, (const uint8_t *)"\x0f\xa2\x90", 3);
	write_dr7(0x400);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 2);
	CHECK_EQ(read_dr6() & 0xf, DR6_B0);
	write_dr6(0xffff0ff0);
	return true;
}

/* A data breakpoint. */
static bool dr_watch(void)
{
	static volatile uint64_t word ALIGNED(8);
	struct insn_regs r;

	insn_init(&r);
	r.gpr[RAX] = (uint64_t)&word;
	write_dr0((uint64_t)&word);
	write_dr7(DR7_G0 | 0xd0000);		      /* write, 4 bytes */
	insn_run(&r, (const uint8_t *)"\x89\x08", 2); /* mov [rax], ecx */
	write_dr7(0x400);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 2);
	CHECK_EQ(read_dr6() & 0xf, DR6_B0);
	CHECK_EQ(word, (uint32_t)r.gpr[RCX]);
	write_dr6(0xffff0ff0);
	return true;
}

static bool dr_general_detect(void)
{
	struct insn_regs r;
	uint64_t dr6;

	insn_init(&r);
	write_dr7(DR7_GD);
	insn_run(&r, (const uint8_t *)"\x0f\x21\xc0", 3); /* mov rax, dr0 */
	write_dr7(0x400);				  /* the exception has cleared GD */
	dr6 = read_dr6();
	write_dr6(0xffff0ff0);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 0);
	CHECK(dr6 & DR6_BD);
	return true;
}

static const struct test_case cases[] = {
	{"cr0-bits",	     cr0_bits	     },
	{"cr0-high",	     cr0_high	     },
	{"cr0-nw-alone",	 cr0_nw_alone	     },
	{"cr0-paging-off",	   cr0_paging_off	 },
	{"cr0-paging-alone",     cr0_paging_alone    },
	{"clts",		 clts		     },
	{"lmsw-smsw",	      lmsw_smsw	       },
	{"lmsw-memory",		lmsw_memory	   },
	{"cr2",		  cr2		   },
	{"cr3",		  cr3		   },
	{"cr3-reserved",	 cr3_reserved	     },
	{"cr4-bits",	     cr4_bits	     },
	{"cr4-refused",		cr4_refused	   },
	{"cr4-pcide",	      cr4_pcide	       },
	{"cr-odd-modrm",	 cr_odd_modrm	     },
	{"cr8",		  cr8		   },
	{"cr8-all-registers",    cr8_all_registers   },
	{"cr-undefined",	 cr_undefined	     },
	{"cr-ring3",	     cr_ring3	     },
	{"dr-values",	      dr_values	       },
	{"dr6-value",	      dr6_value	       },
	{"dr-high",		    dr_high		   },
	{"dr-aliases",	       dr_aliases		 },
	{"dr-breakpoint",	  dr_breakpoint       },
	{"dr-breakpoint-behind", dr_breakpoint_behind},
	{"dr-watch",	     dr_watch	     },
	{"dr-general-detect",    dr_general_detect   },
};

uint32_t guest_main(void)
{
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
