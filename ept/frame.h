/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns which physical memory. */

#ifndef EPT_FRAME_H
#define EPT_FRAME_H

#include "lib/types.h"

/* Types of a memory map: the numbers of ACPI's address ranges (ACPI 6.5, table 15.4). All others are reserved. */
#define MEM_RAM	     1
#define MEM_RESERVED 2
#define MEM_ACPI     3
#define MEM_NVS	     4
#define MEM_BAD	     5

/* A piece of physical memory, bytes [base, base + size). */
struct mem_range {
	hpa_t base;
	uint64_t size;
	uint32_t type; /* MEM_* */
};

/*
 * Ownership is kept per block of 2 MiB; only a block that has several owners has a sub-table of an owner per frame:
 *
 *   block     0      1      2      3      4
 *           +------+------+------+------+------+--
 *           | HV   | VM 0 |split | VM 0 | FREE |      2 bytes each, up to the highest RAM
 *           +------+------+--|---+------+------+--
 *                            v
 *                         +----+----+-   -+----+
 *                         | HV |FREE| ... |FREE|      512 owners, one per frame of 4 KiB
 *                         +----+----+-   -+----+
 *
 * A block whose frames come to have one owner again gives its sub-table back.
 */
#define FRAME_BLOCK  PAGE_SIZE_2M
#define FRAME_VMS    64 /* VMs that can own memory */
#define FRAME_SPARES 16 /* sub-tables beside those that the firmware's map needs at once */

#define OWNER_NONE     0 /* no memory is known there, or above all RAM */
#define OWNER_FREE     1
#define OWNER_RESERVED 2 /* the firmware's: everything in its map that is not RAM */
#define OWNER_HV       3 /* the hypervisor */
#define OWNER_STORE    4 /* boot modules */
#define OWNER_SHARED   5 /* shared regions */
#define OWNER_VM0      16
#define OWNER_VM(n)    ((uint16_t)(OWNER_VM0 + (n))) /* by VM index, below FRAME_VMS */
#define OWNER_COUNT    (OWNER_VM0 + FRAME_VMS)

/*
 * All of these take or wait for one lock except frame_owner and frame_total, and may be called on any CPU, not from
 * NMI or #MC. The time grows with the number of blocks concerned: after boot, large ranges are given in pieces.
 * Addresses and sizes are in bytes and page aligned.
 */

/* Bytes of table that frame_init needs for this map. */
uint64_t frame_table_bytes(const struct mem_range *map, uint32_t n);

/*
 * Start with the firmware's map (sorted, disjoint, page aligned): RAM is FREE, the rest RESERVED. @table is kept, is
 * 8-byte aligned, and not itself marked as owned. Boot, once. 0, -EINVAL (map), -ENOSPC (table too small).
 */
int frame_init(const struct mem_range *map, uint32_t n, void *table, uint64_t bytes);

/*
 * Pass [@base, @base + @size) from owner @from to owner @to; all or nothing.
 * 0, -EINVAL (unaligned, empty, no such owner), -ERANGE (above all RAM), -EBUSY (not all of it is @from's), -ENOSPC
 * (a block would be split and there is no sub-table).
 */
int frame_give(hpa_t base, uint64_t size, uint16_t from, uint16_t to);

/* Take free memory: frame_give from OWNER_FREE. */
int frame_claim(hpa_t base, uint64_t size, uint16_t owner);

/* Whose the frame at @pa is. Never waits: for the exit path. */
uint16_t frame_owner(hpa_t pa);

/* Bytes that @owner has. Never waits. */
uint64_t frame_total(uint16_t owner);

/*
 * Look for @size bytes of free memory inside [@min, @max), aligned to @align (a power of two, at least a page): the
 * lowest, or with @from_top the highest. It stays free: claim it. 0, -EINVAL, -ENOMEM.
 */
int frame_find(uint64_t size, uint64_t align, uint64_t min, uint64_t max, bool from_top,
	       hpa_t *out);

/*
 * Take @size bytes of free memory for @owner, in at most @max pieces, listed in @out in the order in which they are
 * best used: above 4 GiB first, in pieces for pages of 1 GiB, then of 2 MiB, then the same below (not in the first
 * MiB), and single frames last. All or nothing. 0, -EINVAL, -ENOMEM, -ENOSPC (@max, or sub-tables).
 */
int frame_alloc_ram(uint64_t size, uint16_t owner, struct mem_range *out, uint32_t max,
		    uint32_t *n);

/*
 * Call @fn for every maximal run of one owner, ascending, OWNER_NONE included, up to the highest RAM; stop when it
 * returns other than 0, and return that. No lock is held during the call: what @fn changes ahead of it is seen.
 */
typedef int (*frame_run_fn)(void *arg, hpa_t base, uint64_t size, uint16_t owner);
int frame_for_each(frame_run_fn fn, void *arg);

#endif
