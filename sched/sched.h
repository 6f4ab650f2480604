/* SPDX-License-Identifier: BSD-2-Clause */
/* Who runs next on a CPU: for now a round-robin over the vCPUs and work items that can run. Knows only the entity below. */

#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "lib/list.h"
#include "lib/lock.h"
#include "sched/timer.h"

struct cpu;

/* Embedded in each vCPU and each work item. Bound to one CPU; changed under that CPU's queue lock only. */
struct sched_entity {
	struct list node;
	struct cpu *cpu;
	bool queued;
	uint64_t woken; /* TSC when it was queued last */
	/*
	 * A work item (NULL: a vCPU) does a long job in steps of at most 3,000 instructions, in turn with the vCPUs of
	 * its CPU. A step says whether there is more to do; if not, it is called again after the next work_start.
	 */
	bool (*step)(struct sched_entity *e);
	bool wanted;	/* of a work item: atomic */
	uint64_t ticks; /* that its steps took */
};

struct sched {
	struct lock lock;
	struct list queue; /* the first one is the one that runs */
	uint32_t count;
	bool slice_over;
	struct timer slice;
	struct timer_heap timers;
};
_Static_assert(sizeof(struct sched) <= PAGE_SIZE, "one frame per CPU");

/* How long a vCPU runs before the next one in line, in TSC ticks; set at boot. */
extern uint64_t sched_slice;

/* Make @cpu's scheduler in one zeroed frame. Boot. */
void sched_init(struct cpu *cpu, void *frame);

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

/* Whom this CPU runs next, or NULL. Arms the slice timer only where more than one wants to run. */
struct sched_entity *sched_pick(void);

/* This CPU's vCPU gives way to the next in line, if there is one. */
void sched_yield(void);

/* Make @cpu leave its guest and look at its requests. Any CPU. */
void sched_kick(struct cpu *cpu, uint64_t request);

#endif
