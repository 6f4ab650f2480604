/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 16550A against its data sheet; a mebibyte each way through a back end that is often full. */
/* sources: vdev/vuart.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/vdev_fake.h"
#include "vdev/vuart.h"

#define RBR 0
#define THR 0
#define IER 1
#define IIR 2
#define FCR 2
#define LCR 3
#define MCR 4
#define LSR 5
#define MSR 6
#define SCR 7

#define KHZ 1843200ULL /* 1000 ticks per clock of the UART */

static struct vuart u;
static uint8_t sent[64];
static uint32_t sent_count, room, taken;
static bool irq;
static void (*on_sent)(uint8_t byte);

static bool back_tx(void *arg, uint8_t byte)
{
	(void)arg;
	if (!room)
		return false;
	room--;
	if (on_sent)
		on_sent(byte);
	sent[sent_count++ % sizeof(sent)] = byte;
	return true;
}

static void back_irq(void *arg, bool level)
{
	(void)arg;
	assert_true(level != irq);
	irq = level;
}

static void back_taken(void *arg)
{
	(void)arg;
	taken++;
}

static const struct vuart_ops ops = {.tx = back_tx,
				     .irq = back_irq,
				     .rx_taken = back_taken,
				     .lock = fake_lock,
				     .unlock = fake_unlock};

static int setup(void **state)
{
	(void)state;
	fake_reset(KHZ, 1000);
	sent_count = 0;
	taken = 0;
	room = UINT32_MAX;
	irq = false;
	on_sent = NULL;
	vuart_init(&u, &ops, NULL, &fake_host, NULL);
	return 0;
}

static uint8_t rd(uint32_t reg)
{
	return vuart_read(&u, reg);
}

static void wr(uint32_t reg, uint8_t value)
{
	vuart_write(&u, reg, value);
}

/* FIFOs on with @trigger (FCR bits 7:6), OUT2 on, interrupts @ier. */
static void program(uint8_t trigger, uint8_t ier)
{
	wr(FCR, (uint8_t)(trigger << 6 | 0x07));
	wr(MCR, 0x0b);
	wr(IER, ier);
}

static void test_reset(void **state)
{
	(void)state;
	assert_int_equal(rd(IER), 0);
	assert_int_equal(rd(IIR), 0x01);
	assert_int_equal(rd(LCR), 0);
	assert_int_equal(rd(MCR), 0);
	assert_int_equal(rd(LSR), 0x60);
	assert_int_equal(rd(MSR), 0xb0);
	assert_int_equal(rd(SCR), 0);
	assert_false(irq);
}

static void test_registers(void **state)
{
	(void)state;
	wr(IER, 0xff);
	assert_int_equal(rd(IER), 0x0f);
	wr(MCR, 0xff & ~0x10);
	assert_int_equal(rd(MCR), 0x0f);
	wr(SCR, 0xa5);
	assert_int_equal(rd(SCR), 0xa5);
	wr(LCR, 0x83);
	wr(0, 0x34);
	wr(1, 0x12);
	assert_int_equal(rd(0), 0x34);
	assert_int_equal(rd(1), 0x12);
	assert_int_equal(rd(LCR), 0x83);
	wr(LCR, 0x03);
	assert_int_equal(rd(IER), 0x0f);
	assert_int_equal(sent_count, 0);
	wr(LSR, 0);
	wr(MSR, 0);
	assert_int_equal(rd(LSR), 0x60);
	/* A 16550A is told by IIR's two top bits. */
	wr(FCR, 0x01);
	assert_int_equal(rd(IIR) & 0xc0, 0xc0);
	wr(FCR, 0x00);
	assert_int_equal(rd(IIR) & 0xc0, 0x00);
	assert_int_equal(vuart_read(&u, 8 + SCR), 0xa5); /* the register number is masked */
}

static void test_send(void **state)
{
	(void)state;
	wr(THR, 'x');
	assert_int_equal(sent_count, 1);
	assert_int_equal(sent[0], 'x');
	assert_int_equal(rd(LSR), 0x60);
}

