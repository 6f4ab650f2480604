/* SPDX-License-Identifier: BSD-2-Clause */
/* The service guest's PCI configuration space against simulated functions: filters, MSI, MSI-X, BAR moves. */
/* sources: vdev/vpci.c vdev/vpci_func.c vdev/vpci_msi.c vdev/vpci_msix.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vdev/vpci.h"

/* --- the machine --- */

#define DEVS	  8
#define MEM_BASE  0xfe000000ULL
#define MEM_SIZE  0x100000
#define ENTRIES	  64
#define HOST_ADDR 0xfee00000ULL
#define NIC	  VPCI_BDF(0, 0, 3, 0)
#define DISK	  VPCI_BDF(0, 0, 4, 0)
#define BRIDGE	  VPCI_BDF(0, 0, 5, 0)
#define BEHIND	  VPCI_BDF(0, 2, 0, 0)

struct dev {
	uint32_t bdf;
	bool present;
	uint8_t config[4096];
	uint8_t wmask[4096];
};

static struct dev devs[DEVS];
static uint8_t memory[MEM_SIZE];
static uint8_t trapped[MEM_SIZE / 4096];
static uint32_t given_away;
static struct vpci v;
static struct vpci_func funcs[DEVS];
static struct vpci_msix_entry entries[ENTRIES];
static uint32_t cfg_reads, cfg_writes, binds, unbinds, bound, logs;
static uint64_t bind_addr;
static uint32_t bind_data;
static int bind_error, trap_error;
static uint32_t next_vector;
static uint64_t bar_base, bar_size;
static uint32_t bar_events;
static bool ecam_trapped;

static void quiesce(void)
{
	for (uint32_t i = 0; i < DEVS; i++)
		vpci_quiesce(&v, i);
}

static struct dev *dev(uint32_t bdf)
{
	for (uint32_t i = 0; i < DEVS; i++) {
		if (devs[i].present && devs[i].bdf == bdf)
			return &devs[i];
	}
	return NULL;
}

static uint32_t cfg_read(void *arg, uint32_t bdf, uint16_t off, uint8_t size)
{
	struct dev *d = dev(bdf);
	uint32_t value = 0xffffffff >> (32 - 8 * size);

	assert_ptr_equal(arg, &v);
	assert_true((size == 1 || size == 2 || size == 4) && off % size == 0 && off < 4096);
	cfg_reads++;
	if (d)
		memcpy(&value, &d->config[off], size);
	return value;
}

static void cfg_write(void *arg, uint32_t bdf, uint16_t off, uint8_t size, uint32_t value)
{
	struct dev *d = dev(bdf);

	assert_ptr_equal(arg, &v);
	assert_true((size == 1 || size == 2 || size == 4) && off % size == 0 && off < 4096);
	assert_true(size == 4 || value >> (8 * size) == 0);
	cfg_writes++;
	for (uint32_t i = 0; d && i < size; i++) {
		uint8_t mask = d->wmask[off + i];

		d->config[off + i] =
			(uint8_t)((d->config[off + i] & ~mask) | ((value >> (8 * i)) & mask));
	}
}

static bool visible(void *arg, uint32_t bdf)
{
	assert_ptr_equal(arg, &v);
	return bdf != given_away;
}

static int msi_bind(void *arg, struct vpci_irq *irq, uint64_t guest_addr, uint32_t guest_data,
		    uint64_t *phys_addr, uint32_t *phys_data)
{
	assert_ptr_equal(arg, &v);
	bind_addr = guest_addr;
	bind_data = guest_data;
	binds++;
	if (bind_error)
		return bind_error;
	if (!irq->cookie) {
		irq->cookie = ++next_vector;
		bound++;
	}
	*phys_addr = HOST_ADDR | irq->cookie << 12;
	*phys_data = 0x40 + irq->cookie;
	return 0;
}

static void msi_unbind(void *arg, struct vpci_irq *irq)
{
	assert_ptr_equal(arg, &v);
	assert_true(irq->cookie);
	unbinds++;
	bound--;
}

static int trap_mmio(void *arg, gpa_t gpa, uint64_t len, bool on)
{
	assert_ptr_equal(arg, &v);
	assert_int_equal(gpa.v % 4096, 0);
	assert_int_equal(len % 4096, 0);
	if (len >= 1 << 20) {
		ecam_trapped = on;
		return 0;
	}
	if (trap_error && on)
		return trap_error;
	if (gpa.v < MEM_BASE || gpa.v + len > MEM_BASE + MEM_SIZE)
		return -EPERM;
	for (uint64_t at = gpa.v; at < gpa.v + len; at += 4096)
		trapped[(at - MEM_BASE) / 4096] = on;
	return 0;
}

static uint8_t *mem(uint64_t hpa, uint8_t size)
{
	assert_true(size == 1 || size == 2 || size == 4 || size == 8);
	assert_int_equal(hpa % size, 0);
	assert_true(hpa >= MEM_BASE && hpa < MEM_BASE + MEM_SIZE);
	return &memory[hpa - MEM_BASE];
}

static uint64_t mmio_read(void *arg, hpa_t hpa, uint8_t size)
{
	uint64_t value = 0;

	assert_ptr_equal(arg, &v);
	memcpy(&value, mem(hpa.v, size), size);
	return value;
}

static void mmio_write(void *arg, hpa_t hpa, uint8_t size, uint64_t value)
{
	assert_ptr_equal(arg, &v);
	memcpy(mem(hpa.v, size), &value, size);
}

static void bar_changed(void *arg, uint32_t bdf, uint32_t bar, uint64_t base, uint64_t size,
			bool is_mem)
{
	(void)bdf;
	(void)bar;
	assert_ptr_equal(arg, &v);
	assert_true(is_mem);
	bar_base = base;
	bar_size = size;
	bar_events++;
}

static void log_line(void *arg, const char *fmt, ...)
{
	assert_ptr_equal(arg, &v);
	assert_non_null(fmt);
	logs++;
}

/* A function that the machine has not. */
#define OWN 0x00a8
static uint32_t own_value;

static bool own(void *arg, uint32_t bdf, uint32_t off, uint8_t size, bool write, uint32_t *value)
{
	assert_ptr_equal(arg, &v);
	assert_int_equal(off & (size - 1U), 0);
	if (bdf != OWN)
		return false;
	if (write)
		own_value = *value;
	else
		*value = own_value + off;
	return true;
}

static const struct vpci_ops ops = {cfg_read,	 cfg_write, visible,   msi_bind,
				    msi_unbind,	 trap_mmio, mmio_read, mmio_write,
				    bar_changed, log_line,  own};

