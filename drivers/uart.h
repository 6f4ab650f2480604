/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port: a 16550, by ports or memory-mapped. */

#ifndef DRIVERS_UART_H
#define DRIVERS_UART_H

#include "lib/types.h"

#define UART_COM1_PORT 0x3f8
#define UART_BAUD      115200
#define UART_FIFO_SIZE 16 /* bytes of each FIFO */

/* One port. The caller keeps it, and sees that one CPU at a time uses it. */
struct uart {
	uint16_t port;
	uint8_t ier; /* as last written */
	uint8_t mcr; /* as last written */
	bool dead;   /* it was not found, or stopped taking bytes: every function is then a no-op */
};

/* Kinds of interrupt, for uart_irq_enable. */
#define UART_IRQ_RX   0x01 /* received bytes */
#define UART_IRQ_THRE 0x02 /* room in the transmitter */

/* Describe a port at @port; nothing is touched yet. */
void uart_at_port(struct uart *u, uint16_t port);

/*
 * Is a working 16550 there? Looks at the line status, the scratch register, the modem lines in loop-back, and the
 * FIFO bits: an empty bus (0xff) fails at the first. Interrupts are off afterwards. Bounded; a negative answer
 * marks @u dead. @u->dead or -ENODEV never keeps the machine from starting. Returns 0 or -ENODEV.
 */
int uart_probe(struct uart *u);

/* 8N1 at @baud (0: as the firmware left it), FIFOs on and empty, DTR, RTS and OUT2 set, no interrupts. */
void uart_init(struct uart *u, uint32_t baud);

/* Send one byte, waiting at most UART_WAIT_READS status reads for room; if there is none, @u is dead from then on. */
#define UART_WAIT_READS 100000
void uart_put_poll(struct uart *u, uint8_t byte);

/* Send text, with a carriage return before each newline. Waits as uart_put_poll does. */
void uart_write_poll(struct uart *u, const char *text, uint32_t len);

/* Wait, bounded likewise, until the last bit has left. Before a reset or power-off. */
void uart_drain(struct uart *u);

/* Fill the transmitter if it is empty: up to UART_FIFO_SIZE of @n bytes. Never waits. Returns how many it took. */
uint32_t uart_tx_fill(struct uart *u, const uint8_t *buf, uint32_t n);

/* Take received bytes, at most @max and a FIFO's worth. Never waits. Bytes with a line error count as received. */
uint32_t uart_rx(struct uart *u, uint8_t *buf, uint32_t max);

/* Turn kinds of interrupt (UART_IRQ_*) on or off. */
void uart_irq_enable(struct uart *u, uint8_t kinds);
void uart_irq_disable(struct uart *u, uint8_t kinds);

/*
 * Acknowledge: which kinds are pending (UART_IRQ_*)? Line and modem status are read away. Bounded. Received bytes
 * hide the rest until they are read: after serving what it says, call it again until it returns 0.
 */
uint8_t uart_irq(struct uart *u);

/* Tell the other side to send (true) or to hold on (false). */
void uart_rts(struct uart *u, bool ready);

#endif
