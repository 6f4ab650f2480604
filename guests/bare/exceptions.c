/* SPDX-License-Identifier: BSD-2-Clause */
/* Single steps over emulated instructions, and exceptions that are intercepted, given back, or nested. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

/* --- single step --- */

/* With TF, #DB comes behind the first instruction of @code, @at bytes on, and DR6.BS says so. */
static bool steps(const char *code, uint32_t len, uint32_t at, uint64_t rax, uint64_t rcx,
		  uint64_t rdx)
{
	struct insn_regs r;
	uint64_t dr6;

	write_dr6(0xffff0ff0);
	insn_init(&r);
	r.rflags |= RFLAGS_TF;
	r.gpr[RAX] = rax;
	r.gpr[RCX] = rcx;
	r.gpr[RDX] = rdx;
	r.gpr[RBX] = APIC_PAGE + APIC_INITIAL;
	insn_run(&r, (const uint8_t *)code, len);
	dr6 = read_dr6();
	write_dr6(0xffff0ff0);
	if (r.vector != EXC_DB)
		return case_fail("%02x %02x: exception %lu at +%lu", (uint8_t)code[0],
				 (uint8_t)code[1], r.vector, r.length);
	if (r.length != at)
		return case_fail("%02x %02x: #DB at +%lu", (uint8_t)code[0], (uint8_t)code[1],
				 r.length);
	if (!(dr6 & DR6_BS))
		return case_fail("%02x %02x: DR6 is %lx", (uint8_t)code[0], (uint8_t)code[1], dr6);
	return true;
}

#define STEPS(code, at, rax, rcx, rdx)                                           \
	do {                                                                     \
		if (!steps((code), sizeof(code) - 1, (at), (rax), (rcx), (rdx))) \
			return false;                                            \
	} while (0)

static bool step_plain(void)
{
	STEPS("\x90\x90", 1, 0, 0, 0);
	return true;
}

static bool step_cpuid(void)
{
	STEPS("\x0f\xa2\x90", 2, 0, 0, 0);
	STEPS("\x66\x0f\xa2\x90", 3, 0, 0, 0);
	return true;
}

static bool step_msr(void)
{
	STEPS("\x0f\x32\x90", 2, 0, MSR_APIC_BASE, 0);
	STEPS("\x0f\x30\x90", 2, 0, MSR_LSTAR, 0);
	return true;
}

static bool step_port(void)
{
	STEPS("\xec\x90", 1, 0, 0, 0x21);
	STEPS("\xe4\x21\x90", 2, 0, 0, 0);
	return true;
}

static bool step_cr8(void)
{
	STEPS("\x44\x0f\x22\xc0\x90", 4, 0, 0, 0);
	return true;
}

static bool step_mmio(void)
{
	STEPS("\x8b\x03\x90", 2, 0, 0, 0); /* mov eax, [rbx] */
	STEPS("\x89\x03\x90", 2, 0, 0, 0);
	return true;
}

/* Each iteration is a step. */
static bool step_rep(void)
{
	static uint8_t bytes[16];
	struct insn_regs r;

	write_dr6(0xffff0ff0);
	insn_init(&r);
	r.rflags |= RFLAGS_TF;
	r.gpr[RCX] = 5;
	r.gpr[RDX] = 0x21;
	r.gpr[RDI] = (uint64_t)bytes;
	insn_run(&r, (const uint8_t *)"\xf3\x6c\x90", 3);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 0);
	CHECK_EQ(r.gpr[RCX], 4);
	CHECK_EQ(r.gpr[RDI], (uint64_t)bytes + 1);
	CHECK(read_dr6() & DR6_BS);
	write_dr6(0xffff0ff0);
	return true;
}

