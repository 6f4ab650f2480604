/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest guest: says what it was given, ticks=N after its start, and ends with value=N. */

#include "lib/guest.h"
#include "lib/x86.h"

uint32_t guest_main(void)
{
	const struct memmap_entry *m = (const struct memmap_entry *)start_info->memmap;
	uint64_t ram = 0, until = rdtsc() + cmdline_number("ticks", 0);

	sti(); /* Bochs keeps interrupts from the hypervisor while a guest has IF = 0 */
	while (rdtsc() < until)
		pause();

	for (uint32_t i = 0; i < start_info->memmap_entries; i++) {
		if (m[i].type == MEMMAP_RAM)
			ram += m[i].size;
	}
	print("hello from a bare guest: %lu KiB of RAM, %u modules\n", ram / 1024,
	      start_info->nr_modules);
	return (uint32_t)cmdline_number("value", 0);
}
