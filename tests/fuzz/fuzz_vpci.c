/* SPDX-License-Identifier: BSD-2-Clause */
/* Random guests and random functions against the PCI device model: a device never sends a message of the guest's making. */
/* sources: vdev/vpci.c vdev/vpci_func.c vdev/vpci_msi.c vdev/vpci_msix.c lib/string.c */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vdev/vpci.h"

#define DEVS	  5
#define DEV_MEM	  0x2000
#define GOOD_BASE 0xfe000000ULL /* where a BAR may be */
#define GOOD_SIZE 0x100000ULL
#define PAGES	  (GOOD_SIZE / 4096)
#define HOST_ADDR 0xfee00000U
#define HOST_DATA 0xb000U
#define ENTRIES	  12
#define STEPS	  400
#define ANYWHERE \
	4 /* the function with random configuration space: only memory safety is asked of it */
#define BDF_BRIDGE VPCI_BDF(0, 0, 2, 0)
#define BDF_HIDDEN VPCI_BDF(0, 3, 0, 0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct dev {
	uint32_t bdf;
	uint8_t config[4096];
	uint8_t wmask[256];
	uint8_t mem[DEV_MEM];
	uint32_t bar; /* register of the BAR that mem answers at */
	bool bar_64;
	uint32_t table; /* in mem */
	uint32_t msi, msix, count;
};

static struct dev devs[DEVS];
static bool trapped[PAGES];
static struct vpci v;
static struct vpci_func funcs[4];
static struct vpci_msix_entry entries[ENTRIES];
static const uint8_t *input;
static size_t left;
static uint32_t next_cookie;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "broken: %s\n", what);
	abort();
}

static uint32_t take(uint32_t bytes)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < bytes && left; i++, left--)
		value |= (uint32_t)*input++ << (8 * i);
	return value;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static struct dev *dev(uint32_t bdf)
{
	for (uint32_t i = 0; i < DEVS; i++) {
		if (devs[i].bdf == bdf)
			return &devs[i];
	}
	return NULL;
}

/* --- the machine --- */

static uint32_t cfg_read(void *arg, uint32_t bdf, uint16_t off, uint8_t size)
{
	const struct dev *d = dev(bdf);
	uint32_t value = (uint32_t)(0xffffffffULL >> (32 - 8 * size));

	(void)arg;
	check((size == 1 || size == 2 || size == 4) && off % size == 0 && off < 4096, "cfg_read");
	if (d)
		memcpy(&value, &d->config[off], size);
	return value;
}

static void cfg_write(void *arg, uint32_t bdf, uint16_t off, uint8_t size, uint32_t value)
{
	struct dev *d = dev(bdf);

	(void)arg;
	check((size == 1 || size == 2 || size == 4) && off % size == 0 && off < 4096, "cfg_write");
	check(bdf != BDF_HIDDEN, "write to a function that was given away");
	check(bdf != BDF_BRIDGE, "write to the bridge above it");
	for (uint32_t i = 0; d && i < size; i++) {
		uint8_t mask = off + i < 256 ? d->wmask[off + i] : 0xff;

		d->config[off + i] =
			(uint8_t)((d->config[off + i] & ~mask) | ((value >> (8 * i)) & mask));
	}
}

static bool visible(void *arg, uint32_t bdf)
{
	(void)arg;
	return bdf != BDF_HIDDEN;
}

static int msi_bind(void *arg, struct vpci_irq *irq, uint64_t addr, uint32_t data,
		    uint64_t *phys_addr, uint32_t *phys_data)
{
	(void)arg;
	(void)addr;
	if (data % 7 == 3)
		return -ENOSPC;
	if (!irq->cookie)
		irq->cookie = 1 + next_cookie++ % 200;
	*phys_addr = HOST_ADDR | irq->cookie << 12;
	*phys_data = HOST_DATA | irq->cookie;
	return 0;
}

