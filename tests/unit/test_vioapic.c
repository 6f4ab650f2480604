/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual I/O APIC against the 82093AA data sheet. */
/* sources: vdev/vioapic.c vdev/vlapic.c vdev/vlapic_reg.c vdev/vlapic_page.c vdev/vlapic_timer.c vdev/vlapic_route.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vioapic.h"

#define IOREGSEL 0x00
#define IOWIN	 0x10
#define EOIR	 0x40

static struct vioapic io;

static int setup(void **state)
{
	(void)state;
	fake_reset(1000000, 0);
	vioapic_init(&io, 0, VIOAPIC_PINS, 5, &fake_host, NULL);
	return 0;
}

static uint32_t rd(uint8_t reg)
{
	vioapic_mmio_write(&io, IOREGSEL, 4, reg);
	return (uint32_t)vioapic_mmio_read(&io, IOWIN, 4);
}

static void wr(uint8_t reg, uint32_t value)
{
	vioapic_mmio_write(&io, IOREGSEL, 4, reg);
	vioapic_mmio_write(&io, IOWIN, 4, value);
}

static void rte(uint32_t pin, uint64_t value)
{
	wr((uint8_t)(0x11 + 2 * pin), (uint32_t)(value >> 32));
	wr((uint8_t)(0x10 + 2 * pin), (uint32_t)value);
}

static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(rd(0), 5 << 24);
	assert_int_equal(rd(1), 0x00170020);
	assert_int_equal(rd(2), 5 << 24);
	for (uint32_t pin = 0; pin < VIOAPIC_PINS; pin++) {
		assert_int_equal(rd((uint8_t)(0x10 + 2 * pin)), 0x10000);
		assert_int_equal(rd((uint8_t)(0x11 + 2 * pin)), 0);
	}
	assert_int_equal(rd(0x40), 0);
	assert_int_equal(vioapic_rte(&io, 24), VIOAPIC_RTE_MASKED);
	assert_int_equal(vioapic_rte(&io, UINT32_MAX), VIOAPIC_RTE_MASKED);
}

static void test_registers(void **state)
{
	(void)state;
	wr(0, 0xffffffff);
	assert_int_equal(rd(0), 0x0f000000);
	assert_int_equal(rd(2), 0x0f000000);
	wr(1, 0xffffffff);
	assert_int_equal(rd(1), 0x00170020);
	rte(7, ~0ULL);
	assert_int_equal(rd(0x10 + 14), 0x1afff);
	assert_int_equal(rd(0x11 + 14), 0xff000000);
	assert_int_equal(fake.pin_changed, 7);
	fake.pin_changes = 0;
	rte(7, ~0ULL); /* no change, no call */
	assert_int_equal(fake.pin_changes, 0);
	vioapic_mmio_write(&io, IOREGSEL, 1, 0x1e);
	assert_int_equal(vioapic_mmio_read(&io, IOREGSEL, 4), 0x1e);
	vioapic_mmio_write(&io, IOWIN, 2, 0);
	assert_int_equal(vioapic_mmio_read(&io, IOWIN, 4), 0x1afff);
	assert_int_equal(vioapic_mmio_read(&io, IOWIN, 1), 0);
	assert_int_equal(vioapic_mmio_read(&io, 0x20, 4), 0);
	assert_int_equal(fake.msgs, 0);
}

static void test_edge(void **state)
{
	const struct apic_msg *m = &fake.msg[0];

	(void)state;
	rte(4, 0x0300000000000831);
	vioapic_set(&io, 4, true);
	assert_int_equal(fake.msgs, 1);
	assert_int_equal(m->dest, 3);
	assert_int_equal(m->vector, 0x31);
	assert_int_equal(m->mode, APIC_MODE_FIXED);
	assert_true(m->logical && m->dest8 && !m->level);
	assert_int_equal(m->source, APIC_NO_SOURCE);
	vioapic_set(&io, 4, true); /* no new edge */
	assert_int_equal(fake.msgs, 1);
	vioapic_set(&io, 4, false);
	vioapic_set(&io, 4, true);
	assert_int_equal(fake.msgs, 2);
	assert_false(vioapic_rte(&io, 4) & VIOAPIC_RTE_REMOTE_IRR);
	/* Masked: lost, also after unmasking with the line up. */
	rte(4, 0x10031);
	vioapic_set(&io, 4, false);
	vioapic_set(&io, 4, true);
	rte(4, 0x31);
	assert_int_equal(fake.msgs, 2);
	vioapic_set(&io, 24, true);
	vioapic_set(&io, UINT32_MAX, true);
	assert_int_equal(fake.msgs, 2);
}

