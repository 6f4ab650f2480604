/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 8259A pair against Intel's data sheet. */
/* sources: vdev/vpic.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vpic.h"

#define M0  0x20
#define M1  0x21
#define S0  0xa0
#define S1  0xa1
#define EOI 0x20

static struct vpic p;

/* As a PC's system software sets it up: vectors 0x30 and 0x38, everything unmasked. */
static void program(uint8_t icw4_master, uint8_t icw4_slave)
{
	vpic_write(&p, M0, 0x11);
	vpic_write(&p, M1, 0x30);
	vpic_write(&p, M1, 0x04);
	vpic_write(&p, M1, icw4_master);
	vpic_write(&p, S0, 0x11);
	vpic_write(&p, S1, 0x38);
	vpic_write(&p, S1, 0x02);
	vpic_write(&p, S1, icw4_slave);
}

static int setup(void **state)
{
	(void)state;
	fake_reset(1000000, 0);
	vpic_init(&p, &fake_host, NULL);
	program(1, 1);
	return 0;
}

static uint8_t isr(uint16_t port)
{
	vpic_write(&p, port, 0x0b);
	return vpic_read(&p, port);
}

static uint8_t irr(uint16_t port)
{
	vpic_write(&p, port, 0x0a);
	return vpic_read(&p, port);
}

static void assert_ack(uint8_t vector)
{
	assert_true(vpic_pending(&p));
	assert_int_equal(vpic_ack(&p), vector);
}

static void test_init(void **state)
{
	(void)state;
	vpic_write(&p, M1, 0xa5);
	vpic_write(&p, S1, 0x5a);
	assert_int_equal(vpic_read(&p, M1), 0xa5);
	assert_int_equal(vpic_mask(&p), 0x5aa5);
	assert_int_equal(fake.pic_mask, 0x5aa5);
	vpic_set(&p, 1, true);
	program(1, 1); /* clears masks and edges */
	assert_int_equal(vpic_mask(&p), 0);
	assert_int_equal(irr(M0), 0);
	assert_false(vpic_pending(&p));
	vpic_set(&p, 1, false);
	vpic_set(&p, 1, true);
	assert_ack(0x31);
	/* Single, without ICW4: two words only. */
	vpic_write(&p, M0, 0x12);
	vpic_write(&p, M1, 0x40);
	vpic_write(&p, M1, 0xfe);
	assert_int_equal(vpic_read(&p, M1), 0xfe);
	vpic_set(&p, 0, true);
	assert_ack(0x40);
}

static void test_all_vectors(void **state)
{
	(void)state;
	for (uint32_t irq = 0; irq < VPIC_IRQS; irq++) {
		if (irq == 2)
			continue;
		vpic_set(&p, irq, true);
		assert_true(fake.pic_output);
		assert_ack((uint8_t)(0x30 + irq));
		assert_false(fake.pic_output);
		assert_int_equal(isr(M0), irq < 8 ? 1 << irq : 1 << 2);
		assert_int_equal(isr(S0), irq < 8 ? 0 : 1 << (irq - 8));
		if (irq >= 8)
			vpic_write(&p, S0, EOI);
		vpic_write(&p, M0, EOI);
		assert_int_equal(fake.pic_ended, irq);
		assert_int_equal(isr(M0) | isr(S0), 0);
		vpic_set(&p, irq, false);
	}
	vpic_set(&p, 2, true);
	vpic_set(&p, 16, true);
	assert_false(vpic_pending(&p));
}

static void test_priority(void **state)
{
	(void)state;
	vpic_set(&p, 7, true);
	vpic_set(&p, 3, true);
	vpic_set(&p, 8, true);
	assert_ack(0x38); /* the cascade is input 2 */
	assert_false(vpic_pending(&p));
	vpic_set(&p, 0, true); /* higher: nests */
	assert_ack(0x30);
	vpic_write(&p, M0, EOI); /* ends 0 */
	assert_int_equal(isr(M0), 4);
	vpic_set(&p, 15, true); /* lower than 8 at the slave */
	vpic_write(&p, M0, EOI);
	assert_ack(0x33);
	vpic_write(&p, M0, EOI);
	assert_ack(0x37); /* the slave still serves 8 */
	vpic_write(&p, M0, EOI);
	vpic_write(&p, S0, EOI);
	assert_ack(0x3f);
}

static void test_mask(void **state)
{
	(void)state;
	vpic_write(&p, M1, 0x02);
	vpic_set(&p, 1, true);
	assert_false(vpic_pending(&p));
	assert_int_equal(irr(M0), 2);
	vpic_write(&p, M1, 0);
	assert_ack(0x31); /* an edge is remembered behind its mask */
	vpic_write(&p, M0, EOI);
	vpic_write(&p, M1, 0x04); /* the cascade masked hides the slave */
	vpic_set(&p, 9, true);
	assert_false(vpic_pending(&p));
	vpic_write(&p, M1, 0);
	assert_ack(0x39);
}

