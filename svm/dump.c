/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a vCPU's VMCB and last exit, for reports. */

#include "svm/svm.h"

void svm_dump(struct vcpu_arch *v, report_fn report, void *arg)
{
	const struct vmcb *c = vmcb_of(v);
	static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs", "tr", "ldtr"};
	struct guest_state state;

	if (v->exit.kind == EXIT_INVALID) {
		svm_get_state(v, &state);
		svm_check_state(&state, report, arg);
	}
	report(arg, "exit %#lx info1 %#lx info2 %#lx intinfo %#lx shadow %lx", c->exit_code,
	       c->exit_info1, c->exit_info2, c->exit_int_info, c->int_shadow);
	report(arg, "cr0 %lx cr2 %lx cr3 %lx cr4 %lx efer %lx cpl %u", c->cr0, c->cr2, c->cr3,
	       c->cr4, c->efer, c->cpl);
	for (uint32_t i = 0; i < SEG_COUNT; i++) {
		struct segment s = svm_get_seg(v, i);

		report(arg, "%-4s %04x attr %03x limit %08x base %lx", names[i], s.sel, s.attr,
		       s.limit, s.base);
	}
	report(arg, "gdtr %lx/%x idtr %lx/%x dr6 %lx dr7 %lx", c->gdtr.base, c->gdtr.limit,
	       c->idtr.base, c->idtr.limit, c->dr6, c->dr7);
	report(arg, "int_ctl %x asid %u ncr3 %lx", c->int_ctl, c->asid, c->ncr3);
}
