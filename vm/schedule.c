/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration's time, in ns, to the CPUs' tables and queues, in TSC ticks. */

#include "vm/schedule.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "lib/printf.h"
#include "vm/admit.h"
#include "vm/vm.h"

#define ROOM_FOR_WORK  4 /* work items that are no VM's */
#define FIRST_FRAME_US 1000

static INIT uint64_t ticks_of(uint64_t ns)
{
	return ns * tsc_khz / 1000000;
}

static INIT void *frames_for(uint64_t bytes)
{
	return pool_alloc(&pool_quota_hv, (uint32_t)(ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE), NULL);
}

/* Every VM may have a work item on any CPU. */
static INIT int room_make(const struct config *c, uint32_t cpu)
{
	uint32_t n = c->vm_count + ROOM_FOR_WORK;
	struct heap_node **slots;

	for (uint32_t i = 0; i < c->vm_count; i++)
		n += admit_vcpus_on(&c->vms[i], cpu);
	if (n <= SCHED_INLINE)
		return 0;
	slots = frames_for(4 * sizeof(void *) * n);
	if (!slots)
		return -ENOMEM;
	sched_room(cpu_by_index[cpu], slots, n);
	return 0;
}

static INIT void window_insert(struct sched *s, const struct config_window *w,
			       struct sched_group *group)
{
	uint64_t start = ticks_of(w->start);
	uint32_t at = s->windows++;

	for (; at && s->window[at - 1].start > start; at--)
		s->window[at] = s->window[at - 1];
	s->window[at] = (struct sched_window){
		.start = start, .end = ticks_of(w->start + w->length), .group = group};
}

static INIT void group_join(struct vm *vm, struct cpu *cpu, struct sched_group *group)
{
	if (!vm)
		return;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpu[i]->cpu == cpu)
			vm->vcpu[i]->entity.group = group;
	}
	if (vm->vcpu_count && vm->vcpu[0]->cpu == cpu)
		vm->work.group =
			group; /* its restart may have its windows, in which nothing else runs then */
}

static INIT int table_make(const struct config *c, struct cpu *cpu)
{
	struct sched *s = cpu->sched;
	struct sched_group *group;
	uint32_t windows = 0, groups = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		bool here = c->vms[i].window_count && admit_vcpus_on(&c->vms[i], cpu->index);

		windows += here ? c->vms[i].window_count : 0;
		groups += here;
	}
	if (!windows)
		return 0;
	s->frame = ticks_of(c->frame);
	group = frames_for(groups * sizeof(*group) + windows * sizeof(*s->window));
	if (!group)
		return -ENOMEM;
	s->window = (struct sched_window *)(group + groups);
	for (uint32_t i = 0; i < c->vm_count; i++) {
		const struct config_vm *vm = &c->vms[i];

		if (!vm->window_count || !admit_vcpus_on(vm, cpu->index))
			continue;
		list_init(&group->queue);
		group->donate = vm->donate;
		group->left = (int64_t)sched_slice;
		for (uint32_t k = 0; k < vm->window_count; k++)
			window_insert(s, &vm->windows[k], group);
		group_join(vms[i], cpu, group);
		group++;
	}
	return 0;
}

/* A VM with windows has its windows, and more only where it says so. */
static INIT void vm_time(const struct config *all, const struct config_vm *c, struct vm *vm)
{
	uint64_t now = tsc_read();

	if (!vm)
		return;
	vm->work.weight = c->weight;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct sched_entity *e = &vm->vcpu[i]->entity;
		struct admit_budget b = admit_budget(all, c, e->cpu->index);

		e->since = now;
		e->weight = c->window_count && !config_vm_has(c, VM_WEIGHT) ? 0 : c->weight;
		e->budget = ticks_of(b.budget);
		e->period = ticks_of(b.period);
		e->available = (int64_t)e->budget;
	}
}

INIT int schedule_build(const struct config *c)
{
	int err = 0;

	for (uint32_t i = 0; i < c->vm_count; i++)
		vm_time(c, &c->vms[i], vms[i]);
	for (uint32_t cpu = 0; cpu < cpu_count && !err; cpu++) {
		if (!cpu_by_index[cpu])
			continue;
		err = room_make(c, cpu);
		if (!err)
			err = table_make(c, cpu_by_index[cpu]);
	}
	if (err)
		log_error("too few frames for the time tables; raise [system] reserve");
	return err;
}

void schedule_start(void)
{
	uint64_t first = tsc_read() + FIRST_FRAME_US * tsc_khz / 1000;

	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		if (cpu_by_index[cpu])
			cpu_by_index[cpu]->sched->frame_start = first;
	}
}

static void times_log(const char *what, const struct sched_times *t)
{
	char text[SCHED_BUCKETS * 12];
	int n = 0;

	if (!t->count)
		return;
	text[0] = '\0';
	for (uint32_t i = 0; i < SCHED_BUCKETS; i++)
		n += snprintf_(text + n, sizeof(text) - (uint32_t)n, " %u", t->bucket[i]);
	log_debug("  %s: %lu, min %lu, mean %lu, max %lu ticks; by powers of 2 from 16 on:%s", what,
		  t->count, t->min, t->sum / t->count, t->max, text);
}

void schedule_log(void)
{
	for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
		const struct sched *s = cpu_by_index[cpu] ? cpu_by_index[cpu]->sched : NULL;

		for (uint32_t i = 0; s && i < s->windows; i++) {
			const struct sched_window *w = &s->window[i];

			log_debug("CPU %u: window %lu-%lu ticks, %lu missed", cpu, w->start, w->end,
				  w->missed);
			times_log("late", &w->late);
			times_log("ended", &w->ended);
		}
	}
}
