/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a multiboot2 information block: no access outside, and what is accepted is bounded and clean. */
/* sources: boot/mbi.c ept/memmap.c lib/printf.c lib/string.c */

#include <stdlib.h>
#include <string.h>
#include "boot/mbi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_map(const struct mem_range *map, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		check(map[i].size && IS_ALIGNED(map[i].size, PAGE_SIZE) &&
		      IS_ALIGNED(map[i].base.v, PAGE_SIZE));
		check(map[i].base.v + map[i].size <= MEM_PHYS_LIMIT);
		check(map[i].type >= MEM_RAM && map[i].type <= MEM_BAD);
		check(!i || map[i - 1].base.v + map[i - 1].size <= map[i].base.v);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info info;
	char err[128] = "";

	if (size > UINT32_MAX)
		return 0;
	if (mbi_parse(data, (uint32_t)size, &info, err, sizeof(err))) {
		check(err[0] && strlen(err) < sizeof(err));
		return 0;
	}
	check(info.map_count <= MEM_MAP_MAX && info.module_count <= BOOT_MODULES);
	check_map(info.map, info.map_count);
	for (uint32_t i = 0; i < info.module_count; i++) {
		check(strlen(info.modules[i].name) < BOOT_MODULE_NAME);
		check(strlen(info.modules[i].cmdline) < BOOT_MODULE_ARGS);
		check(boot_module_find(&info, info.modules[i].name) != NULL);
		if (!mem_map_take(info.map, &info.map_count, MEM_MAP_MAX, info.modules[i].start,
				  info.modules[i].size, MEM_RESERVED))
			check_map(info.map, info.map_count);
	}
	return 0;
}
