/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC's timer: every divider, every mode, no drift, no storms. SDM vol. 3, 11.5.4. */
/* sources: vdev/vlapic.c vdev/vlapic_reg.c vdev/vlapic_page.c vdev/vlapic_timer.c vdev/vlapic_route.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vlapic_priv.h"

#define START	 5000000000ULL
#define VECTOR	 0xec
#define PERIODIC 0x20000u
#define DEADLINE 0x40000u

static struct vlapic v;

static void begin(uint64_t khz)
{
	struct vlapic_config cfg = {.bsp = true, .x2apic = true, .phys_bits = 40};

	fake_reset(khz, START);
	vlapic_init(&v, &cfg, &fake_host, NULL);
	vlapic_mmio_write(&v, REG_SVR << 4, 4, SVR_ENABLE | 0xff);
}

static int setup(void **state)
{
	(void)state;
	begin(3000000);
	return 0;
}

static uint32_t rd(uint32_t reg)
{
	return (uint32_t)vlapic_mmio_read(&v, reg << 4, 4);
}

static void wr(uint32_t reg, uint32_t value)
{
	vlapic_mmio_write(&v, reg << 4, 4, value);
}

/* Was the timer's interrupt requested since the last call? */
static bool came(void)
{
	if (vlapic_pending(&v) != VECTOR)
		return false;
	vlapic_ack(&v, VECTOR);
	vlapic_eoi(&v);
	return true;
}

static void test_one_shot(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1000); /* ns: 3000 ticks */
	assert_int_equal(rd(REG_CURRENT), 1000);
	fake_run(START + 1500);
	assert_int_equal(rd(REG_CURRENT), 500);
	fake_run(START + 2999);
	assert_false(came());
	assert_int_equal(rd(REG_CURRENT), 1);
	fake_run(START + 3000);
	assert_true(came());
	assert_int_equal(rd(REG_CURRENT), 0);
	assert_int_equal(rd(REG_INITIAL), 1000);
	fake_run(START + 100000);
	assert_false(came());
	assert_int_equal(fake.timers, 0);
}

static void test_dividers(void **state)
{
	static const struct {
		uint32_t dcr, by;
	} row[] = {
		{0,  2  },
		{1,  4  },
		{2,  8  },
		{3,  16 },
		 {8,  32 },
		  {9,  64 },
		   {10, 128},
		      {11, 1  }
	     };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(row); i++) {
		begin(3000000);
		wr(REG_LVT_FIRST, VECTOR);
		wr(REG_DCR, row[i].dcr | 0xfffffff4);
		assert_int_equal(rd(REG_DCR), row[i].dcr);
		wr(REG_INITIAL, 1000);
		fake_run(START + 3000ULL * row[i].by - 1);
		assert_false(came());
		fake_run(START + 3000ULL * row[i].by);
		assert_true(came());
	}
}

static void test_divider_change(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1000);
	fake_run(START + 1200);
	wr(REG_DCR, 0);
	assert_int_equal(rd(REG_CURRENT), 600);
	fake_run(START + 1200 + 3599);
	assert_false(came());
	fake_run(START + 1200 + 3600);
	assert_true(came());
}

static void test_stop(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR);
	wr(REG_INITIAL, 1000);
	wr(REG_INITIAL, 0);
	assert_int_equal(fake.timers, 0);
	wr(REG_INITIAL, 1000);
	wr(REG_SVR, 0xff); /* software-disabled: masked */
	assert_int_equal(fake.timers, 0);
	fake_run(START + 100000);
	assert_int_equal(vlapic_requested(&v), -1);
	wr(REG_SVR, 0x1ff);
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_INITIAL, 1000);
	vlapic_init_signal(&v);
	assert_int_equal(fake.timers, 0);
}

/* A period that is no whole number of TSC ticks: after an hour not one tick off. */
static void test_no_drift(void **state)
{
	uint64_t khz = 2893301, seconds = 60, n;

	(void)state;
	begin(khz);
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1000003); /* ns */
	for (n = 1; n < seconds * 1000; n++) {
		uint64_t exact = n * 1000003ULL * khz / 1000000;

		fake_run(START + exact - 1);
		assert_false(came());
		fake_run(START + exact + 1);
		assert_true(came());
	}
}

/* The host wakes us a million periods late: one interrupt, and the phase is kept. */
static void test_far_behind(void **state)
{
	struct timer *t = &v.timer;

	(void)state;
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 100000);
	fake.now = START + 300000ULL * 1000000 + 7;
	fake_timer_cancel(NULL, t);
	t->fn(t);
	assert_true(came());
	assert_false(came());
	assert_int_equal(t->node.key, START + 300000ULL * 1000001);
	/* A year. */
	fake.now += 86400ULL * 365 * 3000000000;
	t->fn(t);
	assert_true(came());
	assert_true(t->node.key > fake.now && t->node.key <= fake.now + 300000);
	assert_true(rd(REG_CURRENT) <= 100000);
}

/* One ns, periodic: the host is asked at most every VDEV_TIMER_FLOOR_NS. */
static void test_storm(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1);
	fake_run(START + 3000000); /* 1 ms */
	assert_in_range(fake.fired, 40, 51);
	wr(REG_LVT_FIRST, VECTOR | PERIODIC | LVT_MASKED);
	fake.fired = 0;
	fake_run(START + 6000000);
	assert_int_equal(fake.fired, 0);
	assert_int_equal(rd(REG_CURRENT), 1);
}

