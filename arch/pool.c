/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own frames: a bitmap, and a hint below which nothing is free. */

#include "arch/pool.h"
#include "lib/bitmap.h"
#include "lib/lock.h"
#include "lib/string.h"

#ifdef BULKHEAD_HOST
uint64_t pool_va_offset;
#endif

#define BITS_PER_FRAME (PAGE_SIZE * 8)
#define POOL_MAX       (4 * GIB) /* numbers of frames, and of bits, fit in 32 bits */

struct quota pool_quota_hv;

static struct {
	struct lock lock; /* innermost: nothing is acquired under it */
	hpa_t base;
	uint32_t frames;
	uint32_t own;  /* frames at the beginning that hold the bitmap */
	uint32_t used; /* these included */
	uint32_t hint; /* every frame below is allocated */
	uint64_t *allocated;
} pool;

int pool_init(hpa_t base, uint64_t size)
{
	uint64_t frames = size / PAGE_SIZE;
	uint64_t own = (frames + BITS_PER_FRAME - 1) / BITS_PER_FRAME;

	if (!IS_ALIGNED(base.v | size, PAGE_SIZE) || size > POOL_MAX || frames <= own ||
	    range_wraps(base.v, size))
		return -EINVAL;

	pool.base = base;
	pool.frames = (uint32_t)frames;
	pool.own = (uint32_t)own;
	pool.used = pool.own;
	pool.hint = pool.own;
	pool.allocated = pool_va(base);
	memset(pool.allocated, 0, own * PAGE_SIZE);
	bitmap_set_run(pool.allocated, 0, pool.own);
	pool_quota_hv = (struct quota){.max = pool.frames};
	return 0;
}

/* Index of @frames free frames in a row, now allocated; pool.frames if there are none. Lock held. */
static uint32_t take(uint32_t frames)
{
	uint32_t at;

	pool.hint = bitmap_find_zero(pool.allocated, pool.frames, pool.hint);
	at = frames == 1 ? pool.hint
			 : bitmap_find_zero_run(pool.allocated, pool.frames, pool.hint, frames);
	if (at == pool.frames)
		return at;
	bitmap_set_run(pool.allocated, at, frames);
	pool.used += frames;
	if (at == pool.hint)
		pool.hint = at + frames;
	return at;
}

void *pool_alloc(struct quota *q, uint32_t frames, hpa_t *pa)
{
	uint32_t at = 0;
	hpa_t where;
	void *va;

	if (!frames)
		return NULL;

	lock_acquire(&pool.lock);
	at = frames > q->max - q->used ? pool.frames : take(frames);
	if (at < pool.frames)
		q->used += frames;
	lock_release(&pool.lock);
	if (at == pool.frames)
		return NULL;

	where = HPA(pool.base.v + at * PAGE_SIZE);
	va = pool_va(where);
	memset(va, 0, frames * PAGE_SIZE);
	if (pa)
		*pa = where;
	return va;
}

/* Are the frames [at, at + frames) allocated ones, none of them the bitmap's? Lock held. */
static bool is_allocated(uint64_t at, uint32_t frames)
{
	if (at < pool.own || at >= pool.frames || frames > pool.frames - at)
		return false;
	return bitmap_find_zero(pool.allocated, (uint32_t)at + frames, (uint32_t)at) == at + frames;
}

int pool_free(struct quota *q, void *va, uint32_t frames)
{
	const uint64_t offset = pool_pa(va).v - pool.base.v;
	const uint64_t at = offset / PAGE_SIZE;
	int err = -EINVAL;

	if (!frames || !IS_ALIGNED(offset, PAGE_SIZE))
		return -EINVAL;

	lock_acquire(&pool.lock);
	if (is_allocated(at, frames) && q->used >= frames) {
		bitmap_clear_run(pool.allocated, (uint32_t)at, frames);
		pool.used -= frames;
		q->used -= frames;
		if (at < pool.hint)
			pool.hint = (uint32_t)at;
		err = 0;
	}
	lock_release(&pool.lock);
	return err;
}

uint32_t pool_total(void)
{
	return pool.frames;
}

uint32_t pool_used(void)
{
	return pool.used;
}

hpa_t pool_base(void)
{
	return pool.base;
}