static void put(struct dev *d, uint32_t off, uint32_t size, uint32_t value)
{
	memcpy(&d->config[off], &value, size);
}

static uint32_t get(uint32_t bdf, uint32_t off, uint32_t size)
{
	uint32_t value = 0;

	memcpy(&value, &dev(bdf)->config[off], size);
	return value;
}

static void open_bytes(struct dev *d, uint32_t off, uint32_t size, uint32_t mask)
{
	memcpy(&d->wmask[off], &mask, size);
}

static struct dev *new_dev(uint32_t index, uint32_t bdf, uint32_t id, uint8_t header)
{
	struct dev *d = &devs[index];

	d->present = true;
	d->bdf = bdf;
	put(d, 0, 4, id);
	put(d, 6, 2, 0x10);
	put(d, 0xe, 1, header);
	put(d, 0x34, 1, 0x40);
	open_bytes(d, 4, 2, 0x0407);
	memset(&d->wmask[0x100], 0xff, 0x100);
	return d;
}

static void bar32(struct dev *d, uint32_t off, uint32_t value, uint32_t size)
{
	put(d, off, 4, value);
	open_bytes(d, off, 4, -size);
}

/* A capability whose every byte takes writes: what the guest gets through can be seen. */
static void cap(struct dev *d, uint32_t off, uint8_t id, uint8_t next, uint16_t control,
		uint32_t len)
{
	put(d, off, 1, id);
	put(d, off + 1, 1, next);
	put(d, off + 2, 2, control);
	memset(&d->wmask[off + 2], 0xff, len - 2);
}

/*
 * NIC: power management at 0x40, MSI (64 bits, masking) at 0x50, MSI-X at 0x70 with 16 entries at 0x800 of 64-bit BAR 2
 * (16 KiB at MEM_BASE + 0x10000), vendor capability at 0x80.
 * DISK: MSI (32 bits, 8 messages) at 0x40, BAR 5. BRIDGE: to buses 2 to 3.
 */
static int setup(void **state)
{
	struct dev *d;

	(void)state;
	memset(devs, 0, sizeof(devs));
	memset(memory, 0, sizeof(memory));
	memset(trapped, 0, sizeof(trapped));
	memset(funcs, 0, sizeof(funcs));
	memset(entries, 0, sizeof(entries));
	given_away = 0xffffffff;
	binds = unbinds = bound = logs = next_vector = bar_events = 0;
	bind_error = trap_error = 0;
	d = new_dev(0, NIC, 0x10d38086, 0);
	put(d, 4, 2, 0x0006);
	cap(d, 0x40, 0x01, 0x50, 0, 8);
	cap(d, 0x50, 0x05, 0x70, 0x0180, 24);
	cap(d, 0x70, 0x11, 0x80, 15, 4);
	put(d, 0x74, 4, 0x800 | 2);
	put(d, 0x78, 4, 0x2000 | 2);
	cap(d, 0x80, 0x09, 0, 0, 8);
	bar32(d, 0x10, 0, 0x1000);
	put(d, 0x18, 4, (uint32_t)MEM_BASE + 0x10000 + 0x4);
	open_bytes(d, 0x18, 4, 0xffffc000);
	open_bytes(d, 0x1c, 4, 0xffffffff);
	d = new_dev(1, DISK, 0x29228086, 0x80);
	cap(d, 0x40, 0x05, 0, 0x0006, 12);
	bar32(d, 0x24, 0, 0x1000);
	d = new_dev(2, BRIDGE, 0x34208086, 1);
	put(d, 0x18, 4, 0x00030200);
	open_bytes(d, 0x18, 4, 0xffffffff);
	put(d, 0x34, 1, 0);
	put(d, 6, 2, 0);
	d = new_dev(3, BEHIND, 0x10411af4, 0);
	cap(d, 0x40, 0x05, 0, 0x0080, 16);
	vpci_init(&v, &ops, &v, funcs, DEVS, entries, ENTRIES);
	return 0;
}

/* --- the guest --- */

static uint32_t in(uint16_t port, uint8_t size)
{
	uint32_t value = 0;

	assert_true(vpci_io_read(&v, port, size, &value));
	return value;
}

static void out(uint16_t port, uint8_t size, uint32_t value)
{
	assert_true(vpci_io_write(&v, port, size, value));
}

static uint32_t rd(uint32_t bdf, uint32_t off, uint8_t size)
{
	return vpci_cfg_read(&v, bdf, off, size);
}

static void wr(uint32_t bdf, uint32_t off, uint8_t size, uint32_t value)
{
	vpci_cfg_write(&v, bdf, off, size, value);
}

#define TABLE (MEM_BASE + 0x10800)

static uint64_t mrd(uint64_t gpa, uint8_t size)
{
	uint64_t value = 0;

	assert_true(vpci_mmio_read(&v, GPA(gpa), size, &value));
	return value;
}

static void mwr(uint64_t gpa, uint8_t size, uint64_t value)
{
	assert_true(vpci_mmio_write(&v, GPA(gpa), size, value));
}

static uint32_t hw_entry(uint64_t table, uint32_t index, uint32_t at)
{
	return (uint32_t)mmio_read(&v, HPA(table + 16 * index + at), 4);
}

static bool is_trapped(uint64_t gpa)
{
	return trapped[(gpa - MEM_BASE) / 4096];
}

static void entry_program(uint64_t table, uint32_t index, uint64_t addr, uint32_t data)
{
	mwr(table + 16 * index, 4, (uint32_t)addr);
	mwr(table + 16 * index + 4, 4, addr >> 32);
	mwr(table + 16 * index + 8, 4, data);
	mwr(table + 16 * index + 12, 4, 0);
}

/* --- ports and ECAM --- */

static void test_latch(void **state)
{
	uint32_t value;

	(void)state;
	out(0xcf8, 4, 0x80001800);
	assert_int_equal(in(0xcf8, 4), 0x80001800);
	assert_int_equal(in(0xcfc, 4), 0x10d38086);
	assert_int_equal(in(0xcfc, 2), 0x8086);
	assert_int_equal(in(0xcfe, 2), 0x10d3);
	assert_int_equal(in(0xcfd, 1), 0x80);
	assert_int_equal(in(0xcfd, 2), 0xd380);
	assert_int_equal(in(0xcff, 2), 0xff10);
	assert_int_equal(in(0xcfe, 4), 0xffff10d3);
	out(0xcf8, 4, 0xffffffff);
	assert_int_equal(in(0xcf8, 4), 0x8ffffffc);
	out(0xcf8, 4, 0x00001800);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	out(0xcfc, 4, 0);
	/* not the latch */
	assert_false(vpci_io_read(&v, 0xcf8, 2, &value));
	assert_false(vpci_io_write(&v, 0xcf9, 1, 6));
	assert_false(vpci_io_write(&v, 0xcfb, 1, 1));
	assert_false(vpci_io_read(&v, 0xcf7, 4, &value));
	assert_false(vpci_io_read(&v, 0xd00, 1, &value));
}

