/* SPDX-License-Identifier: BSD-2-Clause */
/* Binary heaps: place i has its children at 2i and 2i + 1. */

#include "lib/heap.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
	return (int64_t)(a->key - b->key) < 0;
}

static void put(struct heap *h, uint32_t at, struct heap_node *n)
{
	h->slot[at - 1] = n;
	n->at = at;
}

static void up(struct heap *h, struct heap_node *n)
{
	uint32_t at = n->at;

	for (; at > 1 && before(n, h->slot[at / 2 - 1]); at /= 2)
		put(h, at, h->slot[at / 2 - 1]);
	put(h, at, n);
}

static void down(struct heap *h, struct heap_node *n)
{
	uint32_t at = n->at;

	for (uint32_t child = 2 * at; child <= h->count; child = 2 * at) {
		if (child < h->count && before(h->slot[child], h->slot[child - 1]))
			child++;
		if (!before(h->slot[child - 1], n))
			break;
		put(h, at, h->slot[child - 1]);
		at = child;
	}
	put(h, at, n);
}

void heap_moved(struct heap *h, struct heap_node *n)
{
	up(h, n);
	down(h, n);
}

void heap_add(struct heap *h, struct heap_node *n)
{
	put(h, ++h->count, n);
	up(h, n);
}

void heap_del(struct heap *h, struct heap_node *n)
{
	struct heap_node *last = h->slot[--h->count];
	uint32_t at = n->at;

	n->at = 0;
	if (last == n)
		return;
	put(h, at, last);
	heap_moved(h, last);
}
