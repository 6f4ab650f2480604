/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual clock: the calendar against the C library's, forms, setting it, flags and interrupts. */
/* sources: vdev/vrtc.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vrtc.h"

#define KHZ   1000000ULL
#define HZ    (KHZ * 1000)
#define BEGIN 1795270319ULL /* 2026-11-21 14:11:59, a Saturday */

static struct vrtc rtc;
static bool irq;
static uint32_t rises;

static void on_irq(void *vm, bool level)
{
	(void)vm;
	assert_int_not_equal(level, irq);
	irq = level;
	rises += level;
}

static void start_at(uint64_t seconds)
{
	fake_reset(KHZ, 777);
	irq = false;
	rises = 0;
	vrtc_init(&rtc, &fake_host, NULL, on_irq, seconds);
}

static int start(void **state)
{
	(void)state;
	start_at(BEGIN);
	return 0;
}

static uint8_t get(uint8_t index)
{
	vrtc_write(&rtc, false, index);
	return vrtc_read(&rtc, true);
}

static void set(uint8_t index, uint8_t value)
{
	vrtc_write(&rtc, false, index);
	vrtc_write(&rtc, true, value);
}

static void pass(uint64_t ms)
{
	fake_run(fake.now + ms * KHZ);
}

static uint32_t bcd(uint32_t value)
{
	return value / 10 << 4 | value % 10;
}

static void assert_time(uint64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	assert_int_equal(get(0), bcd((uint32_t)tm.tm_sec));
	assert_int_equal(get(2), bcd((uint32_t)tm.tm_min));
	assert_int_equal(get(4), bcd((uint32_t)tm.tm_hour));
	assert_int_equal(get(6), tm.tm_wday + 1);
	assert_int_equal(get(7), bcd((uint32_t)tm.tm_mday));
	assert_int_equal(get(8), bcd((uint32_t)tm.tm_mon + 1));
	assert_int_equal(get(9), bcd((uint32_t)tm.tm_year % 100));
	assert_int_equal(get(0x32), bcd(((uint32_t)tm.tm_year + 1900) / 100));
}

static void calendar_is_the_librarys(void **state)
{
	(void)state;
	for (uint64_t t = 0; t < 5000000000ULL; t += 86400 * 3 + 12347) {
		start_at(t);
		assert_time(t);
	}
	for (uint64_t t = 951696000; t < 951696000 + 3 * 86400;
	     t += 3599) { /* the leap day of 2000 */
		start_at(t);
		assert_time(t);
	}
}

static void time_passes(void **state)
{
	(void)state;
	assert_int_equal(get(0x0d), 0x80);
	pass(999);
	assert_time(BEGIN);
	pass(1);
	assert_time(BEGIN + 1);
	pass(40ULL * 86400 * 1000);
	assert_time(BEGIN + 1 + 40 * 86400);
}

static void update_is_announced(void **state)
{
	(void)state;
	pass(997);
	assert_int_equal(get(0x0a), 0x26);
	pass(1);
	assert_int_equal(get(0x0a), 0xa6);
	pass(2);
	assert_int_equal(get(0x0a), 0x26);
}

static void forms(void **state)
{
	(void)state;
	set(0x0b, 0x06); /* binary, 24 hours */
	assert_int_equal(get(0), 59);
	assert_int_equal(get(4), 14);
	set(0x0b, 0x00); /* BCD, 12 hours */
	assert_int_equal(get(4), 0x82);
	set(0x0b, 0x04);
	pass(10 * 3600 * 1000); /* past midnight */
	assert_int_equal(get(4), 12);
	set(0x0b, 0x86);
	set(4, 3);
	set(0x0b, 0x06);
	assert_int_equal(get(4), 3);
}

static void linux_sets_it(void **state)
{
	(void)state;
	pass(300);
	set(0x0b, 0x82);
	set(0x0a, 0x76);
	set(0, 0x58);
	set(2, 0x59);
	set(4, 0x23);
	set(7, 0x28);
	set(8, 0x02);
	set(9, 0x28);
	set(0x32, 0x20);
	pass(5000); /* it is held */
	assert_int_equal(get(0), 0x58);
	set(0x0b, 0x02);
	pass(5000);
	assert_int_equal(get(0), 0x58);
	set(0x0a, 0x26); /* the first update comes half a second later */
	pass(499);
	assert_int_equal(get(0), 0x58);
	pass(1);
	assert_int_equal(get(0), 0x59);
	pass(1000);
	assert_time(1835395200); /* 2028-02-29 00:00:00 */
}

static void a_field_set_alone(void **state)
{
	(void)state;
	pass(600);
	set(2, 0x30);
	assert_time(BEGIN + 19 * 60);
	pass(400); /* in phase */
	assert_time(BEGIN + 19 * 60 + 1);
}

