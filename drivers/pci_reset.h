/* SPDX-License-Identifier: BSD-2-Clause */
/* The reset of one PCI function, so that switching its bus mastering on again lets no DMA of before through. */

#ifndef DRIVERS_PCI_RESET_H
#define DRIVERS_PCI_RESET_H

#include "lib/types.h"

/*
 * The ways, in the order in which they are tried:
 *  1. function level reset, by the PCI Express or the Advanced Features capability;
 *  2. a reset that the function's class or type defines in its own registers: AHCI, xHCI, EHCI, UHCI, IDE bus masters, virtio,
 *     Intel's 8254x; nothing where there is no DMA (SMBus controllers, the emulators' display adapter);
 *  3. D3hot and back, where the power management capability says that this resets (No_Soft_Reset clear).
 * A function behind a bridge needs none of them: its bus is reset, see pci_bus_reset_begin.
 *
 * A reset goes in steps, a few register accesses each. In between the caller waits as long as the last one said.
 */
struct pci_reset {
	int (*step)(struct pci_reset *r);
	volatile void *(*page)(uint64_t hpa);
	uint64_t base; /* of the registers in memory, or ports */
	uint16_t bdf;
	uint16_t tries; /* of the present phase */
	uint8_t phase;
	uint8_t cap; /* offset of the capability that is used */
};

/*
 * Choose a way for @bdf, whose bus mastering is off. @page gives access to an address of device memory until its next
 * call, or is NULL there where no device is. @page itself NULL: the BARs cannot be trusted, so none of the second kind.
 * 0, -ENOSYS: there is no way.
 */
int pci_reset_begin(struct pci_reset *r, uint16_t bdf, volatile void *(*page)(uint64_t hpa));

/* The same for all that is behind the PCI-to-PCI bridge @bdf. */
void pci_bus_reset_begin(struct pci_reset *r, uint16_t bdf);

/* The next step: > 0: wait as many microseconds and call again. 0: done. -EIO: it does not come out of reset. */
int pci_reset_step(struct pci_reset *r);

#endif
