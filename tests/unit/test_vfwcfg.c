/* SPDX-License-Identifier: BSD-2-Clause */
/* The fw_cfg device against QEMU's docs/specs/fw_cfg: selector, data port, the DMA interface with its errors. */
/* sources: vdev/vfwcfg.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "lib/types.h"
#include "vdev/vfwcfg.h"

#define SELECTOR 0
#define DATA	 1
#define HIGH	 4
#define LOW	 8
#define ERROR	 1
#define READ	 2
#define SKIP	 4
#define SELECT	 8
#define WRITE	 16
#define BIG	 0x30
#define BIG_SIZE 20000
#define BROKEN	 0x31
#define SHIFTED	 0x32

/* Guest memory: pages 0 to 15, of which 12 can only be read, and 13 is nowhere. */
#define PAGES	 16
#define ROM_PAGE 12
#define NO_PAGE	 13

static uint8_t memory[PAGES * 4096], big[BIG_SIZE];
static uint32_t maps;
static struct vfwcfg dev;

static int broken(void *arg, uint64_t off, void *buf, uint32_t len)
{
	(void)arg;
	(void)off;
	memset(buf, 0xaa, len);
	return -EIO;
}

static const struct vfwcfg_item items[] = {
	{VFWCFG_SIGNATURE, 4,	      0,	 vfwcfg_bytes, (void *)"QEMU"},
	{BIG,	      BIG_SIZE, 0,   vfwcfg_bytes, big	    },
	{BROKEN,		 8,	    0,   broken,       NULL	   },
	{SHIFTED,	  16,	      100, vfwcfg_bytes, big	    },
};

static void *map(void *vm, uint64_t gpa, bool write)
{
	uint64_t page = gpa / 4096;

	assert_ptr_equal(vm, memory);
	maps++;
	if (page >= PAGES || page == NO_PAGE || (page == ROM_PAGE && write))
		return NULL;
	return memory + gpa;
}