static void test_thre_interrupt(void **state)
{
	(void)state;
	program(0, 0);
	wr(IER, 0x02); /* at once, because THR is empty */
	assert_true(irq);
	assert_int_equal(rd(IIR), 0xc2);
	assert_false(irq); /* reading IIR ends it */
	assert_int_equal(rd(IIR), 0xc1);
	wr(THR, 'a');
	assert_true(irq);
	wr(IER, 0);
	assert_false(irq);
	wr(IER, 0x02);
	assert_true(irq);
	wr(MCR, 0x03); /* OUT2 gates it */
	assert_false(irq);
	assert_int_equal(rd(IIR), 0xc2);
}

static void test_back_pressure(void **state)
{
	(void)state;
	program(0, 0x02);
	rd(IIR);
	room = 5;
	for (uint8_t i = 0; i < 16; i++)
		wr(THR, i);
	assert_int_equal(sent_count, 5);
	assert_int_equal(rd(LSR), 0);
	assert_false(irq);
	wr(THR, 99); /* the FIFO holds eleven, there is room for five more */
	vuart_tx_room(&u);
	assert_int_equal(rd(LSR), 0);
	room = 3;
	vuart_tx_room(&u);
	assert_int_equal(rd(LSR), 0);
	assert_false(irq);
	room = 100;
	vuart_tx_room(&u);
	assert_int_equal(rd(LSR), 0x60);
	assert_true(irq);
	assert_int_equal(sent_count, 17);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(sent[i], i);
	assert_int_equal(sent[16], 99);
	/* Without FIFOs one byte is kept. */
	wr(FCR, 0);
	room = 0;
	wr(THR, 1);
	wr(THR, 2); /* a guest that does not look loses it */
	room = 100;
	vuart_tx_room(&u);
	assert_int_equal(sent_count, 18);
	/* A FIFO reset drops what waits. */
	wr(FCR, 1);
	room = 0;
	wr(THR, 3);
	wr(FCR, 5);
	assert_int_equal(rd(LSR), 0x60);
	room = 100;
	vuart_tx_room(&u);
	assert_int_equal(sent_count, 18);
}

static void test_receive_plain(void **state)
{
	(void)state;
	wr(MCR, 0x08);
	wr(IER, 0x01);
	assert_int_equal(vuart_rx_room(&u), 1);
	vuart_rx(&u, 'q');
	assert_int_equal(vuart_rx_room(&u), 0);
	assert_true(irq);
	assert_int_equal(rd(IIR), 0x04);
	assert_int_equal(rd(LSR), 0x61);
	assert_int_equal(rd(RBR), 'q');
	assert_int_equal(taken, 1);
	assert_false(irq);
	assert_int_equal(rd(LSR), 0x60);
	assert_int_equal(rd(RBR), 'q');
	assert_int_equal(taken, 1);
}

static void test_triggers(void **state)
{
	static const uint8_t level[4] = {1, 4, 8, 14};

	(void)state;
	for (uint8_t t = 0; t < 4; t++) {
		setup(NULL);
		program(t, 0x01);
		for (uint8_t i = 0; i < level[t]; i++) {
			assert_false(irq);
			vuart_rx(&u, i);
		}
		assert_true(irq);
		assert_int_equal(rd(IIR), 0xc4);
		assert_int_equal(vuart_rx_room(&u), 16 - level[t]);
		assert_int_equal(rd(RBR), 0);
		assert_false(irq);
	}
}

