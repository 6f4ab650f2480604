/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI driver on a simulated bus: access widths, enumeration, capability chains that loop. */
/* sources: drivers/pci.c lib/lock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/pci.h"

#define FAKES 300

static struct {
	uint16_t bdf;
	uint8_t space[256];
	uint32_t sizes[6]; /* of BARs whose low bits are fixed; 0: all bytes can be written */
} fakes[FAKES];
static uint32_t fake_count, address;
static uint8_t extended[4096];
static struct pci_list list;

static uint8_t *config(uint16_t port, uint32_t size)
{
	uint32_t off = (address & 0xfc) + (port & 3u);

	assert_true(port >= 0xcfc && port + size <= 0xd00);
	assert_true(address & 0x80000000);
	assert_int_equal(address & 3, 0);
	for (uint32_t i = 0; i < fake_count; i++)
		if (fakes[i].bdf == (address >> 8 & 0xffff))
			return fakes[i].space + off;
	return NULL;
}

static uint32_t in(uint16_t port, uint32_t size)
{
	uint32_t value = 0xffffffff;
	uint8_t *at = config(port, size);

	if (at)
		memcpy(&value, at, size);
	return value;
}

static void out(uint16_t port, uint32_t size, uint32_t value)
{
	uint8_t *at;

	if (port == 0xcf8) {
		assert_int_equal(size, 4);
		address = value;
		return;
	}
	at = config(port, size);
	if (!at)
		return;
	for (uint32_t i = 0; i < fake_count; i++) {
		uint32_t n = ((uint32_t)(at - fakes[i].space) - PCI_BAR0) / 4, flags;

		if (at < fakes[i].space + PCI_BAR0 || n >= 6 || !fakes[i].sizes[n])
			continue;
		/* nothing decodes while a BAR is being sized */
		assert_false(fakes[i].space[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY));
		flags = *at & 0xf;
		value = (value & -fakes[i].sizes[n]) | flags;
	}
	memcpy(at, &value, size);
}

uint8_t io_in8(uint16_t port)
{
	return (uint8_t)in(port, 1);
}

uint16_t io_in16(uint16_t port)
{
	return (uint16_t)in(port, 2);
}

uint32_t io_in32(uint16_t port)
{
	return in(port, 4);
}

void io_out8(uint16_t port, uint8_t value)
{
	out(port, 1, value);
}

void io_out16(uint16_t port, uint16_t value)
{
	out(port, 2, value);
}

void io_out32(uint16_t port, uint32_t value)
{
	out(port, 4, value);
}

static uint8_t *fake(uint16_t bdf, uint8_t header)
{
	uint8_t *space = fakes[fake_count].space;

	fakes[fake_count++].bdf = bdf;
	memset(space, 0, 256);
	memset(fakes[fake_count - 1].sizes, 0, sizeof(fakes[0].sizes));
	memcpy(space, "\x86\x80\x34\x12", 4);
	space[PCI_HEADER_TYPE] = header;
	return space;
}

static int fresh(void **state)
{
	(void)state;
	fake_count = 0;
	pci_ecam(NULL, NULL);
	return 0;
}

static volatile void *map(void *arg, uint16_t bdf)
{
	(void)arg;
	return bdf == PCI_BDF(0, 1, 0) ? extended : NULL;
}

static void accesses(void **state)
{
	uint8_t *space = fake(PCI_BDF(0, 1, 0), 0);

	(void)state;
	memcpy(space + 0x40, "\x01\x02\x03\x04", 4);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x40, 4), 0x04030201);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x42, 2), 0x0403);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x43, 1), 4);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x41, 2), 0xffff);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x40, 3), 0xffffff);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x1000, 1), 0xff);
	assert_int_equal(pci_read(PCI_BDF(0, 2, 0), 0, 4), 0xffffffff);
	pci_write(PCI_BDF(0, 1, 0), 0x42, 2, 0xbeef);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x40, 4), 0xbeef0201);
	pci_write(PCI_BDF(0, 1, 0), 0x43, 2, 0);
	assert_int_equal(space[0x43], 0xbe);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0x100, 4), 0xffffffff);
	pci_ecam(map, NULL);
	pci_write(PCI_BDF(0, 1, 0), 0xffc, 4, 0x55667788);
	assert_int_equal(pci_read(PCI_BDF(0, 1, 0), 0xffe, 2), 0x5566);
	assert_int_equal(extended[0xffc], 0x88);
	assert_int_equal(pci_read(PCI_BDF(0, 2, 0), 0x100, 1), 0xff);
}

