/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables made for isolated guests: their links and sums, what they list, and what Debian's iasl says of them. */
/* sources: vm/acpi_make.c vm/aml.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "vdev/vboard.h"
#include "vm/acpi_make.h"
#include "vm/aml.h"

#define BASE	     VBOARD_ACPI
#define HEADER	     36
#define COMPILER_AT  28 /* of the header: who compiled it, and which version of that */
#define COMPILER_LEN 8
#define CHECKSUM_AT  9

static uint8_t *tables; /* from malloc, exactly as long as needed: the sanitizer watches its ends */
static uint32_t size;
static bool fw_cfg;

static void make(uint32_t vcpus)
{
	free(tables);
	size = acpi_make(vcpus, fw_cfg, BASE, NULL, 0);
	assert_in_range(size, 1, VBOARD_ACPI_SPACE);
	tables = malloc(size);
	assert_non_null(tables);
	assert_int_equal(acpi_make(vcpus, fw_cfg, BASE, tables, size), size);
}

static uint64_t field(const uint8_t *p, uint32_t len)
{
	uint64_t value = 0;

	memcpy(&value, p, len);
	return value;
}

static void assert_sum(const uint8_t *p, uint32_t len)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	assert_int_equal(sum, 0);
}

/* The table at @address, which must have this signature. */
static const uint8_t *at(uint64_t address, const char *signature)
{
	const uint8_t *t;

	assert_in_range(address, BASE, BASE + size - HEADER);
	t = tables + (address - BASE);
	assert_memory_equal(t, signature, 4);
	assert_in_range(field(t + 4, 4), HEADER, BASE + size - address);
	if (strcmp(signature, "FACS"))
		assert_sum(t, (uint32_t)field(t + 4, 4));
	return t;
}

static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = at(field(tables + 24, 8), "XSDT");

	for (uint32_t i = HEADER; i < field(xsdt + 4, 4); i += 8) {
		const uint8_t *t = tables + (field(xsdt + i, 8) - BASE);

		if (!memcmp(t, signature, 4))
			return at(field(xsdt + i, 8), signature);
	}
	fail_msg("no %s", signature);
	return NULL;
}

static void tables_are_linked(void **state)
{
	const uint8_t *fadt;

	(void)state;
	make(4);
	assert_memory_equal(tables, "RSD PTR ", 8);
	assert_sum(tables, 20);
	assert_sum(tables, 36);
	fadt = find("FACP");
	at(field(fadt + 40, 4), "DSDT");
	assert_int_equal(field(fadt + 40, 4), field(fadt + 140, 8));
	at(field(fadt + 36, 4), "FACS");
	assert_int_equal(field(fadt + 36, 4) % 64, 0);
	assert_int_equal(field(find("MCFG") + 44, 8), VBOARD_ECAM);
}

static uint32_t processors(void)
{
	const uint8_t *madt = find("APIC");
	uint32_t n = 0;

	for (uint32_t i = HEADER + 8; i < field(madt + 4, 4); i += madt[i + 1]) {
		assert_in_range(madt[i + 1], 2, 16);
		if (madt[i] != 0)
			continue;
		assert_int_equal(madt[i + 3], n);
		assert_int_equal(field(madt + i + 4, 4), 1);
		n++;
	}
	return n;
}

static void every_vcpu_is_listed(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 64; n++) {
		make(n);
		assert_int_equal(processors(), n);
	}
}

static void too_small_a_buffer_is_left_alone_behind_its_end(void **state)
{
	(void)state;
	make(3);
	for (uint32_t n = 0; n < size; n += 13) {
		uint8_t *small = malloc(n ? n : 1);

		assert_int_equal(acpi_make(3, fw_cfg, BASE, small, n), size);
		free(small);
	}
}

