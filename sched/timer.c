/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers: a heap per CPU. */

#include "sched/timer.h"
#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "sched/sched.h"

void timer_heap_init(struct timer_heap *h)
{
	h->armed = TIMER_NEVER;
	h->heap.slot = h->slot;
}

static struct timer *first_of(const struct timer_heap *h)
{
	struct heap_node *n = heap_top(&h->heap);

	return n ? container_of(n, struct timer, node) : NULL;
}

static void take_out(struct timer_heap *h, struct timer *t)
{
	heap_del(&h->heap, &t->node);
	t->cpu = NULL;
}

/* Only for this CPU's heap, its lock held. What was armed for the past has come, or will not come any more. */
static void hardware_arm(struct timer_heap *h)
{
	uint64_t first = h->heap.count ? heap_top(&h->heap)->key : TIMER_NEVER;

	if (first >= h->armed && h->armed > tsc_read())
		return; /* an early interrupt is harmless and arms again */
	h->armed = first;
	if (first == TIMER_NEVER)
		lapic_timer_stop();
	else
		lapic_timer_arm(first);
}

void timer_cancel(struct timer *t)
{
	struct cpu *cpu = __atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE);
	struct timer_heap *h;

	if (!cpu)
		return;
	h = &cpu->sched->timers;
	lock_acquire(&h->lock);
	if (t->cpu == cpu)
		take_out(h, t);
	lock_release(&h->lock);
}

void timer_set(struct timer *t, uint64_t deadline)
{
	struct cpu *cpu = this_cpu();
	struct timer_heap *h = &cpu->sched->timers;

	if (t->cpu && t->cpu != cpu)
		timer_cancel(t);
	lock_acquire(&h->lock);
	/* Keys are compared by their difference: what lies farther off than any TSC gets must not look past. */
	t->node.key = min_u64(deadline, INT64_MAX);
	if (t->cpu == cpu) {
		heap_moved(&h->heap, &t->node);
	} else {
		ASSERT(h->heap.count < TIMERS_MAX);
		t->cpu = cpu;
		heap_add(&h->heap, &t->node);
	}
	hardware_arm(h);
	lock_release(&h->lock);
}

void timers_run(void)
{
	struct timer_heap *h = &this_cpu()->sched->timers;
	uint64_t now = tsc_read();
	struct timer *t;

	lock_acquire(&h->lock);
	h->armed = 0; /* it has fired: arm or stop it below */
	for (uint32_t n = 0; n < TIMERS_MAX && (t = first_of(h)) && t->node.key <= now; n++) {
		take_out(h, t);
		lock_release(&h->lock);
		t->fn(t);
		lock_acquire(&h->lock);
	}
	hardware_arm(h);
	lock_release(&h->lock);
}
