/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of what only a VMCS has: a legal one passes, and each rule is found by a field that breaks it. */
/* sources: vmx/check_entry.c vmx/check.c */

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

#define CAP(must, may) ((uint64_t)(may) << 32 | (must))
#define VALID	       INTR_VALID
#define TYPE(t)	       ((uint32_t)(t) << INTR_TYPE_SHIFT)

static char found[160];

static void line_keep(void *arg, const char *fmt, ...)
{
	va_list ap;

	(void)arg;
	va_start(ap, fmt);
	vsnprintf(found, sizeof(found), fmt, ap);
	va_end(ap);
}

/* A kernel in 64-bit mode, interrupts on. */
static struct vmx_raw whole(void)
{
	struct vmx_raw r = {
		.cap_pin = CAP(0x16, 0x7f),
		.cap_proc = CAP(0x0401e172, 0xfff9fffe),
		.cap_proc2 = CAP(0, 0x1fff),
		.cap_exit = CAP(0x36dff, 0xffffff),
		.cap_entry = CAP(0x11ff, 0xffff),
		.cr0_fixed0 = CR0_NE,
		.cr4_fixed0 = CR4_VMXE,
		.activities = 7,
		.pin = 0x3f,
		.proc = 0x0401e172 | PROC_SECONDARY | PROC_IO_BITMAPS | PROC_MSR_BITMAPS,
		.proc2 = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED,
		.exit = 0x36dff,
		.entry = 0x11ff | ENTRY_IA32E,
		.io_bitmap_a = 0x1000,
		.io_bitmap_b = 0x2000,
		.msr_bitmap = 0x3000,
		.eptp = 0x4000 | EPTP_WB | EPTP_WALK_4 | EPTP_AD,
		.vpid = 1,
		.cr0 = CR0_PE | CR0_PG | CR0_NE,
		.cr4 = CR4_PAE | CR4_VMXE,
		.efer = EFER_LME | EFER_LMA,
		.rflags = RFLAGS_FIXED | RFLAGS_IF,
		.link = UINT64_MAX,
		.gdtr_limit = 0xffff,
	};

	for (uint32_t i = 0; i < SEG_COUNT; i++)
		r.access[i] = ACCESS_UNUSABLE;
	r.access[SEG_CS] = 0xa09b;
	r.access[SEG_SS] = 0xc093;
	r.access[SEG_TR] = 0x8b;
	return r;
}

static uint32_t checked(struct vmx_raw r)
{
	found[0] = 0;
	return vmx_check_raw(&r, line_keep, NULL);
}

/* One rule is broken, and @text is in its line. */
#define BREAK(change, text)                                            \
	do {                                                           \
		struct vmx_raw r = whole();                            \
                                                                       \
		change;                                                \
		if (checked(r) != 1 || !strstr(found, text))           \
			fail_msg("%u rules, '%s'", checked(r), found); \
	} while (0)

#define LEGAL(change)                          \
	do {                                   \
		struct vmx_raw r = whole();    \
                                               \
		change;                        \
		if (checked(r))                \
			fail_msg("%s", found); \
	} while (0)

