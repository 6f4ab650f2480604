/* SPDX-License-Identifier: BSD-2-Clause */
/* Resets of PCI functions on simulated ones: which way is chosen, what is written, and that every wait ends. */
/* sources: drivers/pci_reset.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/pci.h"
#include "drivers/pci_reset.h"

#define BDF	PCI_BDF(0, 3, 0)
#define BAR_MEM 0xfe000000ULL
#define BAR_IO	0xc000
#define STEPS	300

static uint8_t config[256];
static uint32_t memory[1024]; /* one page of registers */
static uint8_t ports[32];
static uint8_t chain[8]; /* capabilities, in order */
static bool no_device;
static uint32_t waited;
static struct pci_reset r;

/* --- the function --- */

static void put(uint32_t off, uint32_t size, uint32_t value)
{
	memcpy(config + off, &value, size);
}

static uint32_t get(uint32_t off, uint32_t size)
{
	uint32_t value = 0;

	memcpy(&value, config + off, size);
	return value;
}

uint32_t pci_read(uint16_t bdf, uint32_t off, uint32_t size)
{
	assert_int_equal(bdf, BDF);
	assert_true(off + size <= sizeof(config));
	return no_device ? ~0U >> (32 - 8 * size) : get(off, size);
}

void pci_write(uint16_t bdf, uint32_t off, uint32_t size, uint32_t value)
{
	assert_int_equal(bdf, BDF);
	assert_true(off + size <= sizeof(config));
	put(off, size, value);
}

static uint8_t capability(uint32_t i, uint8_t id)
{
	for (; i < sizeof(chain) && chain[i]; i++) {
		if (config[chain[i]] == id)
			return chain[i];
	}
	return 0;
}

uint8_t pci_capability(uint16_t bdf, uint8_t id)
{
	assert_int_equal(bdf, BDF);
	return capability(0, id);
}

uint8_t pci_capability_next(uint16_t bdf, uint8_t at, uint8_t id)
{
	assert_int_equal(bdf, BDF);
	for (uint32_t i = 0; i < sizeof(chain); i++) {
		if (chain[i] == at)
			return capability(i + 1, id);
	}
	return 0;
}

struct pci_bar pci_bar_read(uint16_t bdf, uint32_t n)
{
	uint32_t low = get(PCI_BAR0 + 4 * n, 4);

	assert_int_equal(bdf, BDF);
	assert_true(n < PCI_BARS);
	return (struct pci_bar){.present = low != 0, .io = low & 1, .base = low & ~0xfU};
}

static uint8_t *port_at(uint16_t port, uint32_t size)
{
	assert_true(port >= BAR_IO && port + size <= BAR_IO + sizeof(ports));
	return &ports[port - BAR_IO];
}

uint8_t io_in8(uint16_t port)
{
	return *port_at(port, 1);
}

uint16_t io_in16(uint16_t port)
{
	uint16_t value;

	memcpy(&value, port_at(port, 2), 2);
	return value;
}

void io_out8(uint16_t port, uint8_t value)
{
	*port_at(port, 1) = value;
}

void io_out16(uint16_t port, uint16_t value)
{
	memcpy(port_at(port, 2), &value, 2);
}

static volatile void *page(uint64_t hpa)
{
	if (hpa < BAR_MEM || hpa >= BAR_MEM + sizeof(memory))
		return NULL; /* RAM, say */
	return (uint8_t *)memory + (hpa - BAR_MEM);
}

/* --- its capabilities --- */

static void cap_add(uint8_t id, uint8_t at)
{
	uint32_t i = 0;

	while (chain[i])
		i++;
	chain[i] = at;
	config[at] = id;
}

static void class_set(uint32_t class)
{
	put(8, 4, class << 8);
}

static int setup(void **state)
{
	(void)state;
	memset(config, 0, sizeof(config));
	memset(memory, 0, sizeof(memory));
	memset(ports, 0, sizeof(ports));
	memset(chain, 0, sizeof(chain));
	put(0, 4, 0x12348086);
	class_set(0x020000);
	no_device = false;
	waited = 0;
	return 0;
}

