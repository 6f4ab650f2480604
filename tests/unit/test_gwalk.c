/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest page walk against tables built by hand, one mode after the other. */
/* sources: vm/gwalk.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/cpu.h"
#include "arch/msr.h"
#include "vm/gwalk.h"

#define P     0x001ULL
#define W     0x002ULL
#define U     0x004ULL
#define A     0x020ULL
#define D     0x040ULL
#define PS    0x080ULL
#define NX    (1ULL << 63)
#define PK(n) ((uint64_t)(n) << 59)

/* Guest-physical memory: eight pages of tables. */
#define TABLES 0x8000
static uint8_t memory[TABLES];
static uint32_t reads, writes, refuse;
static struct gwalk_cpu cpu;

static int read_entry(void *ctx, gpa_t gpa, uint32_t size, uint64_t *value)
{
	(void)ctx;
	reads++;
	assert_int_equal(gpa.v % size, 0);
	if (gpa.v > TABLES - size)
		return -EIO;
	memcpy(value, memory + gpa.v, size);
	return 0;
}

static int cmpxchg_entry(void *ctx, gpa_t gpa, uint32_t size, uint64_t old, uint64_t new)
{
	(void)ctx;
	assert_memory_equal(memory + gpa.v, &old, size);
	if (refuse) {
		refuse--;
		return -EAGAIN;
	}
	writes++;
	memcpy(memory + gpa.v, &new, size);
	return 0;
}

static const struct gwalk_ops ops = {.read = read_entry, .cmpxchg = cmpxchg_entry};
static const struct gwalk_ops ops_look = {.read = read_entry};

static int reset(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	reads = writes = refuse = 0;
	cpu = (struct gwalk_cpu){.cr0 = CR0_PE | CR0_PG | CR0_WP,
				 .cr3 = 0x1000,
				 .cr4 = CR4_PAE,
				 .efer = EFER_LME | EFER_LMA | EFER_NXE,
				 .pages_1g = true,
				 .phys_bits = 40};
	return 0;
}

static void put64(uint32_t table, uint32_t index, uint64_t entry)
{
	memcpy(memory + table + 8 * index, &entry, 8);
}

static uint64_t get64(uint32_t table, uint32_t index)
{
	uint64_t entry;

	memcpy(&entry, memory + table + 8 * index, 8);
	return entry;
}

static void put32(uint32_t table, uint32_t index, uint32_t entry)
{
	memcpy(memory + table + 4 * index, &entry, 4);
}

/* A 4-level path to 0x12345000 for linear 0x0000123456789000, with @rights in every level and @leaf in the last. */
#define LINEAR 0x0000123456789abcULL
#define PAGE   0x12345000ULL

static void build_long(uint64_t rights, uint64_t leaf)
{
	put64(0x1000, (LINEAR >> 39) & 511, 0x2000 | P | rights);
	put64(0x2000, (LINEAR >> 30) & 511, 0x3000 | P | rights);
	put64(0x3000, (LINEAR >> 21) & 511, 0x4000 | P | rights);
	put64(0x4000, (LINEAR >> 12) & 511, PAGE | leaf);
}

static uint64_t walk_ok(uint64_t linear, uint32_t access)
{
	gpa_t out;
	uint32_t error = 0xdead;

	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(linear), access, &out, &error), 0);
	assert_int_equal(error, 0xdead);
	return out.v;
}

static uint32_t walk_fault(uint64_t linear, uint32_t access)
{
	gpa_t out = GPA(1);
	uint32_t error = 0xdead, before = writes;

	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(linear), access, &out, &error), -EFAULT);
	assert_int_equal(out.v, 1);
	assert_int_equal(writes, before); /* no accessed bit without an access */
	return error;
}

static void no_paging(void **state)
{
	(void)state;
	cpu.cr0 = CR0_PE;
	assert_int_equal(walk_ok(0x1234567890ULL, GWALK_WRITE), 0x34567890);
	assert_int_equal(reads, 0);
}

