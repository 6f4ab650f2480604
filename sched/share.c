/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares: proportional time by weight. */
/*
 * Each entity asks for a slice at a time. A request is due from its virtual begin
 * on and until its virtual end, a slice divided by the weight later. Of those that have begun the first to end is
 * served (earliest eligible virtual deadline first: Stoica and Abdel-Wahab, 1995): nobody is ever more than a slice
 * ahead of its share or behind it.
 */

#include "sched/sched.h"

#define VIRTUAL_BITS 10
#define STALE	     BIT(43) /* ticks asleep after which nobody is ahead any more */
#define FIRST_ASK    8 /* who wakes up asks for this part of a slice first, and so waits less */

static uint64_t virtual_of(uint64_t ticks, uint32_t weight)
{
	return (ticks << VIRTUAL_BITS) / weight;
}

static void place(struct sched *s, struct sched_entity *e)
{
	e->eligible = (int64_t)(e->begin - s->virtual) <= 0;
	e->share_node.key = e->begin + (e->eligible ? virtual_of(e->ask, e->weight) : 0);
	heap_add(e->eligible ? &s->eligible : &s->early, &e->share_node);
}

static void displace(struct sched *s, struct sched_entity *e)
{
	heap_del(e->eligible ? &s->eligible : &s->early, &e->share_node);
}

/* How far @e is before its time: what it has got, less what it was due. */
static int64_t ahead(const struct sched *s, const struct sched_entity *e)
{
	return (int64_t)(e->begin - s->virtual);
}

/* Virtual time is the weighted mean of all begins: who comes or goes away from it moves it. */
static void shift(struct sched *s, int64_t by, uint32_t weight)
{
	if (s->weights)
		s->virtual += (uint64_t)(by * (int64_t)weight / (int64_t)s->weights);
}

void share_add(struct sched *s, struct sched_entity *e, uint64_t now)
{
	/* What it did not take while it slept is gone; what it took too much is not. */
	if (ahead(s, e) < 0 || now - e->since > STALE)
		e->begin = s->virtual;
	s->weights += e->weight;
	shift(s, ahead(s, e), e->weight);
	e->ask = sched_slice / FIRST_ASK;
	e->left = (int64_t)e->ask;
	place(s, e);
}

void share_del(struct sched *s, struct sched_entity *e)
{
	displace(s, e);
	e->begin += virtual_of(e->ask - (uint64_t)e->left, e->weight);
	s->weights -= e->weight;
	shift(s, -ahead(s, e), e->weight);
}

void share_charge(struct sched *s, struct sched_entity *e, uint64_t ticks)
{
	/* Where it has to share, more is time in which the machine stood still: in SMM, or an emulator did something else. */
	ticks = min_u64(ticks, 2 * sched_slice);
	s->rest += ticks << VIRTUAL_BITS;
	s->virtual += s->rest / s->weights;
	s->rest %= s->weights;
	e->left -= (int64_t)ticks;
	if (e->left > 0)
		return;
	displace(s, e);
	e->begin += virtual_of(e->ask - (uint64_t)e->left, e->weight);
	e->ask = sched_slice;
	e->left = (int64_t)e->ask;
	place(s, e);
}

void share_yield(struct sched *s, struct sched_entity *e)
{
	if (!e->eligible)
		return;
	e->share_node.key += virtual_of(sched_slice, e->weight);
	heap_moved(&s->eligible, &e->share_node);
}

struct sched_entity *share_first(struct sched *s)
{
	struct heap_node *n;

	/* By rounding, the mean may lie before all begins. */
	n = heap_top(&s->early);
	if (!s->eligible.count && n && (int64_t)(n->key - s->virtual) > 0)
		s->virtual = n->key;
	while ((n = heap_top(&s->early)) && (int64_t)(n->key - s->virtual) <= 0) {
		heap_del(&s->early, n);
		place(s, container_of(n, struct sched_entity, share_node));
	}
	n = heap_top(&s->eligible);
	return n ? container_of(n, struct sched_entity, share_node) : NULL;
}
