/* SPDX-License-Identifier: BSD-2-Clause */
/* Large memory: a word of its own into each page of RAM, and all of them found again; find=N: looks for ~N in all RAM. */

#include "lib/guest.h"
#include "lib/x86.h"

#define PAGE	    4096ULL
#define GIB	    (1ULL << 30)
#define LARGE	    (1ULL << 21)
#define LOW_END	    0x100000ULL
#define MAPPED	    (4 * GIB) /* by start.asm */
#define HIGH_GIBS   8	      /* that are mapped here, from there on */
#define PTE_TABLE   0x7ULL
#define PTE_LARGE   0x87ULL
#define GOLDEN	    0x9e3779b97f4a7c15ULL
#define RANGES	    48
#define FIND_STRIDE 64

extern uint8_t image_start[], image_end[];

static uint64_t tables[HIGH_GIBS][512] __attribute__((aligned(4096)));
static struct memmap_entry map[RANGES]; /* the loader's may be overwritten */
static uint32_t map_count;

static void map_high(void)
{
	uint64_t *pml4 = (uint64_t *)(read_cr3() & ~(PAGE - 1));
	uint64_t *pdpt = (uint64_t *)(pml4[0] & ~(PAGE - 1));

	for (uint64_t g = 0; g < HIGH_GIBS; g++) {
		for (uint64_t i = 0; i < 512; i++)
			tables[g][i] = (MAPPED + g * GIB + i * LARGE) | PTE_LARGE;
		pdpt[MAPPED / GIB + g] = (uint64_t)tables[g] | PTE_TABLE;
	}
}

static bool usable(uint64_t page)
{
	return page >= LOW_END &&
	       (page + PAGE <= (uint64_t)image_start || page >= (uint64_t)image_end);
}

/* The word of a page, and where in it. */
static volatile uint64_t *word_of(uint64_t page, uint64_t *value)
{
	*value = (page + 1) * GOLDEN;
	return (volatile uint64_t *)(page + (*value >> 52 & 0xff8));
}

static uint64_t pass(bool write, uint64_t *wrong)
{
	uint64_t pages = 0, value;

	for (uint32_t i = 0; i < map_count; i++) {
		for (uint64_t page = map[i].base; page < map[i].base + map[i].size; page += PAGE) {
			volatile uint64_t *word = word_of(page, &value);

			if (!usable(page))
				continue;
			pages++;
			if (write)
				*word = value;
			else
				*wrong += *word != value;
		}
	}
	return pages;
}

static uint64_t find(uint64_t value)
{
	uint64_t found = 0;

	for (uint32_t i = 0; i < map_count; i++) {
		for (uint64_t at = map[i].base; at < map[i].base + map[i].size; at += FIND_STRIDE) {
			if (usable(at & ~(PAGE - 1)) && *(volatile uint64_t *)at == value &&
			    !found++)
				print("bulk: found at 0x%lx\n", at);
		}
	}
	return found;
}

uint32_t guest_main(void)
{
	const struct memmap_entry *m = (const struct memmap_entry *)start_info->memmap;
	uint64_t wanted = ~cmdline_number("find", 0), kib = 0, end = 0, wrong = 0, pages;

	for (uint32_t i = 0; i < start_info->memmap_entries; i++) {
		if (m[i].type != MEMMAP_RAM || map_count == RANGES)
			continue;
		map[map_count++] = m[i];
		kib += m[i].size / 1024;
		end = m[i].base + m[i].size > end ? m[i].base + m[i].size : end;
	}
	map_high();
	if (end > MAPPED + HIGH_GIBS * GIB)
		return 2;
	if (~wanted) {
		pages = find(wanted);
		print("bulk: found %lu times\n", pages);
		return pages != 0;
	}
	pass(true, &wrong);
	pages = pass(false, &wrong);
	print("bulk: %lu KiB of RAM up to 0x%lx, %lu pages kept their word, %lu did not\n", kib,
	      end, pages - wrong, wrong);
	return wrong || !pages;
}