static void long_mode(void **state)
{
	gpa_t out;
	uint32_t error;

	(void)state;
	build_long(W | U, P | W | U);
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc);
	assert_true(reads <= 8);
	assert_int_equal(writes, 4);
	assert_int_equal(get64(0x4000, (LINEAR >> 12) & 511), PAGE | P | W | U | A);
	assert_int_equal(get64(0x1000, (LINEAR >> 39) & 511), 0x2000 | P | W | U | A);
	reads = 0;
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc);
	assert_int_equal(reads, 4);
	assert_int_equal(writes, 4); /* nothing left to set */
	assert_int_equal(walk_ok(LINEAR, GWALK_WRITE), PAGE | 0xabc);
	assert_int_equal(writes, 5);
	assert_int_equal(get64(0x4000, (LINEAR >> 12) & 511), PAGE | P | W | U | A | D);
	/* Upper half, and what is neither. */
	put64(0x1000, 511, 0x2000 | P);
	put64(0x2000, 511, 0x3000 | P);
	put64(0x3000, 511, 0x4000 | P);
	put64(0x4000, 511, 0x7000 | P);
	assert_int_equal(walk_ok(UINT64_MAX, 0), 0x7fff);
	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(0x0000800000000000ULL), 0, &out, &error),
			 -EINVAL);
	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(0xffff7fffffffffffULL), 0, &out, &error),
			 -EINVAL);
	/* CR3's low bits (PCID) do not count. */
	cpu.cr3 |= 0xfff;
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc);
}

static void long_large_pages(void **state)
{
	(void)state;
	put64(0x1000, 0, 0x2000 | P | W | U);
	put64(0x2000, 0, 0x3000 | P | W | U);
	put64(0x2000, 1, 0x4040000000ULL | P | W | U | PS);
	put64(0x3000, 3, 0x12600000 | P | W | U | PS | 1 << 12); /* bit 12 is PAT */
	assert_int_equal(walk_ok(0x612345, GWALK_WRITE), 0x12612345);
	assert_int_equal(get64(0x3000, 3) & (A | D), A | D);
	assert_int_equal(walk_ok(0x612345, GWALK_WRITE), 0x12612345);
	put64(0x3000, 3, 0x12602000 | P | W | U | PS | A | D);
	assert_int_equal(walk_fault(0x612345, 0), PF_PRESENT | PF_RSVD);
	assert_int_equal(walk_ok(0x4abcdef0, 0), 0x404abcdef0ULL);
	put64(0x3000, 3, 0x12602000 | P | W | U | PS);
	assert_int_equal(walk_fault(0x612345, 0), PF_PRESENT | PF_RSVD);
	put64(0x2000, 1, 0x4040002000ULL | P | W | U | PS);
	assert_int_equal(walk_fault(0x4abcdef0, 0), PF_PRESENT | PF_RSVD);
	put64(0x2000, 1, 0x4040000000ULL | P | W | U | PS);
	cpu.pages_1g = false;
	assert_int_equal(walk_fault(0x4abcdef0, 0), PF_PRESENT | PF_RSVD);
	put64(0x1000, 0, 0x2000 | P | PS);
	assert_int_equal(walk_fault(0, 0), PF_PRESENT | PF_RSVD);
}

static void not_present(void **state)
{
	static const uint32_t table[] = {0x4000, 0x3000, 0x2000, 0x1000};

	(void)state;
	for (uint32_t level = 0; level < 4; level++) {
		build_long(W | U, P | W | U);
		/* Not present: the other bits may be anything. */
		put64(table[level], (LINEAR >> (12 + 9 * level)) & 511, ~P);
		assert_int_equal(walk_fault(LINEAR, 0), 0);
		assert_int_equal(walk_fault(LINEAR, GWALK_WRITE), PF_WRITE);
		cpu.cpl = 3;
		assert_int_equal(walk_fault(LINEAR, GWALK_EXEC), PF_USER | PF_FETCH);
		assert_int_equal(walk_fault(LINEAR, GWALK_IMPLICIT), 0);
		cpu.cpl = 0;
	}
}

static void reserved(void **state)
{
	(void)state;
	build_long(W | U, P | W | U | 1ULL << 40);
	assert_int_equal(walk_fault(LINEAR, GWALK_WRITE), PF_PRESENT | PF_RSVD | PF_WRITE);
	cpu.phys_bits = 41;
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc | 1ULL << 40);
	build_long(W | U, P | NX);
	cpu.efer &= ~EFER_NXE;
	assert_int_equal(walk_fault(LINEAR, 0), PF_PRESENT | PF_RSVD);
	/* Bits 62:52 are the guest's own. */
	build_long(W | U, P | 0x7ffULL << 52);
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc);
	cpu.phys_bits = 52;
	assert_int_equal(walk_ok(LINEAR, 0), PAGE | 0xabc);
}

