/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers: a binary heap per CPU. */

#include "sched/timer.h"
#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "sched/sched.h"

void timer_heap_init(struct timer_heap *h)
{
	h->armed = TIMER_NEVER;
}

static void heap_put(struct timer_heap *h, uint32_t i, struct timer *t)
{
	h->heap[i] = t;
	t->heap_index = i;
}

static void heap_up(struct timer_heap *h, uint32_t i)
{
	struct timer *t = h->heap[i];

	while (i) {
		uint32_t parent = (i - 1) / 2;

		if (h->heap[parent]->deadline <= t->deadline)
			break;
		heap_put(h, i, h->heap[parent]);
		i = parent;
	}
	heap_put(h, i, t);
}

static void heap_down(struct timer_heap *h, uint32_t i)
{
	struct timer *t = h->heap[i];

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->heap[child + 1]->deadline < h->heap[child]->deadline)
			child++;
		if (h->heap[child]->deadline >= t->deadline)
			break;
		heap_put(h, i, h->heap[child]);
		i = child;
	}
	heap_put(h, i, t);
}

static void heap_remove(struct timer_heap *h, struct timer *t)
{
	uint32_t i = t->heap_index;
	struct timer *last = h->heap[--h->count];

	t->cpu = NULL;
	if (last == t)
		return;
	heap_put(h, i, last);
	heap_up(h, i);
	heap_down(h, last->heap_index);
}

/* Only for this CPU's heap, its lock held. What was armed for the past has come, or will not come any more. */
static void hardware_arm(struct timer_heap *h)
{
	uint64_t first = h->count ? h->heap[0]->deadline : TIMER_NEVER;

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
		heap_remove(h, t);
	lock_release(&h->lock);
}

void timer_set(struct timer *t, uint64_t deadline)
{
	struct cpu *cpu = this_cpu();
	struct timer_heap *h = &cpu->sched->timers;

	if (t->cpu && t->cpu != cpu)
		timer_cancel(t);
	lock_acquire(&h->lock);
	t->deadline = deadline;
	if (t->cpu == cpu) {
		heap_up(h, t->heap_index);
		heap_down(h, t->heap_index);
	} else {
		ASSERT(h->count < TIMERS_MAX);
		t->cpu = cpu;
		heap_put(h, h->count++, t);
		heap_up(h, t->heap_index);
	}
	hardware_arm(h);
	lock_release(&h->lock);
}

void timers_run(void)
{
	struct timer_heap *h = &this_cpu()->sched->timers;
	uint64_t now = tsc_read();

	lock_acquire(&h->lock);
	h->armed = 0; /* it has fired: arm or stop it below */
	for (uint32_t n = 0; n < TIMERS_MAX && h->count && h->heap[0]->deadline <= now; n++) {
		struct timer *t = h->heap[0];

		heap_remove(h, t);
		lock_release(&h->lock);
		t->fn(t);
		lock_acquire(&h->lock);
	}
	hardware_arm(h);
	lock_release(&h->lock);
}
