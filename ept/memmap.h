/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps of physical memory: firmware's list made sorted, page-aligned and disjoint; pieces carved out of it. */

#ifndef EPT_MEMMAP_H
#define EPT_MEMMAP_H

#include "ept/frame.h"

/* Most ranges that a map may have, before and after cleaning. */
#define MEM_MAP_MAX 256

/* No processor addresses more (SDM vol. 3, 4.1.4: MAXPHYADDR is at most 52). */
#define MEM_PHYS_LIMIT BIT(52)

/*
 * Clean @map in place (@n of @max ranges used, @max at most MEM_MAP_MAX): sorted by address, page-aligned (RAM
 * shrinks, everything else grows), overlaps given to the more restrictive type (BAD, RESERVED, NVS, ACPI, RAM),
 * neighbours of one type merged, empty ranges dropped. A type out of MEM_* becomes MEM_RESERVED.
 * Boot only, on the BSP: it uses static scratch.
 * Returns 0, -ERANGE (a range ends above MEM_PHYS_LIMIT), -ENOSPC (more than @max pieces); then @map is unchanged.
 */
int mem_map_clean(struct mem_range *map, uint32_t *n, uint32_t max);

/*
 * Give [base, base + size), grown to whole pages, the type @type whatever it was, in a map that mem_map_clean has
 * cleaned; it stays clean. Where the map had nothing, a range appears. Boot only, as above.
 * Returns 0, -EINVAL (@size is 0), -ERANGE, -ENOSPC; then @map is unchanged.
 */
int mem_map_take(struct mem_range *map, uint32_t *n, uint32_t max, hpa_t base, uint64_t size,
		 uint32_t type);

/* Is all of [base, base + size) of @type in the clean map @map? False for an empty range or one that wraps. */
bool mem_map_is(const struct mem_range *map, uint32_t n, hpa_t base, uint64_t size, uint32_t type);

#endif