static void integers_and_lengths(void **state)
{
	uint8_t buf[5000];
	struct aml a = {.buf = buf, .size = sizeof(buf)};
	uint32_t scope;

	(void)state;
	aml_integer(&a, 0);
	aml_integer(&a, 1);
	aml_integer(&a, 2);
	aml_integer(&a, 0x100);
	aml_integer(&a, 0x10000);
	aml_integer(&a, 0x100000000);
	assert_int_equal(a.len, 1 + 1 + 2 + 3 + 5 + 9);
	assert_memory_equal(buf, "\x00\x01\x0a\x02\x0b\x00\x01\x0c\x00\x00\x01\x00\x0e", 13);
	a.len = 0;
	scope = aml_begin_scope(&a, "\\_SB.PCI0"); /* 10 bytes of name */
	aml_end(&a, scope);
	assert_memory_equal(buf, "\x10\x0b\x5c\x2e_SB_PCI0", 12);
	for (uint32_t body = 0; body < 3000; body += 7) {
		uint32_t length;

		a.len = 0;
		scope = aml_begin_scope(&a, "ABCD");
		for (uint32_t i = 0; i < body; i++)
			aml_byte(&a, 0xa3);
		aml_end(&a, scope);
		length = buf[1] < 0x40 ? buf[1] : (buf[1] & 15) | (uint32_t)buf[2] << 4;
		assert_int_equal(length, a.len - 1);
		assert_int_equal(buf[a.len - 1], body ? 0xa3 : 'D');
	}
}

/* --- iasl: it does not take the RSDP, which is no table by its rules --- */

static char folder[] = "/tmp/bulkhead-acpi-XXXXXX";

static void write_file(const char *name, const uint8_t *from, uint32_t len)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.dat", folder, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(from, 1, len, f), len);
	fclose(f);
}

static void run_iasl(const char *options, const char *file, const char *wanted)
{
	char command[400];

	snprintf(
		command, sizeof(command),
		"cd %s && iasl %s %s >out 2>&1 && ! grep -iE 'warning [0-9]|remark [0-9]|error [0-9]' out && grep -qi '%s' out",
		folder, options, file, wanted);
	if (system(command)) {
		snprintf(command, sizeof(command), "cat %s/out", folder);
		if (system(command))
			print_error("no output\n");
		fail_msg("iasl %s %s", options, file);
	}
}

/* The same bytes, but for who compiled them. */
static void assert_recompiled(const char *name, const uint8_t *table, uint32_t len)
{
	uint8_t *got = malloc(len + 1);
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.aml", folder, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	assert_int_equal(fread(got, 1, len + 1, f), len);
	fclose(f);
	if (len > HEADER && memcmp(table, "FACS", 4) && memcmp(table, "RSD ", 4)) {
		memcpy(got + COMPILER_AT, table + COMPILER_AT, COMPILER_LEN);
		got[CHECKSUM_AT] = table[CHECKSUM_AT];
	}
	assert_memory_equal(got, table, len);
	free(got);
}

static void iasl_table(const char *name, const uint8_t *table, uint32_t len)
{
	char file[32];

	write_file(name, table, len);
	snprintf(file, sizeof(file), "%s.dat", name);
	run_iasl("-d", file, "output: ");
	snprintf(file, sizeof(file), "%s.dsl", name);
	run_iasl("-we", file, "0 Errors, 0 Warnings, 0 Remarks\\|Compilation successful");
	assert_recompiled(name, table, len);
}

static void iasl_is_content(void **state)
{
	static const uint32_t counts[] = {1, 4, 64};
	char command[128];

	(void)state;
	if (system("command -v iasl >/dev/null"))
		skip();
	assert_non_null(mkdtemp(folder));
	for (uint32_t i = 0; i < ARRAY_SIZE(counts); i++) {
		const uint8_t *fadt, *t;

		fw_cfg = i == 1;
		make(counts[i]);
		fadt = find("FACP");
		iasl_table("facp", fadt, (uint32_t)field(fadt + 4, 4));
		t = find("APIC");
		iasl_table("apic", t, (uint32_t)field(t + 4, 4));
		t = find("MCFG");
		iasl_table("mcfg", t, (uint32_t)field(t + 4, 4));
		t = at(field(fadt + 40, 4), "DSDT");
		iasl_table("dsdt", t, (uint32_t)field(t + 4, 4));
		t = at(field(fadt + 36, 4), "FACS");
		iasl_table("facs", t, (uint32_t)field(t + 4, 4));
		t = at(field(tables + 24, 8), "XSDT");
		iasl_table("xsdt", t, (uint32_t)field(t + 4, 4));
	}
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_linked),
		cmocka_unit_test(every_vcpu_is_listed),
		cmocka_unit_test(too_small_a_buffer_is_left_alone_behind_its_end),
		cmocka_unit_test(integers_and_lengths),
		cmocka_unit_test(iasl_is_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
