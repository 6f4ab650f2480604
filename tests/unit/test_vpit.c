/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 8254 against Intel's data sheet: modes, latches, reads, and time without drift. */
/* sources: vdev/vpit.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vpit.h"

#define CONTROL 0x43
#define NMI	0x61
/* A TSC of exactly 1000 ticks per clock: moments can be named in clocks. */
#define KHZ	1193182ULL
#define START	77000ULL

static struct vpit p;
static uint64_t base; /* moment of the last at(0) */

static int setup(void **state)
{
	(void)state;
	fake_reset(KHZ, START);
	vpit_init(&p, &fake_host, NULL);
	base = START;
	return 0;
}

/* Go to just after @clock clocks since mark(). */
static void at(uint64_t clock)
{
	fake_run(base + clock * 1000 + 1);
}

static void mark(void)
{
	base = fake.now;
}

/* Program counter @n: access both, count @count. The write of its last byte is clock 0. */
static void program(uint32_t n, uint32_t mode, uint32_t count)
{
	vpit_write(&p, CONTROL, (uint8_t)(n << 6 | 0x30 | mode << 1));
	vpit_write(&p, (uint16_t)(0x40 + n), (uint8_t)count);
	vpit_write(&p, (uint16_t)(0x40 + n), (uint8_t)(count >> 8));
	mark();
}

static uint32_t count_of(uint32_t n)
{
	uint32_t low = vpit_read(&p, (uint16_t)(0x40 + n));

	return low | (uint32_t)vpit_read(&p, (uint16_t)(0x40 + n)) << 8;
}

static uint8_t status_of(uint32_t n)
{
	vpit_write(&p, CONTROL, (uint8_t)(0xe0 | 2 << n));
	return vpit_read(&p, (uint16_t)(0x40 + n));
}

static bool out_of(uint32_t n)
{
	return status_of(n) & 0x80;
}

static void test_mode0(void **state)
{
	(void)state;
	program(0, 0, 4);
	assert_false(fake.pit_output);
	assert_false(out_of(0));
	assert_true(status_of(0) & 0x40); /* null count until the first clock */
	at(1);
	assert_int_equal(count_of(0), 4);
	assert_int_equal(status_of(0), 0x30);
	at(4);
	assert_int_equal(count_of(0), 1);
	assert_false(fake.pit_output);
	at(5); /* N + 1 clocks */
	assert_true(fake.pit_output);
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(fake.pit_rise_at, base + 5000);
}

static void test_mode0_long(void **state)
{
	(void)state;
	program(0, 0, 1000);
	at(1000);
	assert_int_equal(fake.pit_rises, 0);
	at(1001);
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(fake.pit_rise_at, base + 1001000);
	assert_int_equal(count_of(0), 0);
	at(1002);
	assert_int_equal(count_of(0), 0xffff); /* goes on counting */
	at(1002 + 65536);
	assert_int_equal(count_of(0), 0xffff);
	assert_int_equal(fake.pit_rises, 1);
	vpit_write(&p, 0x40, 0x10); /* the first byte lowers OUT and stops */
	assert_false(fake.pit_output);
	at(200000);
	assert_int_equal(fake.pit_rises, 1);
	vpit_write(&p, 0x40, 0x27);
	mark();
	at(0x2710 + 1);
	assert_int_equal(fake.pit_rises, 2);
}

static void test_mode2(void **state)
{
	(void)state;
	program(0, 2, 1000);
	assert_true(fake.pit_output);
	at(1);
	assert_int_equal(count_of(0), 1000);
	at(1000);
	assert_int_equal(count_of(0), 1);
	assert_false(out_of(0)); /* low for the one clock */
	at(1001);
	assert_int_equal(count_of(0), 1000);
	assert_true(out_of(0));
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(fake.pit_rise_at, base + 1001000);
	at(100001);
	assert_int_equal(fake.pit_rises, 100);
	assert_int_equal(fake.pit_rise_at, base + 100001000);
}

