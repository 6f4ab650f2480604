/* SPDX-License-Identifier: BSD-2-Clause */
/* The power and reset filter, port by port: what becomes a request, what passes, what never reaches the hardware. */
/* sources: vdev/vpower.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vdev/vpower.h"

/* As on QEMU's q35: PM base 0x600. */
#define PM1_STS	  0x600
#define PM1_EN	  0x602
#define PM1_CNT	  0x604
#define PM1B_CNT  0x614
#define TCO_BASE  0x660
#define TCO1_CNT  0x668
#define CF9	  0xcf9
#define SLP_EN	  0x2000
#define SLP(type) ((type) << 10)
#define WAK_STS	  0x8000
#define TMR_HALT  0x0800
#define NMI_NOW	  0x0100

static uint8_t ports[65536];
static bool written[65536];
static uint32_t writes;
static uint32_t requests;
static enum power_request last_request;
static const char *last_how;
static struct vpower p;

static void request(void *arg, enum power_request what, const char *how)
{
	assert_ptr_equal(arg, &p);
	assert_non_null(how);
	requests++;
	last_request = what;
	last_how = how;
}

static uint32_t pass_read(void *arg, uint16_t port, uint8_t size)
{
	uint32_t value = 0;

	assert_ptr_equal(arg, &p);
	assert_true(size == 1 || size == 2 || size == 4);
	assert_int_equal(port % size, 0);
	memcpy(&value, &ports[port], size);
	return value;
}

static void pass_write(void *arg, uint16_t port, uint8_t size, uint32_t value)
{
	assert_ptr_equal(arg, &p);
	assert_true(size == 1 || size == 2 || size == 4);
	assert_int_equal(port % size, 0);
	memcpy(&ports[port], &value, size);
	for (uint32_t i = 0; i < size; i++)
		written[port + i] = true;
	writes++;
}

static const struct vpower_ops ops = {request, pass_read, pass_write};

static struct vpower_config config(void)
{
	struct vpower_config c = {
		.pm1a_control = PM1_CNT,
		.pm1b_control = PM1B_CNT,
		.pm1a_status = PM1_STS,
		.slp_typ_a = {VPOWER_UNKNOWN, VPOWER_UNKNOWN, VPOWER_UNKNOWN, 1, 2, 0},
		.slp_typ_b = {VPOWER_UNKNOWN, VPOWER_UNKNOWN, VPOWER_UNKNOWN, 3, 4, 7},
		.tco_base = TCO_BASE,
		.fake_wake = true,
	};

	return c;
}

static void start(const struct vpower_config *c)
{
	memset(ports, 0, sizeof(ports));
	vpower_init(&p, &ops, &p, c);
	memset(written, 0, sizeof(written));
	writes = 0;
	requests = 0;
	last_how = NULL;
}

static int setup(void **state)
{
	struct vpower_config c = config();

	(void)state;
	start(&c);
	return 0;
}

static uint32_t word(uint16_t port)
{
	return pass_read(&p, port, 2);
}

static void expect_request(enum power_request what)
{
	assert_int_equal(requests, 1);
	assert_int_equal(last_request, what);
	requests = 0;
}

static void expect_nothing(void)
{
	assert_int_equal(requests, 0);
	assert_int_equal(writes, 0);
}

/* --- PM1 control --- */

static void test_s5_is_a_request(void **state)
{
	(void)state;
	vpower_write(&p, PM1_CNT, 2, 1 | SLP(0) | SLP_EN);
	expect_request(POWER_OFF);
	assert_int_equal(writes, 0);
	assert_string_equal(last_how, "S5");
}

static void test_s5_by_bytes(void **state)
{
	(void)state;
	vpower_write(&p, PM1_CNT + 1, 1, SLP_EN >> 8);
	expect_request(POWER_OFF);
	assert_int_equal(writes, 0);
}

static void test_s5_by_dword(void **state)
{
	(void)state;
	vpower_write(&p, PM1_CNT, 4, 0xabcd0000 | SLP_EN);
	expect_request(POWER_OFF);
	assert_false(written[PM1_CNT] || written[PM1_CNT + 1]);
	assert_int_equal(word(PM1_CNT + 2), 0xabcd);
}