static void test_level(void **state)
{
	(void)state;
	rte(9, 0x8042);
	vioapic_set(&io, 9, true);
	assert_int_equal(fake.msgs, 1);
	assert_true(fake.msg[0].level);
	assert_int_equal(rd(0x10 + 18), 0xc042);
	vioapic_set(&io, 9, false);
	vioapic_set(&io, 9, true); /* remote IRR holds it back */
	assert_int_equal(fake.msgs, 1);
	vioapic_eoi(&io, 0x43); /* another vector */
	assert_int_equal(fake.pin_eois, 0);
	vioapic_eoi(&io, 0x42); /* still up: again */
	assert_int_equal(fake.pin_eois, 1);
	assert_int_equal(fake.msgs, 2);
	vioapic_set(&io, 9, false);
	vioapic_mmio_write(&io, EOIR, 4, 0x42); /* through the register */
	assert_int_equal(fake.pin_eois, 2);
	assert_int_equal(fake.msgs, 2);
	assert_int_equal(rd(0x10 + 18), 0x8042);
}

static void test_level_masked(void **state)
{
	(void)state;
	rte(9, 0x18042);
	vioapic_set(&io, 9, true);
	assert_int_equal(fake.msgs, 0);
	rte(9, 0x8042); /* unmasked with the line up: sent */
	assert_int_equal(fake.msgs, 1);
	rte(9, 0x18042);
	vioapic_eoi(&io, 0x42);
	assert_int_equal(fake.msgs, 1);
	assert_false(vioapic_rte(&io, 9) & VIOAPIC_RTE_REMOTE_IRR);
	rte(9, 0x8042);
	assert_int_equal(fake.msgs, 2);
}

static void lower(uint32_t pin)
{
	vioapic_set(&io, pin, false);
}

static void lower_and_raise(uint32_t pin)
{
	vioapic_set(&io, pin, false);
	vioapic_set(&io, pin, true);
}

/* A passed-through pin: its owner lowers it, and may raise it again, from inside the EOI. */
static void test_pin_eoi(void **state)
{
	(void)state;
	rte(20, 0x8055);
	vioapic_set(&io, 20, true);
	fake.on_pin_eoi = lower_and_raise;
	vioapic_eoi(&io, 0x55);
	assert_int_equal(fake.msgs, 2);
	assert_true(vioapic_rte(&io, 20) & VIOAPIC_RTE_REMOTE_IRR);
	fake.on_pin_eoi = lower;
	vioapic_eoi(&io, 0x55);
	assert_int_equal(fake.msgs, 2);
	assert_false(vioapic_rte(&io, 20) & VIOAPIC_RTE_REMOTE_IRR);
	assert_int_equal(fake.pin_ended, 20);
}

/* How software without an EOI register ends a level interrupt: masked edge, and back. */
static void test_edge_trick(void **state)
{
	(void)state;
	rte(9, 0x8042);
	vioapic_set(&io, 9, true);
	rte(9, 0x10042);
	assert_false(vioapic_rte(&io, 9) & VIOAPIC_RTE_REMOTE_IRR);
	assert_int_equal(fake.pin_eois, 1);
	assert_int_equal(fake.msgs, 1);
	rte(9, 0x8042);
	assert_int_equal(fake.msgs, 2);
}

/* The guest cannot write the read-only bits in or out. */
static void test_read_only(void **state)
{
	(void)state;
	rte(3, 0x10000 | 0x5000);
	assert_int_equal(vioapic_rte(&io, 3), 0x10000);
	rte(9, 0x8042);
	vioapic_set(&io, 9, true);
	rte(9, 0x8042);
	assert_int_equal(vioapic_rte(&io, 9), 0xc042);
	assert_int_equal(fake.msgs, 1);
}

