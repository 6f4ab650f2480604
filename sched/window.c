/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows: where a CPU is in its table, which begins again with every frame. */

#include "sched/sched.h"

#define FIRST_BUCKET_BITS 4

void sched_times_add(struct sched_times *t, uint64_t ticks)
{
	uint32_t bits = ticks ? 64 - (uint32_t)__builtin_clzll(ticks) : 0;
	uint32_t n = bits > FIRST_BUCKET_BITS ? bits - FIRST_BUCKET_BITS : 0;

	t->min = t->count ? min_u64(t->min, ticks) : ticks;
	t->max = max_u64(t->max, ticks);
	t->sum += ticks;
	t->count++;
	t->bucket[min_u64(n, SCHED_BUCKETS - 1)]++;
}

static void window_over(struct sched_window *w, uint64_t late)
{
	if (w->opened)
		sched_times_add(&w->ended, late);
	else
		w->missed++;
	w->opened = false;
}

/* At most one turn through the table, and one more step for a CPU that stood still for frames. */
struct sched_window *window_at(struct sched *s, uint64_t now, uint64_t *start, uint64_t *end)
{
	uint64_t lost;

	if (!s->windows)
		return NULL;
	lost = now > s->frame_start ? (now - s->frame_start) / s->frame : 0;
	if (lost > 1) {
		s->frame_start += (lost - 1) * s->frame;
		for (uint32_t i = 0; i < s->windows; i++)
			s->window[i].missed += lost - 1;
	}
	while (now >= s->frame_start + s->window[s->at].end) {
		window_over(&s->window[s->at], now - s->frame_start - s->window[s->at].end);
		if (++s->at == s->windows) {
			s->at = 0;
			s->frame_start += s->frame;
		}
	}
	*start = s->frame_start + s->window[s->at].start;
	*end = s->frame_start + s->window[s->at].end;
	return &s->window[s->at];
}