static void test_s5_reached_from_below(void **state)
{
	(void)state;
	/* 0x602 to 0x605: PM1 enable, then control */
	vpower_write(&p, PM1_EN, 4, ((uint32_t)SLP_EN << 16) | 0x0120);
	expect_request(POWER_OFF);
	assert_int_equal(word(PM1_EN), 0x0120);
	assert_false(written[PM1_CNT + 1]);
	/* misaligned: only the high byte */
	vpower_write(&p, PM1_CNT + 1, 4, SLP_EN >> 8);
	expect_request(POWER_OFF);
}

static void test_pm1b_has_its_own_types(void **state)
{
	(void)state;
	vpower_write(&p, PM1B_CNT, 2, SLP(7) | SLP_EN);
	expect_request(POWER_OFF);
	vpower_write(&p, PM1B_CNT, 2, SLP(3) | SLP_EN);
	expect_request(POWER_SLEEP_REFUSED);
	assert_string_equal(last_how, "S3");
}

static void test_without_sleep_enable_it_passes(void **state)
{
	(void)state;
	vpower_write(&p, PM1_CNT, 2, 0x0007 | SLP(1));
	assert_int_equal(requests, 0);
	assert_int_equal(word(PM1_CNT), 0x0007 | SLP(1));
	assert_int_equal(vpower_read(&p, PM1_CNT, 2), 0x0007 | SLP(1));
	/* one byte keeps the other */
	vpower_write(&p, PM1_CNT, 1, 0x01);
	assert_int_equal(word(PM1_CNT), 0x0001 | SLP(1));
	assert_int_equal(requests, 0);
	assert_int_equal(vpower_read(&p, PM1_CNT + 1, 1), SLP(1) >> 8);
}

static void test_other_sleeps_are_refused(void **state)
{
	(void)state;
	for (uint32_t type = 1; type < 8; type++) {
		vpower_reset(&p);
		vpower_write(&p, PM1_CNT, 2, 1 | SLP(type) | SLP_EN);
		expect_request(POWER_SLEEP_REFUSED);
		assert_int_equal(word(PM1_CNT), 1 | SLP(type));
	}
}

static void test_unknown_s5_is_refused(void **state)
{
	struct vpower_config c = config();

	(void)state;
	memset(c.slp_typ_a, VPOWER_UNKNOWN, sizeof(c.slp_typ_a));
	start(&c);
	for (uint32_t type = 0; type < 8; type++) {
		vpower_write(&p, PM1_CNT, 2, SLP(type) | SLP_EN);
		expect_request(POWER_SLEEP_REFUSED);
	}
}

static void test_wake_status_until_cleared(void **state)
{
	(void)state;
	ports[PM1_STS] = 0x11;
	assert_int_equal(vpower_read(&p, PM1_STS, 2), 0x11);
	vpower_write(&p, PM1_CNT, 2, SLP(1) | SLP_EN);
	assert_int_equal(vpower_read(&p, PM1_STS, 2), WAK_STS | 0x11);
	assert_int_equal(vpower_read(&p, PM1_STS, 4), WAK_STS | 0x11);
	assert_int_equal(vpower_read(&p, PM1_STS + 1, 1), WAK_STS >> 8);
	vpower_write(&p, PM1_STS, 2, 0x0001);
	assert_int_equal(vpower_read(&p, PM1_STS + 1, 1), WAK_STS >> 8);
	ports[PM1_STS + 1] = 0;
	vpower_write(&p, PM1_STS + 1, 1, WAK_STS >> 8);
	assert_int_equal(word(PM1_STS),
			 WAK_STS); /* the write of ones reached the hardware, low byte zeros */
	ports[PM1_STS + 1] = 0;
	assert_int_equal(vpower_read(&p, PM1_STS, 2), 0);
}

