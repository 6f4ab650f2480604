/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions on device memory: each form runs on RAM and on an APIC register, and must leave the same behind. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

/*
 * The register is the timer's initial count, which keeps all 32 bits; the timer is masked. RBX holds the operand's
 * address, RSI or RDI too where strings are meant.
 */
#define REGISTER (APIC_PAGE + APIC_INITIAL)
#define START	 0x80f1a57eU  /* what the operand holds before */
#define SOURCE	 0x0f0e0d0cU  /* what other operands hold */
#define NOWHERE	 0xfd000000UL /* an isolated guest has nothing there */

struct form {
	const char *name;
	const char *code;
	uint32_t len;
	bool reads_only; /* sizes that the register can be read with, but not written */
	enum { AT_RBX, AT_RSI, AT_RDI } by;
};

#define CODE(s) (s), sizeof(s) - 1

static const struct form forms[] = {
	{"mov-m-r",	    CODE("\x89\x03"),		      false, AT_RBX},
	{"mov-r-m",	    CODE("\x8b\x03"),		      false, AT_RBX},
	{"mov-r-m-rex",	CODE("\x44\x8b\x3b"),		      false, AT_RBX},
	{"mov-m-imm",	      CODE("\xc7\x03\x78\x56\x34\x12"),	false, AT_RBX},
	{"mov-r8-m",	     CODE("\x8a\x03"),		       true,  AT_RBX},
	{"mov-ah-m",	     CODE("\x8a\x23"),		       true,  AT_RBX},
	{"mov-sil-m",	      CODE("\x40\x8a\x33"),		    true,  AT_RBX},
	{"mov-r16-m",	      CODE("\x66\x8b\x03"),		    true,  AT_RBX},
	{"movzx-8",	    CODE("\x0f\xb6\x03"),		  true,	AT_RBX},
	{"movzx-16",	     CODE("\x0f\xb7\x0b"),		   true,	 AT_RBX},
	{"movsx-8",	    CODE("\x48\x0f\xbe\x03"),	      true,  AT_RBX},
	{"movsx-16",	     CODE("\x0f\xbf\x03"),		   true,	 AT_RBX},
	{"movsxd",	   CODE("\x48\x63\x03"),		 true,  AT_RBX},
	{"disp8",		  CODE("\x8b\x43\x00"),			false, AT_RBX},
	{"disp32",	   CODE("\x8b\x83\x00\x00\x00\x00"),     false, AT_RBX},
	{"sib",		CODE("\x8b\x04\x23"),		      true,  AT_RBX}, /* no index */
	{"sib-scaled",      CODE("\x31\xc9\x8b\x04\x8b"),	     true,  AT_RBX},
	{"address32",	      CODE("\x67\x8b\x03"),		    false, AT_RBX},
	{"segment-prefix",  CODE("\x3e\x8b\x03"),		 false, AT_RBX},
	{"add-m-r",	    CODE("\x01\x03"),		      false, AT_RBX},
	{"add-r-m",	    CODE("\x03\x03"),		      false, AT_RBX},
	{"or-m-r",	   CODE("\x09\x03"),		     false, AT_RBX},
	{"or-m-imm8",	      CODE("\x83\x0b\x81"),		    false, AT_RBX},
	{"adc-m-r",	    CODE("\xf9\x11\x03"),		  false, AT_RBX},
	{"sbb-r-m",	    CODE("\xf9\x1b\x03"),		  false, AT_RBX},
	{"and-m-imm",	      CODE("\x81\x23\xff\x00\xff\x00"),	false, AT_RBX},
	{"and-r-m",	    CODE("\x23\x03"),		      false, AT_RBX},
	{"sub-m-r",	    CODE("\x29\x03"),		      false, AT_RBX},
	{"xor-m-r",	    CODE("\x31\x03"),		      false, AT_RBX},
	{"lock-or",	    CODE("\xf0\x09\x03"),		  false, AT_RBX},
	{"lock-and-imm8",	  CODE("\xf0\x83\x23\x7f"),		    false, AT_RBX},
	{"cmp-m-r",	    CODE("\x39\x03"),		      false, AT_RBX},
	{"cmp-r-m",	    CODE("\x3b\x03"),		      false, AT_RBX},
	{"cmp-m-imm8",      CODE("\x83\x3b\x05"),		     false, AT_RBX},
	{"test-m-r",	     CODE("\x85\x03"),		       false, AT_RBX},
	{"test-m-imm",      CODE("\xf7\x03\x00\x00\x00\x80"),	 false, AT_RBX},
	{"test-m8-imm",	CODE("\xf6\x43\x01\x80"),		  true,	AT_RBX},
	{"inc",		CODE("\xff\x03"),			  false, AT_RBX},
	{"dec",		CODE("\xff\x0b"),			  false, AT_RBX},
	{"not",		CODE("\xf7\x13"),			  false, AT_RBX},
	{"neg",		CODE("\xf7\x1b"),			  false, AT_RBX},
	{"shl-imm",	    CODE("\xc1\x23\x03"),		  false, AT_RBX},
	{"shr-one",	    CODE("\xd1\x2b"),		      false, AT_RBX},
	{"sar-cl",	   CODE("\xd3\x3b"),		     false, AT_RBX},
	{"rol-imm",	    CODE("\xc1\x03\x05"),		  false, AT_RBX},
	{"xchg",		 CODE("\x87\x03"),			   false, AT_RBX},
	{"xadd",		 CODE("\x0f\xc1\x03"),		       false, AT_RBX},
	{"cmpxchg-differs", CODE("\x0f\xb1\x0b"),		  false, AT_RBX},
	{"lock-cmpxchg",	 CODE("\xf0\x0f\xb1\x0b"),		   false, AT_RBX},
	{"cmpxchg-equal",	  CODE("\x8b\x03\x0f\xb1\x0b"),		false, AT_RBX},
	{"bt-imm",	   CODE("\x0f\xba\x23\x07"),	     false, AT_RBX},
	{"bts-imm",	    CODE("\x0f\xba\x2b\x08"),	      false, AT_RBX},
	{"btr-imm",	    CODE("\xf0\x0f\xba\x33\x1f"),	  false, AT_RBX},
	{"btc-imm",	    CODE("\x0f\xba\x3b\x00"),	      false, AT_RBX},
	{"cmovc",		  CODE("\xf9\x0f\x42\x03"),		    false, AT_RBX},
	{"cmovc-not",	      CODE("\xf8\x0f\x42\x03"),		false, AT_RBX},
	{"push-pop",	     CODE("\x51\x8f\x03"),		   true,	 AT_RBX}, /* 8 bytes: the register ignores them */
	{"lods",		 CODE("\xad"),			       false, AT_RSI},
	{"lods-8",	   CODE("\xac"),			 true,  AT_RSI},
	{"stos",		 CODE("\xab"),			       false, AT_RDI},
	{"scas",		 CODE("\xaf"),			       false, AT_RDI},
	{"movs-from",	      CODE("\xa5"),			    false, AT_RSI},
	{"movs-to",	    CODE("\xa5"),			  false, AT_RDI},
	{"cmps",		 CODE("\xa7"),			       false, AT_RSI},
	{"rep-stos-one",	 CODE("\xb9\x01\x00\x00\x00\xf3\xab"), false, AT_RDI},
	{"movnti",	   CODE("\x0f\xc3\x0b"),		 false, AT_RBX},
};

