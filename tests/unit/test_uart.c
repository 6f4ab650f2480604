/* SPDX-License-Identifier: BSD-2-Clause */
/* The serial port driver against a model of a 16550, behind ports and behind memory; absent, half there, and stuck. */
/* sources: drivers/uart.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/uart.h"

#define PORT 0x3f8
#define FIFO 16

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

static struct {
	bool absent, no_fifo, no_loop, stuck;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t in[64], out[256];
	uint32_t in_count, out_count, room; /* room: bytes that the transmitter still takes */
	uint32_t lost, accesses, mcr_writes, ier_writes;
	uint8_t causes[16]; /* what IIR says, one after the other */
	uint32_t cause, cause_count;
} chip;

static struct uart u;

static uint8_t lsr(void)
{
	return (uint8_t)((chip.in_count ? 0x01 : 0) | (chip.stuck || chip.room < FIFO ? 0 : 0x60));
}

static uint8_t receive(void)
{
	uint8_t byte = chip.in[0];

	if (!chip.in_count)
		return 0;
	memmove(chip.in, chip.in + 1, --chip.in_count);
	return byte;
}

static uint8_t chip_in(uint32_t reg)
{
	chip.accesses++;
	if (chip.absent)
		return 0xff;
	switch (reg) {
	case DATA:
		return chip.lcr & 0x80 ? chip.dll : receive();
	case IER:
		return chip.lcr & 0x80 ? chip.dlm : chip.ier;
	case IIR_FCR:
		return (uint8_t)((chip.cause < chip.cause_count ? chip.causes[chip.cause++] : 1) |
				 (chip.fcr & 1 && !chip.no_fifo ? 0xc0 : 0));
	case LCR:
		return chip.lcr;
	case MCR:
		return chip.mcr;
	case LSR:
		return lsr();
	case MSR:
		if (!(chip.mcr & 0x10) || chip.no_loop)
			return 0xb0;
		return (uint8_t)((chip.mcr & 2 ? 0x10 : 0) | (chip.mcr & 1 ? 0x20 : 0) |
				 (chip.mcr & 4 ? 0x40 : 0) | (chip.mcr & 8 ? 0x80 : 0));
	default:
		return chip.scr;
	}
}

static void transmit(uint8_t byte)
{
	if (!chip.room || chip.stuck) {
		chip.lost++;
		return;
	}
	chip.room--;
	chip.out[chip.out_count++ % sizeof(chip.out)] = byte;
}

static void chip_out(uint32_t reg, uint8_t value)
{
	chip.accesses++;
	if (chip.absent)
		return;
	switch (reg) {
	case DATA:
		if (chip.lcr & 0x80)
			chip.dll = value;
		else
			transmit(value);
		break;
	case IER:
		if (chip.lcr & 0x80) {
			chip.dlm = value;
		} else {
			chip.ier = value;
			chip.ier_writes++;
		}
		break;
	case IIR_FCR:
		chip.fcr = value;
		if (value & 4)
			chip.room = FIFO;
		break;
	case LCR:
		chip.lcr = value;
		break;
	case MCR:
		chip.mcr = value;
		chip.mcr_writes++;
		break;
	case SCR:
		chip.scr = value;
		break;
	}
}

uint8_t io_in8(uint16_t port)
{
	assert_in_range(port, PORT, PORT + 7);
	return chip_in(port - PORT);
}

void io_out8(uint16_t port, uint8_t value)
{
	assert_in_range(port, PORT, PORT + 7);
	chip_out(port - PORT, value);
}

static int fresh(void **state)
{
	(void)state;
	memset(&chip, 0, sizeof(chip));
	chip.room = FIFO;
	uart_at_port(&u, PORT);
	return 0;
}

static void test_probe(void **state)
{
	(void)state;
	chip.ier = 0x0f;
	assert_int_equal(uart_probe(&u), 0);
	assert_false(u.dead);
	assert_int_equal(chip.ier, 0);
	assert_int_equal(chip.mcr, 0); /* as it was: not left in loop-back */
	uart_init(&u, 115200);
	assert_int_equal(chip.lcr, 0x03);
	assert_int_equal(chip.dll, 1);
	assert_int_equal(chip.dlm, 0);
	assert_int_equal(chip.mcr, 0x0b);
	assert_int_equal(chip.fcr & 1, 1);
	uart_init(&u, 300);
	assert_int_equal(chip.dll | chip.dlm << 8, 384);
	chip.dll = 7;
	uart_init(&u, 0);
	assert_int_equal(chip.dll, 7);
	assert_int_equal(chip.lcr, 0x03);
}

