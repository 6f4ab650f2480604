/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticket locks: CPUs get them in the order in which they asked. */

#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include "lib/atomic.h"

/*
 * @next is the next ticket to be drawn, @serving the one whose holder has the lock. Equal: free.
 * Not recursive; not from NMI or #MC; never held across a guest entry. A zeroed one is free.
 */
struct lock {
	uint32_t next;
	uint32_t serving;
};

#define LOCK_INIT    \
	{            \
		0, 0 \
	}

/* The slow part: wait until @ticket is served. */
void lock_wait(struct lock *l, uint32_t ticket);

static inline void lock_acquire(struct lock *l)
{
	uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_ACQUIRE);

	if (unlikely(atomic_load_u32(&l->serving) != ticket))
		lock_wait(l, ticket);
}

/* Only by the holder, who is the only one to write @serving. */
static inline void lock_release(struct lock *l)
{
	atomic_store_u32(&l->serving, l->serving + 1);
}

#endif
