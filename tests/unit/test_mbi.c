/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot2 information block and the cleaned memory map: sound blocks, and every way to break one. */
/* sources: boot/mbi.c ept/memmap.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "boot/mbi.h"

/* --- A block under construction --- */

static uint8_t block[65536];
static uint32_t used, tag_start;
static struct boot_info info;
static char err[256];

static void put(const void *data, size_t len)
{
	assert_true(used + len <= sizeof(block));
	memcpy(block + used, data, len);
	used += (uint32_t)len;
}

static void put8(uint8_t v)
{
	put(&v, sizeof(v));
}

static void put32(uint32_t v)
{
	put(&v, sizeof(v));
}

static void put64(uint64_t v)
{
	put(&v, sizeof(v));
}

static void block_begin(void)
{
	memset(block, 0, sizeof(block));
	used = 8;
}

static void tag_begin(uint32_t type)
{
	used = ALIGN_UP(used, 8U);
	tag_start = used;
	put32(type);
	put32(0);
}

static void tag_size_set(uint32_t size)
{
	memcpy(block + tag_start + 4, &size, sizeof(size));
}

static void tag_end(void)
{
	tag_size_set(used - tag_start);
}

static void tag_string(uint32_t type, const char *s)
{
	tag_begin(type);
	put(s, strlen(s) + 1);
	tag_end();
}

static void tag_module(uint32_t start, uint32_t end, const char *s)
{
	tag_begin(3);
	put32(start);
	put32(end);
	put(s, strlen(s) + 1);
	tag_end();
}

static void mmap_entry(uint64_t base, uint64_t size, uint32_t type)
{
	put64(base);
	put64(size);
	put32(type);
	put32(0);
}

static void tag_mmap(void)
{
	tag_begin(6);
	put32(24);
	put32(0);
	mmap_entry(0, 0x9fc00, 1);
	mmap_entry(0x9fc00, 0x400, 2);
	mmap_entry(0xf0000, 0x10000, 2);
	mmap_entry(0x100000, 0x7fee0000 - 0x100000, 1);
	mmap_entry(0x7fee0000, 0x120000, 20);
	tag_end();
}

static void block_end(void)
{
	tag_begin(0);
	tag_end();
	memcpy(block, &used, sizeof(used));
}

/* Parse a copy of exactly that size, so that the sanitizer sees a read past its end. */
static int parse_size(uint32_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	int result;

	memcpy(copy, block, size);
	err[0] = '\0';
	result = mbi_parse(copy, size, &info, err, sizeof(err));
	free(copy);
	if (result)
		assert_true(strlen(err) > 20);
	return result;
}

static int parse(void)
{
	block_end();
	return parse_size(used);
}

static void expect_error(int want, const char *words)
{
	assert_int_equal(parse(), want);
	if (!strstr(err, words))
		fail_msg("'%s' is not in '%s'", words, err);
}

static void block_typical(void)
{
	block_begin();
	tag_string(1, "console=com1 loglevel=7");
	tag_string(2, "GRUB 2.06");
	tag_module(0x101000, 0x22c1000, "linux a b");
	tag_module(0x22c2000, 0x22c2000, "empty");
	tag_mmap();
	tag_begin(8);
	put64(0x1c0000000);
	put32(5120);
	put32(1280);
	put32(800);
	put8(32);
	put8(1);
	put("\0\0\x10\x08\x08\x08\x00\x08", 8);
	tag_end();
	tag_begin(14);
	put("RSD PTR old.........", 20);
	tag_end();
	tag_begin(15);
	put("RSD PTR new.........................", 36);
	tag_end();
	tag_begin(21);
	put32(0x7fc00000);
	tag_end();
	tag_begin(12);
	put64(0x7f001018);
	tag_end();
	tag_begin(17);
	put32(48);
	put32(1);
	tag_end();
	tag_begin(4);
	put64(0);
	tag_end();
}