/* Nothing there, or no complete 16550: it is dead, and every later call leaves the bus alone. */
static void test_dead(void **state)
{
	bool *const faults[] = {&chip.absent, &chip.no_fifo, &chip.no_loop, &chip.stuck};
	uint8_t buf[FIFO] = {0};

	for (uint32_t i = 0; i < ARRAY_SIZE(faults); i++) {
		fresh(state);
		*faults[i] = true;
		assert_int_equal(uart_probe(&u), -ENODEV);
		assert_true(u.dead);
		assert_in_range(chip.accesses, 1, UART_WAIT_READS + 100);
		chip.accesses = 0;
		uart_init(&u, 115200);
		uart_put_poll(&u, 'x');
		uart_write_poll(&u, "text\n", 5);
		uart_drain(&u);
		assert_int_equal(uart_tx_fill(&u, buf, sizeof(buf)), 0);
		assert_int_equal(uart_rx(&u, buf, sizeof(buf)), 0);
		uart_irq_enable(&u, UART_IRQ_RX);
		uart_rts(&u, true);
		assert_int_equal(uart_irq(&u), 0);
		assert_int_equal(chip.accesses, 0);
	}
}

/* A transmitter that stops costs one bounded wait, not one for each byte. */
static void test_stops(void **state)
{
	(void)state;
	assert_int_equal(uart_probe(&u), 0);
	uart_init(&u, 115200);
	chip.stuck = true;
	chip.accesses = 0;
	uart_write_poll(&u, "hello", 5);
	assert_true(u.dead);
	assert_in_range(chip.accesses, UART_WAIT_READS, UART_WAIT_READS + 10);
	assert_int_equal(chip.lost, 0);
}

static void test_send(void **state)
{
	uint8_t bytes[40];

	(void)state;
	assert_int_equal(uart_probe(&u), 0);
	uart_init(&u, 115200);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i + 1);
	assert_int_equal(uart_tx_fill(&u, bytes, 0), 0);
	assert_int_equal(uart_tx_fill(&u, bytes, sizeof(bytes)), FIFO);
	assert_int_equal(uart_tx_fill(&u, bytes + FIFO, 3), 0); /* still full */
	chip.room = FIFO - 1;
	assert_int_equal(uart_tx_fill(&u, bytes + FIFO, 3), 0); /* nor while a byte is left */
	chip.room = FIFO;
	assert_int_equal(uart_tx_fill(&u, bytes + FIFO, 3), 3);
	assert_memory_equal(chip.out, bytes, FIFO + 3);
	assert_int_equal(chip.lost, 0);
}

static void test_receive(void **state)
{
	uint8_t got[64];

	(void)state;
	assert_int_equal(uart_probe(&u), 0);
	for (uint32_t i = 0; i < 40; i++)
		chip.in[i] = (uint8_t)(i + 1);
	chip.in_count = 40;
	assert_int_equal(uart_rx(&u, got, 5), 5);
	assert_int_equal(uart_rx(&u, got + 5, sizeof(got) - 5),
			 FIFO); /* a FIFO's worth at a time */
	assert_int_equal(chip.in_count, 40 - 5 - FIFO);
	for (uint32_t i = 0; i < 5 + FIFO; i++)
		assert_int_equal(got[i], i + 1);
	chip.absent = true; /* the bus reads 0xff from now on: no byte is made of that */
	assert_int_equal(uart_rx(&u, got, sizeof(got)), 0);
}

static void test_interrupts(void **state)
{
	static const uint8_t causes[] = {0x06, 0x00, 0x02, 0x04};

	(void)state;
	assert_int_equal(uart_probe(&u), 0);
	uart_init(&u, 115200);
	chip.ier_writes = 0;
	uart_irq_enable(&u, UART_IRQ_RX);
	uart_irq_enable(&u, UART_IRQ_RX);
	uart_irq_enable(&u, UART_IRQ_THRE | 0xf0);
	assert_int_equal(chip.ier, 0x03);
	uart_irq_disable(&u, UART_IRQ_RX);
	assert_int_equal(chip.ier, 0x02);
	assert_int_equal(chip.ier_writes, 3); /* only what changes */
	memcpy(chip.causes, causes, sizeof(causes));
	chip.cause_count = sizeof(causes);
	assert_int_equal(uart_irq(&u), UART_IRQ_THRE | UART_IRQ_RX);
	assert_int_equal(uart_irq(&u), 0);
	/* a cause that does not go away is not waited for */
	memset(chip.causes, 0x06, sizeof(chip.causes));
	chip.cause = 0;
	chip.cause_count = sizeof(chip.causes);
	chip.accesses = 0;
	assert_int_equal(uart_irq(&u), 0);
	assert_in_range(chip.accesses, 1, 16);
}

static void test_rts(void **state)
{
	(void)state;
	assert_int_equal(uart_probe(&u), 0);
	uart_init(&u, 115200);
	chip.mcr_writes = 0;
	uart_rts(&u, true);
	assert_int_equal(chip.mcr_writes, 0);
	uart_rts(&u, false);
	assert_int_equal(chip.mcr, 0x09);
	uart_rts(&u, true);
	assert_int_equal(chip.mcr, 0x0b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_probe, fresh),
		cmocka_unit_test_setup(test_dead, fresh),
		cmocka_unit_test_setup(test_stops, fresh),
		cmocka_unit_test_setup(test_send, fresh),
		cmocka_unit_test_setup(test_receive, fresh),
		cmocka_unit_test_setup(test_interrupts, fresh),
		cmocka_unit_test_setup(test_rts, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
