/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a vCPU's VMCS and last exit, and which rules it breaks, for reports. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

static void raw_capabilities(struct vmx_raw *r)
{
	bool true_ctls = msr_read(MSR_VMX_BASIC) & VMX_BASIC_TRUE_CTLS;

	r->cap_pin = msr_read(true_ctls ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN);
	r->cap_proc = msr_read(true_ctls ? MSR_VMX_TRUE_PROC : MSR_VMX_PROC);
	r->cap_proc2 = msr_read(MSR_VMX_PROC2);
	r->cap_exit = msr_read(true_ctls ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
	r->cap_entry = msr_read(true_ctls ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
	r->cr0_fixed0 = vmx_ctl.cr0_fixed0;
	r->cr4_fixed0 = vmx_ctl.cr4_fixed0;
	r->activities = VMX_MISC_ACTIVITY(msr_read(MSR_VMX_MISC));
}

static void raw_controls(struct vmx_raw *r)
{
	r->pin = (uint32_t)vmcs_read(VMCS_PIN);
	r->proc = (uint32_t)vmcs_read(VMCS_PROC);
	r->proc2 = (uint32_t)vmcs_read(VMCS_PROC2);
	r->exit = (uint32_t)vmcs_read(VMCS_EXIT);
	r->entry = (uint32_t)vmcs_read(VMCS_ENTRY);
	r->cr3_targets = (uint32_t)vmcs_read(VMCS_CR3_TARGETS);
	r->io_bitmap_a = vmcs_read(VMCS_IO_BITMAP_A);
	r->io_bitmap_b = vmcs_read(VMCS_IO_BITMAP_B);
	r->msr_bitmap = vmcs_read(VMCS_MSR_BITMAP);
	r->eptp = vmcs_read(VMCS_EPTP);
	r->vpid = vmx_ctl.proc2 & PROC2_VPID ? (uint16_t)vmcs_read(VMCS_VPID) : 0;
	r->entry_msr_count = (uint32_t)vmcs_read(VMCS_ENTRY_LOAD_COUNT);
	r->entry_msrs = vmcs_read(VMCS_ENTRY_LOAD);
	r->intr = (uint32_t)vmcs_read(VMCS_ENTRY_INTR);
	r->intr_error = (uint32_t)vmcs_read(VMCS_ENTRY_ERROR);
	r->intr_len = (uint32_t)vmcs_read(VMCS_ENTRY_LEN);
}

static void raw_guest(struct vmx_raw *r)
{
	r->cr0 = vmcs_read(VMCS_GUEST_CR0);
	r->cr4 = vmcs_read(VMCS_GUEST_CR4);
	r->efer = vmcs_read(VMCS_GUEST_EFER);
	r->rflags = vmcs_read(VMCS_GUEST_RFLAGS);
	r->debugctl = vmcs_read(VMCS_GUEST_DEBUGCTL);
	r->pending_db = vmcs_read(VMCS_GUEST_PENDING_DB);
	r->link = vmcs_read(VMCS_LINK_POINTER);
	for (uint32_t i = 0; i < ARRAY_SIZE(r->pdpte); i++)
		r->pdpte[i] = vmcs_read(VMCS_GUEST_PDPTE0 + 2 * i);
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		r->access[i] = vmx_seg_access(i);
	r->gdtr_limit = (uint32_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
	r->idtr_limit = (uint32_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
	r->activity = (uint32_t)vmcs_read(VMCS_GUEST_ACTIVITY);
	r->blocking = (uint32_t)vmcs_read(VMCS_GUEST_BLOCKING);
}

/* What the processor looked at: not CR0 and CR4 as the guest sees them, not what was meant to be written. */
uint32_t vmx_check_entry(struct vcpu_arch *v, report_fn report, void *arg)
{
	struct vmx_raw r = {0};
	struct guest_state s;
	bool borrowed;

	vmx_get_state(v, &s);
	borrowed = vmx_borrow(v);
	raw_capabilities(&r);
	raw_controls(&r);
	raw_guest(&r);
	s.cr0 = r.cr0;
	s.cr4 = r.cr4;
	s.rflags = r.rflags;
	s.rip = vmcs_read(VMCS_GUEST_RIP);
	vmx_release(v, borrowed);
	return vmx_check_raw(&r, report, arg) + vmx_check_state(&s, report, arg);
}

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
	bool borrowed;

	if (v->exit.kind == EXIT_INVALID)
		vmx_check_entry(v, report, arg);
	borrowed = vmx_borrow(v);
	dump_exit(v, report, arg);
	dump_controls(report, arg);
	vmx_release(v, borrowed);
	vmx_get_state(v, &s);
	dump_state(&s, report, arg);
}