static volatile uint32_t ram ALIGNED(64);
static volatile uint32_t other ALIGNED(64);

/* One run with the operand at @at; @start is put there before, what is there afterwards goes to @end. */
static void form_run(const struct form *f, volatile uint32_t *at, struct insn_regs *r,
		     uint32_t *end)
{
	*at = START;
	other = SOURCE;
	insn_init(r);
	r->gpr[RCX] = SOURCE;
	r->gpr[RBX] = (uint64_t)at;
	r->gpr[RSI] = (uint64_t)(f->by == AT_RSI ? at : &other);
	r->gpr[RDI] = (uint64_t)(f->by == AT_RDI ? at : &other);
	insn_run(r, (const uint8_t *)f->code, f->len);
	*end = *at;
	/* how far they moved, not where they are */
	r->gpr[RBX] -= (uint64_t)at;
	r->gpr[RSI] -= (uint64_t)(f->by == AT_RSI ? at : &other);
	r->gpr[RDI] -= (uint64_t)(f->by == AT_RDI ? at : &other);
}

static bool form_agrees(const struct form *f)
{
	struct insn_regs on_ram, on_device;
	uint32_t ram_end, device_end, other_end;

	form_run(f, &ram, &on_ram, &ram_end);
	other_end = other;
	form_run(f, (volatile uint32_t *)REGISTER, &on_device, &device_end);
	apic_write(APIC_INITIAL, 0);
	CHECK(on_ram.done);
	if (!on_device.done)
		return case_fail("exception %lu error %lx", on_device.vector, on_device.error);
	if (insn_differs(&on_ram, &on_device, 0))
		return case_fail("registers %x differ: rax %lx, on RAM %lx",
				 insn_differs(&on_ram, &on_device, 0), on_device.gpr[RAX],
				 on_ram.gpr[RAX]);
	if (!f->reads_only && device_end != ram_end)
		return case_fail("it holds %x, RAM %x", device_end, ram_end);
	CHECK_EQ(other, other_end);
	return true;
}

