/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps its processor busy, with interrupts off and without an exit, for the ticks= that it is told. */

#include "lib/guest.h"
#include "lib/x86.h"

uint32_t guest_main(void)
{
	uint64_t ticks = cmdline_number("ticks", 1), start = rdtsc();

	cli();
	while (rdtsc() - start < ticks)
		;
	print("spin: over\n");
	return 0;
}