/* Every combination of rights in the directory, in the page, and of the processor's switches, against the manual's words. */
static void rights(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 1U << 13; n++) {
		uint64_t marked = n & 4096 ? A | D : 0; /* then the walk takes its short way */
		uint64_t upper = (n & 1 ? W : 0) | (n & 2 ? U : 0) | (n & 4 ? NX : 0);
		uint64_t leaf = P | (n & 8 ? W : 0) | (n & 16 ? U : 0) | (n & 32 ? NX : 0);
		bool w = n & 1 && n & 8, u = n & 2 && n & 16, nx = n & 4 || n & 32;
		bool cpl3 = n & 64, wp = n & 128, smep = n & 256, smap = n & 512, ac = n & 1024;
		bool implicit = n & 2048;
		bool user = cpl3 && !implicit;
		bool reach = user ? u : !(u && smap && (!ac || implicit));
		bool read = reach, write = reach && (w || (!user && !wp));
		bool exec = !nx && (user ? u : !(u && smep));
		uint32_t common = PF_PRESENT | (user ? PF_USER : 0);
		uint32_t kind = implicit ? GWALK_IMPLICIT : 0;

		build_long(0, leaf | marked);
		put64(0x2000, (LINEAR >> 30) & 511, 0x3000 | P | upper | marked);
		put64(0x1000, (LINEAR >> 39) & 511, 0x2000 | P | W | U | marked);
		put64(0x3000, (LINEAR >> 21) & 511, 0x4000 | P | W | U | marked);
		cpu.cpl = cpl3 ? 3 : 0;
		cpu.ac = ac;
		cpu.cr0 = CR0_PE | CR0_PG | (wp ? CR0_WP : 0);
		cpu.cr4 = CR4_PAE | (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0);
		if (read)
			walk_ok(LINEAR, kind);
		else
			assert_int_equal(walk_fault(LINEAR, kind), common);
		if (write)
			walk_ok(LINEAR, kind | GWALK_WRITE);
		else
			assert_int_equal(walk_fault(LINEAR, kind | GWALK_WRITE), common | PF_WRITE);
		if (exec)
			walk_ok(LINEAR, kind | GWALK_EXEC);
		else
			assert_int_equal(walk_fault(LINEAR, kind | GWALK_EXEC), common | PF_FETCH);
	}
}

static void protection_keys(void **state)
{
	(void)state;
	build_long(W | U, P | W | U | PK(5));
	cpu.cr4 |= CR4_PKE;
	cpu.cpl = 3;
	assert_int_equal(walk_ok(LINEAR, GWALK_WRITE), PAGE | 0xabc);
	cpu.pkru = 2U << 10; /* key 5: writes are denied */
	walk_ok(LINEAR, 0);
	assert_int_equal(walk_fault(LINEAR, GWALK_WRITE), PF_PRESENT | PF_WRITE | PF_USER | PF_PK);
	cpu.cpl = 0;
	assert_int_equal(walk_fault(LINEAR, GWALK_WRITE), PF_PRESENT | PF_WRITE | PF_PK);
	cpu.cr0 &= ~CR0_WP;
	walk_ok(LINEAR, GWALK_WRITE);
	cpu.pkru = 1U << 10; /* all data accesses are denied, fetches are not */
	assert_int_equal(walk_fault(LINEAR, 0), PF_PRESENT | PF_PK);
	walk_ok(LINEAR, GWALK_EXEC);
	cpu.pkru = ~(3U << 10);
	walk_ok(LINEAR, 0);
	/* Supervisor pages have no key. */
	cpu.pkru = UINT32_MAX;
	build_long(W, P | W | PK(5));
	walk_ok(LINEAR, 0);
	cpu.cr4 &= ~CR4_PKE;
	build_long(W | U, P | W | U | PK(5));
	walk_ok(LINEAR, 0);
}

static void pae(void **state)
{
	uint32_t linear = 0xc0a03456;

	(void)state;
	cpu.efer = EFER_NXE;
	cpu.cr3 = 0x1020; /* 32-byte alignment */
	put64(0x1020, 3, 0x2000 | P);
	put64(0x2000, (linear >> 21) & 511, 0x3000 | P | W | U);
	put64(0x3000, (linear >> 12) & 511, 0x8812345000ULL | P | W | U);
	/* The upper half of a linear address does not exist. */
	assert_int_equal(walk_ok(0xffffffff00000000ULL | linear, GWALK_WRITE), 0x8812345456ULL);
	assert_int_equal(get64(0x1020, 3), 0x2000 | P); /* no accessed bit there */
	assert_int_equal(get64(0x2000, (linear >> 21) & 511), 0x3000 | P | W | U | A);
	assert_int_equal(get64(0x3000, (linear >> 12) & 511), 0x8812345000ULL | P | W | U | A | D);
	cpu.cpl = 3;
	assert_int_equal(walk_ok(linear, 0),
			 0x8812345456ULL); /* the PDPTE's missing U and W deny nothing */
	put64(0x3000, (linear >> 12) & 511, 0x12345000ULL | P | W | U | NX);
	assert_int_equal(walk_fault(linear, GWALK_EXEC), PF_PRESENT | PF_USER | PF_FETCH);
	put64(0x3000, (linear >> 12) & 511, 0x12345000ULL | P | W | U | 1ULL << 52);
	assert_int_equal(walk_fault(linear, 0), PF_PRESENT | PF_USER | PF_RSVD);
	put64(0x2000, (linear >> 21) & 511, 0x40000000 | P | W | U | PS);
	assert_int_equal(walk_ok(linear, 0), 0x40003456);
	put64(0x1020, 3, 0x2000 | P | W);
	assert_int_equal(walk_fault(linear, 0), PF_PRESENT | PF_USER | PF_RSVD);
	put64(0x1020, 3, 0);
	assert_int_equal(walk_fault(linear, GWALK_WRITE), PF_USER | PF_WRITE);
}