static void test_slow_tsc(void **state)
{
	(void)state;
	begin(1000); /* 1 MHz: a period shorter than a tick */
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1);
	fake_run(START + 1000);
	assert_in_range(fake.fired, 10, 60);
	assert_true(came());
	assert_true(rd(REG_CURRENT) <= 1);
}

static void test_largest(void **state)
{
	(void)state;
	begin((1 << 24) - 1);
	wr(REG_LVT_FIRST, VECTOR | PERIODIC);
	wr(REG_DCR, 0xa);
	wr(REG_INITIAL, 0xffffffff);
	assert_int_equal(rd(REG_CURRENT), 0xffffffff);
	fake.now += 1ULL << 41;
	/* 2^41 ticks of 2^24 - 1 kHz are 131,072,007,812 ns, counted by 128 */
	assert_in_range(0xffffffffu - rd(REG_CURRENT), 1024000060, 1024000062);
	fake.now += 1ULL << 62;
	v.timer.fn(&v.timer);
	assert_true(came());
	assert_true(v.timer.node.key > fake.now);
}

/* What expires while masked is lost; what has not, comes after unmasking. */
static void test_mask(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR | LVT_MASKED);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 1000);
	assert_int_equal(fake.timers, 0);
	fake_run(START + 1500);
	assert_int_equal(rd(REG_CURRENT), 500);
	wr(REG_LVT_FIRST, VECTOR);
	fake_run(START + 3000);
	assert_true(came());
	wr(REG_LVT_FIRST, VECTOR | LVT_MASKED);
	wr(REG_INITIAL, 1000);
	fake_run(START + 9000);
	wr(REG_LVT_FIRST, VECTOR);
	assert_int_equal(fake.timers, 0);
	assert_int_equal(rd(REG_CURRENT), 0);
	fake_run(START + 90000);
	assert_false(came());
}

static void test_mode_switch(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR);
	wr(REG_DCR, 0xb);
	wr(REG_INITIAL, 100000);
	wr(REG_LVT_FIRST, VECTOR | PERIODIC); /* keeps counting */
	fake_run(START + 300000);
	assert_true(came());
	fake_run(START + 600000);
	assert_true(came());
	wr(REG_LVT_FIRST, VECTOR | DEADLINE); /* disarms */
	assert_int_equal(fake.timers, 0);
	assert_int_equal(rd(REG_CURRENT), 0);
	wr(REG_INITIAL, 5); /* ignored in this mode */
	assert_int_equal(fake.timers, 0);
	vlapic_set_deadline(&v, fake.now + 10);
	wr(REG_LVT_FIRST, VECTOR);
	assert_int_equal(fake.timers, 0);
	assert_int_equal(vlapic_deadline(&v), 0);
}

static void test_deadline(void **state)
{
	(void)state;
	vlapic_set_deadline(&v, START + 100); /* not in that mode: ignored */
	assert_int_equal(vlapic_deadline(&v), 0);
	wr(REG_LVT_FIRST, VECTOR | DEADLINE);
	vlapic_set_deadline(&v, START + 100);
	assert_int_equal(vlapic_deadline(&v), START + 100);
	fake_run(START + 99);
	assert_false(came());
	fake_run(START + 100);
	assert_true(came());
	assert_int_equal(vlapic_deadline(&v), 0);
	vlapic_set_deadline(&v, START + 50); /* the past: at once */
	fake_run(fake.now);
	assert_true(came());
	vlapic_set_deadline(&v, START + 500);
	vlapic_set_deadline(&v, 0); /* disarms */
	assert_int_equal(fake.timers, 0);
	vlapic_set_deadline(&v, START + 500);
	v.timer.fn(&v.timer); /* the host was hasty */
	assert_false(came());
	fake_run(START + 500);
	assert_true(came());
}

static void test_deadline_masked(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR | DEADLINE | LVT_MASKED);
	vlapic_set_deadline(&v, START + 100);
	assert_int_equal(fake.timers, 0);
	wr(REG_LVT_FIRST, VECTOR | DEADLINE);
	fake_run(START + 100);
	assert_true(came());
	wr(REG_LVT_FIRST, VECTOR | DEADLINE | LVT_MASKED);
	vlapic_set_deadline(&v, START + 200);
	fake_run(START + 300);
	assert_int_equal(vlapic_deadline(&v), 0);
	wr(REG_LVT_FIRST, VECTOR | DEADLINE);
	fake_run(START + 400);
	assert_false(came());
}

static void test_deadline_offset(void **state)
{
	(void)state;
	wr(REG_LVT_FIRST, VECTOR | DEADLINE);
	vlapic_set_tsc_offset(&v, -START);
	vlapic_set_deadline(&v, 1000);
	assert_int_equal(fake.timer[0]->node.key, START + 1000);
	fake_run(START + 1000);
	assert_true(came());
	vlapic_set_deadline(&v, UINT64_MAX); /* never, not at once */
	fake_run(START + 100000);
	assert_false(came());
	assert_int_equal(vlapic_deadline(&v), UINT64_MAX);
	vlapic_set_deadline(&v, 200000);
	vlapic_set_tsc_offset(&v, 1000);
	assert_int_equal(fake.timer[0]->node.key, 199000);
	vlapic_set_deadline(&v, 10); /* before the host's TSC began */
	fake_run(fake.now);
	assert_true(came());
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_shot),	 T(test_dividers),
		T(test_divider_change),	 T(test_stop),
		T(test_no_drift),	 T(test_far_behind),
		T(test_storm),		 T(test_slow_tsc),
		T(test_largest),	 T(test_mask),
		T(test_mode_switch),	 T(test_deadline),
		T(test_deadline_masked), T(test_deadline_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
