/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space by its ports. PCI local bus specification 3.0, 3.2.2.3 and 6. */

#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "lib/types.h"

#define PCI_COMMAND	   0x04
#define PCI_COMMAND_MEM	   0x2
#define PCI_COMMAND_MASTER 0x4
#define PCI_CLASS	   0x0a
#define PCI_BAR0	   0x10
#define PCI_CAP_MSI	   0x05
#define PCI_CAP_MSIX	   0x11

/* @bdf: bus << 8 | device << 3 | function */
uint32_t pci_read(uint16_t bdf, uint16_t reg, uint8_t size);
void pci_write(uint16_t bdf, uint16_t reg, uint8_t size, uint32_t value);
/* The @n-th function with vendor << 16 | device = @id (0: any) and class @class (base << 8 | sub; 0: any); 0xffff: none. */
uint16_t pci_find(uint32_t id, uint16_t class, uint32_t n);
/* Offset of capability @id, 0: none. */
uint8_t pci_capability(uint16_t bdf, uint8_t id);
/* Address that memory BAR @n decodes; memory decoding is switched on. 0: it is none. */
uint64_t pci_bar(uint16_t bdf, uint32_t n);

#endif