/* Four characters' time after the last byte or read. 8N1 at divisor 1: 4 * 10 * 16 clocks. */
static void test_timeout(void **state)
{
	uint64_t ticks = 4 * 10 * 16 * 1000;

	(void)state;
	wr(LCR, 0x83);
	wr(0, 1);
	wr(1, 0);
	wr(LCR, 0x03);
	program(2, 0x01);
	vuart_rx(&u, 1);
	fake_run(fake.now + ticks / 2);
	vuart_rx(&u, 2); /* starts it anew */
	fake_run(fake.now + ticks - 1);
	assert_false(irq);
	fake_run(fake.now + 1);
	assert_true(irq);
	assert_int_equal(rd(IIR), 0xcc);
	assert_int_equal(fake.locked, 0);
	assert_int_equal(rd(RBR), 1);
	assert_false(irq);
	fake_run(fake.now + ticks);
	assert_true(irq);
	assert_int_equal(rd(RBR), 2);
	fake_run(fake.now + 10 * ticks);
	assert_false(irq);
	/* Bytes that came before the interrupt was enabled are told of, too. */
	wr(IER, 0);
	vuart_rx(&u, 3);
	assert_int_equal(fake.timers, 0);
	wr(IER, 1);
	fake_run(fake.now + ticks);
	assert_int_equal(rd(IIR), 0xcc);
	wr(FCR, 0x03); /* the FIFO is cleared: nothing to tell of */
	assert_false(irq);
	/* Two stop bits, parity: 12 bits. Divisor 0 counts as 1. */
	wr(FCR, 0x83);
	wr(LCR, 0x83);
	wr(0, 0);
	wr(LCR, 0x0f);
	vuart_rx(&u, 4);
	fake_run(fake.now + ticks / 10 * 12 - 1);
	assert_false(irq);
	fake_run(fake.now + 1);
	assert_true(irq);
}

static void test_priorities(void **state)
{
	(void)state;
	program(0, 0x0f);
	vuart_set_lines(&u, 0x30);
	vuart_rx(&u, 'a');
	vuart_rx_break(&u);
	assert_int_equal(rd(IIR), 0xc4); /* the break is not on top yet */
	assert_int_equal(rd(LSR), 0xe1);
	assert_int_equal(rd(RBR), 'a');
	assert_int_equal(rd(IIR), 0xc6);
	assert_int_equal(rd(LSR), 0xf1);
	assert_int_equal(rd(LSR), 0x61); /* told once */
	assert_int_equal(rd(IIR), 0xc4);
	assert_int_equal(rd(RBR), 0);
	assert_int_equal(rd(IIR), 0xc2);
	assert_int_equal(rd(IIR), 0xc0);
	assert_int_equal(rd(MSR), 0x38);
	assert_int_equal(rd(IIR), 0xc1);
	assert_false(irq);
}

static void test_overrun(void **state)
{
	(void)state;
	program(0, 0x04);
	for (uint8_t i = 0; i < 17; i++)
		vuart_rx(&u, i);
	assert_true(irq);
	assert_int_equal(rd(IIR), 0xc6);
	assert_int_equal(rd(LSR), 0x63);
	assert_false(irq);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(rd(RBR), i);
	assert_int_equal(rd(LSR), 0x60);
	wr(FCR, 0);
	vuart_rx(&u, 1);
	vuart_rx(&u, 2); /* without FIFOs the old byte is the one lost */
	assert_int_equal(rd(RBR), 2);
	assert_int_equal(rd(LSR), 0x62);
}

static void test_modem(void **state)
{
	(void)state;
	program(0, 0x08);
	assert_false(irq);
	vuart_set_lines(&u, 0xa0); /* CTS falls */
	assert_true(irq);
	assert_int_equal(rd(MSR), 0xa1);
	assert_false(irq);
	vuart_set_lines(&u, 0xe0); /* RI rises: not noted */
	assert_false(irq);
	vuart_set_lines(&u, 0xa0); /* RI ends */
	assert_int_equal(rd(MSR), 0xa4);
	vuart_set_lines(&u, 0x00);
	assert_int_equal(rd(MSR), 0x0a);
}

static void test_loop_back(void **state)
{
	(void)state;
	program(1, 0x0f);
	taken = 0;
	rd(IIR);
	wr(MCR, 0x1b);
	assert_int_equal(vuart_rx_room(&u), 0);
	vuart_rx(&u, 'n'); /* SIN is disconnected */
	for (uint8_t i = 0; i < 16; i++)
		wr(THR, i);
	assert_int_equal(sent_count, 0);
	for (uint8_t i = 0; i < 16; i++)
		assert_int_equal(rd(RBR), i);
	assert_int_equal(rd(LSR), 0x60);
	assert_int_equal(taken, 0);
	/* Modem lines follow our own outputs. */
	wr(MCR, 0x10);
	rd(MSR);
	static const uint8_t row[][2] = {
		{0x11, 0x20},
		      {0x12, 0x10},
		    {0x14, 0x40},
		  {0x18, 0x80},
		{0x1f, 0xf0}
	    };
	for (uint32_t i = 0; i < ARRAY_SIZE(row); i++) {
		wr(MCR, row[i][0]);
		assert_int_equal(rd(MSR) & 0xf0, row[i][1]);
	}
	assert_false(irq);
	wr(MCR, 0x0b);
	assert_int_equal(rd(MSR) & 0xf0, 0xb0);
	assert_int_equal(vuart_rx_room(&u), 16);
	assert_int_equal(taken, 1);
}

