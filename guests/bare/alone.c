/* SPDX-License-Identifier: BSD-2-Clause */
/* Computes with interrupts off for ticks=, without an exit of its own, and counts what comes between after settle=. */

#include "lib/guest.h"
#include "lib/x86.h"

#define GAP \
	60 /* ticks: more than a turn of the loop, less than an exit, where ticks are instructions */

uint32_t guest_main(void)
{
	uint64_t ticks = cmdline_number("ticks", 1), settle = cmdline_number("settle", ticks);
	uint64_t start = rdtsc(), before = start, now;
	uint32_t gaps = 0;

	cli();
	do {
		now = rdtsc();
		gaps += now - before > GAP && now - start > settle;
		before = now;
	} while (now - start < ticks);
	print("alone: over, %u interruptions after the first %lu ticks\n", gaps, settle);
	return 0;
}