static void controls(void **state)
{
	(void)state;
	LEGAL((void)r);
	BREAK(r.pin &= ~2U, "pin-based");
	BREAK(r.pin |= BIT(31), "pin-based");
	BREAK(r.proc &= ~2U, "primary");
	BREAK(r.proc |= 1, "primary");
	BREAK(r.proc2 |= BIT(31), "secondary");
	LEGAL(r.proc &= ~(uint32_t)PROC_SECONDARY; r.proc2 |= BIT(31));
	BREAK(r.exit &= ~1U, "exit controls");
	BREAK(r.entry |= BIT(31), "entry controls");
	BREAK(r.cr3_targets = 5, "CR3 targets");
	LEGAL(r.cr3_targets = 4);
	BREAK(r.io_bitmap_b++, "I/O bitmap");
	BREAK(r.io_bitmap_a = 1ULL << 52, "I/O bitmap");
	LEGAL(r.proc &= ~(uint32_t)PROC_IO_BITMAPS; r.io_bitmap_a = 1);
	BREAK(r.msr_bitmap |= 0x800, "MSR bitmap");
	BREAK(r.pin &= ~(uint32_t)PIN_NMI, "virtual NMIs");
	BREAK(r.pin &= ~(uint32_t)PIN_VIRTUAL_NMI; r.proc |= PROC_NMI_WINDOW, "virtual NMIs");
	BREAK(r.vpid = 0, "VPID");
	LEGAL(r.vpid = 0; r.proc2 &= ~(uint32_t)PROC2_VPID);
	BREAK(r.eptp ^= 1, "EPTP");
	BREAK(r.eptp ^= 8, "EPTP");
	BREAK(r.eptp |= BIT(8), "EPTP");
	BREAK(r.eptp |= 1ULL << 52, "EPTP");
	BREAK(r.proc2 &= ~(uint32_t)PROC2_EPT, "without EPT");
	BREAK(r.entry_msr_count = 1; r.entry_msrs = 8, "MSR-load");
	LEGAL(r.entry_msrs = 8);
}

static void event(void **state)
{
	(void)state;
	LEGAL(r.intr = VALID | 0x51);
	LEGAL(r.intr = VALID | TYPE(EVENT_NMI) | 2);
	LEGAL(r.intr = VALID | TYPE(EVENT_EXC) | 6);
	LEGAL(r.intr = VALID | TYPE(EVENT_EXC) | INTR_HAS_ERROR | 13; r.intr_error = 0xffff);
	LEGAL(r.intr = VALID | TYPE(EVENT_EXC) | 13; r.cr0 &= ~(CR0_PE | CR0_PG));
	LEGAL(r.intr = VALID | TYPE(EVENT_SOFT_INT) | 0x80; r.intr_len = 2);
	LEGAL(r.intr = TYPE(1)); /* not valid */
	BREAK(r.intr = VALID | TYPE(1), "reserved type");
	BREAK(r.intr = VALID | BIT(12) | 0x51, "reserved type");
	BREAK(r.intr = VALID | TYPE(EVENT_NMI) | 3, "has a vector");
	BREAK(r.intr = VALID | TYPE(EVENT_EXC) | 32, "has a vector");
	BREAK(r.intr = VALID | TYPE(EVENT_EXC) | 13, "error code");
	BREAK(r.intr = VALID | TYPE(EVENT_EXC) | INTR_HAS_ERROR | 6, "error code");
	BREAK(r.intr = VALID | INTR_HAS_ERROR | 0x51, "error code");
	BREAK(r.intr = VALID | TYPE(EVENT_EXC) | INTR_HAS_ERROR | 13;
	      r.cr0 &= ~(CR0_PE | CR0_PG), "error code");
	BREAK(r.intr = VALID | TYPE(EVENT_EXC) | INTR_HAS_ERROR | 14;
	      r.intr_error = BIT(16), "bits above 15");
	BREAK(r.intr = VALID | TYPE(EVENT_SOFT_INT) | 0x80, "length");
	BREAK(r.intr = VALID | TYPE(EVENT_SOFT_EXC) | 3; r.intr_len = 16, "length");
}

static void registers(void **state)
{
	(void)state;
	BREAK(r.cr0 &= ~CR0_NE, "CR0 lacks");
	BREAK(r.cr4 &= ~CR4_VMXE, "CR4 lacks");
	BREAK(r.entry &= ~(uint32_t)ENTRY_IA32E; r.pdpte[0] = 0, "IA-32e mode guest");
	BREAK(r.access[SEG_CS] |= BIT(8), "reserved");
	BREAK(r.access[SEG_TR] |= BIT(31), "reserved");
	BREAK(r.access[SEG_DS] = 0xc093 | BIT(17), "reserved");
	LEGAL(r.access[SEG_DS] |= BIT(17));
	BREAK(r.access[SEG_LDTR] = 2, "not present");
	BREAK(r.gdtr_limit = BIT(16), "limit");
	BREAK(r.idtr_limit = BIT(31), "limit");
	for (uint32_t i = 0; i < 4; i++) {
		BREAK(r.entry &= ~(uint32_t)ENTRY_IA32E; r.efer = 0;
		      r.pdpte[i] = 1 | BIT(5), "PDPTE");
		LEGAL(r.entry &= ~(uint32_t)ENTRY_IA32E; r.efer = 0; r.pdpte[i] = BIT(5));
	}
}