static void test_extended_latch(void **state)
{
	(void)state;
	put(dev(NIC), 0x104, 4, 0xcafe0104);
	out(0xcf8, 4, 0x81001804);
	assert_int_equal(in(0xcfc, 4), 0xcafe0104);
}

static void test_short_path(void **state)
{
	(void)state;
	out(0xcf8, 4, 0x80001808);
	(void)in(0xcfc, 4);
	cfg_reads = 0;
	for (uint32_t i = 0; i < 100; i++) {
		out(0xcf8, 4, 0x80001808);
		(void)in(0xcfc, 4);
	}
	assert_int_equal(cfg_reads, 100);
	/* a function that is not there costs one access */
	cfg_reads = 0;
	out(0xcf8, 4, 0x8000f000);
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	assert_int_equal(cfg_reads, 1);
}

static void test_ecam(void **state)
{
	uint64_t base = 0xb0000000, value, nic = base + 0x18000;

	(void)state;
	assert_int_equal(vpci_ecam_add(&v, 0, base + 0x1000, 0, 255), -EINVAL);
	assert_int_equal(vpci_ecam_add(&v, 0, base, 2, 1), -EINVAL);
	assert_int_equal(vpci_ecam_add(&v, 0, ~0ULL << 20, 0, 255), -EINVAL);
	assert_int_equal(vpci_ecam_add(&v, 0, base, 0, 1), 0);
	assert_true(ecam_trapped);
	assert_int_equal(mrd(nic, 4), 0x10d38086);
	assert_int_equal(mrd(nic, 8), 0x10d38086 | (uint64_t)get(NIC, 4, 4) << 32);
	mwr(nic + 0x100, 8, 0x1122334455667788);
	assert_int_equal(get(NIC, 0x100, 4), 0x55667788);
	assert_int_equal(get(NIC, 0x104, 4), 0x11223344);
	assert_int_equal(mrd(nic + 0x102, 4), 0x33445566);
	mwr(nic + 0x103, 2, 0xaabb);
	assert_int_equal(get(NIC, 0x100, 4), 0xbb667788);
	/* the end of a function is the end of an access */
	assert_int_equal(mrd(nic + 0xffc, 8) >> 32, 0xffffffff);
	assert_int_equal(mrd(nic + 0xfff, 2) >> 8, 0xff);
	mwr(nic + 0xffe, 4, 0xffffffff);
	/* bus 1 is the last */
	assert_int_equal(mrd(base + 0x100000, 4), 0xffffffff);
	assert_false(vpci_mmio_read(&v, GPA(base + 0x200000), 4, &value));
	for (uint32_t i = 1; i < VPCI_ECAM_MAX; i++)
		assert_int_equal(vpci_ecam_add(&v, (uint16_t)i, base + (i << 28), 16, 31), 0);
	assert_int_equal(vpci_ecam_add(&v, 9, base, 0, 255), -ENOSPC);
	assert_int_equal(v.ecam[1].base, base + (1 << 28) + (16 << 20));
	assert_false(vpci_mmio_read(&v, GPA(base + (1 << 28)), 4, &value));
}

/* --- functions that are not for the guest --- */

static void test_given_away(void **state)
{
	uint8_t before[4096];

	(void)state;
	given_away = NIC;
	memcpy(before, dev(NIC)->config, sizeof(before));
	for (uint32_t off = 0; off < 4096; off++) {
		assert_int_equal(rd(NIC, off, 1), 0xff);
		wr(NIC, off, 1, 0);
	}
	assert_int_equal(rd(NIC, 0, 4), 0xffffffff);
	wr(NIC, 4, 4, 0);
	wr(NIC, 0x50, 4, 0xffffffff);
	assert_memory_equal(before, dev(NIC)->config, sizeof(before));
	quiesce();
	assert_memory_equal(before, dev(NIC)->config, sizeof(before));
}

static void test_bridge_above_given_away(void **state)
{
	uint8_t before[4096];

	(void)state;
	given_away = BEHIND;
	assert_int_equal(vpci_add(&v, BRIDGE), 0);
	assert_int_equal(vpci_add(&v, BEHIND), 0);
	assert_int_equal(vpci_add(&v, BEHIND), -EEXIST);
	memcpy(before, dev(BRIDGE)->config, sizeof(before));
	wr(BRIDGE, 4, 2, 0);
	wr(BRIDGE, 0x19, 1, 9);
	wr(BRIDGE, 0x110, 4, 0x12345678);
	quiesce();
	assert_memory_equal(before, dev(BRIDGE)->config, sizeof(before));
	assert_int_equal(rd(BRIDGE, 0x18, 4), 0x00030200);
	assert_int_equal(logs, 1);
	/* the order of discovery does not matter */
	setup(state);
	given_away = BEHIND;
	assert_int_equal(vpci_add(&v, BEHIND), 0);
	wr(BRIDGE, 4, 2, 0);
	assert_int_equal(cfg_writes && get(BRIDGE, 4, 2), 0);
	wr(BRIDGE, 0x18, 4, 0);
	assert_int_equal(get(BRIDGE, 0x18, 4), 0x00030200);
}

/* Another bridge must not be pointed at the bus either. */
static void test_bridge_towards_given_away(void **state)
{
	(void)state;
	given_away = BEHIND;
	put(dev(BRIDGE), 0x18, 4, 0x00050400);
	assert_int_equal(vpci_add(&v, BEHIND), 0);
	wr(BRIDGE, 0x18, 4, 0x00060600);
	assert_int_equal(get(BRIDGE, 0x18, 4), 0x00060600);
	wr(BRIDGE, 0x18, 4, 0x00040200);
	assert_int_equal(get(BRIDGE, 0x18, 4), 0x00060600);
}

