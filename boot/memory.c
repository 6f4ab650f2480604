/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the hypervisor's pool and the modules' store go, before anything is loaded over them. */

#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "boot/boot.h"
#include "ept/frame.h"
#include "lib/string.h"

#define LOW_LIMIT (1 * MIB)

struct boot_store boot_store INITDATA;
hpa_t boot_rsdp INITDATA;

/* The map with everything taken out that must not be overwritten yet. */
static struct mem_range free_map[MEM_MAP_MAX] INITBSS;
static uint32_t free_count INITDATA;

static INIT void take(hpa_t base, uint64_t size)
{
	if (!size)
		return;
	if (mem_map_take(free_map, &free_count, MEM_MAP_MAX, base, size, MEM_RESERVED))
		boot_refuse("the firmware's memory map has too many pieces; update the firmware.");
}

/* The highest place below @limit for @size bytes, or 0. */
static INIT uint64_t place(uint64_t size, uint64_t align, uint64_t limit)
{
	uint64_t best = 0;

	for (uint32_t i = 0; i < free_count; i++) {
		uint64_t end = min_u64(free_map[i].base.v + free_map[i].size, limit);
		uint64_t start;

		if (free_map[i].type != MEM_RAM || end < size)
			continue;
		start = ALIGN_DOWN(end - size, align);
		if (start >= max_u64(free_map[i].base.v, LOW_LIMIT) && start > best)
			best = start;
	}
	return best;
}

/*
 * GRUB passes copies of the RSDP, and a UEFI machine has none where a BIOS keeps it: the service guest is given a page
 * of its own with one, memory of type ACPI in every map.
 */
static INIT void rsdp_place(void)
{
	uint64_t at;

	if (!boot_info.rsdp_size)
		return;
	at = place(PAGE_SIZE, PAGE_SIZE, IDENTITY_LIMIT);
	if (!at || mem_map_take(boot_info.map, &boot_info.map_count, MEM_MAP_MAX, HPA(at),
				PAGE_SIZE, MEM_ACPI))
		boot_refuse(
			"too little memory: no page is left below 4 GiB; use a machine with more.");
	take(HPA(at), PAGE_SIZE);
	memset((void *)at, 0, PAGE_SIZE);
	memcpy((void *)at, boot_info.rsdp, boot_info.rsdp_size);
	boot_rsdp = HPA(at);
}

/*
 * Modules go, in order and page by page aligned, to a place that none of them occupies now. Nothing of them stays where
 * they were: that memory will be some guest's, and what one VM is started from is no other's to read.
 */
static INIT void modules_move(void)
{
	uint64_t total = 0, at;

	for (uint32_t i = 0; i < boot_info.module_count; i++)
		total += ALIGN_UP(boot_info.modules[i].size, PAGE_SIZE);
	if (!total)
		return;
	at = place(total, PAGE_SIZE, IDENTITY_LIMIT);
	if (!at)
		boot_refuse(
			"too little memory: no room for %lu MiB of boot modules; use a machine with more, or smaller modules.",
			total / MIB + 1);
	boot_store.base = HPA(at);
	boot_store.size = total;
	for (uint32_t i = 0; i < boot_info.module_count; i++) {
		struct boot_module *m = &boot_info.modules[i];

		memcpy((void *)at, (const void *)m->start.v, m->size);
		memset((void *)m->start.v, 0, m->size);
		m->start = HPA(at);
		at += ALIGN_UP(m->size, PAGE_SIZE);
	}
}

INIT void memory_place(void)
{
	uint64_t pool, reserve = ALIGN_UP(boot_config.reserve, PAGE_SIZE);

	memcpy(free_map, boot_info.map, sizeof(free_map));
	free_count = boot_info.map_count;
	take(boot_image, boot_image_size());
	for (uint32_t i = 0; i < boot_info.module_count; i++)
		take(boot_info.modules[i].start, boot_info.modules[i].size);
	pool = place(reserve, PAGE_SIZE_2M, IDENTITY_LIMIT);
	if (!pool)
		boot_refuse(
			"too little memory: %lu MiB for the hypervisor do not fit below 4 GiB; use a machine with more, or lower [system] reserve.",
			reserve / MIB);
	take(HPA(pool), reserve);
	rsdp_place();
	modules_move();
	pool_init(HPA(pool), reserve);
}

/* Who owns what from now on: firmware, image, pool, store; everything else in RAM is free. */
INIT void memory_claim(void)
{
	uint64_t bytes = frame_table_bytes(boot_info.map, boot_info.map_count);
	uint32_t frames = (uint32_t)(ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE);
	hpa_t pa;
	void *table = pool_alloc(&pool_quota_hv, frames, &pa);

	if (!table || frame_init(boot_info.map, boot_info.map_count, table, frames * PAGE_SIZE))
		boot_refuse("too little memory for the table of frames; raise [system] reserve.");
	if (frame_claim(boot_image, boot_image_size(), OWNER_HV) ||
	    frame_claim(pool_base(), pool_total() * PAGE_SIZE, OWNER_HV) ||
	    (boot_store.size && frame_claim(boot_store.base, boot_store.size, OWNER_STORE)))
		boot_refuse(
			"the memory map does not hold the hypervisor's own memory; update the firmware.");
}

INIT int module_index(const char *name)
{
	for (uint32_t i = 0; i < boot_info.module_count; i++) {
		if (!strcmp(boot_info.modules[i].name, name))
			return (int)i;
	}
	return -1;
}

static int store_read(void *arg, uint64_t off, void *buf, uint32_t len)
{
	uint64_t pa = (uint64_t)arg + off;
	uint64_t va = (uint64_t)percpu_page(this_cpu()->index, PERCPU_STORE);
	uint8_t *to = buf;

	while (len) {
		uint32_t n = (uint32_t)min_u64(len, PAGE_SIZE - (pa & PAGE_MASK));

		paging_window_set(va, HPA(pa & ~PAGE_MASK), 0);
		memcpy(to, (const uint8_t *)va + (pa & PAGE_MASK), n);
		pa += n;
		to += n;
		len -= n;
	}
	paging_window_clear(va);
	return 0;
}

INIT void module_image(struct image *image, uint32_t index)
{
	image->size = boot_info.modules[index].size;
	image->read = store_read;
	image->arg = (void *)boot_info.modules[index].start.v;
}
