/* SPDX-License-Identifier: BSD-2-Clause */
/* A round-robin per CPU, and the wake-up protocol between CPUs. */

#include "sched/sched.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"

uint64_t sched_slice;

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
	this_cpu()->sched->slice_over = true;
	atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
}

void sched_yield(void)
{
	slice_end(NULL);
}

void sched_init(struct cpu *cpu, void *frame)
{
	struct sched *s = frame;

	list_init(&s->queue);
	s->slice.fn = slice_end;
	timer_heap_init(&s->timers);
	cpu->sched = s;
}

void sched_wake(struct sched_entity *e)
{
	struct sched *s = e->cpu->sched;
	bool woken = false;

	lock_acquire(&s->lock);
	if (!e->queued) {
		e->queued = true;
		e->woken = tsc_read();
		list_add_tail(&s->queue, &e->node);
		s->count++;
		woken = true;
	}
	lock_release(&s->lock);
	if (woken)
		sched_kick(e->cpu, CPU_REQ_SCHED);
}

bool sched_block(struct sched_entity *e, bool (*pending)(struct sched_entity *e))
{
	struct sched *s = e->cpu->sched;
	bool out = false;

	lock_acquire(&s->lock);
	if (e->queued && !pending(e)) {
		e->queued = false;
		list_del(&e->node);
		s->count--;
		out = true;
	}
	lock_release(&s->lock);
	if (out)
		atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
	return out;
}

struct sched_entity *sched_pick(void)
{
	struct sched *s = this_cpu()->sched;
	struct sched_entity *e = NULL;
	bool contended;

	lock_acquire(&s->lock);
	if (s->slice_over && s->count > 1) {
		struct list *first = s->queue.next;

		list_del(first);
		list_add_tail(&s->queue, first);
	}
	contended = s->count > 1;
	if (s->count)
		e = container_of(s->queue.next, struct sched_entity, node);
	lock_release(&s->lock);
	if (contended && (s->slice_over || !s->slice.cpu))
		timer_set(&s->slice, tsc_read() + sched_slice);
	s->slice_over = false;
	return e;
}

void work_start(struct sched_entity *e)
{
	atomic_store_bool(&e->wanted, true);
	sched_wake(e);
}

static bool work_wanted(struct sched_entity *e)
{
	return atomic_load_bool(&e->wanted);
}

void work_run(struct sched_entity *e)
{
	uint64_t begin = tsc_read();
	bool more;

	do {
		/* Cleared before the step looks: what is asked for meanwhile makes another one. */
		atomic_store_bool(&e->wanted, false);
		more = e->step(e);
		if (more)
			atomic_store_bool(&e->wanted, true);
		irq_take_pending();
	} while (more && !atomic_load_relaxed_u64(&this_cpu()->requests));
	e->ticks += tsc_read() - begin;
	sched_block(e, work_wanted);
}
