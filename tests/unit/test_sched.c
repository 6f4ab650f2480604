/* SPDX-License-Identifier: BSD-2-Clause */
/* The queues of two CPUs: turns, the wake-up protocol, who is kicked, and when anything is timed at all. */
/* sources: sched/sched.c sched/queue.c sched/share.c sched/reserve.c sched/window.c lib/heap.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "arch/lapic.h"
#include "arch/percpu.h"
#include "lib/lock.h"
#include "sched/sched.h"

#define ARCH_SET_GS 0x1001 /* Linux, arch_prctl(2) */
#define CPUS	    2
#define ENTITIES    5

static struct cpu cpus[CPUS];
static struct sched scheds[CPUS];
static struct sched_entity entities[ENTITIES];
static bool has_work[ENTITIES];
static uint32_t ipis[CPUS], slices;

void lapic_ipi(uint32_t apic_id, uint8_t vector)
{
	(void)vector;
	ipis[apic_id]++;
}

void timer_heap_init(struct timer_heap *h)
{
	h->armed = TIMER_NEVER;
}

void timer_set(struct timer *t, uint64_t deadline)
{
	assert_ptr_equal(t, &this_cpu()->sched->slice);
	t->node.key = deadline;
	t->cpu = this_cpu();
	slices++;
}

void lock_wait(struct lock *l, uint32_t ticket)
{
	(void)l;
	(void)ticket;
	fail_msg("a lock is held already");
}

static void on_cpu(uint32_t index)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]), 0);
}

static bool pending(struct sched_entity *e)
{
	assert_int_not_equal(e->cpu->sched->lock.serving, e->cpu->sched->lock.next); /* held */
	return has_work[e - entities];
}

static int fresh(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < CPUS; i++) {
		cpus[i] = (struct cpu){.self = &cpus[i], .index = i, .apic_id = i};
		scheds[i] = (struct sched){0};
		sched_init(&cpus[i], &scheds[i]);
		ipis[i] = 0;
	}
	for (uint32_t i = 0; i < ENTITIES; i++) {
		entities[i] = (struct sched_entity){.cpu = &cpus[0], .weight = 100};
		has_work[i] = false;
	}
	slices = 0;
	sched_slice = 100000000; /* longer than any of this */
	on_cpu(0);
	return 0;
}

/* The slice's timer fires, as the heap would have it. */
static void slice_ends(void)
{
	struct timer *t = &this_cpu()->sched->slice;

	assert_non_null(t->cpu);
	t->cpu = NULL;
	t->fn(t);
}

/* It has had its slice, and the timer says so. */
static void slice_over(void)
{
	scheds[0].current->since -= sched_slice;
	slice_ends();
}

static void test_turns(void **state)
{
	uint32_t ran[ENTITIES] = {0};

	(void)state;
	for (uint32_t i = 0; i < ENTITIES; i++)
		sched_wake(&entities[i]);
	for (uint32_t turn = 0; turn < 4 * ENTITIES; turn++) {
		struct sched_entity *e = sched_pick();

		assert_ptr_equal(sched_pick(), e); /* until its slice is over */
		assert_true(sched_is_current(e));
		ran[e - entities]++;
		cpus[0].requests = 0;
		slice_over();
		assert_true(cpus[0].requests & CPU_REQ_SCHED);
	}
	for (uint32_t i = 0; i < ENTITIES; i++)
		assert_in_range(ran[i], 3, 5);
	assert_in_range(slices, 4 * ENTITIES, 8 * ENTITIES);
}

/* A CPU with one vCPU takes no timer; one that has become alone keeps running. */
static void test_alone(void **state)
{
	(void)state;
	assert_null(sched_pick());
	sched_wake(&entities[0]);
	assert_ptr_equal(sched_pick(), &entities[0]);
	assert_int_equal(slices, 0);
	sched_wake(&entities[1]);
	assert_non_null(sched_pick());
	assert_int_equal(slices, 1);
	assert_true(sched_block(&entities[1], pending));
	slice_ends();
	assert_ptr_equal(sched_pick(), &entities[0]);
	assert_int_equal(slices, 1);
}

