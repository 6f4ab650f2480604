/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers: one heap per CPU, driven by its LAPIC timer. Deadlines are absolute TSC values. */

#ifndef SCHED_TIMER_H
#define SCHED_TIMER_H

#include "lib/lock.h"
#include "lib/timer.h"
#include "lib/types.h"

/*
 * Timers that can be armed on one CPU at a time: its slice, its vCPUs' local APICs, which only it arms, and what any CPU
 * may arm: the console's two, each VM's PIT, UART, PM timer and clock. Admission refuses a configuration that could
 * need more.
 */
#define TIMERS_MAX 386
#define TIMERS_CPU 3
#define TIMERS_VM  4

struct timer_heap {
	struct lock lock;
	uint64_t armed; /* deadline the hardware is set to; TIMER_NEVER: none */
	struct heap heap;
	struct heap_node *slot[TIMERS_MAX];
};

#define TIMER_NEVER UINT64_MAX

void timer_heap_init(struct timer_heap *h);

/*
 * Arm @t for @deadline on this CPU, wherever it was armed before. A deadline in the past fires at once. Any CPU,
 * interrupts off; t->fn runs on the CPU that armed it, with no lock held, and may arm it again.
 */
void timer_set(struct timer *t, uint64_t deadline);

/* Disarm. Its function may still be running on another CPU when this returns. */
void timer_cancel(struct timer *t);

/* Run what is due on this CPU: from the timer interrupt. At most TIMERS_MAX functions are called. */
void timers_run(void);

#endif
