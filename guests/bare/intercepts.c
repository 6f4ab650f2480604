/* SPDX-License-Identifier: BSD-2-Clause */
/* Tries every instruction that a backend intercepts: registers, RIP, and the answer that the policy demands. */

#include <bulkhead/hypercall.h>
#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/insn.h"
#include "lib/x86.h"

/* Where an instruction runs. */
enum place { RING0, RING3, COMPAT, COMPAT3, CODE16 };

#define COMPLETES  0xff /* instead of a vector */
#define RESULT	   (CHANGES(RAX) | CHANGES(RBX) | CHANGES(RCX) | CHANGES(RDX))
#define ENOSYS_KVM 1000

struct row {
	const char *name;
	const char *code;
	uint32_t len;
	enum place place;
	bool set; /* RAX, RCX, RDX have the values below */
	uint64_t rax, rcx, rdx;
	uint8_t vector;	  /* the exception that must come, its error code 0; or COMPLETES */
	uint32_t changes; /* registers that may change */
	bool (*check)(const struct insn_regs *before, const struct insn_regs *after);
	bool (*prepare)(void);
	void (*restore)(void);
};

#define CODE(s)	    (s), sizeof(s) - 1
#define IN(a, c, d) .set = true, .rax = (a), .rcx = (c), .rdx = (d)
#define DONE	    .vector = COMPLETES

static void place_set(struct insn_regs *r, enum place place)
{
	static const uint16_t code[] = {SEL_CODE64, SEL_USER64, SEL_CODE32, SEL_USER32, SEL_CODE16};

	r->cs = code[place];
	if (place == RING3 || place == COMPAT3)
		r->ss = SEL_USERDATA;
	/* 32-bit code sees and leaves only the lower halves. */
	if (place == COMPAT || place == COMPAT3 || place == CODE16) {
		for (uint32_t i = 0; i < ARRAY_SIZE(r->gpr); i++)
			r->gpr[i] = (uint32_t)r->gpr[i];
	}
}

static bool result_right(const struct row *t, const struct insn_regs *before,
			 const struct insn_regs *after)
{
	uint32_t differs;

	if (t->vector == COMPLETES && !after->done)
		return case_fail("exception %lu error %lx, RIP moved by %lu of %u", after->vector,
				 after->error, after->length, t->len);
	if (t->vector != COMPLETES) {
		if (after->vector != t->vector || after->error)
			return case_fail("vector %lu error %lx instead of %u, 0", after->vector,
					 after->error, t->vector);
		if (after->length)
			return case_fail("exception %lu, but RIP moved by %lu", after->vector,
					 after->length);
	}
	differs = insn_differs(before, after, t->vector == COMPLETES ? t->changes : 0);
	if (differs)
		return case_fail("registers %x were changed", differs);
	return !t->check || t->check(before, after);
}

static void row_run(const struct row *t)
{
	struct insn_regs before, after;
	bool passed;

	insn_init(&before);
	if (t->set) {
		before.gpr[RAX] = t->rax;
		before.gpr[RCX] = t->rcx;
		before.gpr[RDX] = t->rdx;
	}
	place_set(&before, t->place);
	before.gpr[RSP] = before.rsp;
	after = before;
	if (t->prepare && !t->prepare()) {
		case_report(t->name, false);
		return;
	}
	insn_run(&after, (const uint8_t *)t->code, t->len);
	passed = result_right(t, &before, &after);
	if (t->restore)
		t->restore();
	case_report(t->name, passed);
}

/* --- what the answers must be --- */

#define ECX1_MONITOR	BIT(3)
#define ECX1_VMX	BIT(5)
#define ECX1_X2APIC	BIT(21)
#define ECX1_OSXSAVE	BIT(27)
#define ECX1_HYPERVISOR BIT(31)
#define ECX_EXT_SVM	BIT(2)
#define ECX7_LA57	BIT(16)