static void test_no_fake_wake(void **state)
{
	struct vpower_config c = config();

	(void)state;
	c.fake_wake = false;
	start(&c);
	assert_false(vpower_covers(&p, PM1_STS, 2));
	vpower_write(&p, PM1_CNT, 2, SLP(1) | SLP_EN);
	expect_request(POWER_SLEEP_REFUSED);
	assert_int_equal(vpower_read(&p, PM1_STS, 2), 0);
}

static void test_s4_retry_does_not_switch_off(void **state)
{
	(void)state;
	vpower_write(&p, PM1_STS, 2, WAK_STS);
	vpower_write(&p, PM1_CNT, 2, 1 | SLP(2));
	vpower_write(&p, PM1_CNT, 2, 1 | SLP(2) | SLP_EN);
	expect_request(POWER_SLEEP_REFUSED);
	vpower_write(&p, PM1_CNT, 2, SLP_EN);
	expect_request(POWER_SLEEP_REFUSED);
	/* a real S5 clears WAK_STS first */
	vpower_write(&p, PM1_STS, 2, WAK_STS);
	vpower_write(&p, PM1_CNT, 2, SLP_EN);
	expect_request(POWER_OFF);
	/* and an S3 refused does not stand in the way of S5 */
	vpower_write(&p, PM1_CNT, 2, SLP(1) | SLP_EN);
	expect_request(POWER_SLEEP_REFUSED);
	vpower_write(&p, PM1_CNT, 2, SLP_EN);
	expect_request(POWER_OFF);
}

/* --- reset --- */

static void test_reset_control(void **state)
{
	static const uint8_t resets[] = {0x04, 0x06, 0x0e, 0x0f, 0xff};

	(void)state;
	for (uint32_t i = 0; i < sizeof(resets); i++) {
		vpower_write(&p, CF9, 1, 0x02);
		assert_int_equal(requests, 0);
		vpower_write(&p, CF9, 1, resets[i]);
		expect_request(POWER_RESET);
	}
	vpower_write(&p, CF9, 1, 0x0a);
	assert_int_equal(vpower_read(&p, CF9, 1), 0x0a);
	vpower_write(&p, CF9, 1, 0xf1);
	assert_int_equal(vpower_read(&p, CF9, 1), 0);
	expect_nothing();
	/* by a word at 0xcf8 */
	vpower_write(&p, CF9 - 1, 2, 0x0600);
	expect_request(POWER_RESET);
	assert_false(written[CF9]);
}

static void test_reset_register(void **state)
{
	struct vpower_config c = config();

	(void)state;
	c.reset_port = 0x530;
	c.reset_value = 0x5a;
	start(&c);
	vpower_write(&p, 0x530, 1, 0x12);
	assert_int_equal(ports[0x530], 0x12);
	assert_int_equal(requests, 0);
	vpower_write(&p, 0x530, 1, 0x5a);
	expect_request(POWER_RESET);
	assert_int_equal(ports[0x530], 0x12);
	vpower_write(&p, 0x52f, 4, 0x00005a77);
	expect_request(POWER_RESET);
	assert_int_equal(ports[0x52f], 0x77);
	assert_int_equal(ports[0x530], 0x12);
	/* the same register as another one, with a value of its own */
	c.reset_port = CF9;
	c.reset_value = 0x01;
	start(&c);
	vpower_write(&p, CF9, 1, 0x01);
	expect_request(POWER_RESET);
	assert_string_equal(last_how, "ACPI reset register");
	/* zero as a reset value is one */
	c.reset_port = PM1_CNT + 1;
	c.reset_value = 0;
	start(&c);
	vpower_write(&p, PM1_CNT, 1, 0);
	assert_int_equal(requests, 0);
	vpower_write(&p, PM1_CNT, 2, 0x0001);
	expect_request(POWER_RESET);
}

static void test_port92(void **state)
{
	(void)state;
	assert_int_equal(vpower_read(&p, 0x92, 1), 0x02);
	vpower_write(&p, 0x92, 1, 0x00); /* A20 off */
	assert_int_equal(ports[0x92], 0x02);
	assert_int_equal(requests, 0);
	vpower_write(&p, 0x92, 1, 0x03);
	expect_request(POWER_RESET);
	assert_int_equal(ports[0x92], 0x02);
	/* where there is no such port, read-modify-write is no reset */
	ports[0x92] = 0xff;
	vpower_write(&p, 0x92, 1, vpower_read(&p, 0x92, 1));
	assert_int_equal(requests, 0);
	/* reached by a word at 0x91 */
	ports[0x92] = 0;
	vpower_write(&p, 0x91, 2, 0x0100);
	expect_request(POWER_RESET);
}