static void msi_unbind(void *arg, struct vpci_irq *irq)
{
	(void)arg;
	check(irq->cookie, "unbind of what is not bound");
}

static int trap_mmio(void *arg, gpa_t gpa, uint64_t len, bool on)
{
	(void)arg;
	check(gpa.v % 4096 == 0 && len % 4096 == 0 && len, "trap_mmio");
	if (gpa.v < GOOD_BASE || gpa.v >= GOOD_BASE + GOOD_SIZE ||
	    len > GOOD_BASE + GOOD_SIZE - gpa.v) {
		check(on, "trap removed where there was none");
		return -EPERM;
	}
	for (uint64_t at = gpa.v; at < gpa.v + len; at += 4096)
		trapped[(at - GOOD_BASE) / 4096] = on;
	return 0;
}

static bool is_trapped(uint64_t gpa)
{
	return gpa >= GOOD_BASE && gpa < GOOD_BASE + GOOD_SIZE && trapped[(gpa - GOOD_BASE) / 4096];
}

/* What answers at an address: the first device that decodes it. */
static uint8_t *decode(uint64_t hpa, uint32_t size)
{
	for (uint32_t i = 0; i < DEVS; i++) {
		struct dev *d = &devs[i];
		uint64_t base = get32(&d->config[d->bar]) & ~0xfU;

		if (!d->bar || !(d->config[4] & 2))
			continue;
		if (d->bar_64)
			base |= (uint64_t)get32(&d->config[d->bar + 4]) << 32;
		if (hpa >= base && hpa - base <= DEV_MEM - size)
			return &d->mem[hpa - base];
	}
	return NULL;
}

static uint64_t raw_read(uint64_t hpa, uint8_t size)
{
	const uint8_t *at = decode(hpa, size);
	uint64_t value = ~0ULL;

	if (at)
		memcpy(&value, at, size);
	return value;
}

static void raw_write(uint64_t hpa, uint8_t size, uint64_t value)
{
	uint8_t *at = decode(hpa, size);

	if (at)
		memcpy(at, &value, size);
}

static void check_mmio(uint64_t hpa, uint8_t size)
{
	check(size == 1 || size == 2 || size == 4 || size == 8, "mmio size");
	check(hpa % size == 0, "mmio alignment");
	check(hpa >= GOOD_BASE && hpa < GOOD_BASE + GOOD_SIZE, "mmio where trap_mmio refused");
}

static uint64_t mmio_read(void *arg, hpa_t hpa, uint8_t size)
{
	(void)arg;
	check_mmio(hpa.v, size);
	return raw_read(hpa.v, size);
}

static void mmio_write(void *arg, hpa_t hpa, uint8_t size, uint64_t value)
{
	(void)arg;
	check_mmio(hpa.v, size);
	raw_write(hpa.v, size, value);
}

static void log_line(void *arg, const char *fmt, ...)
{
	(void)arg;
	(void)fmt;
}

static const struct vpci_ops ops = {
	.cfg_read = cfg_read,
	.cfg_write = cfg_write,
	.visible = visible,
	.msi_bind = msi_bind,
	.msi_unbind = msi_unbind,
	.trap_mmio = trap_mmio,
	.mmio_read = mmio_read,
	.mmio_write = mmio_write,
	.log = log_line,
};

/* --- functions --- */

static void put(struct dev *d, uint32_t off, uint32_t size, uint32_t value)
{
	memcpy(&d->config[off], &value, size);
}

static void open_bytes(struct dev *d, uint32_t off, uint32_t value)
{
	memcpy(&d->wmask[off], &value, sizeof(value));
}

