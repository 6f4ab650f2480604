/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs next on a CPU: windows, then reservations, then shares. Knows only the entity below. */

#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "lib/list.h"
#include "lib/lock.h"
#include "sched/timer.h"

struct cpu;

#define SCHED_REFILLS 4
#define SCHED_INLINE  12 /* entities of a CPU whose heaps need no frame */
#define SCHED_BUCKETS 16

/* How long a vCPU in the share class runs before it is compared with the others again; us. */
#define SCHED_SLICE_US 800
/* How long before a window others have to stop, so that it begins on time; ns. Admission counts it. */
#define SCHED_LEAD_NS  5000

/* Times of one kind, in TSC ticks. Bucket n counts what is below 2^(n+4), the last one all the rest. */
struct sched_times {
	uint64_t count, sum, min, max;
	uint32_t bucket[SCHED_BUCKETS];
};

/* The entities of one VM on one CPU, if it has windows there: those that can run, in turn. */
struct sched_group {
	struct list queue;
	int64_t left; /* of the first one's slice, ticks */
	bool donate;
};

/* Ticks from the frame's start. What follows is written by its CPU only. */
struct sched_window {
	uint64_t start, end;
	struct sched_group *group;
	bool opened;
	uint64_t missed; /* windows that were over when the CPU came to look */
	struct sched_times
		late; /* from its start to the entry, where somebody wanted to run then */
	struct sched_times ended; /* from its end to the next decision */
};

/* Budget that comes back at @at, a period after the start of what used it. */
struct sched_refill {
	uint64_t at, amount;
};

/* Why the current one runs, and so what it is charged to. */
enum sched_class {
	SCHED_ALONE, /* nobody else can run and nothing is timed: to nothing */
	SCHED_WINDOW,
	SCHED_RESERVE,
	SCHED_SHARE,
};

/* Embedded in each vCPU and each work item. Bound to one CPU; changed under that CPU's queue lock only. */
struct sched_entity {
	struct cpu *cpu;
	bool queued;
	bool wanted; /* of a work item: atomic */
	/*
	 * A work item (NULL: a vCPU) does a long job in steps of at most 3,000 instructions, in turn with the vCPUs of
	 * its CPU. A step says whether there is more to do; if not, it is called again after the next work_start.
	 */
	bool (*step)(struct sched_entity *e);

	/* What it is given; not changed while it is queued. Without a group it has a weight. */
	struct sched_group *group;
	uint64_t budget, period; /* ticks; 0: no reservation */
	uint32_t weight;	 /* 0: nothing outside of windows and reservation */

	/* window */
	struct list node;

	/* share: times are virtual, ticks * 2^10 / weight */
	bool eligible;	     /* its request began: it is in that heap, with its end as key */
	int64_t left;	     /* of the request, ticks */
	uint64_t ask, begin; /* ticks; virtual time from which on it is due */
	struct heap_node share_node; /* key: begin, or the request's end */

	/* reserve: available + used + all refills = budget */
	bool active; /* it has a deadline: in that heap, else in the one that waits for a refill */
	uint32_t refills;
	int64_t available;
	uint64_t used, activated;
	struct sched_refill refill[SCHED_REFILLS]; /* in order of time */
	struct heap_node reserve_node; /* key: deadline, or the time of the first refill */

	/* accounting, ticks: @since it has been as it is */
	uint64_t since, run, steal, blocked;
	uint64_t woken; /* TSC when it was queued last */
};

struct sched {
	struct lock lock;
	uint32_t count; /* entities that can run */
	struct timer slice;
	uint64_t next; /* when to decide again, TIMER_NEVER: not before somebody asks */
	struct sched_entity *current;
	enum sched_class class;
	bool opening;	/* the current one is to wait for @opens, and that is to be noted */
	uint64_t opens; /* TSC at which the window begins */

	/* window */
	struct sched_window *window;
	uint32_t windows, at; /* how many; the one that is or comes next */
	uint64_t frame, frame_start;

	/* reserve */
	struct heap ready, empty;

