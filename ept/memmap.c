/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps of physical memory: every boundary of every range is a cut, and each piece between two cuts gets one type. */

#include "ept/memmap.h"
#include "lib/string.h"

#define CUTS_MAX (2 * MEM_MAP_MAX + 2)

/* Boot is one CPU and one thread, and 12 KiB is too much for its stack. */
static uint64_t cuts[CUTS_MAX];
static struct mem_range pieces[MEM_MAP_MAX];

/* Which type wins where two overlap: the higher. */
static uint32_t strictness(uint32_t type)
{
	switch (type) {
	case MEM_BAD:
		return 5;
	case MEM_NVS:
		return 3;
	case MEM_ACPI:
		return 2;
	case MEM_RAM:
		return 1;
	default:
		return 4;
	}
}

static uint32_t type_known(uint32_t type)
{
	return type >= MEM_RAM && type <= MEM_BAD ? type : MEM_RESERVED;
}

/* The whole pages of @r that count as its type; false where none do. */
static bool range_pages(const struct mem_range *r, uint64_t *start, uint64_t *end)
{
	if (!r->size)
		return false;
	if (type_known(r->type) == MEM_RAM) {
		*start = ALIGN_UP(r->base.v, PAGE_SIZE);
		*end = ALIGN_DOWN(r->base.v + r->size, PAGE_SIZE);
	} else {
		*start = ALIGN_DOWN(r->base.v, PAGE_SIZE);
		*end = ALIGN_UP(r->base.v + r->size, PAGE_SIZE);
	}
	return *start < *end;
}

static bool range_in_limit(hpa_t base, uint64_t size)
{
	return !range_wraps(base.v, size) && base.v + size <= MEM_PHYS_LIMIT;
}

/* Insert @at into the sorted cuts, once; returns the new number of cuts. */
static uint32_t cut_add(uint32_t n, uint64_t at)
{
	uint32_t i = n;

	while (i > 0 && cuts[i - 1] > at)
		i--;
	if (i > 0 && cuts[i - 1] == at)
		return n;
	memmove(&cuts[i + 1], &cuts[i], (n - i) * sizeof(cuts[0]));
	cuts[i] = at;
	return n + 1;
}

/* The strictest type that covers the piece that starts at @at; 0: none does. */
static uint32_t type_at(const struct mem_range *map, uint32_t n, uint64_t at)
{
	uint64_t start, end;
	uint32_t i, type, best = 0;

	for (i = 0; i < n; i++) {
		if (!range_pages(&map[i], &start, &end) || at < start || at >= end)
			continue;
		type = type_known(map[i].type);
		if (!best || strictness(type) > strictness(best))
			best = type;
	}
	return best;
}

/* Append a piece, or lengthen the last one. -ENOSPC: @max are used. */
static int piece_add(uint32_t *n, uint32_t max, uint64_t start, uint64_t end, uint32_t type)
{
	struct mem_range *last = *n ? &pieces[*n - 1] : NULL;

	if (last && last->type == type && last->base.v + last->size == start) {
		last->size += end - start;
		return 0;
	}
	if (*n == max)
		return -ENOSPC;
	pieces[*n].base = HPA(start);
	pieces[*n].size = end - start;
	pieces[*n].type = type;
	(*n)++;
	return 0;
}

static void pieces_to_map(struct mem_range *map, uint32_t *n, uint32_t count)
{
	memcpy(map, pieces, count * sizeof(pieces[0]));
	*n = count;
}

int mem_map_clean(struct mem_range *map, uint32_t *n, uint32_t max)
{
	uint32_t i, type, cut_count = 0, count = 0;
	uint64_t start, end;

	if (max > MEM_MAP_MAX || *n > max)
		return -ENOSPC;
	for (i = 0; i < *n; i++) {
		if (!range_in_limit(map[i].base, map[i].size))
			return -ERANGE;
		if (!range_pages(&map[i], &start, &end))
			continue;
		cut_count = cut_add(cut_count, start);
		cut_count = cut_add(cut_count, end);
	}
	for (i = 0; i + 1 < cut_count; i++) {
		type = type_at(map, *n, cuts[i]);
		if (type && piece_add(&count, max, cuts[i], cuts[i + 1], type) < 0)
			return -ENOSPC;
	}
	pieces_to_map(map, n, count);
	return 0;
}

int mem_map_take(struct mem_range *map, uint32_t *n, uint32_t max, hpa_t base, uint64_t size,
		 uint32_t type)
{
	uint64_t start, end, r_start, r_end;
	uint32_t i, count = 0;
	bool placed = false;
	int err = 0;

	if (!size)
		return -EINVAL;
	if (!range_in_limit(base, size))
		return -ERANGE;
	if (max > MEM_MAP_MAX || *n > max)
		return -ENOSPC;
	start = ALIGN_DOWN(base.v, PAGE_SIZE);
	end = ALIGN_UP(base.v + size, PAGE_SIZE);
	for (i = 0; i < *n && !err; i++) {
		r_start = map[i].base.v;
		r_end = r_start + map[i].size;
		if (r_start < start)
			err = piece_add(&count, max, r_start, min_u64(r_end, start), map[i].type);
		if (r_end <= end)
			continue;
		if (!placed && !err)
			err = piece_add(&count, max, start, end, type);
		placed = true;
		if (!err)
			err = piece_add(&count, max, max_u64(r_start, end), r_end, map[i].type);
	}
	if (!placed && !err)
		err = piece_add(&count, max, start, end, type);
	if (err)
		return err;
	pieces_to_map(map, n, count);
	return 0;
}

bool mem_map_is(const struct mem_range *map, uint32_t n, hpa_t base, uint64_t size, uint32_t type)
{
	uint32_t i;

	if (!size || range_wraps(base.v, size))
		return false;
	for (i = 0; i < n; i++) {
		if (map[i].type == type && base.v >= map[i].base.v &&
		    base.v + size <= map[i].base.v + map[i].size)
			return true;
	}
	return false;
}
