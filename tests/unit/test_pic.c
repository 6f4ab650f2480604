/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver of the two 8259s against a model of their registers. */
/* sources: drivers/pic.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/pic.h"

static struct {
	uint8_t mask, base, cascade, mode, isr;
	uint32_t icw; /* which initialization word the data port takes next; 0: the mask */
	bool read_isr, ready;
} chip[2];

static void command(uint32_t n, uint8_t value)
{
	if (value & 0x10) {
		assert_int_equal(value, 0x11);
		chip[n].icw = 2;
		chip[n].mask = 0;
		chip[n].ready = false;
	} else if (value & 0x08) {
		assert_int_equal(value & 3, 3);
		chip[n].read_isr = true;
	} else {
		assert_int_equal(value & 0xe0, 0x60); /* a specific EOI: no other is ended */
		chip[n].isr &= (uint8_t) ~(1u << (value & 7));
	}
}

static void data(uint32_t n, uint8_t value)
{
	switch (chip[n].icw) {
	case 2:
		chip[n].base = value;
		chip[n].icw = 3;
		break;
	case 3:
		chip[n].cascade = value;
		chip[n].icw = 4;
		break;
	case 4:
		chip[n].mode = value;
		chip[n].icw = 0;
		chip[n].ready = true;
		break;
	default:
		chip[n].mask = value;
	}
}

void io_out8(uint16_t port, uint8_t value)
{
	uint32_t n = port >= 0xa0;

	assert_true(port == 0x20 || port == 0x21 || port == 0xa0 || port == 0xa1);
	if (port & 1)
		data(n, value);
	else
		command(n, value);
}

uint8_t io_in8(uint16_t port)
{
	uint32_t n = port >= 0xa0;

	assert_true(port == 0x20 || port == 0xa0);
	assert_true(chip[n].read_isr);
	return chip[n].isr;
}

static int fresh(void **state)
{
	(void)state;
	memset(chip, 0, sizeof(chip));
	return 0;
}

static void test_disable(void **state)
{
	(void)state;
	pic_disable(0x20);
	for (uint32_t n = 0; n < 2; n++) {
		assert_true(chip[n].ready);
		assert_int_equal(chip[n].mask, 0xff);
		assert_int_equal(chip[n].base, 0x20 + 8 * n);
		assert_int_equal(chip[n].mode, 1);
	}
	assert_int_equal(chip[0].cascade, 4);
	assert_int_equal(chip[1].cascade, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_disable, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