static void nonsense_is_a_time(void **state)
{
	(void)state;
	for (uint32_t value = 0; value < 256; value++) {
		for (uint8_t index = 0; index < 10; index++)
			set(index, (uint8_t)value);
		set(0x32, (uint8_t)value);
		set(0x0b, (uint8_t)(value & 0x7f));
		pass(100000);
		(void)get(0x0c);
		vrtc_stop(&rtc);
	}
}

static void update_ended(void **state)
{
	(void)state;
	set(0x0a, 0x20); /* no periods */
	pass(1500);
	assert_int_equal(get(0x0c), 0x10);
	assert_int_equal(get(0x0c), 0x00);
	set(0x0b, 0x12);
	pass(499);
	assert_false(irq);
	pass(1);
	assert_true(irq);
	pass(3000); /* one until it is read */
	assert_int_equal(rises, 1);
	assert_int_equal(get(0x0c), 0x90);
	assert_false(irq);
	pass(3000);
	assert_int_equal(rises, 2);
	set(0x0b, 0x92); /* SET clears UIE */
	assert_int_equal(get(0x0b), 0x82);
}

static void alarms(void **state)
{
	(void)state;
	set(1, 0x05);
	set(3, 0x12);
	set(5, 0x14);
	(void)get(0x0c);
	set(0x0b, 0x22);
	pass(5999);
	assert_false(irq);
	pass(1);
	assert_true(irq);
	assert_int_equal(get(0x0c) & 0xa0, 0xa0);
	pass(86399 * 1000);
	assert_false(irq);
	pass(1000); /* tomorrow again */
	assert_true(irq);
	(void)get(0x0c);
	set(5, 0xff);
	set(3, 0xc0); /* every minute */
	pass(60000);
	assert_int_equal(rises, 3);
	set(1, 0x75); /* never */
	(void)get(0x0c);
	pass(200ULL * 3600 * 1000);
	assert_int_equal(rises, 3);
	assert_int_equal(get(0x0c) & 0x20, 0);
}

static void alarm_is_seen_without_the_interrupt(void **state)
{
	(void)state;
	set(1, 0x05);
	set(3, 0x12);
	set(5, 0x14);
	(void)get(0x0c);
	pass(20000);
	assert_int_equal(get(0x0c), 0x30 | 0x40); /* the rate is 6 */
	assert_int_equal(fake.timers, 0);
}

static void periodic(void **state)
{
	static const struct {
		uint8_t rate;
		uint32_t hz;
	} rates[] = {
		{1,  256 },
		  {2,  128 },
		    {3,	8192},
		       {6,  1024},
		  {15, 2	}
	 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rates); i++) {
		uint32_t n = 0;

		set(0x0a, (uint8_t)(0x20 | rates[i].rate));
		(void)get(0x0c);
		set(0x0b, 0x42);
		for (uint64_t end = fake.now + 10 * HZ; fake.now < end;) {
			fake_run(fake.now + HZ / 20000);
			if (irq) {
				assert_int_equal(get(0x0c) & 0xc0, 0xc0);
				n++;
			}
		}
		assert_in_range(n, 10 * rates[i].hz - 1, 10 * rates[i].hz + 1);
		set(0x0b, 0x02);
	}
	set(0x0a, 0x20);
	set(0x0b, 0x42);
	(void)get(0x0c);
	pass(10000);
	assert_false(irq);
}

static void memory_stays(void **state)
{
	(void)state;
	for (uint32_t i = 0x0e; i < 128; i++)
		set((uint8_t)(i | 0x80), (uint8_t)(i * 7)); /* bit 7 is not an address */
	vrtc_reset(&rtc);
	for (uint32_t i = 0x0e; i < 128; i++) {
		if (i != 0x32)
			assert_int_equal(get((uint8_t)i), (uint8_t)(i * 7));
	}
	vrtc_write(&rtc, false, 0);
	assert_int_equal(vrtc_read(&rtc, false), 0xff);
}

static void reset_ends_interrupts(void **state)
{
	(void)state;
	set(0x0b, 0x72);
	pass(2000);
	assert_true(irq);
	vrtc_reset(&rtc);
	assert_false(irq);
	assert_int_equal(get(0x0b), 0x02);
	assert_int_equal(fake.timers, 0);
	assert_time(BEGIN + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(calendar_is_the_librarys, start),
		cmocka_unit_test_setup(time_passes, start),
		cmocka_unit_test_setup(update_is_announced, start),
		cmocka_unit_test_setup(forms, start),
		cmocka_unit_test_setup(linux_sets_it, start),
		cmocka_unit_test_setup(a_field_set_alone, start),
		cmocka_unit_test_setup(nonsense_is_a_time, start),
		cmocka_unit_test_setup(update_ended, start),
		cmocka_unit_test_setup(alarms, start),
		cmocka_unit_test_setup(alarm_is_seen_without_the_interrupt, start),
		cmocka_unit_test_setup(periodic, start),
		cmocka_unit_test_setup(memory_stays, start),
		cmocka_unit_test_setup(reset_ends_interrupts, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
