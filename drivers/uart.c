/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port: a 16550, by ports or memory-mapped. */

#include "arch/cpu.h"
#include "arch/io.h"
#include "drivers/uart.h"

/* Registers and their bits: National Semiconductor PC16550D data sheet, table II. */
enum uart_register {
	REG_DATA = 0, /* RBR and THR; divisor low with LCR_DLAB */
	REG_IER = 1,  /* divisor high with LCR_DLAB */
	REG_IIR = 2,  /* read */
	REG_FCR = 2,  /* write */
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_MSR = 6,
	REG_SCR = 7,
};

#define IIR_NONE      0x01
#define IIR_ID	      0x0e
#define IIR_ID_MSR    0x00
#define IIR_ID_THRE   0x02
#define IIR_ID_RX     0x04
#define IIR_ID_LSR    0x06
#define IIR_ID_RX_AGE 0x0c /* bytes have waited in the FIFO for four byte times */
#define IIR_FIFO      0xc0

#define FCR_ENABLE    0x01
#define FCR_CLEAR     0x06 /* both FIFOs */
#define FCR_TRIGGER_8 0x80

#define LCR_8N1	 0x03
#define LCR_DLAB 0x80

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT2 0x08 /* on PCs: connects the interrupt line */
#define MCR_LOOP 0x10

#define LSR_DR	 0x01
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MSR_LINES   0xf0
#define MSR_CTS_DCD 0x90 /* what RTS and OUT2 show as in loop-back */

#define NO_DEVICE     0xff /* reads of an empty bus */
#define BAUD_BASE     115200
#define IRQ_CAUSE_MAX 8 /* causes acknowledged in one go */

static uint8_t reg_read(const struct uart *u, enum uart_register reg)
{
	return io_in8((uint16_t)(u->port + reg));
}

static void reg_write(const struct uart *u, enum uart_register reg, uint8_t value)
{
	io_out8((uint16_t)(u->port + reg), value);
}

void uart_at_port(struct uart *u, uint16_t port)
{
	*u = (struct uart){.port = port};
}

/* Wait until @bits of the line status are all set; false, and dead, if that takes too long. */
static bool lsr_wait(struct uart *u, uint8_t bits)
{
	for (uint32_t reads = 0; reads < UART_WAIT_READS; reads++) {
		if ((reg_read(u, REG_LSR) & bits) == bits)
			return true;
		cpu_pause();
	}
	u->dead = true;
	return false;
}

static bool scratch_holds(const struct uart *u, uint8_t value)
{
	reg_write(u, REG_SCR, value);
	return reg_read(u, REG_SCR) == value;
}

/* RTS and OUT2 must come back as CTS and DCD, and nothing else. */
static bool loops_back(const struct uart *u)
{
	uint8_t mcr = reg_read(u, REG_MCR);
	uint8_t lines;

	reg_write(u, REG_MCR, MCR_LOOP | MCR_RTS | MCR_OUT2);
	lines = reg_read(u, REG_MSR) & MSR_LINES;
	reg_write(u, REG_MCR, mcr);
	return lines == MSR_CTS_DCD;
}

static bool has_fifo(const struct uart *u)
{
	reg_write(u, REG_FCR, FCR_ENABLE);
	return (reg_read(u, REG_IIR) & IIR_FIFO) == IIR_FIFO;
}

int uart_probe(struct uart *u)
{
	u->dead = true;
	if (reg_read(u, REG_LSR) == NO_DEVICE)
		return -ENODEV;
	if (!scratch_holds(u, 0x5a) || !scratch_holds(u, 0xa5))
		return -ENODEV;
	reg_write(u, REG_IER, 0);
	if (!lsr_wait(u, LSR_THRE | LSR_TEMT)) /* what the firmware is still sending */
		return -ENODEV;
	if (!loops_back(u) || !has_fifo(u))
		return -ENODEV;
	u->dead = false;
	return 0;
}