static void scan_finds_functions(void **state)
{
	uint8_t *space;

	(void)state;
	fake(PCI_BDF(0, 0, 0), 0);
	fake(PCI_BDF(0, 0, 1), 0); /* not there: the device has one function */
	fake(PCI_BDF(0, 3, 0), PCI_HEADER_MULTI);
	fake(PCI_BDF(0, 3, 5), 0);
	fake(PCI_BDF(0, 4, 2), 0); /* not there: no function 0 */
	fake(PCI_BDF(0, 5, 0), PCI_HEADER_BRIDGE);
	space = fake(PCI_BDF(255, 31, 0), 0);
	memcpy(space + PCI_CLASS, "\x02\x08\x01", 3);
	space[PCI_STATUS] = PCI_STATUS_CAPS;
	space[PCI_CAPABILITIES] = 0x53; /* low bits are to be ignored */
	memcpy(space + 0x50, "\x05\x60\x80\x01", 4);
	memcpy(space + 0x60, "\x11\x70\x1f\x80\x03\x20\x00\x00\x04\x30\x00\x00", 12);
	memcpy(space + 0x70, "\x10\x00", 2);
	assert_int_equal(pci_scan(&list), 0);
	assert_int_equal(list.count, 5);
	assert_null(pci_find(&list, PCI_BDF(0, 0, 1)));
	assert_non_null(pci_find(&list, PCI_BDF(0, 3, 5)));
	assert_int_equal(pci_find(&list, PCI_BDF(0, 5, 0))->header, PCI_HEADER_BRIDGE);
	assert_int_equal(list.functions[4].vendor, 0x8086);
	assert_int_equal(list.functions[4].device, 0x1234);
	assert_int_equal(list.functions[4].class, 1);
	assert_int_equal(list.functions[4].subclass, 8);
	assert_int_equal(list.functions[4].interface, 2);
	assert_int_equal(list.functions[4].msi, 0x50);
	assert_int_equal(list.functions[4].msi_control, 0x180);
	assert_int_equal(list.functions[4].msix, 0x60);
	assert_int_equal(list.functions[4].pcie, 0x70);
	assert_int_equal(list.functions[4].msix_vectors, 32);
	assert_int_equal(list.functions[4].msix_bir, 3);
	assert_int_equal(list.functions[4].msix_offset, 0x2000);
	assert_int_equal(list.functions[4].msix_pba_bir, 4);
	assert_int_equal(list.functions[4].msix_pba_offset, 0x3000);
}

static void capability_chains_end(void **state)
{
	uint8_t *space = fake(PCI_BDF(0, 1, 0), 0);

	(void)state;
	assert_int_equal(pci_capability(PCI_BDF(0, 1, 0), PCI_CAP_MSI), 0);
	space[PCI_STATUS] = PCI_STATUS_CAPS;
	space[PCI_CAPABILITIES] = 0x40;
	space[0x40] = 9;
	space[0x41] = 0x40; /* itself */
	assert_int_equal(pci_capability(PCI_BDF(0, 1, 0), PCI_CAP_MSI), 0);
	space[0x41] = 0x3c; /* into the header */
	space[0x3c] = PCI_CAP_MSI;
	assert_int_equal(pci_capability(PCI_BDF(0, 1, 0), PCI_CAP_MSI), 0);
	space[0x41] = 0xfc; /* the very end */
	space[0xfc] = PCI_CAP_MSIX;
	assert_int_equal(pci_capability(PCI_BDF(0, 1, 0), PCI_CAP_MSIX), 0xfc);
	assert_int_equal(pci_scan(&list), 0);
	assert_int_equal(list.functions[0].msix, 0); /* no room for its registers */
	space[PCI_HEADER_TYPE] = 5;
	assert_int_equal(pci_capability(PCI_BDF(0, 1, 0), PCI_CAP_MSIX), 0);
}