static void legacy(void **state)
{
	uint32_t linear = 0x80c03456, pde = linear >> 22, pte = (linear >> 12) & 1023;
	uint32_t entry;

	(void)state;
	cpu.efer = 0;
	cpu.cr4 = 0;
	cpu.phys_bits = 36;
	put32(0x1000, pde, 0x2000 | P | W | U);
	put32(0x2000, pte, 0xfedcb000 | P | W);
	assert_int_equal(walk_ok(linear, GWALK_WRITE), 0xfedcb456);
	memcpy(&entry, memory + 0x2000 + 4 * pte, 4);
	assert_int_equal(entry, 0xfedcb000 | P | W | A | D);
	cpu.cpl = 3;
	assert_int_equal(walk_fault(linear, GWALK_EXEC),
			 PF_PRESENT | PF_USER); /* no NX, no SMEP: no fetch bit */
	cpu.cr4 = CR4_SMEP;
	assert_int_equal(walk_fault(linear, GWALK_EXEC), PF_PRESENT | PF_USER | PF_FETCH);
	/* Without CR4.PSE the PS bit is ignored. */
	cpu.cpl = 0;
	put32(0x1000, pde, 0x2000 | P | W | U | PS);
	assert_int_equal(walk_ok(linear, 0), 0xfedcb456);
	cpu.cr4 = CR4_PSE;
	put32(0x1000, pde, 0x12400000 | P | W | U | PS | 0xf << 13); /* PSE-36: bits 35:32 */
	assert_int_equal(walk_ok(linear, 0), 0xf12403456ULL);
	put32(0x1000, pde, 0x12400000 | P | W | U | PS | 1 << 17); /* bit 36 with MAXPHYADDR 36 */
	assert_int_equal(walk_fault(linear, 0), PF_PRESENT | PF_RSVD);
	cpu.phys_bits = 48;
	assert_int_equal(walk_ok(linear, 0), 0x1012403456ULL);
	put32(0x1000, pde, 0x12400000 | P | W | U | PS | 1 << 21);
	assert_int_equal(walk_fault(linear, 0), PF_PRESENT | PF_RSVD);
}

static void trouble(void **state)
{
	gpa_t out;
	uint32_t error;

	(void)state;
	build_long(W | U, P | W | U);
	refuse = 2; /* entries that change are read again */
	assert_int_equal(walk_ok(LINEAR, GWALK_WRITE), PAGE | 0xabc);
	build_long(W | U, P | W | U);
	refuse = 1000;
	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(LINEAR), 0, &out, &error), -EAGAIN);
	assert_true(refuse > 1000 - 10);
	assert_int_equal(gwalk(&ops_look, NULL, &cpu, GVA(LINEAR), 0, &out, &error), 0);
	/* A table that lies nowhere. */
	put64(0x3000, (LINEAR >> 21) & 511, 0xfffff000 | P | W | U);
	assert_int_equal(gwalk(&ops, NULL, &cpu, GVA(LINEAR), 0, &out, &error), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_paging, reset),
		cmocka_unit_test_setup(long_mode, reset),
		cmocka_unit_test_setup(long_large_pages, reset),
		cmocka_unit_test_setup(not_present, reset),
		cmocka_unit_test_setup(reserved, reset),
		cmocka_unit_test_setup(rights, reset),
		cmocka_unit_test_setup(protection_keys, reset),
		cmocka_unit_test_setup(pae, reset),
		cmocka_unit_test_setup(legacy, reset),
		cmocka_unit_test_setup(trouble, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
