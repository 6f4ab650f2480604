/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU's life after boot: pick a vCPU, enter it, handle its exit; sleep where there is none. */

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "arch/trap.h"
#include "lib/atomic.h"
#include "vm/console.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/vm.h"
#include "vm/xstate.h"

const struct virt_ops *virt;

/* The vCPU whose registers are in this CPU gives way to @v; NULL: to none. */
static void vcpu_switch(struct cpu *cpu, struct vcpu *v)
{
	struct vcpu *old = cpu->loaded ? vcpu_of(cpu->loaded) : NULL;

	if (old == v)
		return;
	if (old) {
		xstate_save(old);
		virt->vcpu_put(&old->arch);
	}
	if (!v)
		return;
	if (cpu->window_vm != v->vm) {
		guest_unmap_all();
		cpu->window_vm = v->vm;
	}
	virt->vcpu_load(&v->arch);
	xstate_load(v);
}

static NORETURN void cpu_park(struct cpu *cpu)
{
	virt->cpu_off();
	__atomic_store_n(&cpu->online, false, __ATOMIC_RELEASE);
	cpu_halt_forever();
}

/* What others, and NMI and #MC handlers, left for this CPU. */
static void requests_take(struct cpu *cpu)
{
	uint64_t requests = atomic_xchg_u64(&cpu->requests, 0);

	if (requests & CPU_REQ_PARK)
		cpu_park(cpu);
	if (requests & CPU_REQ_NMI)
		nmi_route(cpu);
	if (requests & CPU_REQ_MCE)
		mce_report(cpu);
}

static bool entity_pending(struct sched_entity *e)
{
	return vcpu_wakeable(container_of(e, struct vcpu, entity));
}

/* Nothing to run: the time until the next entry is the vCPU's sleep, not the last exit's. */
static void vcpu_idle(struct cpu *cpu)
{
	struct vcpu *v = cpu->loaded ? vcpu_of(cpu->loaded) : NULL;

	if (!v || v->stats.asleep)
		return;
	v->stats.ticks[v->arch.exit.kind] += tsc_read() - v->stats.since;
	v->stats.asleep = true;
}

/* One entry and its exit. */
static void vcpu_step(struct vcpu *v)
{
	if (v->events || v->lapic.irr_sum)
		vcpu_events(v);
	if (unlikely(v->state != VCPU_RUNNABLE)) {
		sched_block(&v->entity, entity_pending);
		return;
	}
	if (unlikely(v->stats.asleep))
		v->stats.asleep = false;
	else
		v->stats.ticks[v->arch.exit.kind] += tsc_read() - v->stats.since;
	virt->run(&v->arch);
	v->stats.since = tsc_read();
	v->stats.exits[v->arch.exit.kind]++;
	if (unlikely(v->arch.exit.interrupted.valid))
		v->arch.inject = v->arch.exit.interrupted;
	exit_handle(v);
}

static bool go;

bool cpu_is_waiting(struct cpu *cpu)
{
	return __atomic_load_n(&cpu->waiting, __ATOMIC_ACQUIRE);
}

void cpu_run_all(void)
{
	atomic_store_bool(&go, true);
	for (uint32_t i = 0; i < cpu_count; i++) {
		if (cpu_by_index[i] && cpu_by_index[i] != this_cpu())
			lapic_ipi(cpu_by_index[i]->apic_id, VECTOR_IPI);
	}
}

void cpu_run(void)
{
	struct cpu *cpu = this_cpu();

	__atomic_store_n(&cpu->waiting, true, __ATOMIC_RELEASE);
	while (!atomic_load_bool(&go))
		irq_wait();
	cr3_write(cr3_read()); /* start-up code is unmapped */

	for (;;) {
		struct sched_entity *e;
		struct vcpu *v;

		requests_take(cpu);
		console_poll();
		e = sched_pick();
		if (!e) {
			vcpu_idle(cpu);
			cpu_sleep();
			continue;
		}
		v = container_of(e, struct vcpu, entity);
		vcpu_switch(cpu, v);
		do
			vcpu_step(v);
		while (likely(!atomic_load_relaxed_u64(&cpu->requests)));
	}
}