static void test_mode2_new_count(void **state)
{
	(void)state;
	program(0, 2, 1000);
	at(501);
	vpit_write(&p, 0x40, 0xf4); /* 500: from the next period on */
	vpit_write(&p, 0x40, 0x01);
	assert_true(status_of(0) & 0x40);
	assert_int_equal(count_of(0), 500);
	at(1001);
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(count_of(0), 500);
	assert_false(status_of(0) & 0x40);
	at(1501);
	assert_int_equal(fake.pit_rises, 2);
	at(2001);
	assert_int_equal(fake.pit_rises, 3);
}

static void test_mode3_even(void **state)
{
	(void)state;
	program(0, 3, 1000);
	at(1);
	assert_int_equal(count_of(0), 1000);
	at(2);
	assert_int_equal(count_of(0), 998);
	at(500);
	assert_int_equal(count_of(0), 2);
	assert_true(out_of(0));
	at(501);
	assert_int_equal(count_of(0), 1000);
	assert_false(out_of(0));
	at(1000);
	assert_false(out_of(0));
	at(1001);
	assert_true(out_of(0));
	assert_int_equal(fake.pit_rises, 1);
	at(50001);
	assert_int_equal(fake.pit_rises, 50);
}

static void test_mode3_odd(void **state)
{
	(void)state;
	program(0, 3, 1001);
	at(1);
	assert_int_equal(count_of(0), 1000);
	at(501); /* (N + 1) / 2 clocks high */
	assert_int_equal(count_of(0), 0);
	assert_true(out_of(0));
	at(502);
	assert_false(out_of(0));
	assert_int_equal(count_of(0), 1000);
	at(1001);
	assert_false(out_of(0));
	assert_int_equal(count_of(0), 2);
	at(1002);
	assert_true(out_of(0));
	assert_int_equal(fake.pit_rises, 1);
}

static void test_mode3_new_count(void **state)
{
	(void)state;
	program(0, 3, 1000);
	at(101); /* in the high half: the low half is already of the new count */
	vpit_write(&p, 0x40, 100);
	vpit_write(&p, 0x40, 0);
	at(500);
	assert_true(out_of(0));
	at(501);
	assert_false(out_of(0));
	assert_int_equal(count_of(0), 100);
	at(551);
	assert_true(out_of(0));
	assert_int_equal(fake.pit_rises, 1);
	at(611); /* in the low half: from the next high half on */
	assert_false(out_of(0));
	vpit_write(&p, 0x40, 0xe8);
	vpit_write(&p, 0x40, 0x03);
	at(651);
	assert_int_equal(fake.pit_rises, 2);
	at(1150);
	assert_true(out_of(0));
	at(1151);
	assert_false(out_of(0));
	at(1651);
	assert_int_equal(fake.pit_rises, 3);
}

static void test_mode4(void **state)
{
	(void)state;
	program(0, 4, 1000);
	assert_true(fake.pit_output);
	at(1000);
	assert_true(out_of(0));
	at(1001);
	assert_false(out_of(0));
	assert_int_equal(count_of(0), 0);
	at(1002);
	assert_true(out_of(0));
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(count_of(0), 0xffff);
	at(200000);
	assert_int_equal(fake.pit_rises, 1);
	vpit_write(&p, 0x40, 100); /* a new count starts anew at once */
	vpit_write(&p, 0x40, 0);
	mark();
	at(102);
	assert_int_equal(fake.pit_rises, 2);
}

static void gate(bool on)
{
	vpit_write(&p, NMI, on ? 0x01 : 0x00);
}

static bool out2(void)
{
	return vpit_read(&p, NMI) & 0x20;
}

static void test_mode1(void **state)
{
	(void)state;
	program(2, 1, 100);
	assert_true(out2());
	at(1000);
	assert_true(out2()); /* waits for the gate */
	gate(true);
	mark();
	at(1);
	assert_false(out2());
	assert_int_equal(count_of(2), 100);
	at(100);
	assert_false(out2());
	at(101);
	assert_true(out2());
	gate(false);
	gate(true); /* triggers again */
	mark();
	at(51);
	vpit_write(&p, 0x42, 200); /* for the next trigger */
	vpit_write(&p, 0x42, 0);
	at(101);
	assert_true(out2());
	gate(false);
	gate(true);
	mark();
	at(200);
	assert_false(out2());
	gate(false); /* without effect */
	at(201);
	assert_true(out2());
}

