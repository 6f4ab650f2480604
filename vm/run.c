/* SPDX-License-Identifier: BSD-2-Clause */
/* A CPU's life after boot: pick a vCPU, enter it, handle its exit; sleep where there is none. */

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/mce.h"
#include "arch/percpu.h"
#include "arch/trap.h"
#include "lib/atomic.h"
#include "vm/console.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/steal.h"
#include "vm/vm.h"
#include "vm/xstate.h"

const struct virt_ops *virt;

bool exits_timed;
static uint32_t timed_epoch;

void exits_time(bool on)
{
	atomic_add_u32(&timed_epoch, 1);
	atomic_store_bool(&exits_timed, on);
}

/* Up to now it was the last exit's time, unless the vCPU slept, or nobody looked at the clock. */
static void time_count(struct vcpu *v)
{
	struct vcpu_stats *s = &v->stats;
	uint32_t kind = v->arch.exit.kind, epoch = atomic_load_relaxed_u32(&timed_epoch);
	uint64_t now = tsc_read(), ticks = now - s->since;

	s->since = now;
	if (unlikely(s->asleep || s->epoch != epoch)) {
		s->asleep = false;
		s->epoch = epoch;
		return;
	}
	s->ticks[kind] += ticks;
	s->most[kind] = ticks > s->most[kind] ? ticks : s->most[kind];
	s->least[kind] = ticks < s->least[kind] || !s->timed[kind] ? ticks : s->least[kind];
	s->timed[kind]++;
}

/* Its time ends here: another one has the CPU, or nobody. */
static void time_close(struct vcpu *v)
{
	if (!atomic_load_relaxed_bool(&exits_timed) || v->stats.asleep)
		return;
	time_count(v);
	v->stats.asleep = true;
}

/* The vCPU whose registers are in this CPU gives way to @v; NULL: to none. */
static void vcpu_switch(struct cpu *cpu, struct vcpu *v)
{
	struct vcpu *old = cpu->loaded ? vcpu_of(cpu->loaded) : NULL;

	if (old == v)
		return;
	if (old) {
		time_close(old);
		if (steal_told(old))
			steal_away(old);
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

/* A machine check that the handler has found harmless. */
static void mce_note(void)
{
	mce_log(LOG_ERROR);
	mce_clear();
}

/* What others, and NMI and #MC handlers, left for this CPU. */
static void requests_take(struct cpu *cpu)
{
	uint64_t requests = atomic_xchg_u64(&cpu->requests, 0);

	if (requests & CPU_REQ_PARK)
		cpu_park(cpu);
	if (requests & CPU_REQ_WINDOWS)
		guest_unmap_all();
	if (requests & CPU_REQ_NMI)
		nmi_route(cpu);
	if (requests & CPU_REQ_MCE)
		mce_note();
}

static bool exit_timed(struct vcpu_arch *a)
{
	struct vcpu *v = vcpu_of(a);
	struct exit_record *r = &v->stats.last[v->stats.records++ % EXIT_RECORDS];
	bool again;

	v->stats.since = tsc_read();
	*r = (struct exit_record){v->stats.since, a->rip, a->exit.qual, a->exit.reason,
				  a->exit.kind};
	again = exit_handle(a);
	if (again)
		time_count(v);
	return again;
}

/* No vCPU runs: the time until the next entry is the vCPU's sleep. */
static void vcpu_idle(struct cpu *cpu)
{
	struct vcpu *v = cpu->loaded ? vcpu_of(cpu->loaded) : NULL;

	if (v)
		time_close(v);
}

/* Enter it again and again, until it sleeps or this CPU has requests. */
static void vcpu_run(struct vcpu *v)
{
	bool timed = atomic_load_relaxed_bool(&exits_timed);

	if ((v->events || v->lapic.irr_sum) && !vcpu_events(v))
		return;
	if (timed)
		time_count(v);
	if (steal_told(v))
		steal_run(v);
	virt->run(&v->arch, timed ? exit_timed : exit_handle);
	v->steal.left = tsc_read();
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
		if (unlikely(e->step != NULL)) {
			vcpu_idle(cpu);
			work_run(e);
			continue;
		}
		v = container_of(e, struct vcpu, entity);
		vcpu_switch(cpu, v);
		if (unlikely(sched_opens()))
			sched_open_slowly();
		vcpu_run(v);
	}
}