static void test_edge(void **state)
{
	(void)state;
	vpic_set(&p, 4, true);
	vpic_set(&p, 4, true);
	assert_ack(0x34);
	vpic_write(&p, M0, EOI);
	assert_false(vpic_pending(&p)); /* still high: no new edge */
	vpic_set(&p, 4, false);
	vpic_set(&p, 4, true);
	assert_true(vpic_pending(&p));
	vpic_set(&p, 4, false); /* gone before it was acknowledged */
	assert_false(vpic_pending(&p));
	assert_int_equal(vpic_ack(&p), 0x37); /* too late: spurious */
	assert_int_equal(isr(M0), 0);
}

static void test_pulse(void **state)
{
	(void)state;
	vpic_pulse(&p, 12);
	vpic_pulse(&p, 12);
	assert_ack(0x3c);
	vpic_write(&p, S0, EOI);
	vpic_write(&p, M0, EOI);
	assert_false(vpic_pending(&p));
	vpic_pulse(&p, 12);
	assert_ack(0x3c);
	vpic_pulse(&p, 12); /* while in service: afterwards */
	vpic_write(&p, S0, EOI);
	vpic_write(&p, M0, EOI);
	assert_ack(0x3c);
}

static void test_level(void **state)
{
	(void)state;
	vpic_write(&p, 0x4d0, 0xff);
	vpic_write(&p, 0x4d1, 0xff);
	assert_int_equal(vpic_read(&p, 0x4d0), 0xf8);
	assert_int_equal(vpic_read(&p, 0x4d1), 0xde);
	vpic_set(&p, 5, true);
	assert_ack(0x35);
	assert_false(vpic_pending(&p));
	assert_int_equal(irr(M0), 0x20);
	vpic_write(&p, M0, EOI);
	assert_ack(0x35); /* still asserted */
	vpic_set(&p, 5, false);
	vpic_write(&p, M0, EOI);
	assert_false(vpic_pending(&p));
	/* Lowered by its owner from the EOI. */
	vpic_set(&p, 10, true);
	assert_ack(0x3a);
	vpic_write(&p, S0, EOI);
	assert_int_equal(fake.pic_ended, 10);
	vpic_set(&p, 10, false);
	vpic_write(&p, M0, EOI);
	assert_false(vpic_pending(&p));
	/* A level that is up when its pin becomes level-triggered counts. */
	vpic_write(&p, 0x4d0, 0);
	vpic_set(&p, 6, true);
	assert_ack(0x36);
	vpic_write(&p, M0, EOI);
	vpic_write(&p, 0x4d0, 0x40);
	assert_ack(0x36);
}

static void test_specific_eoi(void **state)
{
	(void)state;
	vpic_set(&p, 5, true);
	assert_ack(0x35);
	vpic_set(&p, 3, true);
	assert_ack(0x33);
	vpic_write(&p, M0, 0x65);
	assert_int_equal(isr(M0), 0x08);
	assert_int_equal(fake.pic_ended, 5);
	vpic_write(&p, M0, EOI);
	assert_int_equal(isr(M0), 0);
	fake.pic_eois = 0;
	vpic_write(&p, M0, EOI);  /* nothing in service */
	vpic_write(&p, M0, 0x40); /* no operation */
	assert_int_equal(fake.pic_eois, 0);
}

static void test_rotation(void **state)
{
	(void)state;
	vpic_set(&p, 0, true);
	vpic_set(&p, 1, true);
	vpic_set(&p, 7, true);
	assert_ack(0x30);
	vpic_write(&p, M0, 0xa0); /* rotate on non-specific EOI: 0 is last now */
	vpic_set(&p, 0, false);
	vpic_set(&p, 0, true);
	assert_ack(0x31);
	vpic_write(&p, M0, 0xe6); /* rotate on specific EOI of 6: 7 is first; 1 still serves */
	assert_ack(0x37);
	vpic_write(&p, M0, EOI);
	assert_ack(0x30); /* 0 is higher than 1 now */
	vpic_write(&p, M0, EOI);
	vpic_write(&p, M0, EOI);
	vpic_write(&p, M0, 0xc3); /* set priority: 4 is first */
	for (uint32_t irq = 0; irq < 8; irq++) {
		vpic_set(&p, irq, false);
		vpic_set(&p, irq, true);
	}
	for (uint32_t n = 0; n < 8; n++) {
		uint32_t irq = (4 + n) & 7;

		if (irq == 2)
			continue;
		assert_ack((uint8_t)(0x30 + irq));
		vpic_write(&p, M0, EOI);
	}
}