static void test_renumbering_forgets(void **state)
{
	(void)state;
	wr(BEHIND, 0x44, 4, 0xfee00000);
	wr(BEHIND, 0x42, 2, 1);
	assert_int_equal(bound, 1);
	wr(BRIDGE, 0x18, 4, 0x00030200); /* the same */
	assert_int_equal(bound, 1);
	dev(BEHIND)->bdf = VPCI_BDF(0, 4, 0, 0);
	wr(BRIDGE, 0x18, 4, 0x00050400);
	assert_int_equal(bound, 0);
	assert_int_equal(rd(VPCI_BDF(0, 4, 0, 0), 0x42, 2) & 1, 0);
	assert_int_equal(get(VPCI_BDF(0, 4, 0, 0), 0x42, 2) & 1, 0);
}

static void test_absent_takes_no_writes(void **state)
{
	struct dev *vf = new_dev(6, VPCI_BDF(0, 0, 9, 1), 0xffffffff, 0);

	(void)state;
	cap(vf, 0x40, 0x05, 0, 0, 12);
	wr(vf->bdf, 0x44, 4, 0xfee00000);
	wr(vf->bdf, 0x42, 2, 1);
	assert_int_equal(get(vf->bdf, 0x44, 4), 0);
	assert_int_equal(get(vf->bdf, 0x42, 2), 0);
	assert_int_equal(rd(vf->bdf, 0x40, 1), 0x05);
	assert_int_equal(vpci_add(&v, vf->bdf), -ENODEV);
}

static void test_unplugged(void **state)
{
	(void)state;
	wr(DISK, 0x42, 2, 1);
	assert_int_equal(bound, 1);
	put(dev(DISK), 0, 4, 0xffffffff);
	assert_int_equal(rd(DISK, 0, 4), 0xffffffff);
	assert_int_equal(bound, 0);
	/* another device in its place starts afresh */
	put(dev(DISK), 0, 4, 0x12345678);
	put(dev(DISK), 0x40, 1, 0x09);
	assert_int_equal(rd(DISK, 0, 4), 0x12345678);
	wr(DISK, 0x44, 4, 0x55);
	assert_int_equal(get(DISK, 0x44, 4), 0x55);
}

static void test_table_full(void **state)
{
	struct dev *b;

	(void)state;
	vpci_init(&v, &ops, &v, funcs, 1, entries, ENTRIES);
	assert_int_equal(rd(NIC, 0, 4), 0x10d38086);
	assert_int_equal(vpci_add(&v, DISK), -ENOSPC);
	assert_int_equal(rd(DISK, 0, 4), 0x29228086);
	assert_int_equal(rd(DISK, 6, 2), 0);
	assert_int_equal(rd(DISK, 0x34, 4), 0);
	for (uint32_t off = 0x40; off < 0x100; off += 4) {
		assert_int_equal(rd(DISK, off, 4), 0);
		wr(DISK, off, 4, 0xffffffff);
	}
	assert_int_equal(get(DISK, 0x42, 2), 0x0006);
	assert_int_equal(get(DISK, 0x44, 4), 0);
	wr(DISK, 4, 2, 7);
	assert_int_equal(get(DISK, 4, 2), 7);
	wr(BRIDGE, 0x18, 4, 0);
	assert_int_equal(get(BRIDGE, 0x18, 4), 0x00030200);
	given_away = DISK;
	assert_int_equal(rd(DISK, 0, 4), 0xffffffff);
	wr(DISK, 4, 2, 0);
	assert_int_equal(get(DISK, 4, 2), 7);
	assert_int_equal(logs, 1);
	b = dev(BRIDGE);
	put(b, 0xe, 1, 2); /* CardBus has its capability pointer elsewhere */
	put(b, 0x14, 1, 0x80);
	assert_int_equal(rd(BRIDGE, 0x14, 1), 0);
}

static void test_chip_set_locks(void **state)
{
	struct dev *mch = new_dev(6, VPCI_BDF(0, 0, 0, 0), 0x29c08086, 0);
	struct dev *lpc = new_dev(7, VPCI_BDF(0, 0, 31, 0), 0x29188086, 0);

	(void)state;
	put(mch, 0x34, 1, 0);
	put(lpc, 0x34, 1, 0);
	memset(&mch->wmask[0x40], 0xff, 0xc0);
	memset(&lpc->wmask[0x40], 0xff, 0xc0);
	for (uint32_t off = 0x40; off < 0x100; off++) {
		wr(mch->bdf, off, 1, 0xee);
		wr(lpc->bdf, off, 1, 0xee);
	}
	for (uint32_t off = 0x40; off < 0x100; off++) {
		bool ecam = off >= 0x60 && off < 0x68;
		bool pm = off >= 0x40 && off < 0x48, rcba = off >= 0xf0 && off < 0xf4;

		assert_int_equal(mch->config[off], ecam ? 0 : 0xee);
		assert_int_equal(lpc->config[off], pm || rcba ? 0 : 0xee);
	}
	wr(mch->bdf, 0x60, 4, 0xb0000001);
	assert_int_equal(get(mch->bdf, 0x60, 4), 0);
	assert_int_equal(logs, 2);
}

/* --- MSI --- */

static void test_msi_shadow(void **state)
{
	(void)state;
	/* 32 bits: one message offered */
	assert_int_equal(rd(DISK, 0x40, 4), 0x00000005);
	wr(DISK, 0x44, 4, 0xfee01007);
	wr(DISK, 0x48, 2, 0x4123);
	assert_int_equal(rd(DISK, 0x44, 4), 0xfee01004);
	assert_int_equal(rd(DISK, 0x48, 4), 0x4123);
	assert_int_equal(get(DISK, 0x44, 4), 0);
	assert_int_equal(get(DISK, 0x48, 4), 0);
	assert_int_equal(binds, 0);
	wr(DISK, 0x42, 2, 0x0071);
	assert_int_equal(binds, 1);
	assert_int_equal(bind_addr, 0xfee01004);
	assert_int_equal(bind_data, 0x4123);
	assert_int_equal(rd(DISK, 0x42, 2), 0x0001);
	assert_int_equal(get(DISK, 0x42, 2), 0x0007); /* the device's own MMC, MME 0, on */
	assert_int_equal(get(DISK, 0x44, 4), HOST_ADDR | 1 << 12);
	assert_int_equal(get(DISK, 0x48, 2), 0x41);
	assert_int_equal(rd(DISK, 0x44, 4), 0xfee01004);
	wr(DISK, 0x42, 2, 0);
	assert_int_equal(get(DISK, 0x42, 2) & 1, 0);
	assert_int_equal(bound, 0);
}