	/* share */
	uint64_t virtual, rest; /* the time, and its fraction in units of 1 / weights */
	uint64_t weights;	/* of all that can run */
	struct heap eligible, early;

	struct heap_node *inline_slots[4][SCHED_INLINE];
	struct timer_heap timers;
};
_Static_assert(sizeof(struct sched) <= PAGE_SIZE, "one frame per CPU");

/* TSC ticks, set at boot. */
extern uint64_t sched_slice, sched_lead;

/* --- sched/queue.c: one CPU's queues, under its lock, at a time that the caller gives --- */

void queue_init(struct sched *s);
void queue_add(struct sched *s, struct sched_entity *e, uint64_t now);
void queue_del(struct sched *s, struct sched_entity *e, uint64_t now);
/* Whom to run from @now on, at most until s->next; NULL: nobody. */
struct sched_entity *queue_pick(struct sched *s, uint64_t now);
/* The current one lets others go first for a slice. */
void queue_yield(struct sched *s);
/* Would @e, which can run, have to wait for a window of somebody else to end? */
bool queue_shut_out(const struct sched *s, const struct sched_entity *e);

/* --- sched/share.c, sched/reserve.c: the classes --- */

/* @e can run, or no longer; it has run for @ticks; who is first, if any. */
void share_add(struct sched *s, struct sched_entity *e, uint64_t now);
void share_del(struct sched *s, struct sched_entity *e);
void share_charge(struct sched *s, struct sched_entity *e, uint64_t ticks);
struct sched_entity *share_first(struct sched *s);
void share_yield(struct sched *s, struct sched_entity *e);

void reserve_add(struct sched *s, struct sched_entity *e, uint64_t now);
void reserve_del(struct sched *s, struct sched_entity *e);
void reserve_charge(struct sched *s, struct sched_entity *e, uint64_t ticks, uint64_t now);
struct sched_entity *reserve_first(struct sched *s, uint64_t now);

/* --- sched/window.c: the table --- */

/* The window that is at @now or comes next, and when this one is; NULL: the CPU has none. */
struct sched_window *window_at(struct sched *s, uint64_t now, uint64_t *start, uint64_t *end);
/* @times gets one more. */
void sched_times_add(struct sched_times *times, uint64_t ticks);

/* --- sched/sched.c: the CPUs --- */

/* Make @cpu's scheduler in one zeroed frame. Boot. */
void sched_init(struct cpu *cpu, void *frame);

/* Give @cpu's heaps room for @count entities, SCHED_INLINE at least: @slots has 4 * @count. Boot. */
void sched_room(struct cpu *cpu, struct heap_node **slots, uint32_t count);

/* Can run from now on. Any CPU; kicks @e's CPU where it is another. Harmless where it can already. */
void sched_wake(struct sched_entity *e);

/*
 * Take this CPU's entity @e out of its queue, unless @pending (read under the queue's lock, after which a waker puts
 * it back) says that there is something to do. True if it is out.
 */
bool sched_block(struct sched_entity *e, bool (*pending)(struct sched_entity *e));

/* Have @e's steps run on e->cpu, which may change only while it has nothing to do. Any CPU. */
void work_start(struct sched_entity *e);
/* Run steps of @e, which sched_pick has just returned, until it is done or this CPU is wanted for something else. */
void work_run(struct sched_entity *e);

/* Whom this CPU runs next, or NULL. Arms the timer only where somebody or a window waits. */
struct sched_entity *sched_pick(void);

/* This CPU's vCPU gives way to the next in line, if there is one. */
void sched_yield(void);
/* Does @e run now? An event that was set (atomically) before is seen by it in any case where this says no. */
bool sched_is_current(const struct sched_entity *e);

/* Just before the entity that sched_pick returned is entered: its window may begin in a moment. */
void sched_open_slowly(void);
bool sched_opens(void);

/* TSC at which the window began that the current entity runs in; 0: it runs in none. */
uint64_t sched_window_began(void);

/* Make @cpu leave its guest and look at its requests. Any CPU. */
void sched_kick(struct cpu *cpu, uint64_t request);

#endif
