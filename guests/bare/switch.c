/* SPDX-License-Identifier: BSD-2-Clause */
/* Notes when it runs: the TSC at the first and last moment of each stretch between two gaps. With halt: never again. */

#include "lib/guest.h"
#include "lib/x86.h"

#define SPANS 64

static uint64_t first[SPANS], last[SPANS];

uint32_t guest_main(void)
{
	uint64_t gap = cmdline_number("gap", 10000); /* ticks that are no part of the loop below */
	uint64_t now, before = rdtsc();

	if (cmdline_word("halt")) {
		for (;;)
			hlt();
	}
	sti();
	for (uint32_t n = 0; n < SPANS; n++) {
		first[n] = before;
		while ((now = rdtsc()) - before < gap)
			before = now;
		last[n] = before;
		before = now;
	}
	cli();
	for (uint32_t n = 0; n < SPANS; n++)
		print("span %lu %lu\n", first[n], last[n]);
	return 0;
}