static void test_block(void **state)
{
	(void)state;
	sched_wake(&entities[0]);
	sched_wake(&entities[1]);
	has_work[0] = true; /* a waker came before: it stays */
	assert_false(sched_block(&entities[0], pending));
	assert_int_equal(scheds[0].count, 2);
	has_work[0] = false;
	cpus[0].requests = 0;
	assert_true(sched_block(&entities[0], pending));
	assert_true(cpus[0].requests & CPU_REQ_SCHED);
	assert_false(sched_block(&entities[0], pending)); /* it is out already */
	assert_ptr_equal(sched_pick(), &entities[1]);
	assert_int_equal(scheds[0].count, 1);
	sched_wake(&entities[0]); /* one that comes later puts it back, once */
	sched_wake(&entities[0]);
	assert_int_equal(scheds[0].count, 2);
}

/* One IPI for a CPU until it has looked; none to oneself. */
static void test_kick(void **state)
{
	(void)state;
	on_cpu(1);
	sched_wake(&entities[0]);
	sched_wake(&entities[1]);
	assert_int_equal(ipis[0], 1);
	cpus[0].requests = 0;
	sched_wake(&entities[1]); /* queued already */
	assert_int_equal(ipis[0], 1);
	sched_kick(&cpus[0], CPU_REQ_SCHED);
	sched_kick(&cpus[0], CPU_REQ_SCHED);
	assert_int_equal(ipis[0], 2);
	entities[2].cpu = &cpus[1];
	sched_wake(&entities[2]);
	assert_int_equal(ipis[1], 0);
	assert_true(cpus[1].requests & CPU_REQ_SCHED);
}

/* While a window is open, who cannot run in it makes no CPU look up; its owner does. */
static void test_kick_window(void **state)
{
	static struct sched_group group;
	static struct sched_window window = {.start = 0, .end = INT64_MAX / 4, .group = &group};

	(void)state;
	list_init(&group.queue);
	scheds[0].window = &window;
	scheds[0].windows = 1;
	scheds[0].frame = INT64_MAX / 4;
	entities[0].group = entities[1].group = &group;
	entities[0].weight = 0;
	sched_wake(&entities[0]);
	assert_ptr_equal(sched_pick(), &entities[0]);
	assert_true(sched_opens());
	sched_open_slowly();
	assert_false(sched_opens());
	assert_int_equal(window.late.count, 1);
	cpus[0].requests = 0;
	on_cpu(1);
	sched_wake(&entities[2]);
	assert_int_equal(ipis[0], 0);
	assert_int_equal(cpus[0].requests, 0);
	sched_wake(&entities[1]);
	assert_int_equal(ipis[0], 1);
	assert_true(cpus[0].requests & CPU_REQ_SCHED);
}

/* Whatever comes and goes, what is queued runs in turn, and no more than it. */
static void test_random(void **state)
{
	uint32_t ran[ENTITIES] = {0};

	(void)state;
	srand(1);
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t k = (uint32_t)rand() % ENTITIES, queued = 0;
		struct sched_entity *e;

		if (rand() % 2)
			sched_wake(&entities[k]);
		else
			sched_block(&entities[k], pending);
		for (uint32_t n = 0; n < ENTITIES; n++)
			queued += entities[n].queued;
		assert_int_equal(scheds[0].count, queued);
		e = sched_pick();
		assert_int_equal(!e, !queued);
		if (!e)
			continue;
		assert_true(e->queued);
		ran[e - entities]++;
		if (scheds[0].slice.cpu)
			slice_over();
	}
	for (uint32_t k = 0; k < ENTITIES; k++)
		assert_true(ran[k] > 100000 / ENTITIES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_turns, fresh),
		cmocka_unit_test_setup(test_alone, fresh),
		cmocka_unit_test_setup(test_block, fresh),
		cmocka_unit_test_setup(test_kick, fresh),
		cmocka_unit_test_setup(test_kick_window, fresh),
		cmocka_unit_test_setup(test_random, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
