/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's steal time: the MSR's rules, what is written and when. */
/* sources: vm/steal.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/cpu.h"
#include "vm/clock.h"
#include "vm/gmem.h"
#include "vm/steal.h"

#define PAGE 0x5000
#define AT   0x5fc0 /* the last 64 bytes of the page */

struct told {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted;
};

static uint8_t memory[4096];
static uint32_t maps;
static struct vm vm;
static struct vcpu *v;

void *guest_map(struct vm *of, uint64_t gpa, bool write)
{
	assert_ptr_equal(of, &vm);
	assert_true(write);
	maps++;
	return gpa / 4096 == PAGE / 4096 ? memory + gpa % 4096 : NULL;
}

uint64_t clock_ns(uint64_t ticks)
{
	return ticks * 10;
}

static struct told told(void)
{
	struct told t;

	memcpy(&t, memory + AT % 4096, sizeof(t));
	return t;
}

static int start(void **state)
{
	(void)state;
	free(v);
	v = calloc(1, sizeof(*v));
	assert_non_null(v);
	v->vm = &vm;
	memset(memory, 0, sizeof(memory));
	maps = 0;
	return 0;
}

static void msr_rules(void **state)
{
	uint64_t value;

	(void)state;
	for (uint32_t bit = 1; bit < 6; bit++)
		assert_int_equal(steal_msr_write(v, 0, AT | 1 | BIT(bit)), -EINVAL);
	assert_int_equal(steal_msr_write(v, 0, 0x9000 | 1), -EINVAL);
	assert_false(steal_told(v));
	assert_int_equal(steal_msr_write(v, 0, AT | 1), 0);
	assert_true(steal_told(v));
	assert_int_equal(steal_msr_write(v, 0, 0x9000 | 1), -EINVAL);
	assert_int_equal(steal_msr_read(v, 0, &value), 0);
	assert_int_equal(value, AT | 1);
	assert_int_equal(steal_msr_write(v, 0, 0x9000), 0); /* off: nobody looks at the address */
	assert_false(steal_told(v));
	assert_int_equal(told().version & 1, 0);
}

static void counts_what_was_missed(void **state)
{
	uint64_t now = tsc_read();

	(void)state;
	v->steal.left = now - 1000000000;
	v->entity.woken = now - 3000000000; /* before it ran last */
	steal_msr_write(v, 0, AT | 1);
	v->entity.queued = true;
	steal_away(v);
	assert_int_equal(told().preempted, 1);
	assert_int_equal(told().steal, 0);
	steal_run(v);
	assert_int_equal(told().preempted, 0);
	assert_in_range(told().steal, 10000000000,
			19000000000); /* much less than since it was woken */
	assert_int_equal(told().version & 1, 0);
	/* it slept, and was woken just now */
	v->steal.ticks = 0;
	v->entity.woken = tsc_read();
	v->entity.queued = false;
	steal_away(v);
	assert_int_equal(told().preempted, 0);
	steal_run(v);
	assert_in_range(told().steal, 0, 9000000000);
}

/* As long as nobody else had the CPU, nothing is written: the guest's page is not touched at each entry. */
static void alone_it_costs_nothing(void **state)
{
	(void)state;
	v->steal.left = tsc_read();
	steal_msr_write(v, 0, AT | 1);
	maps = 0;
	for (uint32_t i = 0; i < 100; i++) {
		steal_run(v);
		v->steal.left = tsc_read();
	}
	assert_int_equal(maps, 0);
}

static int stop(void **state)
{
	(void)state;
	free(v);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(msr_rules, start),
		cmocka_unit_test_setup(counts_what_was_missed, start),
		cmocka_unit_test_setup(alone_it_costs_nothing, start),
	};

	return cmocka_run_group_tests(tests, NULL, stop);
}