static void lists_are_bounded(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < FAKES; i++)
		fake(PCI_BDF(i / 8 / 32, i / 8 % 32, i % 8), PCI_HEADER_MULTI);
	assert_int_equal(pci_scan(&list), -ENOSPC);
	assert_int_equal(list.count, PCI_FUNCTIONS_MAX);
}

static void bars(void **state)
{
	uint8_t *space = fake(PCI_BDF(0, 1, 0), 0);
	struct pci_bar bar;

	(void)state;
	memcpy(space + PCI_BAR0, "\x0c\x00\x00\x80\x01\x00\x00\x00\x61\xc0\x00\x00", 12);
	memcpy(space + PCI_BAR0 + 20, "\x04\x00\x00\xf0\xff", 5);
	bar = pci_bar_read(PCI_BDF(0, 1, 0), 0);
	assert_true(bar.present && bar.wide && bar.prefetch && !bar.io);
	assert_int_equal(bar.base, 0x180000000);
	bar = pci_bar_read(PCI_BDF(0, 1, 0), 2);
	assert_true(bar.present && bar.io);
	assert_int_equal(bar.base, 0xc060);
	bar = pci_bar_read(PCI_BDF(0, 1, 0), 3);
	assert_false(bar.present);
	bar = pci_bar_read(PCI_BDF(0, 1, 0), 5); /* claims an upper half that cannot be */
	assert_false(bar.wide);
	assert_int_equal(bar.base, 0xf0000000);
	assert_false(pci_bar_read(PCI_BDF(0, 1, 0), 6).present);
}

static void put(uint8_t *space, uint32_t off, uint32_t value)
{
	memcpy(space + off, &value, sizeof(value));
}

/* BARs are sized and come back as they were; ports, what is above 4 GiB, what is not placed and host bridges are left out. */
static void decoded(void **state)
{
	struct pci_range r[8];
	uint8_t *space, before[256];

	(void)state;
	space = fake(PCI_BDF(0, 0, 0), 0); /* a host bridge: any write would be one too many */
	space[PCI_CLASS + 2] = 6;
	put(space, PCI_BAR0, 0xd0000000);
	space = fake(PCI_BDF(0, 2, 0), 0);
	space[PCI_COMMAND] = 7;
	put(space, PCI_BAR0, 0xfeb80000);
	put(space, PCI_BAR0 + 4, 0xc001); /* ports */
	put(space, PCI_BAR0 + 8, 0xe000000c);
	put(space, PCI_BAR0 + 16, 0);
	put(space, PCI_BAR0 + 20, 0xfeb00000);
	fakes[1].sizes[0] = 0x20000;
	fakes[1].sizes[2] = 0x10000000;
	fakes[1].sizes[5] = 0x1000;
	space = fake(PCI_BDF(0, 3, 0), PCI_HEADER_BRIDGE);
	put(space, 0x20, 0xfe90fe80);
	put(space, 0x24, 0x0001fff1); /* a window that is closed */
	space = fake(PCI_BDF(0, 4, 0), 0);
	put(space, PCI_BAR0, 4); /* of 8 GiB, above 4 GiB */
	put(space, PCI_BAR0 + 4, 2);
	fakes[3].sizes[0] = 0x80000000;
	fakes[3].sizes[1] = 2;
	memcpy(before, fakes[1].space, sizeof(before));
	assert_int_equal(pci_scan(&list), 0);
	assert_int_equal(pci_decoded(&list, r, 8), 4);
	assert_int_equal(r[0].first, 0xfeb80000);
	assert_int_equal(r[0].last, 0xfeb9ffff);
	assert_int_equal(r[1].first, 0xe0000000);
	assert_int_equal(r[1].last, 0xefffffff);
	assert_int_equal(r[2].last, 0xfeb00fff);
	assert_int_equal(r[3].first, 0xfe800000);
	assert_int_equal(r[3].last, 0xfe9fffff);
	assert_memory_equal(before, fakes[1].space, sizeof(before));
	assert_int_equal(pci_decoded(&list, r, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(accesses, fresh),
		cmocka_unit_test_setup(scan_finds_functions, fresh),
		cmocka_unit_test_setup(capability_chains_end, fresh),
		cmocka_unit_test_setup(lists_are_bounded, fresh),
		cmocka_unit_test_setup(bars, fresh),
		cmocka_unit_test_setup(decoded, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
