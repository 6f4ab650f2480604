/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers: heaps of two CPUs against a plain list; the hardware is never armed too late. */
/* sources: sched/timer.c lib/heap.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>
#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "lib/lock.h"
#include "sched/sched.h"

#define ARCH_SET_GS 0x1001 /* Linux, arch_prctl(2) */
#define CPUS	    2
#define FAR	    (1ULL << 60) /* a TSC that no host of this test reaches */
#define STEPS	    200000

static struct cpu cpus[CPUS];
static struct sched scheds[CPUS];
static uint64_t hardware[CPUS]; /* what each CPU's timer is armed for */
static struct timer timers[TIMERS_MAX];
static uint64_t last_run;
static uint32_t runs;

void lapic_timer_arm(uint64_t tsc)
{
	hardware[this_cpu()->index] = tsc;
}

void lapic_timer_stop(void)
{
	hardware[this_cpu()->index] = TIMER_NEVER;
}

void lock_wait(struct lock *l, uint32_t ticket)
{
	(void)l;
	(void)ticket;
	fail_msg("a lock is held already");
}

void panic(const char *fmt, ...)
{
	fail_msg("panic: %s", fmt);
	abort();
}

static void on_cpu(uint32_t index)
{
	assert_int_equal(syscall(SYS_arch_prctl, ARCH_SET_GS, &cpus[index]), 0);
}

static void ran(struct timer *t)
{
	assert_null(t->cpu);
	assert_int_equal(scheds[this_cpu()->index].timers.lock.serving,
			 scheds[this_cpu()->index].timers.lock.next);
	assert_true(t->node.key >= last_run);
	last_run = t->node.key;
	runs++;
}

static int fresh(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < CPUS; i++) {
		cpus[i] = (struct cpu){.self = &cpus[i], .index = i, .sched = &scheds[i]};
		scheds[i] = (struct sched){0};
		timer_heap_init(&scheds[i].timers);
		hardware[i] = TIMER_NEVER;
	}
	for (uint32_t i = 0; i < TIMERS_MAX; i++)
		timers[i] = (struct timer){.fn = ran};
	last_run = runs = 0;
	on_cpu(0);
	return 0;
}

/* The earliest deadline that is armed on CPU @index; every armed timer is where its heap says. */
static uint64_t earliest(uint32_t index)
{
	const struct timer_heap *h = &scheds[index].timers;
	uint64_t first = TIMER_NEVER;
	uint32_t n = 0;

	for (uint32_t i = 0; i < TIMERS_MAX; i++) {
		if (timers[i].cpu != &cpus[index])
			continue;
		n++;
		assert_ptr_equal(h->slot[timers[i].node.at - 1], &timers[i].node);
		if (timers[i].node.key < first)
			first = timers[i].node.key;
	}
	assert_int_equal(n, h->heap.count);
	return first;
}

/* What is armed on a CPU must interrupt no later than its first deadline. */
static void check(uint32_t index)
{
	uint64_t first = earliest(index);

	assert_true(hardware[index] <= first);
	if (first != TIMER_NEVER)
		assert_int_equal(scheds[index].timers.slot[0]->key, first);
}

static void test_random(void **state)
{
	(void)state;
	srand(1);
	for (uint32_t step = 0; step < STEPS; step++) {
		struct timer *t = &timers[(uint32_t)rand() % TIMERS_MAX];
		uint32_t at = (uint32_t)rand() % CPUS;

		on_cpu(at);
		switch (rand() % 8) {
		case 0:
			last_run = 0;
			timers_run();
			for (uint32_t i = 0; i < TIMERS_MAX; i++)
				assert_false(timers[i].cpu == &cpus[at] &&
					     timers[i].node.key < FAR);
			break;
		case 1:
		case 2:
			timer_cancel(t);
			assert_null(t->cpu);
			break;
		default: /* now and then for the past */
			timer_set(t, (uint64_t)rand() % 1000 + (rand() % 8 ? FAR : 0));
			assert_ptr_equal(t->cpu, &cpus[at]);
			/* what was armed for the past may never come: it is armed again */
			assert_true(hardware[at] == earliest(at) || hardware[at] > tsc_read());
		}
		if (step % 64 == 0) {
			check(0);
			check(1);
		}
	}
	assert_true(runs > 1000);
}

static void test_full(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TIMERS_MAX; i++)
		timer_set(&timers[i], TIMERS_MAX - i);
	assert_int_equal(scheds[0].timers.heap.count, TIMERS_MAX);
	timer_set(&timers[7], 0); /* again, where there is no room for another */
	assert_ptr_equal(scheds[0].timers.slot[0], &timers[7].node);
	assert_int_equal(hardware[0], 0);
	timers_run();
	assert_int_equal(runs, TIMERS_MAX);
	assert_int_equal(scheds[0].timers.heap.count, 0);
	assert_int_equal(hardware[0], TIMER_NEVER);
}

static void again(struct timer *t)
{
	runs++;
	timer_set(t, 0);
}

/* A timer that arms itself for the past neither holds the CPU nor is forgotten. */
static void test_bounded(void **state)
{
	(void)state;
	timers[0].fn = again;
	timer_set(&timers[0], 0);
	timers_run();
	assert_int_equal(runs, TIMERS_MAX);
	assert_int_equal(hardware[0], 0);
}

/* Armed on one CPU, armed again on another: it is in the second heap only. */
static void test_moves(void **state)
{
	(void)state;
	timer_set(&timers[0], FAR);
	on_cpu(1);
	timer_set(&timers[0], FAR + 1);
	assert_int_equal(scheds[0].timers.heap.count, 0);
	assert_int_equal(scheds[1].timers.heap.count, 1);
	assert_int_equal(hardware[1], FAR + 1);
	timer_cancel(&timers[0]);
	timer_cancel(&timers[0]);
	assert_int_equal(scheds[1].timers.heap.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_random, fresh),
		cmocka_unit_test_setup(test_full, fresh),
		cmocka_unit_test_setup(test_bounded, fresh),
		cmocka_unit_test_setup(test_moves, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