/* Steps until the end; every wait is a second at most, all of them a few. */
static int run(void)
{
	int wait = 1;

	for (uint32_t i = 0; wait > 0; i++) {
		assert_true(i < STEPS);
		wait = pci_reset_step(&r);
		assert_true(wait <= 1000000);
		waited += wait > 0 ? (uint32_t)wait : 0;
	}
	assert_true(waited <= 5000000);
	return wait;
}

/* --- function level reset, D3, buses --- */

static void test_flr(void **state)
{
	(void)state;
	cap_add(0x10, 0x60);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	put(0x64, 4, 0x10000000);
	put(0x68, 2, 0x2010);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_int_equal(run(), 0);
	assert_int_equal(get(0x68, 2), 0xa010);
	assert_true(waited >= 100000);
}

static void test_flr_with_transactions_pending(void **state)
{
	(void)state;
	cap_add(0x10, 0x60);
	put(0x64, 4, 0x10000000);
	put(0x6a, 2, 0x20);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(get(0x68, 2), 0);
	assert_int_equal(run(), 0);
	assert_int_equal(get(0x68, 2), 0x8000);
}

static void test_never_back(void **state)
{
	(void)state;
	cap_add(0x10, 0x60);
	put(0x64, 4, 0x10000000);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	no_device = true;
	assert_int_equal(run(), -EIO);
	setup(state);
	cap_add(0x10, 0x60);
	put(0x64, 4, 0x10000000);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	put(0, 2, 1); /* not ready */
	assert_true(pci_reset_step(&r) > 0);
	put(0, 2, 0x8086);
	assert_int_equal(run(), 0);
}

static void test_af(void **state)
{
	(void)state;
	cap_add(0x13, 0x98);
	put(0x9b, 1, 1);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	put(0x9b, 1, 3);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_int_equal(run(), 0);
	assert_int_equal(get(0x9c, 1), 1);
	assert_true(waited >= 100000);
}

static void test_d3(void **state)
{
	(void)state;
	cap_add(0x01, 0x50);
	put(0x54, 2, 8); /* No_Soft_Reset */
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	put(0x54, 2, 0x100);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) >= 10000);
	assert_int_equal(get(0x54, 2), 0x103);
	assert_int_equal(run(), 0);
	assert_int_equal(get(0x54, 2), 0x100);
}

static void test_bus(void **state)
{
	(void)state;
	put(0x3e, 2, 0x8);
	pci_bus_reset_begin(&r, BDF);
	assert_true(pci_reset_step(&r) >= 1000);
	assert_int_equal(get(0x3e, 2), 0x48);
	assert_int_equal(run(), 0);
	assert_int_equal(get(0x3e, 2), 0x8);
	assert_true(waited >= 100000);
}

/* --- classes --- */

static void test_none_needed(void **state)
{
	static const uint32_t classes[] = {0x060000, 0x060100, 0x060400, 0x0c0500};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		class_set(classes[i]);
		assert_int_equal(pci_reset_begin(&r, BDF, NULL), 0);
		assert_int_equal(run(), 0);
		assert_int_equal(waited, 0);
	}
	class_set(0x030000);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	put(0, 4, 0x11111234);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
}

static void test_ahci(void **state)
{
	(void)state;
	class_set(0x010601);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS); /* no BAR */
	put(0x24, 4, BAR_MEM);
	assert_int_equal(pci_reset_begin(&r, BDF, NULL), -ENOSYS); /* not to be trusted */
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(memory[1], 0x80000001);
	assert_true(pci_reset_step(&r) > 0);
	memory[1] = 0;
	assert_int_equal(run(), 0);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_int_equal(run(), -EIO); /* it stays in reset */
}

/* A BAR that a guest has put over RAM is not written to. */
static void test_registers_over_ram(void **state)
{
	(void)state;
	class_set(0x010601);
	put(0x24, 4, 0x1000000);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	put(0x24, 4, BAR_MEM + 0x800); /* its second half */
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
}