void uart_init(struct uart *u, uint32_t baud)
{
	uint32_t divisor = baud ? BAUD_BASE / baud : 0;

	if (u->dead)
		return;
	u->ier = 0;
	u->mcr = MCR_DTR | MCR_RTS | MCR_OUT2;
	reg_write(u, REG_IER, u->ier);
	if (divisor) {
		reg_write(u, REG_LCR, LCR_DLAB | LCR_8N1);
		reg_write(u, REG_DATA, (uint8_t)divisor);
		reg_write(u, REG_IER, (uint8_t)(divisor >> 8));
	}
	reg_write(u, REG_LCR, LCR_8N1);
	reg_write(u, REG_FCR, FCR_ENABLE | FCR_CLEAR | FCR_TRIGGER_8);
	reg_write(u, REG_MCR, u->mcr);
	(void)reg_read(u, REG_LSR);
	(void)reg_read(u, REG_MSR);
}

void uart_put_poll(struct uart *u, uint8_t byte)
{
	if (!u->dead && lsr_wait(u, LSR_THRE))
		reg_write(u, REG_DATA, byte);
}

void uart_write_poll(struct uart *u, const char *text, uint32_t len)
{
	for (uint32_t i = 0; i < len && !u->dead; i++) {
		if (text[i] == '\n')
			uart_put_poll(u, '\r');
		uart_put_poll(u, (uint8_t)text[i]);
	}
}

void uart_drain(struct uart *u)
{
	if (!u->dead)
		lsr_wait(u, LSR_TEMT);
}

uint32_t uart_tx_fill(struct uart *u, const uint8_t *buf, uint32_t n)
{
	uint32_t sent;

	if (u->dead || !n || !(reg_read(u, REG_LSR) & LSR_THRE))
		return 0;
	for (sent = 0; sent < n && sent < UART_FIFO_SIZE; sent++)
		reg_write(u, REG_DATA, buf[sent]);
	return sent;
}

uint32_t uart_rx(struct uart *u, uint8_t *buf, uint32_t max)
{
	uint32_t n = 0;

	while (!u->dead && n < max && n < UART_FIFO_SIZE) {
		uint8_t lsr = reg_read(u, REG_LSR);

		if (lsr == NO_DEVICE || !(lsr & LSR_DR))
			break;
		buf[n++] = reg_read(u, REG_DATA);
	}
	return n;
}

static void set_ier(struct uart *u, uint8_t ier)
{
	if (u->dead || u->ier == ier)
		return;
	u->ier = ier;
	reg_write(u, REG_IER, ier);
}

void uart_irq_enable(struct uart *u, uint8_t kinds)
{
	set_ier(u, u->ier | (kinds & (UART_IRQ_RX | UART_IRQ_THRE)));
}

void uart_irq_disable(struct uart *u, uint8_t kinds)
{
	set_ier(u, (uint8_t)(u->ier & ~kinds));
}

uint8_t uart_irq(struct uart *u)
{
	uint8_t kinds = 0;

	for (uint32_t i = 0; i < IRQ_CAUSE_MAX && !u->dead; i++) {
		uint8_t iir = reg_read(u, REG_IIR);

		if (iir & IIR_NONE)
			break;
		switch (iir & IIR_ID) {
		case IIR_ID_RX:
		case IIR_ID_RX_AGE: /* stays until the bytes are read: the last one looked at */
			return kinds | UART_IRQ_RX;
		case IIR_ID_THRE:
			kinds |= UART_IRQ_THRE;
			break;
		case IIR_ID_LSR:
			(void)reg_read(u, REG_LSR);
			break;
		case IIR_ID_MSR:
			(void)reg_read(u, REG_MSR);
			break;
		default:
			break;
		}
	}
	return kinds;
}

void uart_rts(struct uart *u, bool ready)
{
	uint8_t mcr = (uint8_t)(ready ? u->mcr | MCR_RTS : u->mcr & ~MCR_RTS);

	if (u->dead || mcr == u->mcr)
		return;
	u->mcr = mcr;
	reg_write(u, REG_MCR, mcr);
}
