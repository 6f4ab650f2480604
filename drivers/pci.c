/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical PCI configuration space, and what functions there are. */

#include "arch/io.h"
#include "drivers/pci.h"
#include "lib/lock.h"

/* Configuration mechanism #1 (PCI 3.0, 3.2.2.3.2) */
#define PORT_ADDRESS   0xcf8
#define PORT_DATA      0xcfc
#define ADDRESS_ENABLE BIT(31)

#define BUSES	  256
#define DEVICES	  32
#define FUNCTIONS 8

/* Capability chain (PCI 3.0, 6.7): there is room for 48 of the least size behind the header. */
#define CAPS_MAX     48
#define CAP_FIRST    0x40
#define CAP_ALIGN    3
#define CAP_NEXT     1
#define CARDBUS_CAPS 0x14
#define HEADER_TYPES 3

/* MSI and MSI-X (PCI 3.0, 6.8.1 and 6.8.2) */
#define CAP_CONTROL    2
#define MSIX_TABLE     4
#define MSIX_PBA       8
#define MSIX_SIZE_MASK 0x7ff
#define MSIX_BIR_MASK  7u

/* Header type 1: the windows to memory behind a bridge, base and limit in one dword each */
#define BRIDGE_MEMORY	0x20
#define BRIDGE_PREFETCH 0x24
#define BRIDGE_MASK	0xfff0u
#define CLASS_BRIDGE	0x06

/* BARs (PCI 3.0, 6.2.5.1) */
#define BAR_IO		0x1u
#define BAR_IO_MASK	0x3u
#define BAR_TYPE	0x6u
#define BAR_TYPE_64	0x4u
#define BAR_PREFETCH	0x8u
#define BAR_MEMORY_MASK 0xfu

static struct lock port_lock;
static volatile void *(*ecam_map)(void *arg, uint16_t bdf);
static void *ecam_arg;

void pci_ecam(volatile void *(*map)(void *arg, uint16_t bdf), void *arg)
{
	ecam_map = map;
	ecam_arg = arg;
}

static bool access_valid(uint32_t offset, uint32_t size)
{
	return (size == 1 || size == 2 || size == 4) && offset % size == 0 &&
	       offset < PCIE_CONFIG_SIZE;
}

static uint32_t all_ones(uint32_t size)
{
	return size >= 4 ? 0xffffffffu : (1u << 8 * size) - 1;
}

/* Lock held: select the register; returns the port of its first byte. */
static uint16_t port_select(uint16_t bdf, uint32_t offset)
{
	io_out32(PORT_ADDRESS, (uint32_t)ADDRESS_ENABLE | (uint32_t)bdf << 8 | (offset & ~3u));
	return (uint16_t)(PORT_DATA + (offset & 3));
}

static uint32_t port_read(uint16_t bdf, uint32_t offset, uint32_t size)
{
	uint32_t value;
	uint16_t port;

	lock_acquire(&port_lock);
	port = port_select(bdf, offset);
	value = size == 4 ? io_in32(port) : size == 2 ? io_in16(port) : io_in8(port);
	lock_release(&port_lock);
	return value;
}

static void port_write(uint16_t bdf, uint32_t offset, uint32_t size, uint32_t value)
{
	uint16_t port;

	lock_acquire(&port_lock);
	port = port_select(bdf, offset);
	if (size == 4)
		io_out32(port, value);
	else if (size == 2)
		io_out16(port, (uint16_t)value);
	else
		io_out8(port, (uint8_t)value);
	lock_release(&port_lock);
}

static volatile uint8_t *ecam_at(uint16_t bdf, uint32_t offset)
{
	volatile uint8_t *function = ecam_map ? ecam_map(ecam_arg, bdf) : NULL;

	return function ? function + offset : NULL;
}

static uint32_t ecam_read(uint16_t bdf, uint32_t offset, uint32_t size)
{
	volatile uint8_t *at = ecam_at(bdf, offset);

	if (!at)
		return all_ones(size);
	if (size == 4)
		return *(volatile uint32_t *)at;
	return size == 2 ? *(volatile uint16_t *)at : *at;
}

static void ecam_write(uint16_t bdf, uint32_t offset, uint32_t size, uint32_t value)
{
	volatile uint8_t *at = ecam_at(bdf, offset);

	if (!at)
		return;
	if (size == 4)
		*(volatile uint32_t *)at = value;
	else if (size == 2)
		*(volatile uint16_t *)at = (uint16_t)value;
	else
		*at = (uint8_t)value;
}

