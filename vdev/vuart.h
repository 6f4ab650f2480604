/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual serial port: a 16550A. National Semiconductor PC16550D data sheet. */

#ifndef VDEV_VUART_H
#define VDEV_VUART_H

#include "vdev/host.h"

#define VUART_PORTS 8
#define VUART_FIFO  16

/*
 * The back end. All pointers must be set; all but lock and unlock are called with the caller's lock held. Only
 * rx_taken may call back into the UART: vuart_rx.
 */
struct vuart_ops {
	/* A byte to send. False: no room now; the UART keeps it, and THRE clear, until vuart_tx_room. */
	bool (*tx)(void *arg, uint8_t byte);
	/* Level of the interrupt line; called at changes only. */
	void (*irq)(void *arg, bool level);
	/* Bytes left the receiver: there is room again (an input that waited can be fed). */
	void (*rx_taken)(void *arg);
	/* The lock that callers of vuart_* hold; the UART takes it in its timer function only. */
	void (*lock)(void *arg);
	void (*unlock)(void *arg);
};

struct vuart_byte {
	uint8_t data;
	uint8_t error; /* LSR bits 2 to 4: parity, framing, break */
};

/* Everything here: any CPU, with one lock of the caller's choice held. */
struct vuart {
	const struct vuart_ops *ops;
	void *arg;
	const struct vdev_host *host; /* of which only the timer and the clock are used */
	void *vm;
	struct timer timer; /* character time-out */

	struct vuart_byte rx[VUART_FIFO];
	uint8_t tx[VUART_FIFO];
	uint8_t rx_head, rx_count;
	uint8_t tx_head, tx_count;

	uint8_t ier, fcr, lcr, mcr, msr, scr;
	uint16_t divisor;
	uint8_t lines; /* MSR bits 4 to 7 as the back end gives them */
	bool overrun;
	bool thre_due;	  /* THRE interrupt is pending */
	bool timeout_due; /* character time-out interrupt is pending */
	bool irq;
};

void vuart_init(struct vuart *u, const struct vuart_ops *ops, void *arg,
		const struct vdev_host *host, void *vm);
/* Master reset (data sheet, table I): divisor, scratch and received bytes survive only outside of it: all are cleared. */
void vuart_reset(struct vuart *u);

/* How many bytes vuart_rx takes now; 0 in loop-back. */
uint32_t vuart_rx_room(const struct vuart *u);
/* A byte came in. Feed only what there is room for: one too many is an overrun and lost, as on the chip. */
void vuart_rx(struct vuart *u, uint8_t byte);
/* A break condition came in. */
void vuart_rx_break(struct vuart *u);
/* The back end has room again. */
void vuart_tx_room(struct vuart *u);
/* Modem lines: MSR bits 4 CTS, 5 DSR, 6 RI, 7 DCD. All but RI are on after init. */
void vuart_set_lines(struct vuart *u, uint8_t msr);

/* Register 0 to VUART_PORTS - 1; one byte. */
uint8_t vuart_read(struct vuart *u, uint32_t reg);
void vuart_write(struct vuart *u, uint32_t reg, uint8_t value);

#endif