static void test_fifo_toggle(void **state)
{
	(void)state;
	program(0, 0);
	vuart_rx(&u, 1);
	vuart_rx(&u, 2);
	wr(FCR, 0x00); /* clears both */
	assert_int_equal(rd(LSR), 0x60);
	wr(FCR, 0xc8); /* without the enable bit nothing is programmed */
	assert_int_equal(rd(IIR), 0x01);
	wr(FCR, 0x01);
	vuart_rx(&u, 3);
	wr(FCR, 0x81); /* the level alone: keeps the bytes */
	assert_int_equal(rd(RBR), 3);
}

/* --- a mebibyte --- */

#define MEBI (1u << 20)

static uint32_t expected_tx;

static uint8_t pattern(uint32_t n)
{
	return (uint8_t)(n * 31 + (n >> 8) * 7);
}

static void check_sent(uint8_t byte)
{
	assert_int_equal(byte, pattern(expected_tx));
	expected_tx++;
}

/* A guest that sends up to a FIFO's worth when THRE interrupts, as drivers do, to a back end that takes a few. */
static void test_mebibyte_out(void **state)
{
	uint32_t written = 0, rounds = 0;

	(void)state;
	expected_tx = 0;
	on_sent = check_sent;
	program(0, 0x02);
	room = 0;
	while (written < MEBI || !(rd(LSR) & 0x40)) {
		assert_true(rounds++ < 4 * MEBI);
		if (irq && (rd(IIR) & 0x0f) == 0x02)
			for (uint32_t i = 0; i < 16 && written < MEBI; i++)
				wr(THR, pattern(written++));
		if (rounds % 3 == 0) {
			room = rounds % 7;
			vuart_tx_room(&u);
		}
	}
	assert_int_equal(expected_tx, MEBI);
}

static void test_mebibyte_polled(void **state)
{
	uint32_t rounds = 0;

	(void)state;
	expected_tx = 0;
	on_sent = check_sent;
	wr(FCR, 0);
	for (uint32_t n = 0; n < MEBI; n++) {
		while (!(rd(LSR) & 0x20)) {
			room = ++rounds % 5;
			vuart_tx_room(&u);
		}
		wr(THR, pattern(n));
	}
	room = 100;
	vuart_tx_room(&u);
	assert_int_equal(expected_tx, MEBI);
}

static void test_mebibyte_in(void **state)
{
	uint32_t fed = 0, got = 0, rounds = 0;

	(void)state;
	program(2, 0x01);
	while (got < MEBI) {
		uint8_t iir;

		assert_true(rounds++ < 4 * MEBI);
		for (uint32_t i = 1 + rounds % 20; i && fed < MEBI && vuart_rx_room(&u); i--)
			vuart_rx(&u, pattern(fed++));
		if (!irq)
			fake_run(fake.now + KHZ * 1000); /* a second: the time-out comes */
		assert_true(irq);
		iir = rd(IIR) & 0x0f;
		assert_true(iir == 0x04 || iir == 0x0c);
		while (rd(LSR) & 0x01) {
			assert_int_equal(rd(RBR), pattern(got));
			got++;
		}
	}
	assert_int_equal(fed, MEBI);
	assert_false(rd(LSR) & 0x02);
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset),		T(test_registers),     T(test_send),
		T(test_thre_interrupt), T(test_back_pressure), T(test_receive_plain),
		T(test_triggers),	T(test_timeout),       T(test_priorities),
		T(test_overrun),	T(test_modem),	       T(test_loop_back),
		T(test_fifo_toggle),	T(test_mebibyte_out),  T(test_mebibyte_polled),
		T(test_mebibyte_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