static void test_keyboard_commands(void **state)
{
	(void)state;
	for (uint32_t command = 0; command < 256; command++) {
		bool pulse = command >= 0xf0;
		bool reset = pulse && !(command & 1);
		bool a20 = (pulse && !(command & 2)) || command == 0xdd || command == 0xdf;

		vpower_reset(&p);
		ports[0x64] = 0x55;
		writes = 0;
		vpower_write(&p, 0x64, 1, command);
		if (reset)
			expect_request(POWER_RESET);
		assert_int_equal(requests, 0);
		assert_int_equal(writes, reset || a20 ? 0 : 1);
		if (!reset && !a20)
			assert_int_equal(ports[0x64], command);
	}
}

static void test_keyboard_output_port(void **state)
{
	(void)state;
	vpower_write(&p, 0x60, 1, 0xfe); /* to the keyboard: resend */
	assert_int_equal(ports[0x60], 0xfe);
	assert_int_equal(requests, 0);
	vpower_write(&p, 0x64, 1, 0xd1);
	vpower_write(&p, 0x60, 1, 0xdd); /* A20 low */
	assert_int_equal(ports[0x60], 0xdf);
	assert_int_equal(requests, 0);
	vpower_write(&p, 0x60, 1, 0xdd); /* once only */
	assert_int_equal(ports[0x60], 0xdd);
	vpower_write(&p, 0x64, 1, 0xd1);
	vpower_write(&p, 0x60, 1, 0xfe);
	expect_request(POWER_RESET);
	assert_int_equal(ports[0x60], 0xff);
	/* another command in between ends it */
	vpower_write(&p, 0x64, 1, 0xd1);
	vpower_write(&p, 0x64, 1, 0xae);
	vpower_write(&p, 0x60, 1, 0xf0);
	assert_int_equal(ports[0x60], 0xf0);
	assert_int_equal(requests, 0);
	ports[0x60] = 0x1c;
	assert_int_equal(vpower_read(&p, 0x60, 1), 0x1c);
	ports[0x64] = 0x1d;
	assert_int_equal(vpower_read(&p, 0x64, 1), 0x1d);
}

/* --- TCO --- */

static void test_tco_never_runs(void **state)
{
	(void)state;
	vpower_write(&p, TCO1_CNT, 2, 0x0200);
	assert_int_equal(word(TCO1_CNT), TMR_HALT | 0x0200);
	vpower_write(&p, TCO1_CNT + 1, 1, 0);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	vpower_write(&p, TCO1_CNT, 1, 0x01);
	assert_int_equal(word(TCO1_CNT), TMR_HALT | 0x01);
	vpower_write(&p, TCO1_CNT, 4, 0);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	vpower_write(&p, TCO1_CNT - 2, 4, 0);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	vpower_write(&p, TCO1_CNT - 1, 2, 0);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	assert_int_equal(requests, 0);
}

static void test_tco_raises_no_nmi(void **state)
{
	(void)state;
	vpower_write(&p, TCO1_CNT, 2, NMI_NOW);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	ports[TCO1_CNT + 1] =
		NMI_NOW >> 8; /* pending: not to be raised again by writing the other byte */
	vpower_write(&p, TCO1_CNT, 1, 0);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
}

static void test_tco_halted_at_start(void **state)
{
	struct vpower_config c = config();

	(void)state;
	memset(ports, 0, sizeof(ports));
	vpower_init(&p, &ops, &p, &c);
	assert_int_equal(word(TCO1_CNT), TMR_HALT);
	memset(ports, 0xff, sizeof(ports));
	writes = 0;
	vpower_init(&p, &ops, &p, &c);
	assert_int_equal(writes, 0);
	c.tco_base = 0xfffe; /* would wrap */
	vpower_init(&p, &ops, &p, &c);
	assert_int_equal(writes, 0);
}

