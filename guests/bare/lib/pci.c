/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration space by ports CF8 and CFC. */

#include "lib/pci.h"
#include "lib/x86.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define CONFIG_ENABLE  0x80000000U
#define PCI_STATUS     0x06
#define STATUS_CAPS    0x10
#define PCI_CAPS       0x34
#define CAPS_MAX       48
#define BUSES	       8 /* the emulated machines have fewer */
#define BAR_IO	       0x1
#define BAR_64	       0x4
#define NOBODY	       0xffff

uint32_t pci_read(uint16_t bdf, uint16_t reg, uint8_t size)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (reg & 3));

	out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (reg & 0xfc));
	return size == 1 ? in8(port) : size == 2 ? in16(port) : in32(port);
}

void pci_write(uint16_t bdf, uint16_t reg, uint8_t size, uint32_t value)
{
	uint16_t port = (uint16_t)(CONFIG_DATA + (reg & 3));

	out32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (reg & 0xfc));
	if (size == 1)
		out8(port, (uint8_t)value);
	else if (size == 2)
		out16(port, (uint16_t)value);
	else
		out32(port, value);
}

uint16_t pci_find(uint32_t id, uint16_t class, uint32_t n)
{
	for (uint32_t bdf = 0; bdf < BUSES << 8; bdf++) {
		uint32_t found = pci_read((uint16_t)bdf, 0, 4);

		if ((found & 0xffff) == NOBODY)
			continue;
		if (id && (found << 16 | found >> 16) != id)
			continue;
		if (class && pci_read((uint16_t)bdf, PCI_CLASS, 2) != class)
			continue;
		if (!n--)
			return (uint16_t)bdf;
	}
	return NOBODY;
}

uint8_t pci_capability(uint16_t bdf, uint8_t id)
{
	uint8_t at;

	if (!(pci_read(bdf, PCI_STATUS, 2) & STATUS_CAPS))
		return 0;
	at = (uint8_t)pci_read(bdf, PCI_CAPS, 1);
	for (uint32_t i = 0; i < CAPS_MAX && at; i++) {
		if (pci_read(bdf, at, 1) == id)
			return at;
		at = (uint8_t)pci_read(bdf, (uint16_t)(at + 1), 1);
	}
	return 0;
}

uint64_t pci_bar(uint16_t bdf, uint32_t n)
{
	uint16_t reg = (uint16_t)(PCI_BAR0 + 4 * n);
	uint64_t bar = pci_read(bdf, reg, 4);

	if (bar & BAR_IO)
		return 0;
	if (bar & BAR_64)
		bar |= (uint64_t)pci_read(bdf, (uint16_t)(reg + 4), 4) << 32;
	pci_write(bdf, PCI_COMMAND, 2, pci_read(bdf, PCI_COMMAND, 2) | PCI_COMMAND_MEM);
	return bar & ~0xfULL;
}
