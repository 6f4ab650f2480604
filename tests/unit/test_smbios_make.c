/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS structures for isolated guests: read back as an operating system reads them. */
/* sources: vm/smbios_make.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/smbios_make.h"

#define BASE  0xf0000
#define ENTRY 24

static struct smbios_vm vm;
static uint8_t *tables; /* from malloc, exactly as long as needed: the sanitizer watches its ends */
static uint32_t size;

static void make(void)
{
	free(tables);
	size = smbios_make(&vm, BASE, NULL, 0);
	assert_in_range(size, ENTRY, 4096);
	tables = malloc(size);
	assert_non_null(tables);
	assert_int_equal(smbios_make(&vm, BASE, tables, size), size);
}

static int start(void **state)
{
	(void)state;
	vm = (struct smbios_vm){.version = "1.2.3",
				.name = "penguin",
				.vcpus = 3,
				.signature = 0x12345678,
				.features = 0x9abcdef0,
				.mhz = 2300,
				.memory = 512 * MIB};
	make();
	return 0;
}

static uint64_t field(const uint8_t *p, uint32_t len)
{
	uint64_t value = 0;

	memcpy(&value, p, len);
	return value;
}

/* Behind a structure and its strings; counts the strings. */
static const uint8_t *next(const uint8_t *s, uint32_t *strings)
{
	const uint8_t *end = tables + size;

	s += s[1];
	*strings = 0;
	if (!s[0])
		s++;
	while (*s) {
		s += strlen((const char *)s) + 1;
		++*strings;
		assert_true(s < end);
	}
	return s + 1;
}

static const uint8_t *find(uint8_t type)
{
	uint32_t strings;

	for (const uint8_t *s = tables + ENTRY; s < tables + size; s = next(s, &strings))
		if (s[0] == type)
			return s;
	fail_msg("no type %u", type);
	return NULL;
}

static const char *string(const uint8_t *s, uint8_t number)
{
	const char *p = (const char *)s + s[1];

	assert_int_not_equal(number, 0);
	while (--number)
		p += strlen(p) + 1;
	return p;
}

static void entry_is_sound(void **state)
{
	uint8_t sum = 0;

	(void)state;
	assert_memory_equal(tables, "_SM3_", 5);
	assert_int_equal(tables[6], ENTRY);
	for (uint32_t i = 0; i < ENTRY; i++)
		sum = (uint8_t)(sum + tables[i]);
	assert_int_equal(sum, 0);
	assert_int_equal(field(tables + 16, 8), BASE + ENTRY);
	assert_int_equal(field(tables + 12, 4), size - ENTRY);
}

static void structures_follow_each_other(void **state)
{
	static const uint8_t types[] = {0, 1, 4, 16, 17, 127},
			     lengths[] = {0x18, 0x1b, 0x30, 0x17, 0x28, 4};
	static const uint32_t wanted[] = {2, 4, 1, 0, 1, 0};
	const uint8_t *s = tables + ENTRY;
	uint32_t strings;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(types); i++) {
		assert_int_equal(s[0], types[i]);
		assert_int_equal(s[1], lengths[i]);
		assert_int_equal(field(s + 2, 2), types[i]);
		s = next(s, &strings);
		assert_int_equal(strings, wanted[i]);
	}
	assert_ptr_equal(s, tables + size);
}

static void they_tell_the_vm(void **state)
{
	const uint8_t *s = find(1);

	(void)state;
	assert_string_equal(string(s, s[4]), "Bulkhead");
	assert_string_equal(string(s, s[6]), "1.2.3");
	assert_string_equal(string(s, s[7]), "penguin");
	s = find(4);
	assert_int_equal(field(s + 8, 8), 0x9abcdef012345678);
	assert_int_equal(field(s + 0x16, 2), 2300);
	assert_int_equal(s[0x23], 3);
	assert_int_equal(field(s + 0x2a, 2), 3);
	assert_int_equal(find(0)[0x13], 0x10);
}

static void memory_of_all_sizes(void **state)
{
	(void)state;
	assert_int_equal(field(find(16) + 7, 4), 512 * 1024);
	assert_int_equal(field(find(16) + 15, 8), 0);
	assert_int_equal(field(find(17) + 12, 2), 512);
	vm.memory = 40 * GIB;
	make();
	assert_int_equal(field(find(16) + 7, 4), 40 * 1024 * 1024);
	assert_int_equal(field(find(17) + 12, 2), 0x7fff);
	assert_int_equal(field(find(17) + 28, 4), 40 * 1024);
	vm.memory = 3 * 1024 * GIB;
	make();
	assert_int_equal(field(find(16) + 7, 4), 0x80000000);
	assert_int_equal(field(find(16) + 15, 8), 3 * 1024 * GIB);
	assert_int_equal(field(find(17) + 28, 4), 3 * 1024 * 1024);
}

static void small_buffers(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < size; n++) {
		uint8_t *small = malloc(n ? n : 1);

		assert_int_equal(smbios_make(&vm, BASE, small, n), size);
		free(small);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(entry_is_sound, start),
		cmocka_unit_test_setup(structures_follow_each_other, start),
		cmocka_unit_test_setup(they_tell_the_vm, start),
		cmocka_unit_test_setup(memory_of_all_sizes, start),
		cmocka_unit_test_setup(small_buffers, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
