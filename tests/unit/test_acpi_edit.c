/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits of ACPI tables: what changes, what stays, the checksum, and tables that lie about their length. */
/* sources: vm/acpi_edit.c drivers/acpi_aml.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/acpi_edit.h"

#define HEADER 36

static uint8_t *table; /* from malloc, exactly as long as needed: the sanitizer watches its ends */
static uint32_t size;

static void make(const char *signature, const uint8_t *body, uint32_t len)
{
	free(table);
	size = HEADER + len;
	table = calloc(1, size);
	assert_non_null(table);
	memcpy(table, signature, 4);
	memcpy(table + 4, &size, 4);
	memcpy(table + HEADER, body, len);
}

static void assert_sum(void)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	assert_int_equal(sum, 0);
}

static bool keep_even(void *arg, uint32_t apic_id)
{
	assert_ptr_equal(arg, &table);
	return apic_id % 2 == 0;
}

static const uint8_t madt[] = {
	0, 0,  0xe0, 0xfe, 1,	 0,    0,    0,		       /* LAPIC, flags */
	0, 8,  1,    0,	   1,	 0,    0,    0,		       /* kept */
	0, 8,  2,    1,	   3,	 0,    0,    0,		       /* dropped */
	1, 12, 1,    0,	   0,	 0,    0xc0, 0xfe, 0, 0, 0, 0, /* IOAPIC 1: not a processor */
	9, 16, 0,    0,	   0x01, 0x10, 0,    0,	   1, 0, 0, 0, 9,  0, 0, 0, /* dropped */
	9, 16, 0,    0,	   0x02, 0x10, 0,    0,	   1, 0, 0, 0, 10, 0, 0, 0, /* kept */
	0, 4,  1,    1, /* too short to be one */
};

static void madt_loses_processors(void **state)
{
	(void)state;
	make("APIC", madt, sizeof(madt));
	assert_int_equal(acpi_edit_madt(table, size, keep_even, &table), 2);
	assert_sum();
	assert_memory_equal(table + HEADER, madt, 16);
	assert_memory_equal(table + HEADER + 16, "\x00\x08\x02\xff\x00\x00\x00\x00", 8);
	assert_memory_equal(table + HEADER + 24, madt + 24, 12);
	assert_memory_equal(table + HEADER + 36,
			    "\x09\x10\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x09", 13);
	assert_memory_equal(table + HEADER + 52, madt + 52, sizeof(madt) - 52);
}

static void srat_loses_processors(void **state)
{
	uint8_t srat[12 + 16 + 16 + 40 + 24] = {
		[12] = 0, 16, 0, 1, 1, [28] = 0, 16, 0, 2,    1,    [44] = 1, 40, 1, [44 + 28] = 1,
		[84] = 2, 24, 0, 0, 0, 0,	 0,  0, 0x03, 0x10, 0,	      0,  1,
	};

	(void)state;
	make("SRAT", srat, sizeof(srat));
	assert_int_equal(acpi_edit_srat(table, size, keep_even, &table), 2);
	assert_sum();
	assert_int_equal(table[HEADER + 12 + 4], 0);
	assert_int_equal(table[HEADER + 12 + 3], 1);
	assert_int_equal(table[HEADER + 28 + 4], 1);
	assert_int_equal(table[HEADER + 44 + 28], 1);
	assert_int_equal(table[HEADER + 84 + 12], 0);
}

static void tables_are_hidden(void **state)
{
	(void)state;
	make("DMAR", madt, sizeof(madt));
	assert_int_equal(acpi_edit_hide(table, size), 1);
	assert_sum();
	assert_memory_equal(table, ACPI_HIDDEN_SIGNATURE, 4);
	assert_memory_equal(table + HEADER, madt, sizeof(madt));
}

static void sleep_states_are_hidden(void **state)
{
	static const uint8_t dsdt[] = {
		0x08, '_',  'S',  '3', '_', 0x12, 0x06, 0x04, 1,    1,	  0,   0,
		0x08, 0x5c, '_',  'S', '4', '_',  0x12, 0x06, 0x02, 0x0a, 2,   0x0a,
		2,    0x08, '_',  'S', '5', '_',  0x12, 0x06, 0x04, 0,	  0,   0,
		0,    0x14, 0x08, '_', 'S', '1',  '_',	0x00, 0xa4, 0x00, /* a method */
		0x0d, '_',  'S',  '2', '_', 0,	  0x08, '_',  'S',  '2',  '_', 0x12,
	};
	uint8_t want[sizeof(dsdt)];

	(void)state;
	memcpy(want, dsdt, sizeof(want));
	want[1] = 'X';
	want[14] = 'X';
	make("DSDT", dsdt, sizeof(dsdt));
	assert_int_equal(acpi_edit_sleep(table, size), 2);
	assert_sum();
	assert_memory_equal(table + HEADER, want, sizeof(want));
	assert_int_equal(acpi_edit_sleep(table, size), 0);
}

static void lengths_are_checked(void **state)
{
	static const uint32_t bad[] = {0, 35, 36 + sizeof(madt) + 1, 0xffffffff};
	uint8_t before[HEADER + sizeof(madt)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		make("APIC", madt, sizeof(madt));
		memcpy(table + 4, &bad[i], 4);
		memcpy(before, table, size);
		assert_int_equal(acpi_edit_madt(table, size, keep_even, &table), -EINVAL);
		assert_int_equal(acpi_edit_srat(table, size, keep_even, &table), -EINVAL);
		assert_int_equal(acpi_edit_sleep(table, size), -EINVAL);
		assert_int_equal(acpi_edit_hide(table, size), -EINVAL);
		assert_memory_equal(table, before, size);
	}
	assert_int_equal(acpi_edit_hide(table, 35), -EINVAL);
	for (int i = 0; i < 3; i++) { /* an entry's length: nothing behind it is touched */
		static const uint8_t lengths[] = {0, 1, 255};

		make("APIC", madt, sizeof(madt));
		table[HEADER + 8 + 1] = lengths[i];
		assert_int_equal(acpi_edit_madt(table, size, keep_even, &table), 0);
		assert_sum();
	}
}

static int done(void **state)
{
	(void)state;
	free(table);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt_loses_processors), cmocka_unit_test(srat_loses_processors),
		cmocka_unit_test(tables_are_hidden),	 cmocka_unit_test(sleep_states_are_hidden),
		cmocka_unit_test(lengths_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, done);
}