/* MOV SS puts the trap off by one instruction, which is intercepted. */
static bool step_mov_ss(void)
{
	struct insn_regs r;

	insn_init(&r);
	r.rflags |= RFLAGS_TF;
	r.gpr[RAX] = SEL_DATA;
	insn_run(&r, (const uint8_t *)"\x8e\xd0\x0f\xa2\x90", 5);
	write_dr6(0xffff0ff0);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 4);
	return true;
}

/* --- exceptions that are intercepted and given back --- */

static bool icebp(void)
{
	struct insn_regs r;

	insn_init(&r);
	insn_run(&r, (const uint8_t *)"\xf1\x90", 2);
	CHECK_EQ(r.vector, EXC_DB);
	CHECK_EQ(r.length, 1);
	return true;
}

static bool alignment_check(void)
{
	static uint64_t words[2];
	struct insn_regs r;

	write_cr0(read_cr0() | CR0_AM);
	insn_init(&r);
	r.cs = SEL_USER64;
	r.ss = SEL_USERDATA;
	r.rflags |= RFLAGS_AC;
	r.gpr[RBX] = (uint64_t)words + 1;
	insn_run(&r, (const uint8_t *)"\x8b\x03", 2); /* mov eax, [rbx] */
	write_cr0(read_cr0() & ~CR0_AM);
	CHECK_EQ(r.vector, EXC_AC);
	CHECK_EQ(r.error, 0);
	CHECK_EQ(r.length, 0);
	return true;
}

static bool page_fault(void)
{
	uint64_t *entry = page_entry(0xc0000000), saved = *entry;
	struct insn_regs r;

	*entry = 0;
	invlpg((void *)0xc0000000);
	write_cr2(0);
	insn_init(&r);
	r.gpr[RBX] = 0xc0000123;
	insn_run(&r, (const uint8_t *)"\x89\x03", 2); /* mov [rbx], eax */
	*entry = saved;
	CHECK_EQ(r.vector, EXC_PF);
	CHECK_EQ(r.error, 2);
	CHECK_EQ(r.length, 0);
	CHECK_EQ(read_cr2(), 0xc0000123);
	return true;
}

/* #DF on a stack of its own: a #GP whose handler is not there. */
static uint8_t df_stack[4096] ALIGNED(16);
static volatile uint32_t df_seen;

static void on_df(struct trap_frame *f)
{
	df_seen++;
	f->vector = EXC_DF;
	insn_trap(f);
}

static bool faults_doubly(const char *code, uint32_t len)
{
	struct insn_regs r;

	trap_handler(EXC_DF, on_df);
	trap_stack(EXC_DF, 1, df_stack + sizeof(df_stack));
	trap_present(EXC_GP, false);
	insn_init(&r);
	r.gpr[RCX] = 0x12345678;
	r.gpr[RBX] = BIT(47);
	insn_run(&r, (const uint8_t *)code, len);
	trap_present(EXC_GP, true);
	CHECK_EQ(r.vector, EXC_DF);
	CHECK_EQ(r.error, 0);
	return true;
}

static bool double_fault(void)
{
	return faults_doubly("\x8b\x03", 2); /* mov eax, [rbx], not canonical */
}

/* The first of the two comes from the hypervisor. */
static bool double_fault_injected(void)
{
	return faults_doubly("\x0f\x32", 2); /* rdmsr */
}

static const struct test_case cases[] = {
	{"step-plain",	       step_plain		 },
	{"step-cpuid",	       step_cpuid		 },
	{"step-msr",		     step_msr	     },
	{"step-port",	      step_port	       },
	{"step-cr8",		     step_cr8	     },
	{"step-mmio",	      step_mmio	       },
	{"step-rep",		     step_rep	     },
	{"step-mov-ss",		step_mov_ss	   },
	{"icebp",		  icebp		       },
	{"alignment-check",	    alignment_check	   },
	{"page-fault",	       page_fault		 },
	{"double-fault",		 double_fault	     },
	{"double-fault-injected", double_fault_injected},
};

uint32_t guest_main(void)
{
	apic_enable();
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