static void test_msi_64_masking(void **state)
{
	(void)state;
	assert_int_equal(rd(NIC, 0x52, 2), 0x0180);
	wr(NIC, 0x54, 4, 0xfee00000);
	wr(NIC, 0x58, 4, 0x12);
	wr(NIC, 0x5c, 2, 0x31);
	wr(NIC, 0x60, 4, 0xffffffff);
	assert_int_equal(rd(NIC, 0x60, 4), 1);
	wr(NIC, 0x52, 2, 1);
	assert_int_equal(bind_addr, 0x12fee00000);
	assert_int_equal(get(NIC, 0x60, 4), 1);
	assert_int_equal(get(NIC, 0x58, 4), 0);
	wr(NIC, 0x60, 1, 0);
	assert_int_equal(get(NIC, 0x60, 4), 0);
	assert_int_equal(binds, 1);
	put(dev(NIC), 0x64, 4, 0xffffffff);
	assert_int_equal(rd(NIC, 0x64, 4), 1);
	wr(NIC, 0x64, 4, 0);
	assert_int_equal(get(NIC, 0x64, 4), 0xffffffff);
	/* a new message: bound again, the same vector needs no write */
	cfg_writes = 0;
	wr(NIC, 0x5c, 2, 0x77);
	assert_int_equal(binds, 2);
	assert_int_equal(bind_data, 0x77);
	assert_int_equal(bound, 1);
	assert_int_equal(cfg_writes, 1); /* the mask register, unchanged */
	assert_int_equal(rd(NIC, 0x5c, 2), 0x77);
}

static void test_msi_bytewise(void **state)
{
	static const uint8_t bytes[] = {0x78, 0x56, 0xe3, 0xfe, 0x9a, 0xbc};

	(void)state;
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		wr(DISK, 0x44 + i, 1, bytes[i]);
	assert_int_equal(rd(DISK, 0x44, 4), 0xfee35678);
	assert_int_equal(rd(DISK, 0x45, 2), 0xe356);
	assert_int_equal(rd(DISK, 0x47, 2), 0x9afe);
	assert_int_equal(rd(DISK, 0x47, 4), 0x00bc9afe);
	wr(DISK, 0x47, 2, 0x11ff);
	assert_int_equal(rd(DISK, 0x44, 4), 0xffe35678);
	assert_int_equal(rd(DISK, 0x48, 2), 0xbc11);
	/* across the front: identifier and next pointer keep */
	wr(DISK, 0x40, 4, 0x0001ffff);
	assert_int_equal(rd(DISK, 0x40, 4), 0x00010005);
	assert_int_equal(binds, 1);
	assert_int_equal(get(DISK, 0x40, 2), 0x0005);
	/* across the end: what follows gets its bytes */
	memset(&dev(DISK)->wmask[0x4c], 0xff, 4);
	wr(DISK, 0x4a, 4, 0xaabbccdd);
	assert_int_equal(get(DISK, 0x4c, 4), 0xaabb);
	assert_int_equal(get(DISK, 0x4a, 2), 0);
	assert_int_equal(rd(DISK, 0x4a, 4), 0xaabb0000);
}

static void test_msi_bind_fails(void **state)
{
	(void)state;
	bind_error = -ENOSPC;
	wr(DISK, 0x42, 2, 1);
	wr(DISK, 0x48, 2, 0x20);
	assert_int_equal(binds, 2);
	assert_int_equal(logs, 1);
	assert_int_equal(rd(DISK, 0x42, 2), 1);
	assert_int_equal(get(DISK, 0x42, 2) & 1, 0);
	bind_error = 0;
	wr(DISK, 0x48, 2, 0x21);
	assert_int_equal(get(DISK, 0x42, 2) & 1, 1);
	/* a bound one that cannot be changed is off and unbound */
	bind_error = -EINVAL;
	wr(DISK, 0x48, 2, 0x22);
	assert_int_equal(get(DISK, 0x42, 2) & 1, 0);
	assert_int_equal(bound, 0);
	assert_int_equal(unbinds, 1);
}

static void test_msi_left_on_by_firmware(void **state)
{
	(void)state;
	put(dev(DISK), 0x42, 2, 0x0007);
	put(dev(DISK), 0x44, 4, 0xfee00000);
	put(dev(NIC), 0x72, 2, 0x800f);
	assert_int_equal(rd(DISK, 0x42, 2), 0);
	assert_int_equal(get(DISK, 0x42, 2), 0x0006);
	assert_int_equal(rd(NIC, 0x72, 2), 15);
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
}

/* --- MSI-X --- */

static void test_msix_shadow(void **state)
{
	(void)state;
	assert_int_equal(rd(NIC, 0x70, 4), 0x000f8011);
	assert_true(is_trapped(TABLE));
	assert_false(is_trapped(TABLE + 0x1000));
	assert_int_equal(hw_entry(TABLE, 15, 12), 1); /* all masked from the start */
	assert_int_equal(mrd(TABLE + 12, 4), 1);
	wr(NIC, 0x72, 2, 0xc000);
	assert_int_equal(rd(NIC, 0x72, 2), 0xc00f);
	assert_int_equal(get(NIC, 0x72, 2), 0xc00f);
	entry_program(TABLE, 3, 0x1fee0f00c, 0x4055);
	assert_int_equal(binds, 1);
	assert_int_equal(bind_addr, 0x1fee0f00c);
	assert_int_equal(bind_data, 0x4055);
	assert_int_equal(hw_entry(TABLE, 3, 0), HOST_ADDR | 0x1000);
	assert_int_equal(hw_entry(TABLE, 3, 4), 0);
	assert_int_equal(hw_entry(TABLE, 3, 8), 0x41);
	assert_int_equal(hw_entry(TABLE, 3, 12), 0);
	assert_int_equal(mrd(TABLE + 48, 8), 0x1fee0f00c);
	assert_int_equal(mrd(TABLE + 56, 8), 0x4055);
	assert_int_equal(mrd(TABLE + 52, 4), 1);
	assert_int_equal(mrd(TABLE + 49, 1), 0xf0);
	assert_int_equal(mrd(TABLE + 50, 2), 0xfee0);
	assert_int_equal(mrd(TABLE + 51, 4), 0x000001fe);
	wr(NIC, 0x73, 1, 0x80);
	assert_int_equal(get(NIC, 0x72, 2), 0x800f);
	/* masking keeps it bound */
	mwr(TABLE + 60, 4, 1);
	assert_int_equal(hw_entry(TABLE, 3, 12), 1);
	mwr(TABLE + 60, 4, 0);
	assert_int_equal(hw_entry(TABLE, 3, 12), 0);
	assert_int_equal(binds, 1);
	wr(NIC, 0x72, 2, 0);
	assert_int_equal(bound, 0);
	assert_int_equal(get(NIC, 0x72, 2), 15);
	assert_int_equal(mrd(TABLE + 48, 8), 0x1fee0f00c);
	wr(NIC, 0x72, 2, 0x8000);
	assert_int_equal(bound, 1);
	assert_int_equal(hw_entry(TABLE, 3, 12), 0);
}

