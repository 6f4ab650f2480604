/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual I/O APIC: 82093AA registers, with the EOI register of version 0x20. */

#ifndef VDEV_VIOAPIC_H
#define VDEV_VIOAPIC_H

#include "vdev/host.h"

#define VIOAPIC_PINS	  24 /* of a PC */
#define VIOAPIC_PINS_MAX  120
#define VIOAPIC_MMIO_SIZE 0x1000

/* Redirection table entry. 82093AA data sheet, 3.2.4. */
#define VIOAPIC_RTE_VECTOR     BITS(7, 0)
#define VIOAPIC_RTE_MODE(rte)  ((uint8_t)(((rte) >> 8) & 7)) /* enum apic_mode */
#define VIOAPIC_RTE_LOGICAL    BIT(11)
#define VIOAPIC_RTE_STATUS     BIT(12) /* never seen set: delivery is immediate */
#define VIOAPIC_RTE_LOW	       BIT(13) /* pin is active low */
#define VIOAPIC_RTE_REMOTE_IRR BIT(14)
#define VIOAPIC_RTE_LEVEL      BIT(15)
#define VIOAPIC_RTE_MASKED     BIT(16)
#define VIOAPIC_RTE_DEST(rte)  ((uint32_t)((rte) >> 56))

/* Everything here: any CPU, with the chips' lock (host.h) held. */
struct vioapic {
	const struct vdev_host *host;
	void *vm;
	uint32_t number; /* given back in pin_changed and pin_eoi */
	uint32_t pins;
	uint32_t id;	   /* bits 27:24 as the register shows it */
	uint8_t select;	   /* IOREGSEL */
	bool said;	   /* a bad delivery mode was logged */
	uint64_t line[2];  /* bit n: pin n is asserted */
	uint64_t rte[128]; /* VIOAPIC_PINS_MAX used; a power of two, for masking the index */
};

/* @pins 1 to VIOAPIC_PINS_MAX; @id 0 to 15. All pins masked and not asserted. */
void vioapic_init(struct vioapic *io, uint32_t number, uint32_t pins, uint8_t id,
		  const struct vdev_host *host, void *vm);

/*
 * @pin is asserted, or not: the logical state, so whoever drives it has applied the polarity of the wire already.
 * Edge pins send at each false-to-true change; an edge on a masked pin is lost (82093AA, 3.2.4, bit 16).
 * A source that cannot tell when it ends calls it with true, then false.
 */
void vioapic_set(struct vioapic *io, uint32_t pin, bool asserted);
/* A level-triggered vector was ended: from host->eoi_broadcast, or the EOI register. */
void vioapic_eoi(struct vioapic *io, uint8_t vector);
/* The entry, for programming a physical pin like it. @pin too big: a masked one. */
uint64_t vioapic_rte(const struct vioapic *io, uint32_t pin);

/* The register page, @offset below VIOAPIC_MMIO_SIZE; only aligned 32-bit accesses (IOREGSEL: 8-bit, too) count. */
uint64_t vioapic_mmio_read(struct vioapic *io, uint32_t offset, uint8_t size);
void vioapic_mmio_write(struct vioapic *io, uint32_t offset, uint8_t size, uint64_t value);

#endif