static void test_typical(void **state)
{
	(void)state;
	block_typical();
	assert_int_equal(parse(), 0);
	assert_string_equal(info.cmdline, "console=com1 loglevel=7");
	assert_string_equal(info.loader, "GRUB 2.06");
	assert_int_equal(info.module_count, 2);
	assert_string_equal(info.modules[0].name, "linux");
	assert_string_equal(info.modules[0].cmdline, "linux a b");
	assert_int_equal(info.modules[0].start.v, 0x101000);
	assert_int_equal(info.modules[0].size, 0x21c0000);
	assert_int_equal(info.modules[1].size, 0);
	assert_ptr_equal(boot_module_find(&info, "empty"), &info.modules[1]);
	assert_null(boot_module_find(&info, "linu"));
	assert_true(info.fb.present);
	assert_int_equal(info.fb.base.v, 0x1c0000000);
	assert_int_equal(info.fb.width, 1280);
	assert_int_equal(info.fb.red_pos, 16);
	assert_int_equal(info.fb.blue_size, 8);
	assert_int_equal(info.rsdp_size, 36);
	assert_memory_equal(info.rsdp, "RSD PTR new", 11);
	assert_true(info.has_rsdp_old);
	assert_memory_equal(info.rsdp_old, "RSD PTR old", 11);
	assert_true(info.has_load_base);
	assert_int_equal(info.load_base, 0x7fc00000);
	assert_true(info.efi && info.efi_map && !info.efi_bs);
	assert_int_equal(info.efi_systab, 0x7f001018);

	assert_int_equal(info.map_count, 5);
	assert_int_equal(info.map[0].size, 0x9f000); /* RAM shrank, the reserved page grew */
	assert_int_equal(info.map[1].base.v, 0x9f000);
	assert_int_equal(info.map[1].type, MEM_RESERVED);
	assert_int_equal(info.map[4].base.v, 0x7fee0000);
	assert_int_equal(info.map[4].type, MEM_RESERVED);
}

static void test_rsdp_order(void **state)
{
	(void)state;
	block_begin();
	tag_mmap();
	tag_begin(15);
	put("RSD PTR new.........................", 36);
	tag_end();
	tag_begin(14);
	put("RSD PTR old.........", 20);
	tag_end();
	assert_int_equal(parse(), 0);
	assert_int_equal(info.rsdp_size, 36);
	assert_memory_equal(info.rsdp, "RSD PTR new", 11);
}

/* Any prefix of a sound block is refused, with a sentence and no read behind it. */
static void test_every_truncation(void **state)
{
	uint32_t full, size;

	(void)state;
	block_typical();
	assert_int_equal(parse(), 0);
	full = used;
	for (size = 0; size < full; size++)
		assert_int_not_equal(parse_size(size), 0);
	for (size = 0; size < full; size++) {
		memcpy(block, &size, sizeof(size));
		assert_int_not_equal(parse_size(full), 0);
	}
}

/* Any byte of the block may be anything: never a read outside. */
static void test_every_byte(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x07, 0x7f, 0x80, 0xff};

	(void)state;
	block_typical();
	assert_int_equal(parse(), 0);
	for (uint32_t i = 0; i < used; i++) {
		uint8_t was = block[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			block[i] = values[v];
			parse_size(used);
		}
		block[i] = was;
	}
}

static void test_bad_tags(void **state)
{
	(void)state;
	block_begin();
	tag_mmap();
	tag_begin(99);
	tag_size_set(7);
	expect_error(-EINVAL, "has 7 bytes");

	block_begin();
	tag_mmap();
	tag_begin(99);
	tag_size_set(0xfffffff9);
	expect_error(-EINVAL, "are left");

	block_begin();
	tag_mmap();
	tag_begin(8);
	put64(0);
	tag_end();
	expect_error(-EINVAL, "cut short");

	block_begin();
	tag_mmap();
	tag_mmap();
	expect_error(-EINVAL, "a second memory map");

	block_begin();
	tag_string(1, "x");
	expect_error(-ENOENT, "no memory map");

	block_begin();
	tag_mmap();
	tag_begin(1);
	put("abcd", 4);
	tag_end();
	expect_error(-EINVAL, "has no end");
}

