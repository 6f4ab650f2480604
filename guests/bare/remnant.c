/* SPDX-License-Identifier: BSD-2-Clause */
/* In its first life leaves every PCI function as unlike itself as it can; in the next one looks whether all is as firmware
   left it. A service guest. */

#include "lib/guest.h"
#include "lib/pci.h"
#include "lib/x86.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71
#define CMOS_MARK \
	0x7a /* bytes that firmware does not use: have we lived, and a sum of all headers */
#define CMOS_SUM    0x7b
#define LIVED	    0x5a
#define RESET_PORT  0xcf9
#define RESET_HARD  6
#define FNV_PRIME   0x01000193U
#define FNV_OFFSET  0x811c9dc5U
#define HEADER	    0x40
#define PCI_BUSES   0x18
#define PCI_IO	    0x1c
#define PCI_LINE    0x3c
#define CLASS_OTHER 0x06 /* bridges that stay as they are: all but those between PCI buses */
#define CLASS_PCI   0x0604
#define MEM_FIRST   0xf0000000U
#define MEM_STEP    0x01000000U
#define COMMAND_ALL 0x0007
#define NOBODY	    0xffff

/* Registers that only a reset of the function clears: class, BAR, offset, a bit that can be set. */
static const struct {
	uint16_t class;
	uint8_t bar;
	uint32_t off, bit;
} engines[] = {
	{0x0106, 5, 0x04,  0x2}, /* AHCI: GHC.IE */
	{0x0c03, 0, 0x40,  0x4}, /* QEMU's xHCI: USBCMD.INTE */
	{0x0200, 0, 0x100, 0x2}, /* 8254x: RCTL.EN */
	{0x0200, 0, 0x400, 0x2}, /* TCTL.EN */
};

#define ENGINES (sizeof(engines) / sizeof(*engines))

static uint8_t cmos_read(uint8_t at)
{
	out8(CMOS_INDEX, at);
	return in8(CMOS_DATA);
}

static void cmos_write(uint8_t at, uint8_t value)
{
	out8(CMOS_INDEX, at);
	out8(CMOS_DATA, value);
}

static bool stays(uint16_t bdf)
{
	uint32_t class = pci_read(bdf, PCI_CLASS, 2);

	return class >> 8 == CLASS_OTHER && class != CLASS_PCI;
}

/* Of all headers, but for status registers and what a restart leaves off. */
static uint32_t sum_of_all(uint32_t *functions, uint32_t *masters)
{
	uint32_t sum = FNV_OFFSET;
	uint16_t bdf;

	*functions = *masters = 0;
	for (uint32_t n = 0; (bdf = pci_find(0, 0, n)) != NOBODY; n++) {
		uint32_t class = pci_read(bdf, PCI_CLASS, 2);

		++*functions;
		if (stays(bdf))
			continue;
		if (class != CLASS_PCI)
			*masters += (pci_read(bdf, PCI_COMMAND, 2) & PCI_COMMAND_MASTER) != 0;
		for (uint16_t reg = 0; reg < HEADER; reg += 4) {
			uint32_t value = pci_read(bdf, reg, 4);

			if (reg == PCI_COMMAND)
				value &= 0xffff & ~(uint32_t)PCI_COMMAND_MASTER;
			if (reg == PCI_IO && class == CLASS_PCI)
				value &= 0xffff;
			sum = (sum ^ value) * FNV_PRIME;
		}
	}
	return sum;
}

static volatile uint32_t *engine(uint32_t i)
{
	uint16_t bdf = pci_find(0, engines[i].class, 0);
	uint64_t bar = bdf == NOBODY ? 0 : pci_bar(bdf, engines[i].bar);

	/* start.asm maps 4 GiB */
	return bar && !(bar >> 32) ? (volatile uint32_t *)(bar + engines[i].off) : NULL;
}

static void disfigure(uint16_t bdf, uint32_t n)
{
	if (stays(bdf))
		return;
	if (pci_read(bdf, PCI_CLASS, 2) == CLASS_PCI) {
		pci_write(bdf, PCI_BUSES, 4, 0); /* what is behind it is not to be seen any more */
		pci_write(bdf, 0x20, 4, 0xfff0);
		return;
	}
	for (uint16_t bar = 0; bar < 6; bar++)
		pci_write(bdf, (uint16_t)(PCI_BAR0 + 4 * bar), 4, MEM_FIRST + n * MEM_STEP);
	pci_write(bdf, PCI_LINE, 1, 0x55);
	pci_write(bdf, PCI_COMMAND, 2, COMMAND_ALL);
}

static uint32_t engines_set(bool set)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < ENGINES; i++) {
		volatile uint32_t *reg = engine(i);

		if (!reg)
			continue;
		if (set)
			*reg |= engines[i].bit;
		found += (*reg & engines[i].bit) != 0;
	}
	return found;
}

uint32_t guest_main(void)
{
	uint32_t functions, masters, sum = sum_of_all(&functions, &masters), was = 0, running;
	uint16_t bdf;

	if (cmos_read(CMOS_MARK) != LIVED) {
		cmos_write(CMOS_MARK, LIVED);
		for (uint8_t i = 0; i < 4; i++)
			cmos_write((uint8_t)(CMOS_SUM + i), (uint8_t)(sum >> 8 * i));
		print("remnant: %u functions, %u engines run\n", functions, engines_set(true));
		/* from the end, so that a bridge is the last way to what is behind it */
		for (uint32_t n = functions; n-- > 0;) {
			bdf = pci_find(0, 0, n);
			if (bdf != NOBODY)
				disfigure(bdf, n);
		}
		print("remnant: %s\n",
		      sum_of_all(&functions, &masters) == sum ? "nothing changed" : "disfigured");
		out8(RESET_PORT, RESET_HARD);
	}
	for (uint8_t i = 0; i < 4; i++)
		was |= (uint32_t)cmos_read((uint8_t)(CMOS_SUM + i)) << 8 * i;
	running = engines_set(false);
	print("remnant: %u functions, headers %s, %u bus masters, %u engines run\n", functions,
	      sum == was ? "as they were" : "DIFFERENT", masters, running);
	return sum != was || masters || running;
}
