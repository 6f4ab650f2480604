/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPUs' queues: their locks and timers, the wake-up protocol between CPUs (modelled in sched/wakeup.pml), work items. */

#include "sched/sched.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"

#define WORK_WEIGHT 10 /* where nobody has said more */

uint64_t sched_slice, sched_lead;

void sched_kick(struct cpu *cpu, uint64_t request)
{
	uint64_t before = __atomic_fetch_or(&cpu->requests, request, __ATOMIC_ACQ_REL);

	/* Whoever set this bit has sent the IPI; this CPU itself looks before it enters a guest or sleeps. */
	if (!(before & request) && cpu != this_cpu())
		lapic_ipi(cpu->apic_id, VECTOR_IPI);
}

static void slice_end(struct timer *t)
{
	(void)t;
	atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
}

void sched_yield(void)
{
	struct sched *s = this_cpu()->sched;

	lock_acquire(&s->lock);
	queue_yield(s);
	lock_release(&s->lock);
	slice_end(NULL);
}

void sched_init(struct cpu *cpu, void *frame)
{
	struct sched *s = frame;

	queue_init(s);
	s->slice.fn = slice_end;
	timer_heap_init(&s->timers);
	cpu->sched = s;
}

INIT void sched_room(struct cpu *cpu, struct heap_node **slots, uint32_t count)
{
	struct sched *s = cpu->sched;

	s->ready.slot = slots;
	s->empty.slot = slots + count;
	s->eligible.slot = slots + 2 * count;
	s->early.slot = slots + 3 * count;
}

void sched_wake(struct sched_entity *e)
{
	struct sched *s = e->cpu->sched;
	bool kick = false;

	lock_acquire(&s->lock);
	if (!e->queued) {
		queue_add(s, e, tsc_read());
		kick = !queue_shut_out(s, e);
	}
	lock_release(&s->lock);
	if (kick)
		sched_kick(e->cpu, CPU_REQ_SCHED);
}

bool sched_block(struct sched_entity *e, bool (*pending)(struct sched_entity *e))
{
	struct sched *s = e->cpu->sched;
	bool out = false;

	lock_acquire(&s->lock);
	if (e->queued && !pending(e)) {
		queue_del(s, e, tsc_read());
		out = true;
	}
	lock_release(&s->lock);
	if (out)
		atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
	return out;
}

/*
 * An event's sender sets it, then looks here; the CPU notes whom it runs, then looks for events, each with a full
 * barrier in between: one of them sees the other.
 */
bool sched_is_current(const struct sched_entity *e)
{
	return __atomic_load_n(&e->cpu->sched->current, __ATOMIC_SEQ_CST) == e;
}

struct sched_entity *sched_pick(void)
{
	struct sched *s = this_cpu()->sched;
	struct sched_entity *e;
	uint64_t next;

	lock_acquire(&s->lock);
	e = queue_pick(s, tsc_read());
	next = s->next;
	lock_release(&s->lock);
	if (next != TIMER_NEVER && (!s->slice.cpu || s->slice.node.key != next))
		timer_set(&s->slice, next);
	return e;
}

uint64_t sched_window_began(void)
{
	const struct sched *s = this_cpu()->sched;

	return s->class == SCHED_WINDOW ? s->opens : 0;
}

bool sched_opens(void)
{
	return this_cpu()->sched->opening;
}

/* The wait is shorter than sched_lead. */
void sched_open_slowly(void)
{
	struct sched *s = this_cpu()->sched;
	uint64_t now = tsc_read();

	while (now < s->opens) {
		irq_take_pending();
		now = tsc_read();
	}
	s->opening = false;
	sched_times_add(&s->window[s->at].late, now - s->opens);
}

void work_start(struct sched_entity *e)
{
	atomic_store_bool(&e->wanted, true);
	if (!e->weight)
		e->weight = WORK_WEIGHT;
	sched_wake(e);
}

static bool work_wanted(struct sched_entity *e)
{
	return atomic_load_bool(&e->wanted);
}

void work_run(struct sched_entity *e)
{
	bool more;

	do {
		/* Cleared before the step looks: what is asked for meanwhile makes another one. */
		atomic_store_bool(&e->wanted, false);
		more = e->step(e);
		if (more)
			atomic_store_bool(&e->wanted, true);
		irq_take_pending();
	} while (more && !atomic_load_relaxed_u64(&this_cpu()->requests));
	sched_block(e, work_wanted);
}
