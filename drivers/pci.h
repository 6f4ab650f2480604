/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical PCI configuration space, and what functions there are. */

#ifndef DRIVERS_PCI_H
#define DRIVERS_PCI_H

#include "lib/types.h"

/* A function's address: bus 15:8, device 7:3, function 2:0. */
#define PCI_BDF(bus, device, function) \
	((uint16_t)((uint32_t)(bus) << 8 | (uint32_t)(device) << 3 | (uint32_t)(function)))
#define PCI_BUS(bdf)	  ((uint8_t)((bdf) >> 8))
#define PCI_DEVICE(bdf)	  (((bdf) >> 3) & 31)
#define PCI_FUNCTION(bdf) ((bdf)&7)

#define PCI_FUNCTIONS_MAX 256
#define PCI_BARS	  6
#define PCI_CONFIG_SIZE	  256  /* bytes that ports reach */
#define PCIE_CONFIG_SIZE  4096 /* bytes that ECAM reaches */

/* Standard header (PCI 3.0, 6.1) */
#define PCI_VENDOR	  0x00
#define PCI_DEVICE_ID	  0x02
#define PCI_COMMAND	  0x04
#define PCI_STATUS	  0x06
#define PCI_REVISION	  0x08
#define PCI_CLASS	  0x09 /* three bytes: interface, subclass, class */
#define PCI_HEADER_TYPE	  0x0e
#define PCI_BAR0	  0x10
#define PCI_CAPABILITIES  0x34
#define PCI_INT_LINE	  0x3c
#define PCI_INT_PIN	  0x3d
#define PCI_SECONDARY_BUS 0x19 /* header type 1 */

#define PCI_COMMAND_IO	     BIT(0)
#define PCI_COMMAND_MEMORY   BIT(1)
#define PCI_COMMAND_MASTER   BIT(2)
#define PCI_COMMAND_INTX_OFF BIT(10)
#define PCI_STATUS_CAPS	     BIT(4)
#define PCI_HEADER_MASK	     0x7f
#define PCI_HEADER_MULTI     0x80
#define PCI_HEADER_NORMAL    0
#define PCI_HEADER_BRIDGE    1
#define PCI_HEADER_CARDBUS   2
#define PCI_VENDOR_NONE	     0xffff

/* Capability ids (PCI Code and ID Assignment Specification, 2) */
#define PCI_CAP_MSI  0x05
#define PCI_CAP_PCIE 0x10
#define PCI_CAP_MSIX 0x11

struct pci_function {
	uint16_t bdf;
	uint16_t vendor, device;
	uint8_t class, subclass, interface;
	uint8_t header; /* PCI_HEADER_* without the multi-function bit */
	uint8_t pcie;	/* offset of the capability, 0: none; likewise the next two */
	uint8_t msi;
	uint8_t msix;
	uint16_t msi_control;		       /* as read at the scan */
	uint16_t msix_vectors;		       /* entries of the table */
	uint8_t msix_bir, msix_pba_bir;	       /* which BAR */
	uint32_t msix_offset, msix_pba_offset; /* bytes into that BAR */
};

struct pci_list {
	struct pci_function functions[PCI_FUNCTIONS_MAX]; /* ascending by bdf */
	uint32_t count;
};

/* A base address register as it stands; its size is not probed. */
struct pci_bar {
	bool present; /* implemented as far as can be seen: not all zero */
	bool io, wide, prefetch;
	uint64_t base;
};

/*
 * Give the extended configuration space of segment 0. @map returns the 4 KiB of a function mapped, or NULL; it is
 * called with no lock held, for every access from offset 256 on. Without it those read as ones. Boot.
 */
void pci_ecam(volatile void *(*map)(void *arg, uint16_t bdf), void *arg);

/*
 * Access @size (1, 2, 4) bytes at @offset. What does not exist, is misaligned or of another size reads as all ones
 * and ignores writes. Takes the lock of ports CF8/CFC for offsets below 256; any CPU, also from an exit.
 */
uint32_t pci_read(uint16_t bdf, uint32_t offset, uint32_t size);
void pci_write(uint16_t bdf, uint32_t offset, uint32_t size, uint32_t value);

/* List all functions of segment 0. Boot. -ENOSPC: there are more than fit; the list is full then. */
int pci_scan(struct pci_list *list);

/* The function at @bdf, or NULL. */
const struct pci_function *pci_find(const struct pci_list *list, uint16_t bdf);

/* Offset of the first capability @id of a function, 0: none. Bounded, whatever the chain looks like. */
uint8_t pci_capability(uint16_t bdf, uint8_t id);
/* The next one behind the capability at @at. The caller bounds how often it asks: a chain may loop. */
uint8_t pci_capability_next(uint16_t bdf, uint8_t at, uint8_t id);

/* Memory addresses, both ends included. */
struct pci_range {
	uint64_t first, last;
};

/*
 * What all functions' BARs and bridges' windows decode below 4 GiB, or would; at most @max of them, how many. BARs are
 * sized for that, each function not decoding meanwhile; host bridges' are left alone. Boot.
 */
uint32_t pci_decoded(const struct pci_list *list, struct pci_range *out, uint32_t max);

/* Read BAR @n (0 to 5; a bridge has 2). The upper half of a 64-bit BAR is not one itself: the caller skips it. */
struct pci_bar pci_bar_read(uint16_t bdf, uint32_t n);

#endif
