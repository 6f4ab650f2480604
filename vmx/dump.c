/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a vCPU's VMCS and last exit, for reports. */

#include "vmx/vmx.h"

static void dump_controls(report_fn report, void *arg)
{
	report(arg, "pin %lx proc %lx proc2 %lx exit %lx entry %lx exceptions %lx",
	       vmcs_read(VMCS_PIN), vmcs_read(VMCS_PROC), vmcs_read(VMCS_PROC2),
	       vmcs_read(VMCS_EXIT), vmcs_read(VMCS_ENTRY), vmcs_read(VMCS_EXCEPTIONS));
	report(arg, "eptp %lx vpid %lx tsc offset %lx", vmcs_read(VMCS_EPTP), vmcs_read(VMCS_VPID),
	       vmcs_read(VMCS_TSC_OFFSET));
	report(arg, "cr0 real %lx shadow %lx, cr4 real %lx shadow %lx", vmcs_read(VMCS_GUEST_CR0),
	       vmcs_read(VMCS_CR0_SHADOW), vmcs_read(VMCS_GUEST_CR4), vmcs_read(VMCS_CR4_SHADOW));
}

static void dump_exit(const struct vcpu_arch *v, report_fn report, void *arg)
{
	report(arg, "reason %lx qualification %lx linear %lx physical %lx, VM-instruction error %u",
	       vmcs_read(VMCS_EXIT_REASON), vmcs_read(VMCS_QUALIFICATION),
	       vmcs_read(VMCS_GUEST_LINEAR), vmcs_read(VMCS_GUEST_PHYSICAL), own_of(v)->insn_error);
	report(arg,
	       "interruption %lx cut short %lx injected %lx, blocking %lx activity %lx pending debug %lx",
	       vmcs_read(VMCS_EXIT_INTR), vmcs_read(VMCS_IDT_INFO), vmcs_read(VMCS_ENTRY_INTR),
	       vmcs_read(VMCS_GUEST_BLOCKING), vmcs_read(VMCS_GUEST_ACTIVITY),
	       vmcs_read(VMCS_GUEST_PENDING_DB));
}

static void dump_state(const struct guest_state *s, report_fn report, void *arg)
{
	static const char *const names[SEG_COUNT] = {"es", "cs", "ss", "ds",
						     "fs", "gs", "tr", "ldtr"};

	report(arg, "rip %lx rsp %lx rflags %lx", s->rip, s->rsp, s->rflags);
	report(arg, "cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx", s->cr0, s->cr2, s->cr3, s->cr4,
	       s->efer);
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		report(arg, "%-4s %04x attr %03x limit %08x base %lx", names[i], s->seg[i].sel,
		       s->seg[i].attr, s->seg[i].limit, s->seg[i].base);
	report(arg, "gdtr %lx/%x idtr %lx/%x dr6 %lx dr7 %lx", s->gdtr.base, s->gdtr.limit,
	       s->idtr.base, s->idtr.limit, s->dr6, s->dr7);
}

void vmx_dump(struct vcpu_arch *v, report_fn report, void *arg)
{
	struct guest_state s;
	bool borrowed = vmx_borrow(v);

	dump_exit(v, report, arg);
	dump_controls(report, arg);
	vmx_release(v, borrowed);
	vmx_get_state(v, &s);
	dump_state(&s, report, arg);
}
