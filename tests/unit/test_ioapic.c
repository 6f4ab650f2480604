/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APIC driver against a model of the chip: no entry is ever live half-written, and the EOI of old chips. */
/* sources: drivers/ioapic.c lib/lock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/ioapic.h"

#define PINS 24

static struct {
	uint32_t index, version;
	uint64_t rte[256];
	uint64_t allowed[2]; /* what an unmasked entry of pin @watched may be */
	uint32_t watched, bad;
	uint32_t eois, eoi_vector;
	bool absent;
} chip;

static uint8_t regs[IOAPIC_SIZE];
static struct ioapic io;

static void entry_changed(uint32_t pin)
{
	uint64_t rte = chip.rte[pin];

	if (pin != chip.watched || rte & IOAPIC_RTE_MASKED)
		return;
	if (rte != chip.allowed[0] && rte != chip.allowed[1])
		chip.bad++;
}

uint32_t mmio_read32(const volatile uint8_t *at)
{
	uint32_t n = chip.index - 0x10;

	assert_int_equal(at - regs, 0x10);
	if (chip.absent)
		return 0xffffffff;
	if (chip.index == 0)
		return 5u << 24;
	if (chip.index == 1)
		return chip.version;
	assert_true(chip.index >= 0x10);
	return (uint32_t)(chip.rte[n / 2] >> (n & 1 ? 32 : 0));
}

void mmio_write32(volatile uint8_t *at, uint32_t value)
{
	uint32_t n = chip.index - 0x10;

	switch (at - regs) {
	case 0x00:
		assert_true(value <= 0xff);
		chip.index = value;
		return;
	case 0x40:
		chip.eois++;
		chip.eoi_vector = value;
		return;
	default:
		assert_int_equal(at - regs, 0x10);
	}
	assert_true(chip.index >= 0x10 && n / 2 <= (chip.version >> 16 & 0xff));
	if (n & 1)
		chip.rte[n / 2] = (chip.rte[n / 2] & 0xffffffff) | (uint64_t)value << 32;
	else
		chip.rte[n / 2] = (chip.rte[n / 2] & ~0xffffffffULL) | value;
	if (!(n & 1) && !(value & IOAPIC_RTE_LEVEL))
		chip.rte[n / 2] &=
			~(uint64_t)IOAPIC_RTE_REMOTE_IRR; /* so old chips end a level interrupt */
	entry_changed(n / 2);
}

static int fresh(void **state)
{
	(void)state;
	memset(&chip, 0, sizeof(chip));
	chip.version = (PINS - 1) << 16 | 0x20;
	chip.watched = ~0u;
	return 0;
}

static void test_init(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < PINS; i++)
		chip.rte[i] = 0x30 + i;
	assert_int_equal(ioapic_init(&io, regs, 24), 0);
	assert_int_equal(io.pins, PINS);
	assert_int_equal(io.id, 5);
	for (uint32_t i = 0; i < PINS; i++)
		assert_true(chip.rte[i] & IOAPIC_RTE_MASKED);
	chip.absent = true;
	assert_int_equal(ioapic_init(&io, regs, 0), -ENODEV);
	assert_int_equal(io.pins, 0);
}

/* A chip that claims 256 pins is believed as far as its 8-bit index reaches. */
static void test_many(void **state)
{
	(void)state;
	chip.version = 0xff << 16 | 0x11;
	assert_int_equal(ioapic_init(&io, regs, 0), 0);
	assert_int_equal(io.pins, IOAPIC_PINS_MAX);
}

static void test_write(void **state)
{
	const uint64_t first = 3ULL << IOAPIC_RTE_DEST_SHIFT | 0x41;
	const uint64_t second = 9ULL << IOAPIC_RTE_DEST_SHIFT | IOAPIC_RTE_LEVEL | 0x52;

	(void)state;
	assert_int_equal(ioapic_init(&io, regs, 0), 0);
	chip.watched = 7;
	chip.allowed[0] = first;
	chip.allowed[1] = second;
	ioapic_write(&io, 7, first);
	assert_int_equal(chip.rte[7], first);
	ioapic_write(&io, 7, second);
	assert_int_equal(chip.rte[7], second);
	ioapic_mask(&io, 7);
	assert_int_equal(chip.rte[7], second | IOAPIC_RTE_MASKED);
	assert_int_equal(chip.bad, 0);
}

static void test_no_such_pin(void **state)
{
	(void)state;
	assert_int_equal(ioapic_init(&io, regs, 0), 0);
	memset(chip.rte, 0x5a, sizeof(chip.rte));
	ioapic_write(&io, PINS, 0);
	ioapic_mask(&io, PINS);
	assert_int_equal(chip.rte[PINS], 0x5a5a5a5a5a5a5a5aULL);
	assert_int_equal(chip.eois, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_init, fresh),
		cmocka_unit_test_setup(test_many, fresh),
		cmocka_unit_test_setup(test_write, fresh),
		cmocka_unit_test_setup(test_no_such_pin, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