/* --- ranges --- */

static void test_ranges(void **state)
{
	uint16_t port, count;
	uint32_t total = 0, i;

	(void)state;
	for (i = 0; vpower_ports(&p, i, &port, &count); i++) {
		assert_true(vpower_covers(&p, port, 1));
		total += count;
	}
	assert_int_equal(i, p.reg_count);
	assert_int_equal(total, 4 + 2 + 2 + 2 + 2);
	for (uint32_t at = 0; at < 65536; at++)
		total -= vpower_covers(&p, (uint16_t)at, 1);
	assert_int_equal(total, 0);
	assert_true(vpower_covers(&p, 0x61, 4));
	assert_false(vpower_covers(&p, 0x61, 2));
	assert_false(vpower_covers(&p, 0xfffd, 4));
}

static void test_hostile_tables(void **state)
{
	struct vpower_config c = {.pm1a_control = 0xffff,
				  .pm1b_control = CF9,
				  .pm1a_status = 0x63,
				  .reset_port = 0x92,
				  .tco_base = 0x58,
				  .fake_wake = true};

	(void)state;
	start(&c);
	assert_int_equal(p.reg_count, 4);
	c.pm1a_control = 0x700;
	c.pm1b_control = 0x701;
	start(&c);
	assert_int_equal(p.reg_count, 5);
	c.pm1a_control = 0x703; /* misaligned */
	start(&c);
	assert_int_equal(p.reg_count, 4);
	c.pm1a_control = 0x700;
	start(&c);
	/* everything everywhere: the assertions in pass_* hold */
	for (uint32_t at = 0; at < 65536; at++) {
		for (uint8_t size = 1; size <= 4; size = (uint8_t)(size * 2)) {
			vpower_write(&p, (uint16_t)at, size, 0xa5c3f069);
			(void)vpower_read(&p, (uint16_t)at, size);
		}
	}
}

/* What an access does to ports that are nobody's is what it did without us. */
static void test_other_ports_pass(void **state)
{
	(void)state;
	vpower_write(&p, 0x100, 4, 0x11223344);
	assert_int_equal(vpower_read(&p, 0x100, 4), 0x11223344);
	assert_int_equal(writes, 1);
	vpower_write(&p, 0x101, 4, 0x55667788);
	assert_int_equal(vpower_read(&p, 0x101, 4), 0x55667788);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_s5_is_a_request, setup),
		cmocka_unit_test_setup(test_s5_by_bytes, setup),
		cmocka_unit_test_setup(test_s5_by_dword, setup),
		cmocka_unit_test_setup(test_s5_reached_from_below, setup),
		cmocka_unit_test_setup(test_pm1b_has_its_own_types, setup),
		cmocka_unit_test_setup(test_without_sleep_enable_it_passes, setup),
		cmocka_unit_test_setup(test_other_sleeps_are_refused, setup),
		cmocka_unit_test_setup(test_unknown_s5_is_refused, setup),
		cmocka_unit_test_setup(test_wake_status_until_cleared, setup),
		cmocka_unit_test_setup(test_no_fake_wake, setup),
		cmocka_unit_test_setup(test_s4_retry_does_not_switch_off, setup),
		cmocka_unit_test_setup(test_reset_control, setup),
		cmocka_unit_test_setup(test_reset_register, setup),
		cmocka_unit_test_setup(test_port92, setup),
		cmocka_unit_test_setup(test_keyboard_commands, setup),
		cmocka_unit_test_setup(test_keyboard_output_port, setup),
		cmocka_unit_test_setup(test_tco_never_runs, setup),
		cmocka_unit_test_setup(test_tco_raises_no_nmi, setup),
		cmocka_unit_test_setup(test_tco_halted_at_start, setup),
		cmocka_unit_test_setup(test_ranges, setup),
		cmocka_unit_test_setup(test_hostile_tables, setup),
		cmocka_unit_test_setup(test_other_ports_pass, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
