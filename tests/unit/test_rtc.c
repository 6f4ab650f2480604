/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock's driver against the C library's calendar: all formats, an update in the middle, a clock that is not there. */
/* sources: drivers/rtc.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/rtc.h"

static struct {
	time_t now;
	bool binary, twelve, absent, busy_for_good;
	uint32_t busy;	  /* reads of status A that still say so */
	uint32_t tick_at; /* the access at which a second passes */
	uint32_t accesses;
	uint8_t index;
} chip;

static uint8_t coded(int value)
{
	return (uint8_t)(chip.binary ? value : value / 10 << 4 | value % 10);
}

static uint8_t hours(int hour)
{
	if (!chip.twelve)
		return coded(hour);
	return (uint8_t)(coded(hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0));
}

void io_out8(uint16_t port, uint8_t value)
{
	assert_int_equal(port, 0x70);
	assert_true(value < 0x0c); /* and NMIs are not masked */
	chip.index = value;
}

uint8_t io_in8(uint16_t port)
{
	struct tm t;

	assert_int_equal(port, 0x71);
	if (chip.absent)
		return 0xff;
	if (++chip.accesses == chip.tick_at)
		chip.now++;
	gmtime_r(&chip.now, &t);
	switch (chip.index) {
	case 0x00:
		return coded(t.tm_sec);
	case 0x02:
		return coded(t.tm_min);
	case 0x04:
		return hours(t.tm_hour);
	case 0x07:
		return coded(t.tm_mday);
	case 0x08:
		return coded(t.tm_mon + 1);
	case 0x09:
		return coded(t.tm_year % 100);
	case 0x0a:
		if (chip.busy)
			chip.busy--;
		return chip.busy || chip.busy_for_good ? 0xa6 : 0x26;
	case 0x0b:
		return (uint8_t)((chip.binary ? 4 : 0) | (chip.twelve ? 0 : 2));
	default:
		fail_msg("register %#x", chip.index);
		return 0;
	}
}

static int fresh(void **state)
{
	(void)state;
	memset(&chip, 0, sizeof(chip));
	chip.now = 1767225600; /* 2026-01-01 */
	return 0;
}

static void test_formats(void **state)
{
	(void)state;
	srand(1);
	for (uint32_t i = 0; i < 20000; i++) {
		chip.now = 946684800 + (time_t)(((uint64_t)rand() << 16 ^ (uint64_t)rand()) %
						(100ULL * 365 * 86400)); /* 2000 to 2099 */
		chip.binary = rand() & 1;
		chip.twelve = rand() & 1;
		assert_int_equal(rtc_seconds(), chip.now);
	}
}

static void test_days(void **state)
{
	static const time_t days[] = {951782400,  951868800,  1709164800, 1709251200,
				      1735689599, 4102444799, 946684800};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(days); i++) {
		chip.now = days[i];
		assert_int_equal(rtc_seconds(), days[i]);
	}
}

/* The date changes between any two reads: what comes out is one of the two, not a mixture. */
static void test_update(void **state)
{
	(void)state;
	for (uint32_t at = 1; at < 40; at++) {
		time_t before = 1767225599; /* 2025-12-31 23:59:59: every field changes */
		uint64_t got;

		chip.now = before;
		chip.accesses = 0;
		chip.tick_at = at;
		got = rtc_seconds();
		assert_true(got == (uint64_t)before || got == (uint64_t)before + 1);
	}
}

static void test_busy(void **state)
{
	(void)state;
	chip.busy = 50;
	assert_int_equal(rtc_seconds(), chip.now);
	chip.busy_for_good = true;
	chip.accesses = 0;
	assert_int_equal(rtc_seconds(), 0);
	assert_true(chip.accesses < 10000000);
	chip.absent = true;
	assert_int_equal(rtc_seconds(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_formats, fresh),
		cmocka_unit_test_setup(test_days, fresh),
		cmocka_unit_test_setup(test_update, fresh),
		cmocka_unit_test_setup(test_busy, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