/* --- addresses that only some encodings reach --- */

static bool moffs(void)
{
	uint8_t load[] = {0xa1, 0, 0, 0, 0, 0, 0, 0, 0}, store[] = {0xa3, 0, 0, 0, 0, 0, 0, 0, 0};
	uint64_t at = REGISTER;
	struct insn_regs r;

	memcpy(load + 1, &at, 8);
	memcpy(store + 1, &at, 8);
	insn_init(&r);
	r.gpr[RAX] = START;
	insn_run(&r, store, sizeof(store));
	CHECK(r.done);
	insn_init(&r);
	insn_run(&r, load, sizeof(load));
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], START);
	apic_write(APIC_INITIAL, 0);
	return true;
}

static bool rip_relative(void)
{
	uint8_t code[] = {0x67, 0x8b, 0x05, 0,
			  0,	0,    0}; /* with 32-bit addresses, or the page is out of reach */
	int32_t disp = (int32_t)(REGISTER - ((uint64_t)insn_buffer + 64 + sizeof(code)));
	struct insn_regs r;

	memcpy(code + 3, &disp, 4);
	apic_write(APIC_INITIAL, START);
	insn_init(&r);
	insn_run(&r, code, sizeof(code));
	apic_write(APIC_INITIAL, 0);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], START);
	return true;
}

static bool fs_relative(void)
{
	struct insn_regs r;

	apic_write(APIC_INITIAL, START);
	wrmsr(MSR_FS_BASE, REGISTER - 0x40);
	insn_init(&r);
	r.gpr[RBX] = 0x40;
	insn_run(&r, (const uint8_t *)"\x64\x8b\x03", 3);
	wrmsr(MSR_FS_BASE, 0);
	apic_write(APIC_INITIAL, 0);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], START);
	return true;
}

static bool compat(void)
{
	struct insn_regs r;

	apic_write(APIC_INITIAL, START);
	insn_init(&r);
	r.cs = SEL_CODE32;
	r.gpr[RBX] = REGISTER - 0x10;
	insn_run(&r, (const uint8_t *)"\x8b\x43\x10", 3);
	CHECK(r.done);
	CHECK_EQ((uint32_t)r.gpr[RAX], START);
	insn_init(&r);
	r.cs = SEL_CODE16;
	r.gpr[RBX] = REGISTER;
	insn_run(&r, (const uint8_t *)"\x66\x67\x8b\x03", 4); /* mov eax, [ebx] */
	apic_write(APIC_INITIAL, 0);
	CHECK(r.done);
	CHECK_EQ((uint32_t)r.gpr[RAX], START);
	return true;
}

static bool ring3(void)
{
	struct insn_regs r;

	apic_write(APIC_INITIAL, START);
	insn_init(&r);
	r.cs = SEL_USER64;
	r.ss = SEL_USERDATA;
	r.gpr[RBX] = REGISTER;
	insn_run(&r, (const uint8_t *)"\x8b\x03", 2);
	apic_write(APIC_INITIAL, 0);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], START);
	return true;
}

