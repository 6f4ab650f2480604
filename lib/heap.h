/* SPDX-License-Identifier: BSD-2-Clause */
/* Binary heaps of structures that embed their node, the smallest key on top. */

#ifndef LIB_HEAP_H
#define LIB_HEAP_H

#include "lib/types.h"

/*
 * Keys are compared by their signed difference, so that a count that wraps may be one: all keys of a heap must lie
 * within 2^63 of each other.
 */
struct heap_node {
	uint64_t key; /* its owner's, changed only while it is in no heap, or before heap_moved */
	uint32_t at;  /* place in the heap, from 1 on; 0: in none */
};

/* Who makes it gives it the slots: as many as there will ever be nodes. */
struct heap {
	struct heap_node **slot;
	uint32_t count;
};

/* @n must be in no heap. At most log2(count) steps, as with all that follow. */
void heap_add(struct heap *h, struct heap_node *n);
/* Take @n, which must be in @h, out. */
void heap_del(struct heap *h, struct heap_node *n);
/* The key of @n, which is in @h, has changed. */
void heap_moved(struct heap *h, struct heap_node *n);

/* The smallest, or NULL. */
static inline struct heap_node *heap_top(const struct heap *h)
{
	return h->count ? h->slot[0] : NULL;
}

#endif
