/* SPDX-License-Identifier: BSD-2-Clause */
/* Has its own VMCS broken in many ways, one at a time, by the image with hooks (tests/hooks); leave=N: as number N, for good. */

#include "../../tests/hooks/hooks.h"
#include "lib/guest.h"
#include "lib/x86.h"

#define RIGHTS_UNUSABLE BIT(16)
#define NOT_CANONICAL	0x0000800000000000ULL
#define TAKE		(~0ULL)
#define DRAIN		1500000 /* TSC ticks */

/* VMCS fields (SDM vol. 3, appendix B) */
enum {
	VPID = 0x0000,
	ES_SEL = 0x800,
	LDTR_SEL = 0x80c,
	TR_SEL = 0x80e,
	IO_A = 0x2000,
	MSR_BITMAP = 0x2004,
	ENTRY_LOAD = 0x200a,
	EPTP = 0x201a,
	LINK = 0x2800,
	PAT = 0x2804,
	EFER = 0x2806,
	PDPTE0 = 0x280a,
	PIN = 0x4000,
	PROC = 0x4002,
	CR3_TARGETS = 0x400a,
	EXIT = 0x400c,
	ENTRY = 0x4012,
	ENTRY_LOAD_COUNT = 0x4014,
	INTR = 0x4016,
	INTR_ERROR = 0x4018,
	INTR_LEN = 0x401a,
	PROC2 = 0x401e,
	CS_LIMIT = 0x4802,
	FS_LIMIT = 0x4808,
	LDTR_LIMIT = 0x480c,
	TR_LIMIT = 0x480e,
	GDTR_LIMIT = 0x4810,
	IDTR_LIMIT = 0x4812,
	ES_AR = 0x4814,
	CS_AR = 0x4816,
	SS_AR = 0x4818,
	DS_AR = 0x481a,
	FS_AR = 0x481c,
	LDTR_AR = 0x4820,
	TR_AR = 0x4822,
	BLOCKING = 0x4824,
	ACTIVITY = 0x4826,
	CR0 = 0x6800,
	CR3 = 0x6802,
	CR4 = 0x6804,
	ES_BASE = 0x6806,
	CS_BASE = 0x6808,
	SS_BASE = 0x680a,
	DS_BASE = 0x680c,
	FS_BASE = 0x680e,
	GS_BASE = 0x6810,
	LDTR_BASE = 0x6812,
	TR_BASE = 0x6814,
	GDTR_BASE = 0x6816,
	IDTR_BASE = 0x6818,
	DR7 = 0x681a,
	RIP = 0x681e,
	RFLAGS = 0x6820,
	PENDING = 0x6822,
	SYSENTER_ESP = 0x6824,
	SYSENTER_EIP = 0x6826,
};

struct change {
	uint32_t field;
	uint64_t clear, set; /* of the value that is there */
};

/* Bits of a field cleared and set; a field's new value; outside IA-32e mode. */
#define BITS(field, clear, set)   \
	{                         \
		field, clear, set \
	}
#define TO(field, value) BITS(field, TAKE, value)
#define LEGACY		 BITS(ENTRY, BIT(9), 0), BITS(EFER, EFER_LME | EFER_LMA, 0)
#define NOTHING		 BITS(0, 0, 0)
#define STATE(name, ...)            \
	{                           \
		name,               \
		{                   \
			__VA_ARGS__ \
		}                   \
	}
#define VALID	   BIT(31)
#define ERROR_CODE BIT(11)

