/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual pair of 8259A interrupt controllers, with the edge/level registers of a PC. */

#ifndef VDEV_VPIC_H
#define VDEV_VPIC_H

#include "vdev/host.h"

#define VPIC_MASTER_PORT 0x20  /* and 0x21 */
#define VPIC_SLAVE_PORT	 0xa0  /* and 0xa1 */
#define VPIC_ELCR_PORT	 0x4d0 /* and 0x4d1 */
#define VPIC_IRQS	 16

/* One 8259A. Bit n is its input n. */
struct vpic_chip {
	uint8_t irr, imr, isr;
	uint8_t lines;	/* levels of the inputs */
	uint8_t pulses; /* inputs that vpic_pulse holds up until they are acknowledged */
	uint8_t elcr;	/* 1: level-triggered */
	uint8_t base;	/* vector of input 0 */
	uint8_t top;	/* the input with the highest priority */
	uint8_t init;	/* the ICW expected next at the odd port; 0: operating */
	bool icw4_follows, single;
	bool auto_eoi, rotate_auto, fully_nested, special_mask;
	bool read_isr, poll;
};

/* Everything here: any CPU, with the chips' lock (host.h) held. */
struct vpic {
	const struct vdev_host *host;
	void *vm;
	bool output; /* INT of the master */
	struct vpic_chip chip[2];
};

void vpic_init(struct vpic *p, const struct vdev_host *host, void *vm);
/* After a reset: what PC firmware leaves. Vectors from 0x08 and 0x70, everything but the cascade masked. */
void vpic_firmware(struct vpic *p);

/*
 * Input @irq (0 to 15; 2 is the cascade, ignored) is high, or low. As on the chip an edge is lost if the input
 * falls before it is acknowledged; a source that cannot hold it uses vpic_pulse.
 */
void vpic_set(struct vpic *p, uint32_t irq, bool level);
/* An edge that stays until it is acknowledged. */
void vpic_pulse(struct vpic *p, uint32_t irq);

/* Is INT raised? Then, if vlapic_extint_enabled, the vCPU takes the vector that vpic_ack returns. */
static inline bool vpic_pending(const struct vpic *p)
{
	return p->output;
}
/* The two INTA cycles. Without a request the vector is that of the spurious interrupt (input 7). */
uint8_t vpic_ack(struct vpic *p);
/* Bit n: IRQ n is masked. */
uint16_t vpic_mask(const struct vpic *p);

/* Ports: VPIC_MASTER_PORT, VPIC_SLAVE_PORT, VPIC_ELCR_PORT, each and the next; one byte. */
uint8_t vpic_read(struct vpic *p, uint16_t port);
void vpic_write(struct vpic *p, uint16_t port, uint8_t value);

#endif