static void test_missing_end(void **state)
{
	(void)state;
	block_begin();
	tag_mmap();
	used = ALIGN_UP(used, 8U);
	memcpy(block, &used, sizeof(used));
	assert_int_equal(parse_size(used), -EINVAL);
	assert_non_null(strstr(err, "end tag is missing"));
}

static void test_bad_mmap(void **state)
{
	static const uint32_t entry_sizes[] = {0, 8, 19, 1025, 0x80000000, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(entry_sizes); i++) {
		block_begin();
		tag_begin(6);
		put32(entry_sizes[i]);
		put32(0);
		mmap_entry(0, 0x1000, 1);
		tag_end();
		expect_error(-EINVAL, "memory map entries");
	}
	block_begin();
	tag_begin(6);
	put32(24);
	put32(0);
	mmap_entry(0, 0x1000, 1);
	put64(0);
	tag_end();
	expect_error(-EINVAL, "inside an entry");

	block_begin();
	tag_begin(6);
	put32(24);
	put32(0);
	mmap_entry(0xfffffffffffff000, 0x2000, 2);
	tag_end();
	expect_error(-EINVAL, "above all addresses");

	block_begin();
	tag_begin(6);
	put32(24);
	put32(0);
	for (uint64_t i = 0; i <= MEM_MAP_MAX; i++)
		mmap_entry(i << 20, 0x1000, 1);
	tag_end();
	expect_error(-E2BIG, "more than 256");
}

static void test_modules(void **state)
{
	char line[BOOT_MODULE_ARGS + 1];

	(void)state;
	block_begin();
	tag_mmap();
	tag_module(0x2000, 0x1fff, "back");
	expect_error(-EINVAL, "before its start");

	block_begin();
	tag_mmap();
	for (uint32_t i = 0; i <= BOOT_MODULES; i++)
		tag_module(0x1000, 0x2000, "m");
	expect_error(-E2BIG, "more than 80");

	memset(line, 'x', sizeof(line));
	line[BOOT_MODULE_ARGS] = '\0';
	block_begin();
	tag_mmap();
	tag_module(0, 1, line);
	expect_error(-E2BIG, "512 characters");

	line[BOOT_MODULE_ARGS - 1] = '\0';
	block_begin();
	tag_mmap();
	tag_module(0, 1, line);
	expect_error(-E2BIG, "name of module 1");

	line[BOOT_MODULE_NAME - 1] = '\t';
	block_begin();
	tag_mmap();
	tag_module(0, 1, line);
	assert_int_equal(parse(), 0);
	assert_int_equal(strlen(info.modules[0].name), BOOT_MODULE_NAME - 1);

	block_begin();
	tag_mmap();
	tag_module(0, 1, "");
	tag_module(0, 1, "  two  words");
	assert_int_equal(parse(), 0);
	assert_string_equal(info.modules[0].name, "");
	assert_string_equal(info.modules[1].name, "two");
}

static void framebuffer(uint32_t pitch, uint32_t width, uint8_t bpp, uint8_t type, bool colours,
			uint8_t red)
{
	block_begin();
	tag_mmap();
	tag_begin(8);
	put64(0x80000000);
	put32(pitch);
	put32(width);
	put32(25);
	put8(bpp);
	put8(type);
	put8(0);
	put8(0);
	if (colours) {
		put8(red);
		put("\x08\x08\x08\x00\x08", 5);
	}
	tag_end();
}