uint32_t pci_read(uint16_t bdf, uint32_t offset, uint32_t size)
{
	if (!access_valid(offset, size))
		return all_ones(size);
	if (offset < PCI_CONFIG_SIZE)
		return port_read(bdf, offset, size);
	return ecam_read(bdf, offset, size);
}

void pci_write(uint16_t bdf, uint32_t offset, uint32_t size, uint32_t value)
{
	if (!access_valid(offset, size))
		return;
	if (offset < PCI_CONFIG_SIZE)
		port_write(bdf, offset, size, value);
	else
		ecam_write(bdf, offset, size, value);
}

static uint8_t header_type(uint16_t bdf)
{
	return pci_read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_MASK;
}

/* The first capability @id from the one on that register @link points to. */
static uint8_t capability_from(uint16_t bdf, uint32_t link, uint8_t id)
{
	uint32_t at = pci_read(bdf, link, 1);

	for (uint32_t i = 0; i < CAPS_MAX; i++) {
		at &= ~(uint32_t)CAP_ALIGN;
		if (at < CAP_FIRST)
			return 0;
		if (pci_read(bdf, at, 1) == id)
			return (uint8_t)at;
		at = pci_read(bdf, at + CAP_NEXT, 1);
	}
	return 0;
}

uint8_t pci_capability(uint16_t bdf, uint8_t id)
{
	uint8_t type = header_type(bdf);

	if (type >= HEADER_TYPES || !(pci_read(bdf, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return 0;
	return capability_from(bdf, type == PCI_HEADER_CARDBUS ? CARDBUS_CAPS : PCI_CAPABILITIES,
			       id);
}

uint8_t pci_capability_next(uint16_t bdf, uint8_t at, uint8_t id)
{
	return capability_from(bdf, at + CAP_NEXT, id);
}

/* @cap's registers lie in the port space only if the capability does not start too near its end. */
static void msix_read(struct pci_function *f)
{
	uint32_t table, pba;

	if (!f->msix || f->msix + MSIX_PBA + 4 > PCI_CONFIG_SIZE) {
		f->msix = 0;
		return;
	}
	table = pci_read(f->bdf, f->msix + MSIX_TABLE, 4);
	pba = pci_read(f->bdf, f->msix + MSIX_PBA, 4);
	f->msix_vectors =
		(uint16_t)((pci_read(f->bdf, f->msix + CAP_CONTROL, 2) & MSIX_SIZE_MASK) + 1);
	f->msix_bir = table & MSIX_BIR_MASK;
	f->msix_offset = table & ~MSIX_BIR_MASK;
	f->msix_pba_bir = pba & MSIX_BIR_MASK;
	f->msix_pba_offset = pba & ~MSIX_BIR_MASK;
}

static void function_read(struct pci_function *f, uint16_t bdf)
{
	*f = (struct pci_function){
		.bdf = bdf,
		.vendor = (uint16_t)pci_read(bdf, PCI_VENDOR, 2),
		.device = (uint16_t)pci_read(bdf, PCI_DEVICE_ID, 2),
		.interface = (uint8_t)pci_read(bdf, PCI_CLASS, 1),
		.subclass = (uint8_t)pci_read(bdf, PCI_CLASS + 1, 1),
		.class = (uint8_t)pci_read(bdf, PCI_CLASS + 2, 1),
		.header = header_type(bdf),
		.pcie = pci_capability(bdf, PCI_CAP_PCIE),
		.msi = pci_capability(bdf, PCI_CAP_MSI),
		.msix = pci_capability(bdf, PCI_CAP_MSIX),
	};
	if (f->msi)
		f->msi_control = (uint16_t)pci_read(bdf, f->msi + CAP_CONTROL, 2);
	msix_read(f);
}

/* A device's functions; those behind the first exist only if that one says so. */
static int device_scan(struct pci_list *list, uint8_t bus, uint32_t device)
{
	for (uint32_t function = 0; function < FUNCTIONS; function++) {
		uint16_t bdf = PCI_BDF(bus, device, function);

		if (pci_read(bdf, PCI_VENDOR, 2) == PCI_VENDOR_NONE) {
			if (function == 0)
				return 0;
			continue;
		}
		if (list->count == PCI_FUNCTIONS_MAX)
			return -ENOSPC;
		function_read(&list->functions[list->count++], bdf);
		if (function == 0 && !(pci_read(bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI))
			return 0;
	}
	return 0;
}

/* Every bus is looked at: there may be several host bridges, and a bridge's bus numbers may be anything. */
int pci_scan(struct pci_list *list)
{
	int error = 0;

	list->count = 0;
	for (uint32_t bus = 0; bus < BUSES && !error; bus++)
		for (uint32_t device = 0; device < DEVICES && !error; device++)
			error = device_scan(list, (uint8_t)bus, device);
	return error;
}

const struct pci_function *pci_find(const struct pci_list *list, uint16_t bdf)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->functions[i].bdf == bdf)
			return &list->functions[i];
	return NULL;
}

struct pci_bar pci_bar_read(uint16_t bdf, uint32_t n)
{
	struct pci_bar bar = {0};
	uint32_t low;

	if (n >= PCI_BARS)
		return bar;
	low = pci_read(bdf, PCI_BAR0 + 4 * n, 4);
	bar.present = low != 0;
	bar.io = low & BAR_IO;
	if (bar.io) {
		bar.base = low & ~BAR_IO_MASK;
		return bar;
	}
	bar.prefetch = low & BAR_PREFETCH;
	bar.wide = (low & BAR_TYPE) == BAR_TYPE_64 && n + 1 < PCI_BARS;
	bar.base = low & ~BAR_MEMORY_MASK;
	if (bar.wide)
		bar.base |= (uint64_t)pci_read(bdf, PCI_BAR0 + 4 * (n + 1), 4) << 32;
	bar.present = low || bar.base;
	return bar;
}

/* --- what is decoded --- */

static INIT uint64_t bar_size(uint16_t bdf, uint32_t n, bool wide)
{
	uint32_t reg = PCI_BAR0 + 4 * n, low = pci_read(bdf, reg, 4), high = 0;
	uint64_t mask;

	pci_write(bdf, reg, 4, ~0U);
	mask = pci_read(bdf, reg, 4) & ~(uint64_t)BAR_MEMORY_MASK;
	pci_write(bdf, reg, 4, low);
	if (wide && !mask) {
		high = pci_read(bdf, reg + 4, 4);
		pci_write(bdf, reg + 4, 4, ~0U);
		mask = (uint64_t)pci_read(bdf, reg + 4, 4) << 32;
		pci_write(bdf, reg + 4, 4, high);
	}
	return mask & -mask;
}

static INIT uint32_t bars_decoded(uint16_t bdf, uint32_t bars, struct pci_range *out, uint32_t max)
{
	uint32_t command = pci_read(bdf, PCI_COMMAND, 2), count = 0;

	pci_write(bdf, PCI_COMMAND, 2, command & ~(uint32_t)(PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
	for (uint32_t n = 0; n < bars && count < max; n++) {
		struct pci_bar bar = pci_bar_read(bdf, n);
		uint64_t size = bar.present && !bar.io ? bar_size(bdf, n, bar.wide) : 0;

		if (size && bar.base && bar.base <= UINT32_MAX)
			out[count++] = (struct pci_range){bar.base, bar.base + size - 1};
		n += bar.wide;
	}
	pci_write(bdf, PCI_COMMAND, 2, command);
	return count;
}

/* A bridge's windows: base and limit, 1 MiB granular (PCI-to-PCI Bridge 1.2, 3.2.5.8 and 9). */
static INIT uint32_t windows_decoded(uint16_t bdf, struct pci_range *out, uint32_t max)
{
	static const uint8_t registers[] = {BRIDGE_MEMORY, BRIDGE_PREFETCH};
	uint32_t count = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(registers) && count < max; i++) {
		uint32_t both = pci_read(bdf, registers[i], 4);
		uint64_t first = (both & BRIDGE_MASK) << 16,
			 last = (both & BRIDGE_MASK << 16) | BITS(19, 0);

		if (first && first < last)
			out[count++] = (struct pci_range){first, last};
	}
	return count;
}

INIT uint32_t pci_decoded(const struct pci_list *list, struct pci_range *out, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < list->count; i++) {
		const struct pci_function *f = &list->functions[i];
		bool bridge = f->header == PCI_HEADER_BRIDGE;

		if (f->class == CLASS_BRIDGE && !f->subclass)
			continue;
		if (f->header == PCI_HEADER_NORMAL || bridge)
			count += bars_decoded(f->bdf, bridge ? 2 : PCI_BARS, out + count,
					      max - count);
		if (bridge)
			count += windows_decoded(f->bdf, out + count, max - count);
	}
	return count;
}