static void state_of_cpu(void **state)
{
	(void)state;
	BREAK(r.rflags &= ~RFLAGS_IF; r.intr = VALID | 0x51, "RFLAGS.IF");
	BREAK(r.activity = 4, "activity state is none");
	BREAK(r.activity = ACTIVITY_HLT; r.activities = 6, "activity state is none");
	LEGAL(r.activity = ACTIVITY_HLT; r.activities = 1);
	BREAK(r.activity = ACTIVITY_HLT; r.access[SEG_SS] = 0xc0f3, "SS.DPL");
	BREAK(r.activity = ACTIVITY_SHUTDOWN; r.blocking = BLOCKING_STI, "while not active");
	BREAK(r.activity = ACTIVITY_HLT; r.intr = VALID | TYPE(EVENT_EXC) | 6, "does not allow");
	LEGAL(r.activity = ACTIVITY_HLT; r.intr = VALID | TYPE(EVENT_EXC) | 18);
	LEGAL(r.activity = ACTIVITY_HLT; r.intr = VALID | 0x51);
	BREAK(r.activity = ACTIVITY_SHUTDOWN; r.intr = VALID | 0x51, "does not allow");
	LEGAL(r.activity = ACTIVITY_SHUTDOWN; r.intr = VALID | TYPE(EVENT_NMI) | 2);
	BREAK(r.activity = ACTIVITY_WAIT_SIPI;
	      r.intr = VALID | TYPE(EVENT_NMI) | 2, "does not allow");
	BREAK(r.blocking = BIT(5), "interruptibility");
	BREAK(r.blocking = BLOCKING_STI | BLOCKING_MOVSS, "STI with MOV SS");
	LEGAL(r.blocking = BLOCKING_STI);
	BREAK(r.blocking = BLOCKING_STI; r.rflags &= ~RFLAGS_IF, "STI while");
	BREAK(r.blocking = BLOCKING_SMI, "SMI");
	BREAK(r.blocking = BLOCKING_MOVSS; r.intr = VALID | 0x51, "STI or MOV SS blocks");
	BREAK(r.blocking = BLOCKING_MOVSS; r.intr = VALID | TYPE(EVENT_NMI) | 2, "NMI is injected");
	BREAK(r.blocking = BLOCKING_NMI; r.intr = VALID | TYPE(EVENT_NMI) | 2, "NMI is injected");
	LEGAL(r.blocking = BLOCKING_NMI; r.intr = VALID | 0x51);
	BREAK(r.pending_db = BIT(4), "reserved");
	BREAK(r.blocking = BLOCKING_MOVSS; r.pending_db = PENDING_BS, "BS");
	BREAK(r.blocking = BLOCKING_MOVSS; r.rflags |= RFLAGS_TF, "BS");
	LEGAL(r.blocking = BLOCKING_MOVSS; r.rflags |= RFLAGS_TF; r.pending_db = PENDING_BS);
	LEGAL(r.blocking = BLOCKING_MOVSS; r.rflags |= RFLAGS_TF; r.debugctl = 2);
	BREAK(r.link = 0x1001, "link");
	BREAK(r.link = 1ULL << 52, "link");
	LEGAL(r.link = 0x1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controls),
		cmocka_unit_test(event),
		cmocka_unit_test(registers),
		cmocka_unit_test(state_of_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