static const struct {
	const char *name;
	struct change change[HOOK_FIELDS];
} states[] = {
	/* legal: they enter */
	STATE("legal-none", NOTHING),
	STATE("legal-pat", TO(PAT, 0x0007040600070506)),
	STATE("legal-dr7", BITS(DR7, 0, BIT(9))),
	STATE("legal-sysenter", TO(SYSENTER_ESP, 0xffff800000000000)),
	STATE("legal-mov-ss", BITS(BLOCKING, 0, 2)),
	STATE("legal-sti", BITS(BLOCKING, 0, 1), BITS(RFLAGS, 0, RFLAGS_IF)),
	STATE("legal-unusable", TO(ES_AR, RIGHTS_UNUSABLE | 0x70f), TO(ES_BASE, NOT_CANONICAL)),
	STATE("legal-ldtr", TO(LDTR_AR, 0x82), TO(LDTR_LIMIT, 0xffff)),
	STATE("legal-fs-base", TO(FS_BASE, 0xffff888000000000)),
	/* control registers, MSRs */
	STATE("cr0-ne", BITS(CR0, CR0_NE, 0)),
	STATE("cr0-pe", BITS(CR0, CR0_PE, 0)),
	STATE("cr0-high", BITS(CR0, 0, BIT(32))),
	STATE("cr3-high", BITS(CR3, 0, BIT(52))),
	STATE("cr4-vmxe", BITS(CR4, CR4_VMXE, 0)),
	STATE("cr4-high", BITS(CR4, 0, BIT(40))),
	STATE("cr4-pae", BITS(CR4, CR4_PAE, 0)),
	STATE("cr4-pcide", LEGACY, BITS(CR4, 0, CR4_PCIDE), BITS(CS_AR, BIT(13), BIT(14))),
	STATE("dr7-high", BITS(DR7, 0, BIT(32))),
	STATE("sysenter-esp", TO(SYSENTER_ESP, NOT_CANONICAL)),
	STATE("sysenter-eip", TO(SYSENTER_EIP, NOT_CANONICAL)),
	STATE("pat-2", BITS(PAT, 7, 2)),
	STATE("pat-8", BITS(PAT, 0, BIT(59))),
	STATE("efer-reserved", BITS(EFER, 0, BIT(1))),
	STATE("efer-lma", BITS(EFER, EFER_LMA, 0)),
	STATE("efer-lme", BITS(EFER, EFER_LME, 0)),
	STATE("efer-entry", BITS(ENTRY, BIT(9), 0)),
	/* RFLAGS, RIP, tables */
	STATE("rflags-1", BITS(RFLAGS, BIT(1), 0)),
	STATE("rflags-3", BITS(RFLAGS, 0, BIT(3))),
	STATE("rflags-vm", BITS(RFLAGS, 0, BIT(17))),
	STATE("rip-high", BITS(CS_AR, BIT(13), BIT(14)), BITS(RIP, 0, BIT(32))),
	STATE("gdtr-base", TO(GDTR_BASE, NOT_CANONICAL)),
	STATE("idtr-base", TO(IDTR_BASE, NOT_CANONICAL)),
	STATE("gdtr-limit", BITS(GDTR_LIMIT, 0, BIT(16))),
	STATE("idtr-limit", BITS(IDTR_LIMIT, 0, BIT(31))),
	/* segments */
	STATE("v8086-base", LEGACY, BITS(RFLAGS, 0, BIT(17)), BITS(CR4, CR4_PAE, 0),
	      TO(ES_BASE, 0x12345)),
	STATE("tr-base", TO(TR_BASE, NOT_CANONICAL)),
	STATE("ldtr-base", TO(LDTR_AR, 0x82), TO(LDTR_LIMIT, 0xffff), TO(LDTR_BASE, NOT_CANONICAL)),
	STATE("fs-base", TO(FS_BASE, NOT_CANONICAL)),
	STATE("gs-base", TO(GS_BASE, NOT_CANONICAL)),
	STATE("cs-base", BITS(CS_BASE, 0, BIT(32))),
	STATE("ss-base", TO(SS_AR, 0xc093), BITS(SS_BASE, 0, BIT(63))),
	STATE("ds-base", TO(DS_AR, 0xc093), BITS(DS_BASE, 0, BIT(40))),
	STATE("cs-system", BITS(CS_AR, BIT(4), 0)),
	STATE("cs-absent", BITS(CS_AR, BIT(7), 0)),
	STATE("cs-limit", BITS(CS_AR, BIT(15), 0), TO(CS_LIMIT, 0xffffffff)),
	STATE("cs-reserved", BITS(CS_AR, 0, BIT(9))),
	STATE("cs-type", BITS(CS_AR, 0xf, 1)),
	STATE("cs-l-db", BITS(CS_AR, 0, BIT(13) | BIT(14))),
	STATE("cs-data-dpl", BITS(CS_AR, 0xf, 3 | BIT(5))),
	STATE("ss-type", TO(SS_AR, 0xc09b)),
	STATE("ds-accessed", TO(DS_AR, 0xc092)),
	STATE("es-unreadable", TO(ES_AR, 0xc099)),
	STATE("ds-system", TO(DS_AR, 0xc083)),
	STATE("es-absent", TO(ES_AR, 0xc013)),
	STATE("fs-limit", TO(FS_AR, 0x4093), TO(FS_LIMIT, 0x100000)),
	STATE("ldtr-ti", TO(LDTR_AR, 0x82), TO(LDTR_LIMIT, 0xffff), TO(LDTR_SEL, 4)),
	STATE("ldtr-type", TO(LDTR_AR, 0x83), TO(LDTR_LIMIT, 0xffff)),
	STATE("ldtr-segment", TO(LDTR_AR, 0x92), TO(LDTR_LIMIT, 0xffff)),
	STATE("ldtr-absent", TO(LDTR_AR, 0x02), TO(LDTR_LIMIT, 0xffff)),
	STATE("ldtr-limit", TO(LDTR_AR, 0x82), TO(LDTR_LIMIT, 0x100000)),
	STATE("tr-ti", BITS(TR_SEL, 0, 4)),
	STATE("tr-type", BITS(TR_AR, 0xf, 2)),
	STATE("tr-segment", BITS(TR_AR, 0, BIT(4))),
	STATE("tr-absent", BITS(TR_AR, BIT(7), 0)),
	STATE("tr-limit", BITS(TR_AR, BIT(15), 0), TO(TR_LIMIT, 0x100000)),
	STATE("tr-unusable", BITS(TR_AR, 0, RIGHTS_UNUSABLE)),
	/* what is no register */
	STATE("link", TO(LINK, 0x1234)),
	STATE("pending-reserved", BITS(PENDING, 0, BIT(5))),
	STATE("activity", TO(ACTIVITY, 4)),
	STATE("activity-sti", TO(ACTIVITY, 1), TO(BLOCKING, 1), BITS(RFLAGS, 0, RFLAGS_IF)),
	STATE("blocking-reserved", BITS(BLOCKING, 0, BIT(5))),
	STATE("blocking-both", BITS(BLOCKING, 0, 3), BITS(RFLAGS, 0, RFLAGS_IF)),
	STATE("blocking-sti", BITS(BLOCKING, 0, 1), BITS(RFLAGS, RFLAGS_IF, 0)),
	STATE("blocking-smi", BITS(BLOCKING, 0, 4)),
	STATE("pdpte", LEGACY, BITS(CS_AR, BIT(13), BIT(14)), TO(PDPTE0, 0x1e1)),
	/* events */
	STATE("intr-if", TO(INTR, VALID | 0x51), BITS(RFLAGS, RFLAGS_IF, 0)),
	STATE("intr-mov-ss", TO(INTR, VALID | 0x51), BITS(RFLAGS, 0, RFLAGS_IF),
	      BITS(BLOCKING, 0, 2)),
	STATE("nmi-mov-ss", TO(INTR, VALID | 2 << 8 | 2), BITS(BLOCKING, 0, 2)),
	/* Bochs 2.7 lets an NMI in while NMIs are blocked: only tests/unit/test_vmx_entry.c has that. */
	STATE("event-type", TO(INTR, VALID | 1 << 8 | 0x51)),
	STATE("event-reserved", TO(INTR, VALID | BIT(12) | 3 << 8 | 6)),
	STATE("nmi-vector", TO(INTR, VALID | 2 << 8 | 3)),
	STATE("exception-vector", TO(INTR, VALID | 3 << 8 | 32)),
	STATE("error-none", TO(INTR, VALID | 3 << 8 | 13)),
	STATE("error-surplus", TO(INTR, VALID | ERROR_CODE | 3 << 8 | 6)),
	STATE("error-high", TO(INTR, VALID | ERROR_CODE | 3 << 8 | 13), TO(INTR_ERROR, BIT(16))),
	STATE("soft-length", TO(INTR, VALID | 4 << 8 | 0x80), TO(INTR_LEN, 16)),
	/* controls: VMfail */
	STATE("pin-zero", TO(PIN, 0)),
	STATE("pin-ones", BITS(PIN, 0, TAKE >> 32)),
	STATE("pin-virtual-nmi", BITS(PIN, BIT(3), 0)),
	STATE("pin-timer", BITS(PIN, BIT(6), 0)),
	STATE("proc-zero", TO(PROC, BIT(31))),
	STATE("proc-ones", BITS(PROC, 0, BIT(0))),
	STATE("proc2-ones", BITS(PROC2, 0, BIT(31))),
	STATE("exit-zero", TO(EXIT, BIT(9))),
	STATE("entry-zero", TO(ENTRY, BIT(9))),
	STATE("entry-ones", BITS(ENTRY, 0, BIT(31))),
	STATE("cr3-targets", TO(CR3_TARGETS, 5)),
	STATE("io-bitmap", BITS(IO_A, 0, 1)),
	STATE("msr-bitmap", BITS(MSR_BITMAP, 0, 0x800)),
	STATE("eptp-type", BITS(EPTP, 7, 5)),
	STATE("eptp-walk", BITS(EPTP, 0x38, 0)),
	STATE("vpid", TO(VPID, 0)),
	STATE("unrestricted", BITS(PROC2, BIT(1), 0)),
	STATE("msr-load", TO(ENTRY_LOAD_COUNT, 1), TO(ENTRY_LOAD, 8)),
	/* reason 34: what lies at physical 0 is no list of MSRs. The last one is only for leave=. */
	STATE("msr-content", TO(ENTRY_LOAD_COUNT, 16), TO(ENTRY_LOAD, 0)),
};