static bool cpuid_vendor(const struct insn_regs *before, const struct insn_regs *after)
{
	char vendor[13];

	(void)before;
	memcpy(vendor, &after->gpr[RBX], 4);
	memcpy(vendor + 4, &after->gpr[RDX], 4);
	memcpy(vendor + 8, &after->gpr[RCX], 4);
	vendor[12] = '\0';
	CHECK(!memcmp(vendor, "AuthenticAMD", 12) || !memcmp(vendor, "GenuineIntel", 12));
	for (uint32_t i = RAX; i <= RBX; i++)
		CHECK_EQ(after->gpr[i] >> 32, 0);
	CHECK(after->gpr[RAX] >= 1);
	return true;
}

static bool cpuid_features(const struct insn_regs *before, const struct insn_regs *after)
{
	uint64_t ecx = after->gpr[RCX];

	(void)before;
	CHECK(ecx & ECX1_HYPERVISOR);
	CHECK(ecx & ECX1_X2APIC);
	CHECK(!(ecx & ECX1_MONITOR));
	CHECK(!(ecx & ECX1_VMX));
	CHECK(!(ecx & ECX1_OSXSAVE));
	return true;
}

static bool cpuid_osxsave(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK(after->gpr[RCX] & ECX1_OSXSAVE);
	return true;
}

static bool cpuid_no_svm(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK(!(after->gpr[RCX] & ECX_EXT_SVM));
	return true;
}

static bool cpuid_no_la57(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK(!(after->gpr[RCX] & ECX7_LA57));
	return true;
}

static bool cpuid_kvm(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK(!memcmp(&after->gpr[RBX], "KVMK", 4) && !memcmp(&after->gpr[RCX], "VMKV", 4));
	return true;
}

static bool cpuid_zero(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK_EQ(after->gpr[RAX] | after->gpr[RBX] | after->gpr[RCX] | after->gpr[RDX], 0);
	return true;
}

static uint64_t edx_eax(const struct insn_regs *r)
{
	return r->gpr[RDX] << 32 | (uint32_t)r->gpr[RAX];
}

#define TSC_SANE 100000000000ULL

static bool tsc_near(const struct insn_regs *before, const struct insn_regs *after)
{
	uint64_t now = rdtsc();

	(void)before;
	CHECK(edx_eax(after) <= now);
	CHECK(now - edx_eax(after) < TSC_SANE);
	CHECK_EQ(after->gpr[RAX] >> 32 | after->gpr[RDX] >> 32, 0);
	return true;
}

#define AUX 0x5a17

static bool prepare_aux(void)
{
	return wrmsr_safe(MSR_TSC_AUX, AUX) || case_fail("TSC_AUX cannot be written");
}

static bool tsc_aux(const struct insn_regs *before, const struct insn_regs *after)
{
	CHECK_EQ(after->gpr[RCX], AUX);
	return tsc_near(before, after);
}

static bool efer_long(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK_EQ(edx_eax(after) & ~EFER_NXE & ~EFER_SCE, EFER_LME | EFER_LMA);
	return true;
}

static bool result_nosys(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK_EQ(after->gpr[RAX], -(uint64_t)ENOSYS_KVM);
	return true;
}

static bool result_version(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK_EQ(after->gpr[RAX], BULKHEAD_ABI_VERSION);
	return true;
}

static bool result_vcpu(const struct insn_regs *before, const struct insn_regs *after)
{
	(void)before;
	CHECK_EQ(after->gpr[RAX], 0);
	return true;
}

static bool result_eperm(const struct insn_regs *before, const struct insn_regs *after)
{
	bool wide = before->cs == SEL_USER64;

	CHECK_EQ(after->gpr[RAX], wide ? ~0ULL : (uint32_t)~0U);
	return true;
}

static bool prepare_osxsave(void)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	return true;
}