static void test_shared_vector(void **state)
{
	(void)state;
	rte(16, 0x8060);
	rte(17, 0x8060);
	rte(18, 0x8061);
	for (uint32_t pin = 16; pin <= 18; pin++)
		vioapic_set(&io, pin, true);
	vioapic_set(&io, 16, false);
	vioapic_eoi(&io, 0x60);
	assert_int_equal(fake.pin_eois, 2);
	assert_int_equal(fake.msgs, 4); /* 17 again */
	assert_true(vioapic_rte(&io, 18) & VIOAPIC_RTE_REMOTE_IRR);
}

static void test_modes(void **state)
{
	static const uint8_t sent[8] = {1, 1, 1, 0, 1, 1, 0, 1};

	(void)state;
	for (uint32_t mode = 0; mode < 8; mode++) {
		fake.msgs = 0;
		vioapic_set(&io, 1, false);
		rte(1, 0x8000 | mode << 8 | 0x50);
		vioapic_set(&io, 1, true);
		assert_int_equal(fake.msgs, sent[mode]);
		if (sent[mode])
			assert_int_equal(fake.msg[0].mode, mode);
		/* Only fixed and lowest priority wait for an EOI. */
		assert_int_equal(!!(vioapic_rte(&io, 1) & VIOAPIC_RTE_REMOTE_IRR), mode < 2);
		vioapic_set(&io, 1, false);
		vioapic_eoi(&io, 0x50);
	}
	assert_int_equal(fake.logs, 1);
	/* The others are edges even where the entry says level: rewriting it sends nothing. */
	rte(1, 0x18450);
	vioapic_set(&io, 1, true);
	fake.msgs = 0;
	rte(1, 0x8450);
	rte(1, 0x8451);
	assert_int_equal(fake.msgs, 0);
}

static void test_sizes(void **state)
{
	(void)state;
	vioapic_init(&io, 1, 1000, 0, &fake_host, NULL);
	assert_int_equal(rd(1), (VIOAPIC_PINS_MAX - 1) << 16 | 0x20);
	rte(119, 0x99);
	assert_int_equal(vioapic_rte(&io, 119), 0x99);
	vioapic_set(&io, 119, true);
	assert_int_equal(fake.msgs, 1);
	vioapic_init(&io, 1, 0, 0, &fake_host, NULL);
	assert_int_equal(rd(1), 0x20);
	wr(0x12, 0);
	assert_int_equal(vioapic_rte(&io, 1), VIOAPIC_RTE_MASKED);
	for (uint32_t reg = 0; reg < 256; reg++) {
		wr((uint8_t)reg, 0xffffffff);
		rd((uint8_t)reg);
	}
}

/* With a local APIC at the other end: level interrupt, EOI, and again. */
static void test_with_lapic(void **state)
{
	static struct vlapic v;
	struct vlapic_config cfg = {.bsp = true, .phys_bits = 36};

	(void)state;
	vlapic_init(&v, &cfg, &fake_host, NULL);
	vlapic_mmio_write(&v, 0xf0, 4, 0x1ff);
	fake.lapic[0] = &v;
	fake.lapics = 1;
	fake.route = vlapic_route;
	rte(10, 0x8070);
	vioapic_set(&io, 10, true);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(vlapic_pending(&v), 0x70);
		vlapic_ack(&v, 0x70);
		assert_int_equal(vlapic_pending(&v), -1);
		vlapic_eoi(&v);
		assert_int_equal(fake.eois, i + 1);
		vioapic_eoi(&io, fake.eoi_vector);
	}
	vioapic_set(&io, 10, false);
	vlapic_ack(&v, 0x70);
	vlapic_eoi(&v);
	vioapic_eoi(&io, fake.eoi_vector);
	assert_int_equal(vlapic_pending(&v), -1);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset),	       T(test_registers), T(test_edge),	      T(test_level),
		T(test_level_masked),  T(test_pin_eoi),	  T(test_edge_trick), T(test_read_only),
		T(test_shared_vector), T(test_modes),	  T(test_sizes),      T(test_with_lapic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
