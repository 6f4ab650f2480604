/* SPDX-License-Identifier: BSD-2-Clause */
/* A physical IOAPIC: its redirection table. */

#ifndef DRIVERS_IOAPIC_H
#define DRIVERS_IOAPIC_H

#include "lib/lock.h"
#include "lib/types.h"

#define IOAPIC_SIZE	0x100 /* bytes of registers to map */
#define IOAPIC_PINS_MAX 120   /* an index has 8 bits, the table begins at 0x10, two words per pin */

/* Redirection table entry (82093AA data sheet, 3.2.4) */
#define IOAPIC_RTE_VECTOR     BITS(7, 0)
#define IOAPIC_RTE_DELIVERY   BITS(10, 8)
#define IOAPIC_RTE_LOGICAL    BIT(11)
#define IOAPIC_RTE_PENDING    BIT(12)
#define IOAPIC_RTE_LOW	      BIT(13) /* active low */
#define IOAPIC_RTE_REMOTE_IRR BIT(14)
#define IOAPIC_RTE_LEVEL      BIT(15)
#define IOAPIC_RTE_MASKED     BIT(16)
#define IOAPIC_RTE_DEST_SHIFT 56

struct ioapic {
	struct lock
		lock; /* the index register; taken inside each function, never across another lock */
	volatile uint8_t *regs;
	uint32_t gsi_base;
	uint8_t id;
	uint8_t version;
	uint16_t pins;
	uint32_t low[IOAPIC_PINS_MAX]; /* low words as last written: masking needs no read */
};

/* Use the IOAPIC mapped at @regs and mask all of its pins. -ENODEV: nothing answers there. Boot. */
int ioapic_init(struct ioapic *io, volatile void *regs, uint32_t gsi_base);

/* Never live half-written: the pin is masked first, then the high and at last the low word is written. */
void ioapic_write(struct ioapic *io, uint32_t pin, uint64_t rte);
void ioapic_mask(struct ioapic *io, uint32_t pin);

#endif