static void test_msix_quadwords_and_odd_sizes(void **state)
{
	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	mwr(TABLE, 8, 0xfee01000);
	mwr(TABLE + 8, 8, 0x33);
	assert_int_equal(binds, 1);
	assert_int_equal(bind_addr, 0xfee01000);
	assert_int_equal(bind_data, 0x33);
	/* undefined accesses change nothing */
	mwr(TABLE, 1, 0xff);
	mwr(TABLE + 2, 2, 0xffff);
	mwr(TABLE + 6, 4, 0xffffffff);
	mwr(TABLE + 3, 8, ~0ULL);
	assert_int_equal(mrd(TABLE, 8), 0xfee01000);
	assert_int_equal(mrd(TABLE + 8, 8), 0x33);
	assert_int_equal(binds, 1);
	/* a change while unmasked */
	mwr(TABLE + 8, 4, 0x34);
	assert_int_equal(binds, 2);
	assert_int_equal(bind_data, 0x34);
	assert_int_equal(bound, 1);
}

static void test_msix_rest_of_page(void **state)
{
	uint64_t value;

	(void)state;
	(void)rd(NIC, 0, 4);
	memory[0x10000] = 0x5a;
	assert_int_equal(mrd(MEM_BASE + 0x10000, 1), 0x5a);
	mwr(MEM_BASE + 0x10008, 8, 0x1122334455667788);
	assert_int_equal(mmio_read(&v, HPA(MEM_BASE + 0x10008), 8), 0x1122334455667788);
	mwr(MEM_BASE + 0x10011, 4, 0xa1b2c3d4);
	assert_int_equal(mrd(MEM_BASE + 0x10011, 4), 0xa1b2c3d4);
	/* across the table's end: device bytes only */
	mwr(TABLE + 16 * 16 - 2, 4, 0xffffffff);
	assert_int_equal(mmio_read(&v, HPA(TABLE + 256), 2), 0xffff);
	assert_int_equal(hw_entry(TABLE, 15, 12), 1);
	/* across the page's end: not beyond it */
	memory[0x11000] = 0x77;
	mwr(MEM_BASE + 0x10ffe, 4, 0x01010101);
	assert_int_equal(memory[0x11000], 0x77);
	assert_int_equal(mrd(MEM_BASE + 0x10ffe, 4), 0xffff0101);
	assert_false(vpci_mmio_read(&v, GPA(MEM_BASE + 0x11000), 4, &value));
	assert_false(vpci_mmio_write(&v, GPA(MEM_BASE), 4, 0));
}

static void test_msix_bind_fails(void **state)
{
	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	bind_error = -ENOSPC;
	entry_program(TABLE, 0, 0xfee00000, 0x30);
	assert_int_equal(hw_entry(TABLE, 0, 12), 1);
	assert_int_equal(hw_entry(TABLE, 0, 0), 0);
	assert_int_equal(mrd(TABLE + 12, 4), 0);
	assert_int_equal(logs, 1);
	bind_error = 0;
	mwr(TABLE + 12, 4, 0);
	assert_int_equal(hw_entry(TABLE, 0, 12), 0);
}

/* Every address and data that a guest can think of: none of it in the device. */
static void test_random_messages_stay_in_the_shadow(void **state)
{
	(void)state;
	srand(1);
	wr(NIC, 0x72, 2, 0x8000);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t r = (uint32_t)rand() * 2654435761U;

		mwr(TABLE + 4 * ((uint32_t)rand() % 64), 4, r);
		wr(DISK, 0x40 + 4 * ((uint32_t)rand() % 3), 4, r);
	}
	for (uint32_t i = 0; i < 16; i++) {
		if (hw_entry(TABLE, i, 12) & 1)
			continue;
		assert_int_equal(hw_entry(TABLE, i, 4), 0);
		assert_int_equal(hw_entry(TABLE, i, 0), HOST_ADDR | entries[i].irq.cookie << 12);
		assert_int_equal(hw_entry(TABLE, i, 8), 0x40 + entries[i].irq.cookie);
	}
	if (get(DISK, 0x42, 2) & 1)
		assert_int_equal(get(DISK, 0x44, 4) >> 20, 0xfee);
}

static void test_msix_sizing_keeps_the_trap(void **state)
{
	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 1, 0xfee00000, 0x30);
	bar_events = 0;
	/* with decoding on, as for a host bridge */
	wr(NIC, 0x18, 4, 0xffffffff);
	assert_int_equal(rd(NIC, 0x18, 4), 0xffffc004);
	assert_true(is_trapped(TABLE));
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
	wr(NIC, 0x1c, 4, 0xffffffff);
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x10000);
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
	wr(NIC, 0x1c, 4, 0);
	assert_int_equal(bar_base, MEM_BASE + 0x10000);
	assert_int_equal(bar_size, 0x4000);
	assert_true(is_trapped(TABLE));
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0x8000);
	assert_int_equal(hw_entry(TABLE, 1, 12), 0);
	assert_int_equal(bound, 1);
	assert_int_equal(bar_events, 1);
	/* with decoding off, as for everything else */
	wr(NIC, 4, 2, 0);
	wr(NIC, 0x18, 4, 0xffffffff);
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x10000);
	wr(NIC, 4, 2, 6);
	assert_true(is_trapped(TABLE));
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0x8000);
}

static void test_msix_moves(void **state)
{
	uint64_t now = MEM_BASE + 0x40800;

	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 2, 0xfee00000, 0x30);
	memset(&memory[0x40000], 0xee, 0x4000); /* whatever: raw values */
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x40000);
	assert_false(is_trapped(TABLE));
	assert_true(is_trapped(now));
	assert_int_equal(hw_entry(now, 2, 0), HOST_ADDR | 0x1000);
	assert_int_equal(hw_entry(now, 2, 12), 0);
	for (uint32_t i = 3; i < 16; i++)
		assert_int_equal(hw_entry(now, i, 12), 1);
	assert_int_equal(mrd(now + 32, 4), 0xfee00000);
	/* to where it must not be */
	wr(NIC, 0x18, 4, 0x100000);
	assert_false(is_trapped(now));
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
	assert_int_equal(rd(NIC, 0x72, 2) & 0x8000, 0x8000);
	assert_int_equal(logs, 1);
	wr(NIC, 0x18, 4, 0);
	wr(NIC, 0x1c, 4, 0xffffffff);
	wr(NIC, 0x18, 4, 0xfffffff0);
	wr(NIC, 0x18, 4, 0x7fffc000);
	wr(NIC, 0x1c, 4, 0);
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x10000);
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0x8000);
	assert_true(is_trapped(TABLE));
	assert_int_equal(bound, 1);
}

