/* SPDX-License-Identifier: BSD-2-Clause */
/* Calibration against simulated clocks: PM timers of 24 and 32 bits that wrap, PITs, clocks that stand still or are not there. */
/* sources: drivers/clock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/clock.h"

#define PM_PORT	   0x608
#define PM_HZ	   3579545.0
#define PIT_HZ	   1193182.0
#define ACCESS_NS  700 /* a port access of a real chip set */
#define COUNTER_NS 20

static struct {
	double ns;  /* simulated time: only accesses pass it */
	double khz; /* of the counter that is measured */
	uint32_t pm_start;
	bool pm_still, pm_24, pit_absent;
	uint32_t hiccup; /* every so many accesses one takes much longer */
	uint64_t accesses;
	uint8_t port_b, latch_low;
	double pit_due;
	bool pit_high_next, pit_runs;
} m;

static struct acpi_info info;

static void passes(double ns)
{
	m.ns += ns;
	m.accesses++;
	if (m.hiccup && m.accesses % m.hiccup == 0)
		m.ns += 300000;
}

static uint64_t counter(void)
{
	m.ns += COUNTER_NS;
	return (uint64_t)(m.ns * m.khz / 1e6);
}

uint32_t io_in32(uint16_t port)
{
	uint32_t value;

	assert_int_equal(port, PM_PORT);
	passes(ACCESS_NS);
	value = m.pm_start + (m.pm_still ? 0 : (uint32_t)(uint64_t)(m.ns * PM_HZ / 1e9));
	return m.pm_24 ? (value & 0xffffff) | 0x5a000000 : value; /* the upper bits are undefined */
}

uint8_t io_in8(uint16_t port)
{
	assert_int_equal(port, 0x61);
	passes(ACCESS_NS);
	if (m.pit_absent)
		return 0xff;
	return (uint8_t)((m.port_b & ~0x20) | (m.pit_runs && m.ns >= m.pit_due ? 0x20 : 0));
}

void io_out8(uint16_t port, uint8_t value)
{
	passes(ACCESS_NS);
	switch (port) {
	case 0x61:
		assert_false(value & 0x02 && !m.pit_absent); /* silent */
		m.port_b = value & 0xdf;
		break;
	case 0x43:
		assert_int_equal(value, 0xb0);
		m.pit_high_next = m.pit_runs = false;
		break;
	case 0x42:
		if (m.pit_high_next) {
			assert_true(m.port_b & 1); /* the gate is open */
			m.pit_due = m.ns + (m.latch_low | value << 8) * 1e9 / PIT_HZ;
			m.pit_runs = true;
		}
		m.latch_low = value;
		m.pit_high_next = !m.pit_high_next;
		break;
	default:
		fail_msg("port %#x", port);
	}
}

static int fresh(void **state)
{
	(void)state;
	memset(&m, 0, sizeof(m));
	memset(&info, 0, sizeof(info));
	m.khz = 2600123;
	info.fadt.pm_timer = (struct acpi_block){ACPI_IO, 4, PM_PORT};
	info.fadt.pm_timer_32 = true;
	return 0;
}

/* Within 200 parts in a million by the PM timer (a run is 2 ms, an access 0.7 us), 500 by the PIT. */
static void near(double per_million)
{
	double khz = clock_calibrate(counter, &info);
	double off = (khz - m.khz) / m.khz * 1e6;

	if (off > per_million || off < -per_million)
		fail_msg("%.0f kHz measured, %.0f kHz are right", khz, m.khz);
}

static void test_pm_timer(void **state)
{
	static const double rates[] = {25000, 999900, 2600123, 5900000};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rates); i++) {
		m.khz = rates[i];
		near(200);
	}
}

/* The count wraps in the middle of a run, and bits above it mean nothing. */
static void test_wraps(void **state)
{
	(void)state;
	m.pm_start = 0xffffff00;
	near(200);
	fresh(state);
	info.fadt.pm_timer_32 = false;
	m.pm_24 = true;
	m.pm_start = 0xffff80;
	near(200);
}

/* Interruptions, as by SMIs, spoil some readings: the run that shows none of them counts. */
static void test_hiccups(void **state)
{
	(void)state;
	m.hiccup = 40009;
	near(200);
}

static void test_pit(void **state)
{
	(void)state;
	info.fadt.pm_timer.address = 0;
	m.port_b = 0x0c;
	near(500);
	assert_int_equal(m.port_b, 0x0c); /* as it was */
	fresh(state);
	m.pm_still = true;
	near(500);
	fresh(state);
	info.fadt.pm_timer.space = ACPI_MEMORY; /* not read by this driver */
	near(500);
}

static void test_nothing(void **state)
{
	(void)state;
	m.pm_still = m.pit_absent = true;
	assert_int_equal(clock_calibrate(counter, &info), 0);
	assert_true(m.accesses < 10000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pm_timer, fresh),
		cmocka_unit_test_setup(test_wraps, fresh),
		cmocka_unit_test_setup(test_hiccups, fresh),
		cmocka_unit_test_setup(test_pit, fresh),
		cmocka_unit_test_setup(test_nothing, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
