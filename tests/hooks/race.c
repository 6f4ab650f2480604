/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: NMIs at the places of the table .redirect, each by a breakpoint there whose #DB is handled as an NMI. */

#include "tests/hooks/race.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "arch/trap.h"
#include "vm/vm.h"
#include "vmx/vmx.h"

#define DR7_NONE  0x400
#define DR7_FIRST (DR7_NONE | 2) /* DR0: an instruction, whatever the task */

struct place {
	uint64_t insn, landing;
};

extern const struct place redirect_start[], redirect_end[];
extern const uint8_t __real_vmx_enter[];

void __wrap_trap_handle(struct trap_frame *f);
void __real_trap_handle(struct trap_frame *f);
void __wrap_cpu_sleep(void);
void __real_cpu_sleep(void);

static const struct place *sleeps, *enters; /* the place that is armed, by its kind */

static void breakpoint(uint64_t address, uint64_t dr7)
{
	dr0_write(address);
	__asm__ volatile("mov %0, %%dr7" : : "r"(dr7) : "memory");
}

static bool to_entry(const struct place *p)
{
	return p->insn >= (uint64_t)__real_vmx_enter && p->insn < (uint64_t)vmx_exit_plain;
}

void __wrap_trap_handle(struct trap_frame *f)
{
	const struct place *p = sleeps ? sleeps : enters;

	if (f->vector == EXC_DB && p && f->rip == p->insn) {
		sleeps = enters = NULL;
		breakpoint(0, DR7_NONE);
		f->vector = EXC_NMI;
	}
	__real_trap_handle(f);
}

void __wrap_cpu_sleep(void)
{
	if (sleeps)
		breakpoint(sleeps->insn, DR7_FIRST);
	__real_cpu_sleep();
}

void hook_race_enter(void)
{
	if (enters)
		breakpoint(enters->insn, DR7_FIRST);
}

int64_t hook_race(struct vcpu *v, uint64_t place)
{
	const struct place *p = redirect_start + place;

	if (p >= redirect_end || (to_entry(p) && virt != &vmx_ops))
		return 0;
	if (!to_entry(p)) {
		sleeps = p;
		return 1;
	}
	/* VMRESUME fails after VMCLEAR, and VMLAUNCH follows: all four are on the way. */
	virt->vcpu_put(&v->arch);
	virt->vcpu_load(&v->arch);
	enters = p;
	return 2;
}