static void test_msix_enabled_before_decoding(void **state)
{
	(void)state;
	put(dev(NIC), 4, 2, 0);
	memset(&memory[0x10000], 0xee, 0x4000);
	wr(NIC, 0x72, 2, 0x8000);
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
	assert_false(is_trapped(TABLE));
	wr(NIC, 4, 2, 2);
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0x8000);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(hw_entry(TABLE, i, 12), 1);
}

/* Another device takes the place of one that decodes nothing: its registers are not a table. */
static void test_msix_left_over_trap(void **state)
{
	(void)state;
	(void)rd(NIC, 0, 4);
	wr(NIC, 4, 2, 0);
	assert_true(is_trapped(TABLE));
	mwr(TABLE, 4, 0x12345678);
	assert_int_equal(hw_entry(TABLE, 0, 0), 0x12345678);
	assert_false(is_trapped(TABLE));
	wr(NIC, 4, 2, 2);
	assert_true(is_trapped(TABLE));
	assert_int_equal(mrd(TABLE, 4), 0);
}

static void test_msix_shared_page(void **state)
{
	struct dev *d = new_dev(5, VPCI_BDF(0, 0, 6, 0), 0x11112222, 0);

	(void)state;
	put(d, 4, 2, 2);
	cap(d, 0x40, 0x11, 0, 3, 4);
	put(d, 0x44, 4, 0xc00);
	bar32(d, 0x10, (uint32_t)MEM_BASE + 0x10000, 0x1000);
	(void)rd(NIC, 0, 4);
	wr(d->bdf, 0x42, 2, 0x8000);
	entry_program(MEM_BASE + 0x10c00, 0, 0xfee00000, 0x66);
	assert_int_equal(bind_data, 0x66);
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 0, 0xfee00000, 0x67);
	assert_int_equal(bind_data, 0x67);
	wr(d->bdf, 0x10, 4, (uint32_t)MEM_BASE + 0x20000);
	assert_true(is_trapped(TABLE));
	assert_true(is_trapped(MEM_BASE + 0x20c00));
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x30000);
	assert_false(is_trapped(TABLE));
}

static void test_msix_hidden(void **state)
{
	(void)state;
	/* pool of 15 for 16 entries */
	vpci_init(&v, &ops, &v, funcs, DEVS, entries, 15);
	assert_int_equal(rd(NIC, 0x50, 4), 0x01808005); /* MSI's next is the vendor capability */
	assert_int_equal(rd(NIC, 0x70, 4), 0);
	wr(NIC, 0x72, 2, 0x8000);
	assert_int_equal(get(NIC, 0x72, 2), 15);
	assert_int_equal(rd(NIC, 0x80, 1), 0x09);
	assert_false(is_trapped(TABLE));
	/* a BAR that is none */
	setup(state);
	put(dev(NIC), 0x74, 4, 0x800 | 3);
	assert_int_equal(rd(NIC, 0x51, 1), 0x80);
	setup(state);
	put(dev(NIC), 0x74, 4, 0x800 | 7);
	assert_int_equal(rd(NIC, 0x51, 1), 0x80);
	setup(state);
	put(dev(NIC), 0x10, 4, 0xc001);
	put(dev(NIC), 0x74, 4, 0x800);
	assert_int_equal(rd(NIC, 0x51, 1), 0x80);
}

static void test_first_capability_hidden(void **state)
{
	struct dev *d = dev(NIC);

	(void)state;
	vpci_init(&v, &ops, &v, funcs, DEVS, entries, 0);
	put(d, 0x34, 1, 0x70);
	assert_int_equal(rd(NIC, 0x34, 4), 0x80);
}

static void test_pool_is_reused(void **state)
{
	(void)state;
	vpci_init(&v, &ops, &v, funcs, DEVS, entries, 16);
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 5, 0xfee00000, 0x30);
	for (uint32_t i = 0; i < 5; i++) {
		put(dev(NIC), 0, 4, 0xffffffff);
		assert_int_equal(rd(NIC, 0, 4), 0xffffffff);
		assert_int_equal(bound, 0);
		assert_false(is_trapped(TABLE));
		put(dev(NIC), 0, 4, 0x10d38086);
		assert_int_equal(rd(NIC, 0x70, 4), 0x000f8011);
		assert_true(is_trapped(TABLE));
		assert_int_equal(mrd(TABLE + 16 * 5, 4), 0);
	}
}

static void test_table_beyond_its_bar(void **state)
{
	(void)state;
	put(dev(NIC), 0x74, 4, 0x3f80 | 2); /* ends 0x80 behind the 16 KiB BAR */
	wr(NIC, 0x18, 4, 0xffffffff);
	wr(NIC, 0x18, 4, (uint32_t)MEM_BASE + 0x20000);
	wr(NIC, 0x72, 2, 0x8000);
	assert_false(is_trapped(MEM_BASE + 0x23f80));
	assert_int_equal(get(NIC, 0x72, 2) & 0x8000, 0);
}

/* --- hostile devices --- */

static void test_capability_loop(void **state)
{
	struct dev *d = dev(DISK);

	(void)state;
	put(d, 0x41, 1, 0x48);
	put(d, 0x48, 2, 0x4009); /* back to the start */
	cfg_reads = 0;
	(void)rd(DISK, 8, 4);
	assert_true(cfg_reads < 32);
	put(dev(NIC), 0x34, 1, 0xfc);
	put(dev(NIC), 0xfc, 2, 0xfc05); /* MSI that would end behind the 256 bytes */
	assert_int_equal(rd(NIC, 0xfc, 4), 0);
	wr(NIC, 0xfc, 4, 0x00010000);
	assert_int_equal(binds, 0);
}