static void test_mode5(void **state)
{
	(void)state;
	program(2, 5, 100);
	at(500);
	assert_true(out2());
	gate(true);
	mark();
	at(100);
	assert_true(out2());
	at(101);
	assert_false(out2());
	at(102);
	assert_true(out2());
}

/* Port 0x61's gate stops counter 2, as the kernel's calibration uses it. */
static void test_gate(void **state)
{
	(void)state;
	gate(false);
	program(2, 0, 1000);
	at(500);
	assert_int_equal(count_of(2), 1000);
	gate(true);
	mark();
	at(400);
	assert_int_equal(count_of(2), 600);
	gate(false);
	at(700);
	assert_int_equal(count_of(2), 600);
	assert_false(out2());
	gate(true);
	mark();
	at(599);
	assert_false(out2());
	at(600);
	assert_true(out2());
	/* Periodic modes: OUT is high while the gate is low, and a rising gate starts anew. */
	program(2, 3, 100);
	at(60);
	assert_false(out2());
	gate(false);
	assert_true(out2());
	gate(true);
	mark();
	at(1);
	assert_int_equal(count_of(2), 100);
	assert_int_equal(fake.pit_rises, 0);
}

static void test_port61(void **state)
{
	uint32_t toggles = 0;
	uint8_t last = 0;

	(void)state;
	vpit_write(&p, NMI, 0xff);
	assert_int_equal(vpit_read(&p, NMI) & 0xcf, 0x0f);
	for (uint32_t clock = 0; clock < 18 * 100; clock++) {
		at(clock);
		toggles += (vpit_read(&p, NMI) & 0x10) != last;
		last = vpit_read(&p, NMI) & 0x10;
	}
	assert_in_range(toggles, 99, 101);
}

static void test_latch(void **state)
{
	(void)state;
	program(0, 2, 0x1234);
	at(1);
	vpit_write(&p, CONTROL, 0x00);
	at(100);
	vpit_write(&p, CONTROL, 0x00); /* a second latch is ignored */
	assert_int_equal(count_of(0), 0x1234);
	assert_int_equal(count_of(0), 0x1234 - 99);
	/* Read-back: status and count of two counters in one command; status comes first. */
	program(2, 2, 500);
	gate(true);
	mark();
	at(1);
	vpit_write(&p, CONTROL, 0xca);
	at(50);
	assert_int_equal(vpit_read(&p, 0x42), 0xb4);
	assert_int_equal(count_of(2), 500);
	assert_int_equal(vpit_read(&p, 0x40), 0xb4);
	assert_int_not_equal(count_of(0), 0);
	/* One byte of access, one read per latch. */
	vpit_write(&p, CONTROL, 0x14);
	vpit_write(&p, 0x40, 200);
	mark();
	at(11);
	vpit_write(&p, CONTROL, 0x00);
	at(20);
	assert_int_equal(vpit_read(&p, 0x40), 190);
	assert_int_equal(vpit_read(&p, 0x40), 181);
	assert_int_equal(vpit_read(&p, CONTROL), 0xff);
}

static void test_access(void **state)
{
	(void)state;
	vpit_write(&p, CONTROL, 0x24); /* high byte only */
	vpit_write(&p, 0x40, 0x12);
	mark();
	at(1);
	assert_int_equal(vpit_read(&p, 0x40), 0x12);
	at(2);
	assert_int_equal(vpit_read(&p, 0x40), 0x11);
	vpit_write(&p, CONTROL, 0x14); /* low byte only */
	vpit_write(&p, 0x40, 0);       /* 0 is 65536 */
	mark();
	at(2);
	assert_int_equal(vpit_read(&p, 0x40), 0xff);
	at(65537);
	assert_int_equal(fake.pit_rises, 1);
	/* A control word in the middle of a pair starts over. */
	vpit_write(&p, CONTROL, 0x34);
	vpit_write(&p, 0x40, 0x11);
	vpit_write(&p, CONTROL, 0x34);
	vpit_write(&p, 0x40, 0x22);
	vpit_write(&p, 0x40, 0x33);
	mark();
	at(1);
	assert_int_equal(count_of(0), 0x3322);
}

