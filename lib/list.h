/* SPDX-License-Identifier: BSD-2-Clause */
/* Doubly linked lists of structures that embed their link. */

#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/types.h"

/*
 * A ring of links; the list itself is one of them, alone in the ring when the list is empty.
 *
 *      list        item         item
 *   +->[ ]<------->[ ]<-------->[ ]<-+
 *   +--------------------------------+
 *
 * No function locks, allocates or searches. A link is on one list at most.
 */
struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(name)                          \
	{                                        \
		.next = &(name), .prev = &(name) \
	}

/* Make @l an empty list, or a link that is on none. */
static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Put @item before @at: at the end, where @at is the list. @item must be on no list. */
static inline void list_add_tail(struct list *at, struct list *item)
{
	item->next = at;
	item->prev = at->prev;
	at->prev->next = item;
	at->prev = item;
}

/* Put @item behind @at: at the beginning, where @at is the list. @item must be on no list. */
static inline void list_add(struct list *at, struct list *item)
{
	list_add_tail(at->next, item);
}

/* Take @item out; it is on no list afterwards, and taking it out again does nothing. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* The structure that @link is embedded in as @member. */
#define list_entry(link, type, member) container_of(link, type, member)

/* The first structure of a list that is not empty. */
#define list_first(list, type, member) container_of((list)->next, type, member)

/* Visit each structure of @list, in order, as @item. The body may not take out @item's successor nor @item. */
#define list_for_each(item, list, member)                                      \
	for ((item) = container_of((list)->next, __typeof__(*(item)), member); \
	     &(item)->member != (list);                                        \
	     (item) = container_of((item)->member.next, __typeof__(*(item)), member))

#endif