static void test_auto_eoi(void **state)
{
	(void)state;
	program(3, 3);
	vpic_set(&p, 6, true);
	vpic_set(&p, 13, true);
	assert_ack(0x3d);
	assert_int_equal(isr(M0) | isr(S0), 0);
	assert_int_equal(fake.pic_ended, 13);
	assert_ack(0x36);
	assert_int_equal(fake.pic_ended, 6);
	vpic_write(&p, M0, 0x80); /* rotate in automatic EOI mode */
	vpic_set(&p, 1, true);
	assert_ack(0x31);
	vpic_set(&p, 1, false);
	vpic_set(&p, 1, true);
	vpic_set(&p, 3, true);
	assert_ack(0x33); /* 1 is last now */
	assert_ack(0x31);
	vpic_write(&p, M0, 0x00);
	vpic_set(&p, 3, false);
	vpic_set(&p, 3, true);
	assert_ack(0x33);
	vpic_set(&p, 3, false);
	vpic_set(&p, 3, true);
	vpic_set(&p, 1, false);
	vpic_set(&p, 1, true);
	assert_ack(0x33); /* no rotation any more: 2 is still first */
}

static void test_special_mask(void **state)
{
	(void)state;
	vpic_set(&p, 4, true);
	assert_ack(0x34);
	vpic_set(&p, 6, true);
	assert_false(vpic_pending(&p));
	vpic_write(&p, M1, 0x10);
	assert_false(vpic_pending(&p));
	vpic_write(&p, M0, 0x68); /* special mask: lower ones may come now */
	assert_ack(0x36);
	vpic_write(&p, M0, EOI); /* passes over the masked 4 */
	assert_int_equal(isr(M0), 0x10);
	vpic_write(&p, M0, 0x48);
	vpic_set(&p, 7, true);
	assert_false(vpic_pending(&p));
	vpic_write(&p, M0, 0x64);
	assert_ack(0x37);
}

static void test_special_fully_nested(void **state)
{
	(void)state;
	program(0x11, 1);
	vpic_set(&p, 12, true);
	assert_ack(0x3c);
	vpic_set(&p, 14, true); /* lower at the slave */
	assert_false(vpic_pending(&p));
	vpic_set(&p, 9, true); /* higher at the slave: comes through */
	assert_ack(0x39);
	assert_int_equal(isr(S0), 0x12);
	vpic_write(&p, S0, EOI);
	vpic_write(&p, S0, EOI);
	assert_ack(0x3e);
}

static void test_poll(void **state)
{
	(void)state;
	vpic_write(&p, M0, 0x0c);
	assert_int_equal(vpic_read(&p, M0), 0);
	vpic_set(&p, 5, true);
	vpic_write(&p, M0, 0x0c);
	assert_int_equal(vpic_read(&p, M1), 0x85); /* either port */
	assert_false(vpic_pending(&p));
	assert_int_equal(isr(M0), 0x20);
	vpic_write(&p, S0, 0x0c);
	vpic_set(&p, 11, true);
	assert_int_equal(vpic_read(&p, S0), 0x83);
	assert_false(vpic_pending(&p));
	assert_int_equal(isr(S0), 0x08);
}

static void test_spurious(void **state)
{
	(void)state;
	assert_int_equal(vpic_ack(&p), 0x37);
	assert_int_equal(isr(M0), 0);
	assert_int_equal(fake.pic_eois, 0);
	/* A real 7 beside it can be told by its ISR bit. */
	vpic_set(&p, 7, true);
	assert_ack(0x37);
	assert_int_equal(isr(M0), 0x80);
}

static void test_output_calls(void **state)
{
	(void)state;
	fake.pic_changes = 0;
	vpic_set(&p, 3, true);
	vpic_set(&p, 4, true);
	assert_int_equal(fake.pic_changes, 1);
	vpic_set(&p, 3, false);
	assert_int_equal(fake.pic_changes, 1);
	vpic_set(&p, 4, false);
	assert_int_equal(fake.pic_changes, 2);
	assert_false(fake.pic_output);
}

static void test_firmware(void **state)
{
	(void)state;
	vpic_firmware(&p);
	assert_int_equal(vpic_mask(&p), 0xfffb);
	vpic_write(&p, M1, 0xfe);
	vpic_set(&p, 0, true);
	assert_ack(8);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_init),	  T(test_all_vectors),	T(test_priority),
		T(test_mask),	  T(test_edge),		T(test_pulse),
		T(test_level),	  T(test_specific_eoi), T(test_rotation),
		T(test_auto_eoi), T(test_special_mask), T(test_special_fully_nested),
		T(test_poll),	  T(test_spurious),	T(test_output_calls),
		T(test_firmware),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