static int64_t hook(uint64_t call, uint64_t b, uint64_t c)
{
	int64_t result;

	__asm__ volatile("vmcall" : "=a"(result) : "a"(call), "b"(b), "c"(c) : "memory");
	return result;
}

static void fields_give(uint32_t n)
{
	for (uint32_t i = 0; i < HOOK_FIELDS; i++) {
		const struct change *c = &states[n].change[i];

		if (c->clear || c->set)
			hook(HOOK_FIELD, c->field,
			     ((uint64_t)hook(HOOK_READ, c->field, 0) & ~c->clear) | c->set);
	}
}

/* The entry is tried on the way back from the hypercall; CPUID ends what may have been entered. */
static uint32_t attempt(uint64_t call, uint32_t n)
{
	uint64_t result;
	uint32_t b = n, c = 0, d;

	__asm__ volatile("vmcall\n\t"
			 "mov %%rax, %%rsi\n\t"
			 "xor %%eax, %%eax\n\t"
			 "cpuid"
			 : "=&S"(result), "+b"(b), "+c"(c), "=d"(d)
			 : "a"(call)
			 : "memory", "cc");
	return (uint32_t)result;
}

/* Until the serial port has said it all: the log keeps only so much. */
static void wait(void)
{
	for (uint64_t end = rdtsc() + DRAIN; rdtsc() < end;)
		pause();
}

uint32_t guest_main(void)
{
	const char *leave = cmdline_word("leave");

	sti(); /* nothing comes; with IF = 0 Bochs would keep interrupts from the hypervisor */
	for (uint32_t n = 0; n < ARRAY_SIZE(states) - !leave; n++) {
		if (leave) {
			if (!list_has(leave, states[n].name))
				continue;
			print("badstate: left with %s\n", states[n].name);
			fields_give(n);
			attempt(HOOK_LEAVE, n);
			print("badstate: still here\n");
			return 1;
		}
		fields_give(n);
		print("badstate: %u %s %x\n", n, states[n].name, attempt(HOOK_TRY, n));
		wait();
	}
	return 0;
}
