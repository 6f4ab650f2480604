/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps its processor busy, with interrupts off, for the ticks= that it is told; without an exit, or (exits) with many. */

#include "lib/guest.h"
#include "lib/x86.h"

uint32_t guest_main(void)
{
	uint64_t ticks = cmdline_number("ticks", 1), start = rdtsc();
	bool exits = cmdline_word("exits");

	cli();
	while (rdtsc() - start < ticks) {
		if (exits)
			cpuid(0, 0);
	}
	print("spin: over\n");
	return 0;
}