static int start(void **state)
{
	(void)state;
	memset(memory, 0x55, sizeof(memory));
	for (uint32_t i = 0; i < BIG_SIZE; i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	dev = (struct vfwcfg){.items = items, .count = ARRAY_SIZE(items), .map = map, .vm = memory};
	vfwcfg_reset(&dev);
	return 0;
}

static void item(uint16_t key)
{
	assert_true(vfwcfg_write(&dev, SELECTOR, 2, key));
}

static uint8_t byte(void)
{
	return (uint8_t)vfwcfg_read(&dev, DATA, 1);
}

static void data_port(void **state)
{
	(void)state;
	/* as firmware probes it, without a selector first: the signature is selected */
	assert_int_equal(byte(), 'Q');
	item(VFWCFG_SIGNATURE);
	assert_int_equal(byte(), 'Q');
	assert_int_equal(byte(), 'E');
	assert_int_equal(byte(), 'M');
	assert_int_equal(byte(), 'U');
	assert_int_equal(byte(), 0);
	assert_int_equal(byte(), 0);
	item(BIG);
	for (uint32_t i = 0; i < BIG_SIZE; i++)
		assert_int_equal(byte(), big[i]);
	assert_int_equal(byte(), 0);
	item(0x7777);
	assert_int_equal(byte(), 0);
	item(BROKEN);
	assert_int_equal(byte(), 0);
	item(SHIFTED);
	assert_int_equal(byte(), big[100]);
}

static void other_accesses_do_nothing(void **state)
{
	(void)state;
	item(BIG);
	for (uint32_t offset = 0; offset < VFWCFG_PORTS; offset++) {
		assert_true(vfwcfg_write(&dev, offset, 1, 0));
		if (offset != SELECTOR)
			assert_true(vfwcfg_write(&dev, offset, 2, VFWCFG_SIGNATURE));
		if (offset != HIGH && offset != LOW)
			assert_true(vfwcfg_write(&dev, offset, 4, 0));
	}
	assert_int_equal(vfwcfg_read(&dev, DATA, 2), 0);
	assert_int_equal(byte(), big[0]);
	assert_int_equal(maps, 0);
}

static void dma_signature(void **state)
{
	(void)state;
	assert_int_equal(vfwcfg_read(&dev, HIGH, 4), 0x554d4551); /* "QEMU" in memory order */
	assert_int_equal(vfwcfg_read(&dev, LOW, 4), 0x47464320);  /* " CFG" */
	assert_int_equal(vfwcfg_read(&dev, HIGH + 3, 1), 'U');
	assert_int_equal(vfwcfg_read(&dev, LOW + 3, 4), 'G');
}

static void describe(uint64_t at, uint32_t control, uint32_t length, uint64_t address)
{
	uint32_t words[2] = {__builtin_bswap32(control), __builtin_bswap32(length)};

	address = __builtin_bswap64(address);
	memcpy(memory + at, words, 8);
	memcpy(memory + at + 8, &address, 8);
}

static uint32_t control_at(uint64_t at)
{
	uint32_t word;

	memcpy(&word, memory + at, 4);
	return __builtin_bswap32(word);
}

/* The steps that it took. */
static uint32_t go(uint64_t at)
{
	uint32_t n = 1;

	assert_true(vfwcfg_write(&dev, HIGH, 4, __builtin_bswap32((uint32_t)(at >> 32))));
	while (!vfwcfg_write(&dev, LOW, 4, __builtin_bswap32((uint32_t)at)))
		n++;
	return n;
}

static void dma_reads(void **state)
{
	(void)state;
	describe(0x100, SELECT | READ | (uint32_t)BIG << 16, 10000, 0x1800);
	/* up to the ends of pages 1, 2, 3, and the rest */
	assert_int_equal(go(0x100), 3);
	assert_int_equal(control_at(0x100), 0);
	assert_memory_equal(memory + 0x1800, big, 10000);
	assert_int_equal(memory[0x17ff], 0x55);
	assert_int_equal(memory[0x1800 + 10000], 0x55);
	/* the length is left alone */
	assert_int_equal(control_at(0x104), 10000);
	/* it goes on where it stopped, and gives zeros behind the end */
	describe(0x100, READ, 11000, 0x4000);
	go(0x100);
	assert_memory_equal(memory + 0x4000, big + 10000, 10000);
	for (uint32_t i = 10000; i < 11000; i++)
		assert_int_equal(memory[0x4000 + i], 0);
	assert_int_equal(memory[0x4000 + 11000], 0x55);
}

static void dma_skips_and_selects(void **state)
{
	(void)state;
	describe(0x200, SELECT | SKIP | (uint32_t)BIG << 16, 500, 0);
	assert_int_equal(go(0x200), 1);
	assert_int_equal(control_at(0x200), 0);
	assert_int_equal(byte(), big[500]);
	describe(0x200, SELECT | (uint32_t)SHIFTED << 16, 7, 0);
	go(0x200);
	assert_int_equal(control_at(0x200), 0);
	assert_int_equal(byte(), big[100]);
	describe(0x200, SKIP, UINT32_MAX, 0);
	go(0x200);
	assert_int_equal(byte(), 0);
	describe(0x200, SELECT | READ | 0x7777U << 16, 16, 0x3000);
	go(0x200);
	assert_int_equal(control_at(0x200), 0);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(memory[0x3000 + i], 0);
	/* nothing of nothing */
	describe(0x200, READ, 0, 0xdead0000);
	assert_int_equal(go(0x200), 1);
	assert_int_equal(control_at(0x200), 0);
}

static void dma_fails_visibly(void **state)
{
	(void)state;
	describe(0x300, SELECT | WRITE | (uint32_t)BIG << 16, 4, 0x1000);
	go(0x300);
	assert_int_equal(control_at(0x300), ERROR);
	describe(0x300, SELECT | READ | (uint32_t)BIG << 16, 4, NO_PAGE * 4096);
	go(0x300);
	assert_int_equal(control_at(0x300), ERROR);
	describe(0x300, SELECT | READ | (uint32_t)BIG << 16, 4, ROM_PAGE * 4096);
	go(0x300);
	assert_int_equal(control_at(0x300), ERROR);
	assert_int_equal(memory[ROM_PAGE * 4096], 0x55);
	/* it runs out of memory on the way */
	describe(0x300, SELECT | READ | (uint32_t)BIG << 16, 8192, 11 * 4096);
	assert_int_equal(go(0x300), 2);
	assert_int_equal(control_at(0x300), ERROR);
	assert_memory_equal(memory + 11 * 4096, big, 4096);
	/* an error that the guest left there is no error */
	describe(0x300, ERROR | SELECT | READ | (uint32_t)BIG << 16, 4, 0x1000);
	go(0x300);
	assert_int_equal(control_at(0x300), 0);
	/* up to the end of all addresses */
	describe(0x300, READ, 8, UINT64_MAX - 3);
	go(0x300);
	assert_int_equal(control_at(0x300), ERROR);
}

static void descriptions_in_odd_places(void **state)
{
	(void)state;
	describe(0x1ffa, SELECT | READ | (uint32_t)BIG << 16, 64, 0x5001);
	go(0x1ffa);
	assert_int_equal(control_at(0x1ffa), 0);
	assert_memory_equal(memory + 0x5001, big, 64);
	/* nowhere: nothing happens */
	assert_int_equal(go(NO_PAGE * 4096), 1);
	assert_int_equal(go(NO_PAGE * 4096 - 4), 1);
	assert_int_equal(go(0x123456789000), 1);
	/* where it cannot be answered */
	describe(ROM_PAGE * 4096, SELECT | READ | (uint32_t)BIG << 16, 4, 0x6000);
	assert_int_equal(go(ROM_PAGE * 4096), 1);
	assert_memory_equal(memory + 0x6000, big, 4);
	/* over itself */
	describe(0x700, SELECT | READ | (uint32_t)BIG << 16, 64, 0x700);
	go(0x700);
	assert_int_equal(control_at(0x700), 0);
	assert_memory_equal(memory + 0x704, big + 4, 60);
}

/* Whoever comes while another's access is in progress helps it on, and then has its own. */
static void two_at_once(void **state)
{
	uint32_t steps = 1;

	(void)state;
	describe(0x100, SELECT | READ | (uint32_t)BIG << 16, 12288, 0x1000);
	describe(0x200, SELECT | READ | (uint32_t)SHIFTED << 16, 16, 0x8000);
	assert_false(vfwcfg_write(&dev, LOW, 4, __builtin_bswap32(0x100)));
	while (!vfwcfg_write(&dev, LOW, 4, __builtin_bswap32(0x200)))
		steps++;
	assert_int_equal(steps, 3);
	assert_memory_equal(memory + 0x1000, big, 12288);
	assert_memory_equal(memory + 0x8000, big + 100, 16);
	/* the first finds its own done: its control word asks for nothing */
	assert_true(vfwcfg_write(&dev, LOW, 4, __builtin_bswap32(0x100)));
	assert_int_equal(control_at(0x100), 0);
}

static void reset_forgets(void **state)
{
	(void)state;
	describe(0x100, SELECT | READ | (uint32_t)BIG << 16, 12288, 0x1000);
	assert_false(vfwcfg_write(&dev, LOW, 4, __builtin_bswap32(0x100)));
	vfwcfg_reset(&dev);
	assert_int_equal(byte(), 'Q');
	describe(0x200, SELECT | READ | (uint32_t)SHIFTED << 16, 16, 0x8000);
	assert_true(vfwcfg_write(&dev, LOW, 4, __builtin_bswap32(0x200)));
	assert_memory_equal(memory + 0x8000, big + 100, 16);
	assert_int_equal(memory[0x3000], 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(data_port, start),
		cmocka_unit_test_setup(other_accesses_do_nothing, start),
		cmocka_unit_test_setup(dma_signature, start),
		cmocka_unit_test_setup(dma_reads, start),
		cmocka_unit_test_setup(dma_skips_and_selects, start),
		cmocka_unit_test_setup(dma_fails_visibly, start),
		cmocka_unit_test_setup(descriptions_in_odd_places, start),
		cmocka_unit_test_setup(two_at_once, start),
		cmocka_unit_test_setup(reset_forgets, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