static void build(struct dev *d, uint32_t bdf, bool bar_64, bool masking, uint32_t count)
{
	d->bdf = bdf;
	d->bar_64 = bar_64;
	d->bar = 0x14;
	d->msi = 0x50;
	d->msix = 0x80;
	d->count = count;
	d->table = take(1) * 8 % (DEV_MEM - 16 * 8);
	put(d, 0, 4, 0x12348086 + bdf);
	put(d, 4, 4, 0x00100000 | (take(1) & 6));
	put(d, 0x14, 4, (uint32_t)GOOD_BASE + 0x10000 + (bar_64 ? 4 : 0));
	put(d, 0x34, 1, 0x50);
	put(d, 0x50, 4, 0x00008005 | (bar_64 ? 0x00800000 : 0) | (masking ? 0x01000000 : 0));
	put(d, 0x80, 4, 0x00000011 | (count - 1) << 16);
	put(d, 0x84, 4, d->table | 1);
	open_bytes(d, 4, 0x0407);
	open_bytes(d, 0x14, (uint32_t)-DEV_MEM);
	open_bytes(d, 0x18, bar_64 ? 0xffffffff : 0);
	open_bytes(d, 0x50, 0x00710000);
	for (uint32_t off = 0x54; off < 0x68; off += 4)
		open_bytes(d, off, 0xffffffff);
	open_bytes(d, 0x80, 0xc0000000);
}

static void machine(void)
{
	struct dev *d = &devs[ANYWHERE];

	memset(devs, 0, sizeof(devs));
	memset(trapped, 0, sizeof(trapped));
	memset(funcs, 0, sizeof(funcs));
	memset(entries, 0, sizeof(entries));
	next_cookie = 0;
	build(&devs[0], VPCI_BDF(0, 0, 1, 0), true, true, 4);
	build(&devs[1], VPCI_BDF(0, 0, 1, 1), false, false, 6);
	put(&devs[1], 0x14, 4, (uint32_t)GOOD_BASE + 0x20000);
	devs[2].bdf = BDF_BRIDGE;
	put(&devs[2], 0, 4, 0x00018086);
	put(&devs[2], 0xe, 1, 1);
	put(&devs[2], 0x18, 4, 0x00030300);
	memset(devs[2].wmask, 0xff, sizeof(devs[2].wmask));
	devs[3].bdf = BDF_HIDDEN;
	put(&devs[3], 0, 4, 0x00028086);
	d->bdf = VPCI_BDF(0, 0, 3, 0);
	for (uint32_t i = 0; i < 256; i++) {
		d->config[i] = (uint8_t)take(1);
		d->wmask[i] = i & 1 ? 0xff : d->config[i];
	}
	vpci_init(&v, &ops, &v, funcs, sizeof(funcs) / sizeof(funcs[0]), entries, ENTRIES);
	(void)vpci_add(&v, BDF_HIDDEN);
	(void)vpci_add(&v, BDF_BRIDGE);
}

/* --- what must hold --- */

static void check_message(uint64_t addr, uint32_t data)
{
	uint32_t cookie = data & ~HOST_DATA;

	check((data & HOST_DATA) == HOST_DATA && cookie && cookie <= 200,
	      "data of the guest's making");
	check(addr == (HOST_ADDR | cookie << 12), "address of the guest's making");
}

static void check_device(const struct dev *d)
{
	const uint8_t *msi = &d->config[d->msi], *entry = &d->mem[d->table];
	bool wide = d->bar_64;

	if (msi[2] & 1) {
		check(!(msi[2] & 0x70), "several messages");
		check_message(get32(msi + 4) | (wide ? (uint64_t)get32(msi + 8) << 32 : 0),
			      get32(msi + (wide ? 12 : 8)) & 0xffff);
	}
	if (!(d->config[d->msix + 3] & 0x80))
		return;
	for (uint32_t i = 0; i < d->count; i++, entry += 16) {
		if (!(entry[12] & 1))
			check_message(get32(entry) | (uint64_t)get32(entry + 4) << 32,
				      get32(entry + 8));
	}
}

/* --- the guest --- */

static uint32_t guest_bdf(void)
{
	uint32_t n = take(1);

	return n < 250 ? devs[n % DEVS].bdf : VPCI_BDF(n & 1, n & 3, n & 7, 0);
}

