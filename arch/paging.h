/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own address space: built once, W^X at 4 KiB, no identity map, no guest memory. */

#ifndef ARCH_PAGING_H
#define ARCH_PAGING_H

#include "lib/types.h"

#define MAP_WRITE	  BIT(0)
#define MAP_EXEC	  BIT(1)
#define MAP_UNCACHED	  BIT(2)
#define MAP_WRITE_COMBINE BIT(3)

/*
 * Build the final tables from the pool, for the image loaded at @image. Boot CPU, while the boot tables are in use.
 * Returns 0 or -ENOMEM.
 */
int paging_init(hpa_t image);

/* Make the final tables those of the running CPU, with PAT, WP, SMEP and SMAP where present. */
void paging_load(void);

/* CR3 of the final tables. */
hpa_t paging_root(void);

/*
 * Map [@pa, @pa + @size), page aligned, at @va with MAP_* rights. Never both MAP_WRITE and MAP_EXEC. Boot, or a
 * window of the running CPU whose tables exist already. 0, -ENOMEM, -EINVAL.
 */
int paging_map(uint64_t va, hpa_t pa, uint64_t size, uint32_t rights);
void paging_unmap(uint64_t va, uint64_t size);

/*
 * Map device registers for good, or NULL where addresses or frames run out. Any alignment; boot, or a work item.
 * Mappings are never removed, the same page is mapped once only.
 */
volatile void *mmio_map(hpa_t pa, uint64_t size);
/* The same with write-combining, for a frame buffer. */
volatile void *mmio_map_wc(hpa_t pa, uint64_t size);

/* Point the one-page window at @va (tables made by paging_window_init) to @pa; fast, no table walk. */
int paging_window_init(uint64_t va);
void paging_window_set(uint64_t va, hpa_t pa, uint32_t rights);
void paging_window_clear(uint64_t va);

/* Copy @len bytes of physical memory, through a window. Boot CPU, boot only; @pa is RAM or firmware memory. */
void phys_read(hpa_t pa, void *buf, uint64_t len);
void phys_write(hpa_t pa, const void *buf, uint64_t len);

#endif
