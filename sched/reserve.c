/* SPDX-License-Identifier: BSD-2-Clause */
/* Reservations: a budget in every period, earliest deadline first. */
/*
 * A server that has budget and can run is active: its
 * deadline is one period after the moment it became so, and what it uses until it sleeps or has used all comes back at
 * that deadline. So what becomes due within any stretch is at most a budget for each whole period in it, which is what
 * admission counts on, and nothing is saved up. (The classic rule of constant-bandwidth servers, which lets one that
 * wakes up keep its deadline where that does not raise its bandwidth, would not do: with windows the supply is not
 * smooth, and demand must be bounded by whole budgets.) Time beyond the budget is taken off the next one.
 */

#include "sched/sched.h"

static void refill_add(struct sched_entity *e, uint64_t at, uint64_t amount)
{
	if (!amount)
		return;
	/* No room: what came before waits for what comes later. */
	if (e->refills == SCHED_REFILLS)
		amount += e->refill[--e->refills].amount;
	e->refill[e->refills++] = (struct sched_refill){at, amount};
}

static void refills_take(struct sched_entity *e, uint64_t now)
{
	uint32_t due = 0;

	for (; due < e->refills && e->refill[due].at <= now; due++)
		e->available += (int64_t)e->refill[due].amount;
	e->refills -= due;
	for (uint32_t i = 0; i < e->refills; i++)
		e->refill[i] = e->refill[i + due];
}

void reserve_add(struct sched *s, struct sched_entity *e, uint64_t now)
{
	refills_take(e, now);
	e->active = e->available > 0;
	e->activated = now;
	e->reserve_node.key = e->active ? now + e->period : e->refill[0].at;
	heap_add(e->active ? &s->ready : &s->empty, &e->reserve_node);
}

void reserve_del(struct sched *s, struct sched_entity *e)
{
	uint64_t debt = e->available < 0 ? (uint64_t)-e->available : 0;

	heap_del(e->active ? &s->ready : &s->empty, &e->reserve_node);
	if (!e->active)
		return;
	refill_add(e, e->activated + e->period, e->used - debt);
	e->used = debt;
}

void reserve_charge(struct sched *s, struct sched_entity *e, uint64_t ticks, uint64_t now)
{
	/* A CPU that stood still is not to be paid for ever: less than a budget is owed. */
	ticks = min_u64(ticks, (uint64_t)(e->available + (int64_t)e->budget) - 1);
	e->available -= (int64_t)ticks;
	e->used += ticks;
	if (e->available > 0)
		return;
	reserve_del(s, e);
	reserve_add(s, e, now);
}

struct sched_entity *reserve_first(struct sched *s, uint64_t now)
{
	struct heap_node *n;

	while ((n = heap_top(&s->empty)) && n->key <= now) {
		struct sched_entity *e = container_of(n, struct sched_entity, reserve_node);

		/* From when it came back on, however late this is: else every period would be a little longer. */
		reserve_del(s, e);
		reserve_add(s, e, n->key);
	}
	n = heap_top(&s->ready);
	return n ? container_of(n, struct sched_entity, reserve_node) : NULL;
}
