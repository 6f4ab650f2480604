/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages below the end of RAM are there at all? Reads and writes each; what is not there stays so. As service guest. */

#include "lib/guest.h"
#include "lib/x86.h"

#define PAGE	    4096UL
#define DEVICES	    0xa0000UL /* to 1 MiB: video memory and ROMs */
#define DEVICES_END 0x100000UL
#define NOTHING	    (~0ULL)
#define WRITTEN	    0x5ca1ab1e0ddba11ULL

static const uint32_t probed[] = {0, 0x7f8, PAGE - 8};

/*
 * Memory keeps what is written to it, and then gets back what it held; nothing else may. Only what reads as all ones
 * is written to.
 */
static bool is_memory(uint64_t page)
{
	for (uint32_t i = 0; i < sizeof(probed) / sizeof(probed[0]); i++) {
		volatile uint64_t *word = (volatile uint64_t *)(page + probed[i]);
		uint64_t held = *word;

		if (held != NOTHING)
			return true;
		*word = WRITTEN;
		held = *word;
		*word = NOTHING;
		if (held != NOTHING)
			return true;
	}
	return false;
}

/* Print the memory map; returns where RAM ends. */
static uint64_t memmap_print(void)
{
	const struct memmap_entry *map = (const void *)start_info->memmap;
	uint64_t end = 0;

	for (uint32_t i = 0; i < start_info->memmap_entries; i++) {
		print("reach: map 0x%lx-0x%lx type %u\n", map[i].base, map[i].base + map[i].size,
		      map[i].type);
		if (map[i].type == MEMMAP_RAM && map[i].base + map[i].size > end)
			end = map[i].base + map[i].size;
	}
	return end;
}

/* Print the runs of pages that are no memory; returns the first one's address, or 0. */
static uint64_t runs_print(uint64_t end)
{
	uint64_t first = 0, start = NOTHING;

	for (uint64_t page = 0; page <= end; page += PAGE) {
		bool here;

		if (page == DEVICES)
			page = DEVICES_END;
		here = page == end || is_memory(page);
		if (!here && start == NOTHING)
			start = page;
		if (!here || start == NOTHING)
			continue;
		print("reach: nothing 0x%lx-0x%lx\n", start, page);
		first = first ? first : start;
		start = NOTHING;
	}
	return first;
}

uint32_t guest_main(void)
{
	uint64_t hidden = runs_print(memmap_print());
	const char *then = cmdline_word("then");
	void (*code)(void);

	print("reach: done\n");
	if (!then || !hidden)
		return hidden ? 0 : 1;
	if (list_has("fetch", then)) {
		memcpy(&code, &hidden, sizeof(code));
		code();
	}
	if (list_has("walk", then))
		write_cr3(hidden);
	return 2;
}