static void test_second_capability_of_a_kind(void **state)
{
	struct dev *d = dev(DISK);

	(void)state;
	put(d, 0x41, 1, 0x60);
	cap(d, 0x60, 0x05, 0x80, 0, 12);
	cap(d, 0x80, 0x09, 0, 0, 4);
	assert_int_equal(rd(DISK, 0x41, 1), 0x80);
	wr(DISK, 0x64, 4, 0xfee00000);
	wr(DISK, 0x62, 2, 1);
	assert_int_equal(get(DISK, 0x62, 2), 0);
	assert_int_equal(get(DISK, 0x64, 4), 0);
	/* too many of them: the function is gone */
	setup(state);
	d = dev(DISK);
	for (uint32_t at = 0x40; at < 0xe0; at += 0x18)
		cap(d, at, 0x05, (uint8_t)(at + 0x18), 0, 12);
	(void)rd(DISK, 8, 4);
	assert_int_equal(rd(DISK, 8, 4), 0xffffffff);
}

/* --- restart --- */

static void test_quiesce(void **state)
{
	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 4, 0xfee00000, 0x30);
	wr(DISK, 4, 2, 7);
	wr(DISK, 0x44, 4, 0xfee00000);
	wr(DISK, 0x42, 2, 1);
	out(0xcf8, 4, 0x80001800);
	quiesce();
	assert_int_equal(bound, 0);
	assert_int_equal(get(NIC, 4, 2), 2);
	assert_int_equal(get(DISK, 4, 2), 3);
	assert_int_equal(get(DISK, 0x42, 2) & 1, 0);
	assert_int_equal(get(NIC, 0x72, 2), 15);
	assert_int_equal(rd(DISK, 0x44, 4), 0);
	assert_int_equal(rd(NIC, 0x72, 2), 15);
	assert_int_equal(in(0xcf8, 4), 0);
	assert_true(is_trapped(TABLE));
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 4, 0xfee00000, 0x31);
	assert_int_equal(hw_entry(TABLE, 4, 12), 0);
}

/* What has been master stays known as that while it is quiet, and is no more when it was reset and learned anew. */
static void test_forget(void **state)
{
	bool nic = false, disk = false;

	(void)state;
	wr(NIC, 0x72, 2, 0x8000);
	entry_program(TABLE, 4, 0xfee00000, 0x30);
	wr(DISK, 4, 2, 3);
	wr(NIC, 4, 2, 6);
	wr(NIC, 4, 2, 2);
	quiesce();
	for (uint32_t i = 0; i < DEVS; i++) {
		nic |= funcs[i].used && funcs[i].bdf == NIC && funcs[i].mastered;
		disk |= funcs[i].used && funcs[i].bdf == DISK && funcs[i].mastered;
	}
	assert_true(nic && !disk);
	for (uint32_t i = 0; i < DEVS; i++)
		vpci_forget(&v, i);
	assert_int_equal(bound, 0);
	assert_false(is_trapped(TABLE));
	assert_int_equal(v.func_count, 0);
	assert_int_equal(vpci_add(&v, NIC), 0);
	assert_false(funcs[0].mastered);
	assert_true(is_trapped(TABLE));
}

/* Nobody asks the machine for it, whichever way the guest comes, and it takes no room in the tables. */
static void test_own_function(void **state)
{
	uint32_t value, count = v.func_count;

	(void)state;
	vpci_cfg_write(&v, OWN, 0x10, 4, 0x1000);
	assert_int_equal(own_value, 0x1000);
	assert_int_equal(vpci_cfg_read(&v, OWN, 0x10, 4), 0x1010);
	assert_int_equal(vpci_cfg_read(&v, OWN, 0xff0, 2), 0x1ff0);
	assert_true(vpci_io_write(&v, 0xcf8, 4, 0x80000000 | OWN << 8 | 0x20));
	assert_true(vpci_io_write(&v, 0xcfc, 2, 0x77));
	assert_int_equal(own_value, 0x77);
	assert_true(vpci_io_read(&v, 0xcfe, 1, &value));
	assert_int_equal(value, 0x77 + 0x22);
	assert_int_equal(v.func_count, count);
	assert_int_not_equal(vpci_cfg_read(&v, NIC, 0, 4), own_value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_latch, setup),
		cmocka_unit_test_setup(test_extended_latch, setup),
		cmocka_unit_test_setup(test_short_path, setup),
		cmocka_unit_test_setup(test_ecam, setup),
		cmocka_unit_test_setup(test_given_away, setup),
		cmocka_unit_test_setup(test_bridge_above_given_away, setup),
		cmocka_unit_test_setup(test_bridge_towards_given_away, setup),
		cmocka_unit_test_setup(test_renumbering_forgets, setup),
		cmocka_unit_test_setup(test_absent_takes_no_writes, setup),
		cmocka_unit_test_setup(test_unplugged, setup),
		cmocka_unit_test_setup(test_table_full, setup),
		cmocka_unit_test_setup(test_chip_set_locks, setup),
		cmocka_unit_test_setup(test_msi_shadow, setup),
		cmocka_unit_test_setup(test_msi_64_masking, setup),
		cmocka_unit_test_setup(test_msi_bytewise, setup),
		cmocka_unit_test_setup(test_msi_bind_fails, setup),
		cmocka_unit_test_setup(test_msi_left_on_by_firmware, setup),
		cmocka_unit_test_setup(test_msix_shadow, setup),
		cmocka_unit_test_setup(test_msix_quadwords_and_odd_sizes, setup),
		cmocka_unit_test_setup(test_msix_rest_of_page, setup),
		cmocka_unit_test_setup(test_msix_bind_fails, setup),
		cmocka_unit_test_setup(test_random_messages_stay_in_the_shadow, setup),
		cmocka_unit_test_setup(test_msix_sizing_keeps_the_trap, setup),
		cmocka_unit_test_setup(test_msix_moves, setup),
		cmocka_unit_test_setup(test_msix_enabled_before_decoding, setup),
		cmocka_unit_test_setup(test_msix_left_over_trap, setup),
		cmocka_unit_test_setup(test_msix_shared_page, setup),
		cmocka_unit_test_setup(test_msix_hidden, setup),
		cmocka_unit_test_setup(test_first_capability_hidden, setup),
		cmocka_unit_test_setup(test_pool_is_reused, setup),
		cmocka_unit_test_setup(test_table_beyond_its_bar, setup),
		cmocka_unit_test_setup(test_capability_loop, setup),
		cmocka_unit_test_setup(test_second_capability_of_a_kind, setup),
		cmocka_unit_test_setup(test_quiesce, setup),
		cmocka_unit_test_setup(test_forget, setup),
		cmocka_unit_test_setup(test_own_function, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