static void restore_osxsave(void)
{
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static bool prepare_tsd(void)
{
	write_cr4(read_cr4() | CR4_TSD);
	return true;
}

static void restore_tsd(void)
{
	write_cr4(read_cr4() & ~CR4_TSD);
}

/* --- the table --- */

static const struct row rows[] = {
	{"cpuid",				 CODE("\x0f\xa2"),			    IN(0,0, 0), DONE, .changes = RESULT, .check = cpuid_vendor},
	{"cpuid-66",				     CODE("\x66\x0f\xa2"),									 IN(0,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-f3",				       CODE("\xf3\x0f\xa2"),								      IN(0,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-rex",				      CODE("\x48\x0f\xa2"),									    IN(0,		  0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-many",		       CODE("\x66\x67\x2e\xf2\x65\x48\x0f\xa2"),								 IN(0,0, 0), DONE,
	 .changes = RESULT, .check = cpuid_vendor},
	{"cpuid-15-bytes",				   CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2"),
	 IN(0,0, 0), DONE, .changes = RESULT, .check = cpuid_vendor},
	{"cpuid-16-bytes",			   CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2"),
	 .vector = EXC_GP},
	{"cpuid-lock",CODE("\xf0\x0f\xa2"),.vector = EXC_UD},
	{"cpuid-ring3",				   CODE("\x0f\xa2"),							  RING3,IN(0, 0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-compat",			    CODE("\x0f\xa2"),	   COMPAT,IN(0, 0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-code16",				     CODE("\x66\x0f\xa2"),									 CODE16,IN(0, 0, 0), DONE, .changes = RESULT,
	 .check = cpuid_vendor},
	{"cpuid-leaf1",				       CODE("\x0f\xa2"),								IN(1,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_features},
	{"cpuid-osxsave",				      CODE("\x0f\xa2"),									    IN(1,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_osxsave, .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"cpuid-leaf7",			CODE("\x0f\xa2"),							  IN(7,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_no_la57},
	{"cpuid-no-svm",			 CODE("\x0f\xa2"),								IN(0x80000001,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_no_svm},
	{"cpuid-svm-leaf",			   CODE("\x0f\xa2"),															 IN(0x8000000a,																							0, 0), DONE, .changes = RESULT,
	 .check = cpuid_zero},
	{"cpuid-mwait-leaf",				  CODE("\x0f\xa2"),	       IN(5,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_zero},
	{"cpuid-signature",				   CODE("\x0f\xa2"),							  IN(0x40000000,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_kvm},
	{"cpuid-beyond",			  CODE("\x0f\xa2"),			   IN(0x7fffffff,0, 0), DONE, .changes = RESULT,
	 .check = cpuid_zero},
	{"cpuid-high-rax",				      CODE("\x0f\xa2"),									    IN(0xffffffff00000000,0xffffffff00000000, 0), DONE,
	 .changes = RESULT, .check = cpuid_vendor},

	{"rdmsr-efer",		       CODE("\x0f\x32"),							   IN(0,MSR_EFER, 0), DONE,
	 .changes = CHANGES(RAX) | CHANGES(RDX), .check = efer_long},
	{"rdmsr-high-rcx",				 CODE("\x0f\x32"),IN(0,0xabcdef0000000000 | MSR_EFER, 0), DONE,
	 .changes = CHANGES(RAX) | CHANGES(RDX), .check = efer_long},
	{"rdmsr-unknown",				   CODE("\x0f\x32"),							  IN(0,0x12345678, 0), .vector = EXC_GP},
	{"rdmsr-hsave",			   CODE("\x0f\x32"),		  IN(0,0xc0010117, 0), .vector = EXC_GP},
	{"rdmsr-vmx-basic",				     CODE("\x0f\x32"),									 IN(0,0x480, 0), .vector = EXC_GP},
	{"rdmsr-ring3",				       CODE("\x0f\x32"),								 RING3,IN(0, MSR_EFER, 0), .vector = EXC_GP},
	{"wrmsr-star",				      CODE("\x0f\x30"),									    IN(0,MSR_STAR, 0x00130008), DONE},
	{"wrmsr-unknown",		  CODE("\x0f\x30"),				    IN(0,0x12345678, 0), .vector = EXC_GP},
	{"wrmsr-hsave",			   CODE("\x0f\x30"),				  IN(0x1000,0xc0010117, 0), .vector = EXC_GP},
	{"wrmsr-smi",				     CODE("\x0f\x30"),									 IN(0,0xc0010113, 0), .vector = EXC_GP},
	{"wrmsr-feature-control",				       CODE("\x0f\x30"),								  IN(5,0x3a, 0), .vector = EXC_GP},
	{"wrmsr-efer-svme",				      CODE("\x0f\x30"),									    IN(EFER_LME | EFER_LMA | EFER_SVME,MSR_EFER, 0),
	 .vector = EXC_GP},
	{"wrmsr-efer-reserved",			CODE("\x0f\x30"),							   IN(EFER_LME | EFER_LMA,MSR_EFER, 1),
	 .vector = EXC_GP},
	{"wrmsr-efer-lme",			   CODE("\x0f\x30"),IN(0,MSR_EFER, 0), .vector = EXC_GP},
	{"wrmsr-lstar-noncanonical",			     CODE("\x0f\x30"),							       IN(0,MSR_LSTAR, 0x80000000),
	 .vector = EXC_GP},
	{"wrmsr-fs-noncanonical",CODE("\x0f\x30"),		    IN(0,MSR_FS_BASE, 0x80000000),
	 .vector = EXC_GP},
	{"wrmsr-gs-noncanonical",				   CODE("\x0f\x30"),							  IN(0,MSR_GS_BASE, 0x00800000),
	 .vector = EXC_GP},
	{"wrmsr-kernel-gs-noncanonical",			 CODE("\x0f\x30"),		   IN(0,MSR_KERNEL_GS, 0x00800000),
	 .vector = EXC_GP},
	{"wrmsr-sysenter-noncanonical",					CODE("\x0f\x30"),									 IN(0,MSR_SYSENTER_EIP, 0x00800000),
	 .vector = EXC_GP},
	{"wrmsr-pat-reserved",				       CODE("\x0f\x30"),								  IN(0x00070402,MSR_PAT, 0), .vector = EXC_GP},
	{"wrmsr-apic-base-reserved",				      CODE("\x0f\x30"),									    IN(0xfee00901,								      MSR_APIC_BASE, 0),
	 .vector = EXC_GP},
	{"wrmsr-ring3",			CODE("\x0f\x30"),							     RING3,IN(0, MSR_STAR, 0), .vector = EXC_GP},

	{"rdtsc",		  CODE("\x0f\x31"),DONE,.changes = CHANGES(RAX) | CHANGES(RDX),
	 .check = tsc_near},
	{"rdtsc-66",		       CODE("\x66\x0f\x31"),					   DONE,.changes = CHANGES(RAX) | CHANGES(RDX),
	 .check = tsc_near},
	{"rdtsc-ring3",	CODE("\x0f\x31"),RING3,DONE, .changes = CHANGES(RAX) | CHANGES(RDX),
	 .check = tsc_near},
	{"rdtsc-tsd",				   CODE("\x0f\x31"),					    RING3,.vector = EXC_GP, .prepare = prepare_tsd,
	 .restore = restore_tsd},
	{"rdtscp",			CODE("\x0f\x01\xf9"),		 DONE,
	 .changes = CHANGES(RAX) | CHANGES(RDX) | CHANGES(RCX), .check = tsc_aux,
	 .prepare = prepare_aux},
	{"rdtscp-ring3",				     CODE("\x0f\x01\xf9"),									 RING3,DONE,
	 .changes = CHANGES(RAX) | CHANGES(RDX) | CHANGES(RCX), .check = tsc_aux,
	 .prepare = prepare_aux},
	{"rdtscp-tsd",				       CODE("\x0f\x01\xf9"),								 RING3,.vector = EXC_GP, .prepare = prepare_tsd,
	 .restore = restore_tsd},
	{"rdpmc",			     CODE("\x0f\x33"),								   IN(0,0, 0), .vector = EXC_GP},
	{"rdpmc-ring3",			   CODE("\x0f\x33"),			  RING3,IN(0, 0, 0), .vector = EXC_GP},

	{"xsetbv-no-osxsave",				     CODE("\x0f\x01\xd1"),							     IN(1,0, 0), .vector = EXC_UD},
	{"xsetbv",CODE("\x0f\x01\xd1"),IN(3,0, 0), DONE, .prepare = prepare_osxsave,
	 .restore = restore_osxsave},
	{"xsetbv-no-x87",			  CODE("\x0f\x01\xd1"),							       IN(2,0, 0), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"xsetbv-avx-alone",				  CODE("\x0f\x01\xd1"),	   IN(5,0, 0), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"xsetbv-mpx",		       CODE("\x0f\x01\xd1"),							       IN(0x1b,0, 0), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"xsetbv-reserved",				   CODE("\x0f\x01\xd1"),IN(3,0, 0x40000000), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"xsetbv-xcr1",				       CODE("\x0f\x01\xd1"),								 IN(3,1, 0), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},
	{"xsetbv-ring3",			     CODE("\x0f\x01\xd1"),								   RING3,					      IN(3, 0, 0), .vector = EXC_GP,
	 .prepare = prepare_osxsave, .restore = restore_osxsave},

	{"invd",			   CODE("\x0f\x08"),			   DONE},
	{"wbinvd",				     CODE("\x0f\x09"),							     DONE},
	{"invd-ring3",CODE("\x0f\x08"),RING3,.vector = EXC_GP},
	{"wbinvd-ring3",			 CODE("\x0f\x09"),							       RING3,.vector = EXC_GP},
	{"invlpg",				   CODE("\x0f\x01\x38"),	 DONE},
	{"invlpg-ring3",				       CODE("\x0f\x01\x38"),							       RING3,.vector = EXC_GP},
	{"pause",			       CODE("\xf3\x90"),								     DONE},
	{"hlt-ring3",		      CODE("\xf4"),			    RING3,.vector = EXC_GP},
	{"monitor",				     CODE("\x0f\x01\xc8"),								  IN((uint64_t)insn_buffer,0, 0), .vector = EXC_UD},
	{"mwait",CODE("\x0f\x01\xc9"),											  IN(0,																																								   0, 0), .vector = EXC_UD},

	{"vmrun",		       CODE("\x0f\x01\xd8"),							       IN(0x1000,0, 0), .vector = EXC_UD},
	{"vmload",				   CODE("\x0f\x01\xda"),	 IN(0x1000,0, 0), .vector = EXC_UD},
	{"vmsave",				       CODE("\x0f\x01\xdb"),							 IN(0x1000,0, 0), .vector = EXC_UD},
	{"stgi",			    CODE("\x0f\x01\xdc"),							 .vector = EXC_UD},
	{"clgi",		 CODE("\x0f\x01\xdd"),       .vector = EXC_UD},
	{"skinit",			    CODE("\x0f\x01\xde"),								  .vector = EXC_UD},
	{"invlpga", CODE("\x0f\x01\xdf"),			  .vector = EXC_UD								     },
	{"vmxon",			CODE("\xf3\x0f\xc7\x34\x24"),								.vector = EXC_UD},
	{"vmptrld",				   CODE("\x0f\xc7\x34\x24"),.vector = EXC_UD},
	{"vmclear",				       CODE("\x66\x0f\xc7\x34\x24"),							    .vector = EXC_UD},
	{"vmxoff",				CODE("\x0f\x01\xc4"),								      .vector = EXC_UD				 },
	{"vmlaunch",		     CODE("\x0f\x01\xc2"), .vector = EXC_UD},
	{"vmresume",				     CODE("\x0f\x01\xc3"),								  .vector = EXC_UD},
	{"vmread",   CODE("\x0f\x78\xc0"),.vector = EXC_UD},
	{"vmwrite",				     CODE("\x0f\x79\xc0"),							     .vector = EXC_UD},
	{"invept",	   CODE("\x66\x0f\x38\x80\x04\x24"),									      .vector = EXC_UD					     },
	{"invvpid",				       CODE("\x66\x0f\x38\x81\x04\x24"),								      .vector = EXC_UD},
	{"vmfunc", CODE("\x0f\x01\xd4"),								 .vector = EXC_UD},
	{"getsec",		   CODE("\x0f\x37"),									.vector = EXC_UD				     },
	{"rsm",		       CODE("\x0f\xaa"),							       .vector = EXC_UD},
};

/* The hypercall instruction is the vendor's; the other one does not exist. */
static const struct row amd_rows[] = {
	{"hypercall-unknown",	      CODE("\x0f\x01\xd9"), IN(0x7777,	       0, 0), DONE, .changes = CHANGES(RAX),
	 .check = result_nosys},
	{"hypercall-version",			      CODE("\x0f\x01\xd9"),					    IN(BULKHEAD_CALL_VERSION,				      0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_version},
	{"hypercall-vcpu",			   CODE("\x0f\x01\xd9"),				 IN(BULKHEAD_CALL_VCPU_ID, 0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_vcpu},
	{"hypercall-beyond",			     CODE("\x0f\x01\xd9"),					   IN(BULKHEAD_CALL_FIRST + 7,		       0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_nosys},
	{"hypercall-ring3",  CODE("\x0f\x01\xd9"),			  RING3,			 IN(BULKHEAD_CALL_VERSION, 0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_eperm},
	{"hypercall-foreign", CODE("\x0f\x01\xc1"),.vector = EXC_UD	    },
};

static const struct row intel_rows[] = {
	{"hypercall-unknown",	      CODE("\x0f\x01\xc1"), IN(0x7777,	       0, 0), DONE, .changes = CHANGES(RAX),
	 .check = result_nosys},
	{"hypercall-version",			      CODE("\x0f\x01\xc1"),					    IN(BULKHEAD_CALL_VERSION,				      0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_version},
	{"hypercall-vcpu",			   CODE("\x0f\x01\xc1"),				 IN(BULKHEAD_CALL_VCPU_ID, 0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_vcpu},
	{"hypercall-beyond",			     CODE("\x0f\x01\xc1"),					   IN(BULKHEAD_CALL_FIRST + 7,		       0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_nosys},
	{"hypercall-ring3",  CODE("\x0f\x01\xc1"),			  RING3,			 IN(BULKHEAD_CALL_VERSION, 0, 0), DONE,
	 .changes = CHANGES(RAX), .check = result_eperm},
	{"hypercall-foreign", CODE("\x0f\x01\xd9"),.vector = EXC_UD	    },
};

static void rows_run(const struct row *table, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (case_wanted(table[i].name))
			row_run(&table[i]);
	}
}

/* An instruction whose bytes lie in two pages. */
static bool page_crossing(void)
{
	for (uint32_t before = 1; before <= 2; before++) {
		struct insn_regs r;

		insn_init(&r);
		r.gpr[RAX] = 0;
		insn_run_at(&r, (const uint8_t *)"\x66\x0f\xa2", 3, PAGE_SIZE - before);
		CHECK(r.done);
		CHECK_EQ(r.gpr[RAX] >> 32, 0);
	}
	return true;
}

/* Intercepted instructions leave arithmetic flags alone. */
static bool flags_kept(void)
{
	static const char *const code[] = {"\x0f\xa2", "\x0f\x31", "\xe4\x21"};

	for (uint32_t i = 0; i < ARRAY_SIZE(code); i++) {
		struct insn_regs r;

		insn_init(&r);
		r.gpr[RAX] = 0;
		r.rflags |= RFLAGS_ARITH | RFLAGS_DF;
		insn_run(&r, (const uint8_t *)code[i], 2);
		CHECK(r.done);
		CHECK_EQ(r.rflags & ~RFLAGS_RF, RFLAGS_FIXED | RFLAGS_ARITH | RFLAGS_DF);
	}
	return true;
}

#define PAUSES 100000

static bool pause_loop(void)
{
	for (uint32_t i = 0; i < PAUSES; i++)
		pause();
	return true;
}

static bool tsc_monotonic(void)
{
	uint64_t last = rdtsc();

	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t now = rdtsc();

		CHECK(now >= last);
		CHECK(now - last < TSC_SANE);
		last = now;
	}
	return true;
}

/* What was written by WRMSR is what RDMSR gives. */
static bool msr_round_trip(void)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} table[] = {
		{MSR_STAR,	   0x0013000812345678},
		     {MSR_LSTAR,	 0xffffffff80001000},
		{MSR_CSTAR,	    0x00007fffffffe000},
		     {MSR_SFMASK,	  0x47700		 },
		{MSR_FS_BASE,      0xffff800000001234},
		     {MSR_GS_BASE,	   0x7654321	    },
		{MSR_KERNEL_GS,	0xffffffffffff0000},
		     {MSR_SYSENTER_CS,  0x10		   },
		{MSR_SYSENTER_ESP, 0x123450	   },
		     {MSR_SYSENTER_EIP, 0xffff812345678000},
		{MSR_PAT,	  0x0107040600070406},
		     {MSR_TSC_AUX,	   0x77	       },
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t value;

		if (!wrmsr_safe(table[i].msr, table[i].value) || !rdmsr_safe(table[i].msr, &value))
			return case_fail("MSR %x faults", table[i].msr);
		if (value != table[i].value)
			return case_fail("MSR %x gives %lx, not %lx", table[i].msr, value,
					 table[i].value);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_PAT, 0x0007040600070406);
	return true;
}

/* A base that WRMSR set is the one that addresses are made with. */
static bool fs_base_used(void)
{
	static uint64_t word = 0x1234567890abcdef;
	uint64_t seen;

	wrmsr(MSR_FS_BASE, (uint64_t)&word);
	__asm__ volatile("mov %%fs:0, %0" : "=r"(seen));
	wrmsr(MSR_FS_BASE, 0);
	CHECK_EQ(seen, word);
	return true;
}

/* SYSCALL and SYSRET by the MSRs written: ring 0 to itself is enough to see STAR, LSTAR and SFMASK at work. */
static bool syscall_enters(void)
{
	uint64_t rcx, rflags, here;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)SEL_CODE64 << 32);
	wrmsr(MSR_SFMASK, RFLAGS_DF);
	__asm__ volatile("lea 1f(%%rip), %%rax\n\t"
			 "mov %%rax, %%rdx\n\t"
			 "shr $32, %%rdx\n\t"
			 "mov %3, %%ecx\n\t"
			 "wrmsr\n\t"
			 "std\n\t"
			 "syscall\n\t"
			 "2: ud2\n\t"
			 "1: lea 2b(%%rip), %2\n\t"
			 "mov %%rcx, %0\n\t"
			 "pushf\n\t"
			 "pop %1\n\t"
			 : "=&r"(rcx), "=&r"(rflags), "=&r"(here)
			 : "i"(MSR_LSTAR)
			 : "rax", "rcx", "rdx", "r11", "memory", "cc");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
	CHECK_EQ(rcx, here);
	CHECK(!(rflags & RFLAGS_DF));
	return true;
}

static bool is_amd(void)
{
	struct cpuid r = cpuid(0, 0);

	return !memcmp(&r.ebx, "Auth", 4);
}

static const struct test_case cases[] = {
	{"page-crossing",  page_crossing },
	    {"flags-kept",	   flags_kept    },
	{"pause-loop",     pause_loop	 },
	    {"tsc-monotonic",  tsc_monotonic },
	{"msr-round-trip", msr_round_trip},
	    {"fs-base",	fs_base_used  },
	{"syscall",	    syscall_enters},
};

uint32_t guest_main(void)
{
	rows_run(rows, ARRAY_SIZE(rows));
	if (is_amd())
		rows_run(amd_rows, ARRAY_SIZE(amd_rows));
	else
		rows_run(intel_rows, ARRAY_SIZE(intel_rows));
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