static void test_framebuffer(void **state)
{
	(void)state;
	framebuffer(4096, 1024, 32, 1, true, 16);
	assert_int_equal(parse(), 0);
	framebuffer(160, 80, 16, 2, false, 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(info.fb.type, BOOT_FB_TEXT);
	framebuffer(4096, 1024, 32, 1, false, 16);
	expect_error(-EINVAL, "colours");
	framebuffer(4096, 1024, 32, 3, true, 16);
	expect_error(-EINVAL, "unknown type");
	framebuffer(4095, 1024, 32, 1, true, 16);
	expect_error(-EINVAL, "cannot be");
	framebuffer(4096, 1024, 32, 1, true, 25);
	expect_error(-EINVAL, "cannot be");
	framebuffer(0, 0xffffffff, 255, 1, true, 16);
	expect_error(-EINVAL, "cannot be");
}

/* --- The memory map --- */

static struct mem_range map[MEM_MAP_MAX];
static uint32_t count;

static void map_add(uint64_t base, uint64_t size, uint32_t type)
{
	map[count++] = (struct mem_range){.base = HPA(base), .size = size, .type = type};
}

static void map_is(uint32_t i, uint64_t base, uint64_t end, uint32_t type)
{
	assert_true(i < count);
	assert_int_equal(map[i].base.v, base);
	assert_int_equal(map[i].base.v + map[i].size, end);
	assert_int_equal(map[i].type, type);
}

static void test_map_overlap(void **state)
{
	(void)state;
	count = 0;
	map_add(0x8000, 0x2000, MEM_ACPI);
	map_add(0x0, 0x10000, MEM_RAM);
	map_add(0x9000, 0x2000, MEM_NVS);
	map_add(0xa000, 0x1000, MEM_BAD);
	map_add(0xa800, 0x1000, 77);
	map_add(0x10000, 0x1000, MEM_RAM);
	map_add(0x20000, 0, MEM_RESERVED);
	map_add(0x30800, 0x900, MEM_RAM); /* no whole page */
	assert_int_equal(mem_map_clean(map, &count, MEM_MAP_MAX), 0);
	assert_int_equal(count, 6);
	map_is(0, 0x0, 0x8000, MEM_RAM);
	map_is(1, 0x8000, 0x9000, MEM_ACPI);
	map_is(2, 0x9000, 0xa000, MEM_NVS);
	map_is(3, 0xa000, 0xb000, MEM_BAD);
	map_is(4, 0xb000, 0xc000, MEM_RESERVED);
	map_is(5, 0xc000, 0x11000, MEM_RAM);
}

static void test_map_limits(void **state)
{
	(void)state;
	count = 0;
	map_add(MEM_PHYS_LIMIT - 0x800, 0x800, MEM_RESERVED);
	assert_int_equal(mem_map_clean(map, &count, MEM_MAP_MAX), 0);
	map_is(0, MEM_PHYS_LIMIT - 0x1000, MEM_PHYS_LIMIT, MEM_RESERVED);
	map_add(MEM_PHYS_LIMIT - 0x1000, 0x1001, MEM_RESERVED);
	assert_int_equal(mem_map_clean(map, &count, MEM_MAP_MAX), -ERANGE);

	/* 128 RAM ranges with a reserved one inside each: 384 pieces do not fit, and the map is left alone. */
	count = 0;
	for (uint64_t i = 0; i < 128; i++) {
		map_add(i << 20, 0x10000, MEM_RAM);
		map_add((i << 20) + 0x2000, 0x1000, MEM_RESERVED);
	}
	assert_int_equal(mem_map_clean(map, &count, MEM_MAP_MAX), -ENOSPC);
	assert_int_equal(count, 256);
	map_is(1, 0x2000, 0x3000, MEM_RESERVED);
}

static void test_map_take(void **state)
{
	(void)state;
	count = 0;
	map_add(0x0, 0x10000, MEM_RAM);
	map_add(0x20000, 0x10000, MEM_RAM);
	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0x4800), 0x100, MEM_RESERVED),
			 0);
	assert_int_equal(count, 4);
	map_is(0, 0x0, 0x4000, MEM_RAM);
	map_is(1, 0x4000, 0x5000, MEM_RESERVED);
	map_is(2, 0x5000, 0x10000, MEM_RAM);

	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0xf000), 0x12000, MEM_RESERVED),
			 0);
	assert_int_equal(count, 5);
	map_is(2, 0x5000, 0xf000, MEM_RAM);
	map_is(3, 0xf000, 0x21000, MEM_RESERVED);
	map_is(4, 0x21000, 0x30000, MEM_RAM);

	/* All of it, and then back to one range by giving it all one type. */
	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0x5000), 0xa000, MEM_RESERVED),
			 0);
	assert_int_equal(count, 3);
	map_is(1, 0x4000, 0x21000, MEM_RESERVED);
	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0x80000), 0x1000, MEM_NVS), 0);
	map_is(3, 0x80000, 0x81000, MEM_NVS);
	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0), 0x100000, MEM_RAM), 0);
	assert_int_equal(count, 1);

	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(0), 0, MEM_RAM), -EINVAL);
	assert_int_equal(mem_map_take(map, &count, MEM_MAP_MAX, HPA(~0ULL), 2, MEM_RAM), -ERANGE);
	assert_int_equal(mem_map_take(map, &count, 2, HPA(0x8000), 0x1000, MEM_NVS), -ENOSPC);
	assert_int_equal(count, 1);
}

