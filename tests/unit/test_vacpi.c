/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI's fixed hardware: which bits stay, the timer's rate and its carry, the SCI. */
/* sources: vdev/vacpi.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vacpi.h"

#define KHZ 2000000ULL
#define HZ  (KHZ * 1000)

static struct vacpi acpi;
static bool sci;
static uint32_t sci_changes;

static void on_sci(void *vm, bool level)
{
	(void)vm;
	assert_int_not_equal(level, sci);
	sci = level;
	sci_changes++;
}

static int start(void **state)
{
	(void)state;
	fake_reset(KHZ, 12345);
	sci = false;
	sci_changes = 0;
	vacpi_init(&acpi, &fake_host, NULL, on_sci);
	return 0;
}

static void timer_counts_at_its_rate(void **state)
{
	(void)state;
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER, 4), 0);
	fake.now += HZ;
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER, 4), VACPI_TIMER_HZ);
	fake.now += 99 * HZ;
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER, 4), 100 * VACPI_TIMER_HZ);
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER + 2, 1),
			 (100 * VACPI_TIMER_HZ >> 16) & 0xff);
	fake.now += 3600ULL * 24 * 365 * 100 * HZ / 10; /* ten years */
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER, 4),
			 (uint32_t)((100 + 3600ULL * 24 * 3650) * VACPI_TIMER_HZ));
}

static void only_what_exists_is_kept(void **state)
{
	(void)state;
	assert_int_equal(vacpi_read(&acpi, VACPI_CONTROL, 2), 1); /* SCI_EN */
	vacpi_write(&acpi, VACPI_CONTROL, 2, 0xffff);
	assert_int_equal(vacpi_read(&acpi, VACPI_CONTROL, 2), 0x1c03);
	vacpi_write(&acpi, VACPI_CONTROL, 2, 0);
	assert_int_equal(vacpi_read(&acpi, VACPI_CONTROL, 2), 1);
	vacpi_write(&acpi, VACPI_ENABLE, 2, 0xffff);
	assert_int_equal(vacpi_read(&acpi, VACPI_STATUS, 4), 0x04210000);
	vacpi_write(&acpi, VACPI_ENABLE, 1, 0); /* the upper byte stays */
	assert_int_equal(vacpi_read(&acpi, VACPI_ENABLE, 2), 0x0400);
	vacpi_write(&acpi, VACPI_TIMER, 4, 0x55555555);
	assert_int_equal(vacpi_read(&acpi, VACPI_TIMER, 4), 0);
	assert_int_equal(vacpi_read(&acpi, 6, 2), 0);
}

static void carry_raises_the_sci(void **state)
{
	uint64_t half = (BIT(31) * HZ + VACPI_TIMER_HZ - 1) / VACPI_TIMER_HZ;

	(void)state;
	assert_int_equal(fake.timers, 0);
	vacpi_write(&acpi, VACPI_ENABLE, 2, 1);
	assert_int_equal(fake.timers, 1);
	assert_int_equal(fake.timer[0]->node.key, 12345 + half);
	fake_run(12345 + half);
	assert_true(sci);
	assert_int_equal(fake.timers, 0); /* it is up: nothing to wait for */
	assert_int_equal(vacpi_read(&acpi, VACPI_STATUS, 2), 1);
	vacpi_write(&acpi, VACPI_STATUS, 2, 1);
	assert_false(sci);
	assert_int_equal(fake.timers, 1);
	fake_run(12345 + 2 * half);
	assert_true(sci);
	vacpi_write(&acpi, VACPI_ENABLE, 2, 0);
	assert_false(sci);
}

static void status_is_seen_without_the_interrupt(void **state)
{
	(void)state;
	fake.now += 700 * HZ;
	assert_int_equal(vacpi_read(&acpi, VACPI_STATUS, 2), 1);
	assert_int_equal(sci_changes, 0);
	vacpi_write(&acpi, VACPI_STATUS, 1, 0xff);
	assert_int_equal(vacpi_read(&acpi, VACPI_STATUS, 2), 0);
	assert_int_equal(fake.timers, 0);
}

static void the_clock_has_a_status(void **state)
{
	(void)state;
	vacpi_rtc(&acpi);
	assert_int_equal(vacpi_read(&acpi, VACPI_STATUS, 2), 0x400);
	assert_false(sci);
	vacpi_write(&acpi, VACPI_ENABLE, 2, 0x400);
	assert_true(sci);
	vacpi_write(&acpi, VACPI_STATUS, 2, 0x400);
	assert_false(sci);
	vacpi_rtc(&acpi);
	assert_true(sci);
	vacpi_reset(&acpi);
	assert_false(sci);
	assert_int_equal(vacpi_read(&acpi, VACPI_ENABLE, 2), 0);
}

static void every_offset_and_size_is_taken(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < VACPI_PORTS; i++) {
		for (uint8_t size = 1; size <= 4; size = (uint8_t)(size * 2)) {
			vacpi_write(&acpi, i, size, 0xffffffff);
			assert_int_equal(vacpi_read(&acpi, i, size) >> (8 * size - 1) >> 1, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(timer_counts_at_its_rate, start),
		cmocka_unit_test_setup(only_what_exists_is_kept, start),
		cmocka_unit_test_setup(carry_raises_the_sci, start),
		cmocka_unit_test_setup(status_is_seen_without_the_interrupt, start),
		cmocka_unit_test_setup(the_clock_has_a_status, start),
		cmocka_unit_test_setup(every_offset_and_size_is_taken, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