static void test_bcd(void **state)
{
	(void)state;
	vpit_write(&p, CONTROL, 0x35);
	vpit_write(&p, 0x40, 0x00);
	vpit_write(&p, 0x40, 0x10); /* 1000 */
	mark();
	at(2);
	assert_int_equal(count_of(0), 0x0999);
	at(1001);
	assert_int_equal(fake.pit_rises, 1);
	vpit_write(&p, CONTROL, 0x31);
	vpit_write(&p, 0x40, 0);
	vpit_write(&p, 0x40, 0); /* 10000 */
	mark();
	at(1);
	assert_int_equal(count_of(0), 0);
	at(2);
	assert_int_equal(count_of(0), 0x9999);
	at(10001);
	assert_int_equal(fake.pit_rises, 2);
	assert_true(status_of(0) & 1);
	vpit_write(&p, CONTROL, 0x31); /* digits above nine: some number, no more */
	vpit_write(&p, 0x40, 0xff);
	vpit_write(&p, 0x40, 0xff);
	at(60000);
	count_of(0);
}

static void test_modes_6_7(void **state)
{
	(void)state;
	program(0, 6, 100);
	assert_int_equal(status_of(0) & 0x0e, 4);
	program(0, 7, 100);
	assert_int_equal(status_of(0) & 0x0e, 6);
}

/* 100 Hz for a minute of a TSC that fits nothing: every edge in its place, to the tick. */
static void test_no_drift(void **state)
{
	uint64_t khz = 2893301, n;

	(void)state;
	fake_reset(khz, START);
	vpit_init(&p, &fake_host, NULL);
	program(0, 2, 11932);
	for (n = 1; n <= 6000; n++) {
		uint64_t clock = 1 + n * 11932;
		uint64_t exact = (clock * khz * 1000 + VPIT_HZ - 1) / VPIT_HZ;

		fake_run(START + exact);
		assert_int_equal(fake.pit_rises, n);
		assert_int_equal(fake.pit_rise_at, START + exact);
	}
}

static void test_far_behind(void **state)
{
	(void)state;
	program(0, 2, 1000);
	fake.now += 1000ULL * 1000 * 5000000 + 5000;
	fake_timer_cancel(NULL, &p.timer);
	p.timer.fn(&p.timer);
	assert_int_equal(fake.pit_rises, 1);
	assert_int_equal(fake.locked, 0);
	assert_true(p.timer.node.key > fake.now && p.timer.node.key <= fake.now + 1001 * 1000);
	assert_int_equal((p.timer.node.key - base - 1000) % 1000000, 0);
}

static void test_storm(void **state)
{
	(void)state;
	program(0, 2, 2);
	fake_run(fake.now + KHZ); /* 1 ms */
	assert_in_range(fake.fired, 30, 51);
	program(0, 2, 1); /* illegal: no edges */
	assert_int_equal(fake.timers, 0);
	program(0, 3, 1);
	assert_int_equal(fake.timers, 0);
	program(0, 0, 1);
	at(1000);
	assert_true(fake.pit_output);
}

static void test_stale_timer(void **state)
{
	(void)state;
	program(0, 2, 1000);
	p.timer.fn(&p.timer); /* the host was hasty */
	assert_int_equal(fake.pit_rises, 0);
	assert_int_equal(fake.timers, 1);
	vpit_stop(&p);
	p.timer.fn(&p.timer); /* or late */
	assert_int_equal(fake.timers, 0);
	assert_int_equal(fake.pit_rises, 0);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_mode0),
		T(test_mode0_long),
		T(test_mode1),
		T(test_mode2),
		T(test_mode2_new_count),
		T(test_mode3_even),
		T(test_mode3_odd),
		T(test_mode3_new_count),
		T(test_mode4),
		T(test_mode5),
		T(test_gate),
		T(test_port61),
		T(test_latch),
		T(test_access),
		T(test_bcd),
		T(test_modes_6_7),
		T(test_no_drift),
		T(test_far_behind),
		T(test_storm),
		T(test_stale_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