/* The instruction's bytes lie in two pages. */
static bool page_crossing(void)
{
	struct insn_regs r;

	apic_write(APIC_INITIAL, START);
	insn_init(&r);
	r.gpr[RBX] = REGISTER;
	insn_run_at(&r, (const uint8_t *)"\x8b\x83\x00\x00\x00\x00", 6, PAGE_SIZE - 3);
	apic_write(APIC_INITIAL, 0);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], START);
	return true;
}

/* --- addresses where nobody is --- */

static bool nobody_reads(void)
{
	struct insn_regs r;

	insn_init(&r);
	r.gpr[RBX] = NOWHERE;
	insn_run(&r, (const uint8_t *)"\x8b\x03", 2);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], 0xffffffff);
	insn_init(&r);
	r.gpr[RBX] = NOWHERE + 0xffd; /* over the end of the page */
	insn_run(&r, (const uint8_t *)"\x48\x8b\x03", 3);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RAX], ~0ULL);
	return true;
}

static bool nobody_writes(void)
{
	struct insn_regs r;

	insn_init(&r);
	r.gpr[RBX] = NOWHERE;
	insn_run(&r, (const uint8_t *)"\x48\x89\x03", 3);
	CHECK(r.done);
	insn_init(&r);
	r.gpr[RDI] = NOWHERE;
	r.gpr[RCX] = 1000;
	insn_run(&r, (const uint8_t *)"\xf3\x48\xab", 3);
	CHECK(r.done);
	CHECK_EQ(r.gpr[RCX], 0);
	CHECK_EQ(r.gpr[RDI], NOWHERE + 8000);
	return true;
}

/* Behind the end of its memory, and far above it. */
static bool nobody_beyond(void)
{
	static const uint64_t far[] = {0x40000000, 0x2000000, 0xfff00000, 0x180000000,
				       0xff00000000};

	for (uint32_t i = 0; i < ARRAY_SIZE(far); i++) {
		struct insn_regs r;

		CHECK(far[i] < BIT(32) || map_identity(far[i], 8));
		insn_init(&r);
		r.gpr[RBX] = far[i];
		insn_run(&r, (const uint8_t *)"\x48\x8b\x03", 3);
		if (!r.done || r.gpr[RAX] != ~0ULL)
			return case_fail("%lx: vector %lu, rax %lx", far[i], r.vector, r.gpr[RAX]);
	}
	return true;
}

static uint8_t vector_after[16] ALIGNED(16);

/* 16 bytes at once, both ways. */
static bool sse(void)
{
	uint64_t cr4 = read_cr4();
	bool done;

	memset(vector_after, 0, sizeof(vector_after));
	write_cr4(cr4 | CR4_OSFXSR);
	__asm__ volatile("movups (%1), %%xmm1\n\t"
			 "movups %%xmm1, (%2)\n\t"
			 "movups %%xmm1, (%1)\n\t"
			 :
			 : "m"(vector_after), "r"(NOWHERE), "r"(vector_after)
			 : "memory");
	write_cr4(cr4);
	done = true;
	for (uint32_t i = 0; i < sizeof(vector_after); i++)
		done &= vector_after[i] == 0xff;
	CHECK(done);
	return true;
}

/* What the emulator does not know ends in an exception or in the VM's end, never in a wrong result: #UD is one. */
static bool undefined(void)
{
	struct insn_regs r;

	insn_init(&r);
	r.gpr[RBX] = REGISTER;
	insn_run(&r, (const uint8_t *)"\xf0\x8b\x03", 3); /* lock mov */
	CHECK_EQ(r.vector, EXC_UD);
	CHECK_EQ(r.length, 0);
	return true;
}

static const struct test_case cases[] = {
	{"moffs",	  moffs	       },
	{"rip-relative",	 rip_relative },
	{"fs-relative",	fs_relative  },
	{"compat",	   compat	 },
	{"ring3",	  ring3	       },
	{"page-crossing", page_crossing},
	{"nobody-reads",	 nobody_reads },
	{"nobody-writes", nobody_writes},
	{"nobody-beyond", nobody_beyond},
	{"sse",		sse	   },
	{"undefined",     undefined    },
};

uint32_t guest_main(void)
{
	apic_enable();
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	for (uint32_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (case_wanted(forms[i].name))
			case_report(forms[i].name, form_agrees(&forms[i]));
	}
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
