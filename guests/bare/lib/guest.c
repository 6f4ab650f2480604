/* SPDX-License-Identifier: BSD-2-Clause */
/* Start and end of a bare guest, its command line and memory map. */

#include "lib/guest.h"
#include "lib/boot.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define DEBUG_EXIT   0xf4
#define TABLES	     8 /* page tables for what lies above 4 GiB */
#define PTE_TABLE    0x7
#define PTE_LARGE    0x87
#define PTE_ADDRESS  0x000ffffffffff000ULL
#define PAGE_SIZE_2M 0x200000ULL

const struct start_info *start_info;

static uint64_t more_tables[TABLES][512] ALIGNED(4096);
static uint32_t more_used;

void guest_start(uint32_t magic, const void *info);

NORETURN void guest_exit(uint32_t value)
{
	out8(DEBUG_EXIT, (uint8_t)value);
	for (;;)
		hlt();
}

void guest_start(uint32_t magic, const void *info)
{
	trap_init();
	start_info = boot_information(magic, info);
	if (!start_info) {
		print("unknown boot information (%x)\n", magic);
		guest_exit(255);
	}
	guest_exit(guest_main());
}

uint32_t vcpu_number(void)
{
	uint64_t rsp;

	__asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
	return (uint32_t)((rsp - (uint64_t)stacks) / STACK_SIZE);
}

const char *cmdline_word(const char *name)
{
	static char value[512];
	const char *p = start_info->cmdline ? (const char *)start_info->cmdline : "";
	size_t len = strlen(name);

	while (*p) {
		bool hit = !memcmp(p, name, len) && (p[len] == '=' || p[len] == ' ' || !p[len]);
		size_t n = 0;

		if (hit && p[len] == '=')
			p += len + 1;
		else if (hit)
			p += len;
		while (*p && *p != ' ') {
			if (hit && n < sizeof(value) - 1)
				value[n++] = *p;
			p++;
		}
		if (hit) {
			value[n] = '\0';
			return value;
		}
		while (*p == ' ')
			p++;
	}
	return NULL;
}

uint64_t cmdline_number(const char *name, uint64_t otherwise)
{
	const char *s = cmdline_word(name);
	uint64_t v = 0;

	if (!s || !*s)
		return otherwise;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint64_t)(*s - '0');
	return v;
}

bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (list && *list) {
		if (!memcmp(list, word, len) && (list[len] == ',' || !list[len]))
			return true;
		while (*list && *list != ',')
			list++;
		if (*list == ',')
			list++;
	}
	return false;
}

bool memmap_is_ram(uint64_t base, uint64_t size)
{
	const struct memmap_entry *m = (const struct memmap_entry *)start_info->memmap;

	for (uint32_t i = 0; i < start_info->memmap_entries; i++) {
		if (m[i].type == MEMMAP_RAM && base >= m[i].base &&
		    base + size <= m[i].base + m[i].size)
			return true;
	}
	return false;
}

static uint64_t *table_below(uint64_t *entry)
{
	if (!*entry) {
		if (more_used == TABLES)
			return NULL;
		*entry = (uint64_t)more_tables[more_used++] | PTE_TABLE;
	}
	return (uint64_t *)(*entry & PTE_ADDRESS);
}

bool map_identity(uint64_t base, uint64_t size)
{
	for (uint64_t va = base & ~(PAGE_SIZE_2M - 1); va < base + size; va += PAGE_SIZE_2M) {
		uint64_t *table = table_below(&page_tables[0][va >> 39 & 511]);

		if (table)
			table = table_below(&table[va >> 30 & 511]);
		if (!table)
			return false;
		table[va >> 21 & 511] = va | PTE_LARGE;
		invlpg((const void *)va);
	}
	return true;
}

uint64_t *page_entry(uint64_t va)
{
	return &page_tables[2][va >> 21];
}
