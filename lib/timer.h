/* SPDX-License-Identifier: BSD-2-Clause */
/* The timer that a device or a scheduler entity embeds; sched/timer.c keeps the heaps of them. */

#ifndef LIB_TIMER_H
#define LIB_TIMER_H

#include "lib/heap.h"

/* The embedder sets fn, once, and zeroes the rest; everything but fn belongs to whoever keeps the heap. */
struct timer {
	struct heap_node node; /* key: absolute host TSC */
	void (*fn)(struct timer *t);
	void *cpu; /* whose heap it is in; NULL: not armed */
};

#endif
