/* SPDX-License-Identifier: BSD-2-Clause */
/* What the loader brought: protocol, name, command line, memory sizes, and the sum of every module's bytes. */

#include "lib/guest.h"

static uint32_t module_sum(const struct module_entry *m)
{
	const uint8_t *p = (const uint8_t *)m->base;
	uint32_t sum = 0;

	for (uint64_t i = 0; i < m->size; i++)
		sum = sum * 31 + p[i];
	return sum;
}

uint32_t guest_main(void)
{
	const struct memmap_entry *r = (const struct memmap_entry *)start_info->memmap;
	const struct module_entry *m = (const struct module_entry *)start_info->modlist;
	uint64_t ram = 0;

	for (uint32_t i = 0; i < start_info->memmap_entries; i++) {
		if (r[i].type == MEMMAP_RAM)
			ram += r[i].size;
	}
	print("loaded by %s, name '%s', words '%s'\n", boot_protocol, boot_name,
	      start_info->cmdline ? (const char *)start_info->cmdline : "");
	print("loaded: %lu KiB of RAM, lower %u, upper %u, %u modules\n", ram / 1024,
	      boot_mem_lower, boot_mem_upper, start_info->nr_modules);
	for (uint32_t i = 0; i < start_info->nr_modules; i++)
		print("loaded: module '%s', %lu bytes, sum %x\n",
		      m[i].cmdline ? (const char *)m[i].cmdline : "", m[i].size, module_sum(&m[i]));
	return 0;
}