/* Registers worth a try, before all others. */
static uint32_t guest_off(void)
{
	static const uint16_t likely_ones[] = {0,    4,	   0x14, 0x14, 0x18, 0x34, 0x50, 0x52,
					       0x54, 0x58, 0x5c, 0x60, 0x80, 0x82, 0x83, 0x18};
	uint32_t n = take(1);

	return n & 0x80 ? likely_ones[n & 15] + (n >> 4 & 3) * (n >> 6 & 1) : take(2) % 4096;
}

static uint32_t guest_value(uint32_t off)
{
	uint32_t n = take(1);

	if (n < 40)
		return ~0U;
	if (off == 0x14 && n < 200)
		return (uint32_t)GOOD_BASE + (n << 12);
	if (off == 0x18 && n < 200)
		return 0;
	return take(4);
}

static uint64_t guest_address(void)
{
	const struct dev *d = &devs[take(1) & 1];
	uint64_t base = get32(&d->config[0x14]) & ~0xfU;
	uint32_t n = take(1);

	if (d->bar_64)
		base |= (uint64_t)get32(&d->config[0x18]) << 32;
	if (n < 200)
		return base + d->table + n % 128;
	return n < 230 ? base + take(2) % DEV_MEM : GOOD_BASE + (take(4) % GOOD_SIZE);
}

static void guest_mmio(bool write)
{
	uint8_t size = (uint8_t)(1U << (take(1) & 3));
	uint64_t gpa = guest_address(), value = take(4) | (uint64_t)take(4) << 32;

	for (uint32_t i = 0; i < size; i++) {
		if (is_trapped(gpa + i))
			continue;
		/* the hardware does untrapped accesses by itself, also those that are half so */
		if (write)
			raw_write(gpa, 1, value);
		return;
	}
	if (write)
		check(vpci_mmio_write(&v, GPA(gpa), size, value), "trapped page of nobody's");
	else
		check(vpci_mmio_read(&v, GPA(gpa), size, &value), "trapped page of nobody's");
}

static void guest_ports(void)
{
	static const uint8_t sizes[] = {1, 2, 4, 4};
	uint16_t port = (uint16_t)(0xcf6 + take(1) % 12);
	uint8_t size = sizes[take(1) & 3];
	uint32_t value = 0;

	(void)vpci_io_write(&v, 0xcf8, 4, 0x80000000 | guest_bdf() << 8 | (guest_off() & 0xfc));
	(void)vpci_io_write(&v, port, size, take(4));
	(void)vpci_io_read(&v, port, size, &value);
}

/* Its next life, or only its end. */
static void guest_ends(void)
{
	bool again = take(1) & 1;

	for (uint32_t i = 0; i < sizeof(funcs) / sizeof(funcs[0]); i++)
		vpci_quiesce(&v, i);
	for (uint32_t i = 0; again && i < sizeof(funcs) / sizeof(funcs[0]); i++)
		vpci_forget(&v, i);
}

static void guest_step(void)
{
	static const uint8_t sizes[] = {1, 2, 4, 4};
	uint32_t bdf, off;
	uint8_t what = (uint8_t)take(1);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		bdf = guest_bdf();
		off = guest_off();
		vpci_cfg_write(&v, bdf, off, sizes[what >> 6], guest_value(off));
		break;
	case 3:
		bdf = guest_bdf();
		(void)vpci_cfg_read(&v, bdf, guest_off(), sizes[what >> 6]);
		break;
	case 4:
	case 5:
		guest_mmio(true);
		break;
	case 6:
		guest_mmio(false);
		break;
	default:
		if (what == 255)
			guest_ends();
		else
			guest_ports();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	machine();
	for (uint32_t i = 0; left && i < STEPS; i++) {
		guest_step();
		check_device(&devs[0]);
		check_device(&devs[1]);
	}
	return 0;
}
