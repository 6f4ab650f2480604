/* SPDX-License-Identifier: BSD-2-Clause */
/* One CPU's choice: the three classes in their order, and what the current entity has used charged to its class. */

#include "sched/sched.h"

void queue_init(struct sched *s)
{
	struct heap *heaps[] = {&s->ready, &s->empty, &s->eligible, &s->early};

	for (uint32_t i = 0; i < ARRAY_SIZE(heaps); i++)
		heaps[i]->slot = s->inline_slots[i];
	s->next = TIMER_NEVER;
}

static struct sched_entity *group_first(const struct sched_group *g)
{
	return list_empty(&g->queue) ? NULL : list_first(&g->queue, struct sched_entity, node);
}

static bool group_shared(const struct sched_group *g)
{
	return g->queue.next != g->queue.prev;
}

static void group_charge(struct sched_entity *e, uint64_t ticks)
{
	struct sched_group *g = e->group;

	g->left -= (int64_t)min_u64(ticks, INT64_MAX);
	if (g->left > 0)
		return;
	g->left = (int64_t)sched_slice;
	list_del(&e->node);
	list_add_tail(&g->queue, &e->node);
}

/* The clocks of two CPUs may differ by less than it takes to come from one to the other. */
static uint64_t lapse(uint64_t since, uint64_t now)
{
	return now > since ? now - since : 0;
}

static void charge(struct sched *s, uint64_t now)
{
	struct sched_entity *e = s->current;
	uint64_t ticks;

	if (!e)
		return;
	ticks = lapse(e->since, now);
	e->run += ticks;
	e->since = now;
	if (s->class == SCHED_WINDOW)
		group_charge(e, ticks);
	else if (s->class == SCHED_RESERVE)
		reserve_charge(s, e, ticks, now);
	else if (s->class == SCHED_SHARE)
		share_charge(s, e, ticks);
}

void queue_add(struct sched *s, struct sched_entity *e, uint64_t now)
{
	charge(s, now); /* shares change */
	if (e->group)
		list_add_tail(&e->group->queue, &e->node);
	if (e->budget)
		reserve_add(s, e, now);
	if (e->weight)
		share_add(s, e, now);
	e->blocked += lapse(e->since, now);
	e->since = e->woken = now;
	e->queued = true;
	s->count++;
}

void queue_del(struct sched *s, struct sched_entity *e, uint64_t now)
{
	e->queued = false;
	s->count--;
	charge(s, now);
	if (s->current == e)
		__atomic_store_n(&s->current, NULL, __ATOMIC_RELAXED);
	else
		e->steal += lapse(e->since, now);
	if (e->group)
		list_del(&e->node);
	if (e->budget)
		reserve_del(s, e);
	if (e->weight)
		share_del(s, e);
	e->since = now;
}

void queue_yield(struct sched *s)
{
	struct sched_entity *e = s->current;

	if (e && s->class == SCHED_SHARE)
		share_yield(s, e);
	else if (e && s->class == SCHED_WINDOW)
		group_charge(e, sched_slice);
}

bool queue_shut_out(const struct sched *s, const struct sched_entity *e)
{
	return s->class == SCHED_WINDOW && s->current && s->current->group != e->group;
}

static struct sched_entity *pick_window(struct sched *s, const struct sched_window *w, uint64_t now,
					uint64_t end)
{
	struct sched_entity *e = group_first(w->group);

	s->next = end;
	if (!e)
		return NULL;
	s->class = SCHED_WINDOW;
	if (group_shared(w->group))
		s->next = min_u64(end, now + (uint64_t)w->group->left);
	return e;
}

/* Outside of windows, or in one that its owner leaves to others. */
static struct sched_entity *pick_other(struct sched *s, uint64_t now)
{
	struct sched_entity *e = reserve_first(s, now);

	if (heap_top(&s->empty))
		s->next = min_u64(s->next, heap_top(&s->empty)->key);
	if (e) {
		s->class = SCHED_RESERVE;
		s->next = min_u64(s->next, now + (uint64_t)e->available);
		return e;
	}
	e = share_first(s);
	s->class = SCHED_SHARE;
	if (e && s->eligible.count + s->early.count > 1)
		s->next = min_u64(s->next, now + (uint64_t)e->left);
	return e;
}

/* A CPU without windows where one entity wants to run: nothing is timed, and nothing charged. */
static struct sched_entity *pick_alone(struct sched *s)
{
	s->class = SCHED_ALONE;
	return share_first(s);
}

static struct sched_entity *choose(struct sched *s, uint64_t now)
{
	uint64_t start, end;
	struct sched_window *w = window_at(s, now, &start, &end);
	struct sched_entity *e;

	s->next = TIMER_NEVER;
	s->opening = false;
	if (!w)
		return s->count == 1 ? pick_alone(s) : pick_other(s, now);
	s->next = start - sched_lead;
	if (now + sched_lead < start)
		return pick_other(s, now);
	e = pick_window(s, w, now, end);
	s->opening = e && !w->opened;
	s->opens = start;
	w->opened = true;
	return e || !w->group->donate ? e : pick_other(s, now);
}

static void switch_to(struct sched *s, struct sched_entity *e, uint64_t now)
{
	if (e == s->current)
		return;
	if (e) {
		e->steal += lapse(e->since, now);
		e->since = now;
	}
	/* A full barrier: sched_is_current says why. */
	(void)__atomic_exchange_n(&s->current, e, __ATOMIC_SEQ_CST);
}

struct sched_entity *queue_pick(struct sched *s, uint64_t now)
{
	struct sched_entity *e;

	charge(s, now);
	/* What it had to itself is not charged to its budget, and its deadline has no meaning any more. */
	if (s->class == SCHED_ALONE && s->count > 1 && s->current && s->current->budget) {
		reserve_del(s, s->current);
		reserve_add(s, s->current, now);
	}
	e = choose(s, now);
	switch_to(s, e, now);
	return e;
}