static void test_xhci(void **state)
{
	(void)state;
	class_set(0x0c0330);
	put(0x10, 4, BAR_MEM);
	memory[0] = 0x01000040; /* operational registers at 40h */
	memory[16] = 0x5;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(memory[16], 0x4);
	memory[17] = 1; /* halted */
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(memory[16], 2);
	memory[16] = 0;
	memory[17] = 0x800; /* not ready */
	assert_true(pci_reset_step(&r) > 0);
	memory[17] = 0;
	assert_int_equal(run(), 0);
}

static void test_ehci_that_does_not_halt(void **state)
{
	(void)state;
	class_set(0x0c0320);
	put(0x10, 4, BAR_MEM);
	memory[0] = 0x20;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	for (uint32_t i = 0; memory[8] != 2; i++) {
		assert_true(i < 10);
		assert_true(pci_reset_step(&r) > 0);
	}
	memory[8] = 0;
	assert_int_equal(run(), 0);
}

static void test_ports(void **state)
{
	(void)state;
	class_set(0x0c0300);
	put(0x20, 4, BAR_IO | 1);
	ports[0] = 1;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(ports[0], 2);
	ports[0] = 0;
	assert_int_equal(run(), 0);
	class_set(0x010180);
	ports[0] = 9;
	ports[8] = 1;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_int_equal(run(), 0);
	assert_int_equal(ports[0] | ports[8], 0);
	class_set(0x010100); /* IDE without a bus master */
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	class_set(0x010180);
	put(0x20, 4, BAR_MEM); /* no ports */
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
}

static void test_virtio(void **state)
{
	uint8_t *status = (uint8_t *)memory + 0x114;

	(void)state;
	put(0, 4, 0x10411af4);
	assert_int_equal(pci_reset_begin(&r, BDF, page), -ENOSYS);
	cap_add(0x09, 0x40);
	put(0x43, 1, 2); /* notifications */
	cap_add(0x09, 0x54);
	put(0x57, 1, 1);
	put(0x58, 1, 4);
	put(0x5c, 4, 0x100);
	put(0x20, 4, BAR_MEM - 0x100);
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	put(0x20, 4, BAR_MEM);
	put(0x5c, 4, 0x100);
	assert_int_equal(pci_reset_begin(&r, BDF, page),
			 -ENOSYS); /* reaches over the device's page */
	put(0x5c, 4, 0);
	status = (uint8_t *)memory + 0x14;
	*status = 0xf;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(*status, 0);
	*status = 0xf; /* it takes its time */
	assert_true(pci_reset_step(&r) > 0);
	*status = 0;
	assert_int_equal(run(), 0);
	setup(state);
	put(0, 4, 0x10001af4);
	put(0x10, 4, BAR_IO | 1);
	ports[0x12] = 7;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_int_equal(run(), 0);
	assert_int_equal(ports[0x12], 0);
}

static void test_e1000(void **state)
{
	(void)state;
	put(0, 4, 0x100e8086);
	put(0x10, 4, BAR_MEM);
	memory[0x100 / 4] = 2;
	memory[0x400 / 4] = 2;
	assert_int_equal(pci_reset_begin(&r, BDF, page), 0);
	assert_true(pci_reset_step(&r) > 0);
	assert_int_equal(memory[0x100 / 4] | memory[0x400 / 4], 0);
	assert_int_equal(memory[0], 0x04000000);
	memory[0] = 0;
	assert_int_equal(run(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_flr, setup),
		cmocka_unit_test_setup(test_flr_with_transactions_pending, setup),
		cmocka_unit_test_setup(test_never_back, setup),
		cmocka_unit_test_setup(test_af, setup),
		cmocka_unit_test_setup(test_d3, setup),
		cmocka_unit_test_setup(test_bus, setup),
		cmocka_unit_test_setup(test_none_needed, setup),
		cmocka_unit_test_setup(test_ahci, setup),
		cmocka_unit_test_setup(test_registers_over_ram, setup),
		cmocka_unit_test_setup(test_xhci, setup),
		cmocka_unit_test_setup(test_ehci_that_does_not_halt, setup),
		cmocka_unit_test_setup(test_ports, setup),
		cmocka_unit_test_setup(test_virtio, setup),
		cmocka_unit_test_setup(test_e1000, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
