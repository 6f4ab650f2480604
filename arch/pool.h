/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own frames: one contiguous range of physical memory, mapped read-write, and quotas on it. */

#ifndef ARCH_POOL_H
#define ARCH_POOL_H

#include "lib/types.h"

/*
 *   POOL_VA_BASE + hpa
 *   |  bitmap, one bit per frame  |  frames ... each allocated or free  |
 *   ^ pool_base()                                                       ^ + pool_total() frames
 *
 * The whole range is mapped at its physical address plus a constant: by the boot tables first, by our own afterwards.
 */
#ifdef BULKHEAD_HOST
extern uint64_t pool_va_offset; /* tests point the pool at their own memory */
#else
#define POOL_VA_BASE   0xffff900000000000ULL
#define pool_va_offset POOL_VA_BASE
#endif

/* What an owner may have of the pool, in frames. Read it any time; only the pool writes @used. */
struct quota {
	uint32_t max;
	uint32_t used;
};

/* The hypervisor's own needs: per-CPU areas, its page tables. As large as the pool. */
extern struct quota pool_quota_hv;

/* Take over [@base, @base + @size), page aligned, mapped and ours. Boot, once. 0, -EINVAL (unaligned, too small or large). */
int pool_init(hpa_t base, uint64_t size);

/*
 * @frames contiguous zeroed frames, charged to @q; their physical address goes to @pa if that is not NULL. NULL: the
 * quota, or the pool, does not have them. One frame is found in constant time, nearly; more by a search of the bitmap.
 * Any CPU, any lock but the pool's held, not from NMI or #MC.
 */
void *pool_alloc(struct quota *q, uint32_t frames, hpa_t *pa);

/* Give back what pool_alloc returned. 0; -EINVAL, and nothing happens, unless every frame is the pool's and allocated. */
int pool_free(struct quota *q, void *va, uint32_t frames);

/* Frames: in the pool, and of these allocated (the bitmap counts). */
uint32_t pool_total(void);
uint32_t pool_used(void);
hpa_t pool_base(void);

/* Between the two addresses of a frame of the pool, or of a byte in it. */
static inline void *pool_va(hpa_t pa)
{
	return (void *)(uintptr_t)(pa.v + pool_va_offset);
}

static inline hpa_t pool_pa(const void *va)
{
	return HPA((uint64_t)(uintptr_t)va - pool_va_offset);
}

#endif