static void test_map_is(void **state)
{
	(void)state;
	count = 0;
	map_add(0x1000, 0x1000, MEM_RAM);
	assert_true(mem_map_is(map, count, HPA(0x1000), 0x1000, MEM_RAM));
	assert_true(mem_map_is(map, count, HPA(0x1fff), 1, MEM_RAM));
	assert_false(mem_map_is(map, count, HPA(0x1fff), 2, MEM_RAM));
	assert_false(mem_map_is(map, count, HPA(0x1000), 0, MEM_RAM));
	assert_false(mem_map_is(map, count, HPA(0x1000), ~0ULL, MEM_RAM));
	assert_false(mem_map_is(map, count, HPA(0x1000), 1, MEM_NVS));
}

/* Random maps against a model that asks page by page. */
static void test_map_random(void **state)
{
	static const uint32_t order[] = {0, MEM_RAM, MEM_ACPI, MEM_NVS, MEM_RESERVED, MEM_BAD};

	(void)state;
	srand(1);
	for (int turn = 0; turn < 500; turn++) {
		uint32_t rank[64] = {0}, n = 1 + (uint32_t)rand() % 12;

		count = 0;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t base = (uint64_t)rand() % 0x30000,
				 size = (uint64_t)rand() % 0x8000;
			uint32_t r = 1 + (uint32_t)rand() % 5;

			map_add(base, size, order[r]);
			for (uint64_t page = 0; page < 64 && size; page++) {
				uint64_t start = page * PAGE_SIZE, end = start + PAGE_SIZE;
				bool in = r == 1 ? base <= start && base + size >= end
						 : base < end && base + size > start;

				if (in && r > rank[page])
					rank[page] = r;
			}
		}
		assert_int_equal(mem_map_clean(map, &count, MEM_MAP_MAX), 0);
		for (uint64_t page = 0; page < 64; page++) {
			for (uint32_t r = 1; r < 6; r++)
				assert_int_equal(mem_map_is(map, count, HPA(page * PAGE_SIZE),
							    PAGE_SIZE, order[r]),
						 rank[page] == r);
		}
		for (uint32_t i = 1; i < count; i++) {
			uint64_t end = map[i - 1].base.v + map[i - 1].size;

			assert_true(end < map[i].base.v ||
				    (end == map[i].base.v && map[i].type != map[i - 1].type));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_typical),		 cmocka_unit_test(test_rsdp_order),
		cmocka_unit_test(test_every_truncation), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_bad_tags),	 cmocka_unit_test(test_missing_end),
		cmocka_unit_test(test_bad_mmap),	 cmocka_unit_test(test_modules),
		cmocka_unit_test(test_framebuffer),	 cmocka_unit_test(test_map_overlap),
		cmocka_unit_test(test_map_limits),	 cmocka_unit_test(test_map_take),
		cmocka_unit_test(test_map_is),		 cmocka_unit_test(test_map_random),
	};

	return cmocka_run_group_tests_name("mbi", tests, NULL, NULL);
}
