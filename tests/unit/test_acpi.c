/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI parser on tables built here: what it must find, and what it must survive. */
/* sources: drivers/acpi.c drivers/acpi_aml.c drivers/acpi_fadt.c drivers/acpi_madt.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "drivers/acpi.h"
#include "drivers/acpi_aml.h"

#define MEMORY (512 * 1024)
#define TABLES 0x1000 /* where tables are put, one behind the other */
#define XSDT   0x800
#define RSDT   0xc00

static uint8_t memory[MEMORY];
static uint32_t top, tables[16], table_count, reports;
static struct acpi_info info;

static int mem_read(void *arg, hpa_t from, void *buf, uint32_t len)
{
	(void)arg;
	if (from.v >= MEMORY || len > MEMORY - from.v)
		return -EFAULT;
	memcpy(buf, memory + from.v, len);
	return 0;
}

static void mem_report(void *arg, const char *fmt, ...)
{
	(void)arg;
	(void)fmt;
	reports++;
}

static const struct acpi_access access_ = {.read = mem_read, .report = mem_report};

static void put(uint32_t at, uint64_t value, uint32_t n)
{
	memcpy(memory + at, &value, n);
}

static void fix_sum(uint32_t at, uint32_t len, uint32_t sum_at)
{
	uint8_t total = 0;

	memory[at + sum_at] = 0;
	for (uint32_t i = 0; i < len; i++)
		total = (uint8_t)(total + memory[at + i]);
	memory[at + sum_at] = (uint8_t)-total;
}

static void header(uint32_t at, const char *signature, uint32_t len)
{
	memcpy(memory + at, signature, 4);
	put(at + 4, len, 4);
	memory[at + 8] = 6;
	fix_sum(at, len, 9);
}

/* A table with @body behind its header; listed in the root tables. */
static uint32_t table(const char *signature, const void *body, uint32_t len)
{
	uint32_t at = top;

	memcpy(memory + at + ACPI_HEADER, body, len);
	header(at, signature, ACPI_HEADER + len);
	tables[table_count++] = at;
	top += (ACPI_HEADER + len + 15) & ~15u;
	return at;
}

static void again(uint32_t at)
{
	uint32_t len;

	memcpy(&len, memory + at + 4, 4);
	fix_sum(at, len, 9);
}

static int parse(uint8_t revision)
{
	for (uint32_t i = 0; i < table_count; i++) {
		put(XSDT + ACPI_HEADER + i * 8, tables[i], 8);
		put(RSDT + ACPI_HEADER + i * 4, tables[i], 4);
	}
	header(XSDT, "XSDT", ACPI_HEADER + table_count * 8);
	header(RSDT, "RSDT", ACPI_HEADER + table_count * 4);
	memcpy(memory, "RSD PTR ", 8);
	memory[15] = revision;
	put(16, RSDT, 4);
	put(20, 36, 4);
	put(24, XSDT, 8);
	fix_sum(0, 20, 8);
	fix_sum(0, 36, 32);
	reports = 0;
	return acpi_parse(&info, &access_, memory, 36);
}

static const uint8_t madt[] = {
	0x00, 0x00, 0xe0, 0xfe, 1,    0,    0,	  0, /* LAPIC, PCAT_COMPAT */
	0,    8,    1,	  0,	1,    0,    0,	  0, /* CPU uid 1, id 0 */
	0,    8,    2,	  4,	0,    0,    0,	  0, /* disabled for good */
	0,    8,    3,	  2,	2,    0,    0,	  0, /* online capable */
	0,    8,    4,	  0,	1,    0,    0,	  0, /* id 0 again */
	0,    8,    5,	  0xff, 1,    0,    0,	  0, /* broadcast id */
	9,    16,   0,	  0,	0x34, 0x12, 0,	  0,	1,    0, 0, 0,
	7,    0,    0,	  0,					       /* x2APIC id 0x1234, uid 7 */
	1,    12,   8,	  0,	0,    0,    0xc0, 0xfe, 0,    0, 0, 0, /* IOAPIC 8 */
	2,    10,   0,	  0,	2,    0,    0,	  0,	0,    0,       /* IRQ 0 is GSI 2 */
	2,    10,   0,	  9,	9,    0,    0,	  0,	0x0d, 0,       /* SCI: high, level */
	2,    10,   1,	  5,	5,    0,    0,	  0,	0,    0,       /* not ISA */
	4,    6,    0xff, 5,	0,    1,			       /* NMI on LINT1 of all */
	10,   12,   5,	  0,	7,    0,    0,	  0,	1,    0, 0, 0, /* and of uid 7 */
	5,    12,   0,	  0,	0,    0,    0xe1, 0xfe, 0,    0, 0, 0, /* LAPIC elsewhere */
	77,   4,    1,	  2,					       /* unknown */
};

static const uint8_t dsdt[] = {
	0x10, 0x20, 0x08, '_', 'S', '3',  '_',	0x12, 0x06, 0x04, 0x01, 0x01, 0x00, 0x00, 0x08,
	0x5c, '_',  'S',  '5', '_', 0x12, 0x08, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0x00, 0x00,
};

static void start(void)
{
	uint8_t fadt[276 - ACPI_HEADER] = {0};
	uint32_t at, dsdt_at;

	memset(memory, 0, sizeof(memory));
	top = TABLES;
	table_count = 0;
	table("APIC", madt, sizeof(madt));
	dsdt_at = table("DSDT", dsdt, sizeof(dsdt));
	table_count--;
	at = table("FACP", fadt, sizeof(fadt));
	put(at + 40, dsdt_at, 4);
	put(at + 46, 9, 2);
	put(at + 48, 0xb2, 4);
	memory[at + 52] = 0xf1;
	put(at + 64, 0x604, 4);
	memory[at + 89] = 2;
	put(at + 76, 0x608, 4);
	memory[at + 91] = 4;
	memory[at + 108] = 0x32;
	put(at + 109, ACPI_BOOT_8042, 2);
	put(at + 112, ACPI_FADT_TMR_VAL_EXT | ACPI_FADT_RESET_REG_SUP, 4);
	memory[at + 116] = ACPI_IO;
	memory[at + 117] = 8;
	put(at + 120, 0xcf9, 8);
	memory[at + 128] = 0xf;
	memory[at + 208] = ACPI_IO; /* X_PM_TMR_BLK */
	put(at + 212, 0x1608, 8);
	again(at);
}

static void finds_everything(void **state)
{
	uint8_t mcfg[24] = {[8 + 3] = 0xb0, [8 + 11] = 0xff};
	uint8_t hpet[20] = {[4 + 5] = 0, [8 + 2] = 0xd0, [8 + 3] = 0xfe};
	uint8_t spcr[44] = {[4] = ACPI_IO, [8] = 0xf8, [9] = 3, [22] = 7};
	uint8_t srat[12 + 16 + 40 + 24] = {
		[12] = 0,
		16,
		1,
		0,
		1,
		[28] = 1,
		40,
		2,
		[28 + 13] = 0x10,
		[28 + 20] = 1,
		[28 + 28] = 1,
		[68] = 2,
		24,
		0,
		0,
		3,
		[68 + 8] = 0x34,
		0x12,
		[68 + 12] = 1,
	};
	uint16_t flags;

	(void)state;
	start();
	table("MCFG", mcfg, sizeof(mcfg));
	table("HPET", hpet, sizeof(hpet));
	table("SPCR", spcr, sizeof(spcr));
	table("SRAT", srat, sizeof(srat));
	assert_int_equal(parse(2), 0);
	assert_int_equal(info.table_count, 8);
	assert_memory_equal(info.tables[0].signature, "XSDT", 4);
	assert_int_equal(info.cpu_count, 3);
	assert_int_equal(info.cpus[0].apic_id, 0);
	assert_true(info.cpus[0].enabled);
	assert_int_equal(info.cpus[1].apic_id, 2);
	assert_false(info.cpus[1].enabled);
	assert_true(info.cpus[1].online_capable);
	assert_int_equal(info.cpus[2].apic_id, 0x1234);
	assert_int_equal(info.cpus[2].uid, 7);
	assert_true(info.cpus[2].x2apic);
	assert_int_equal(info.lapic.v, 0xfee10000);
	assert_true(info.has_8259);
	assert_int_equal(info.ioapic_count, 1);
	assert_int_equal(info.ioapics[0].at.v, 0xfec00000);
	assert_int_equal(info.override_count, 2);
	assert_int_equal(acpi_isa_gsi(&info, 0, &flags), 2);
	assert_int_equal(acpi_isa_gsi(&info, 9, &flags), 9);
	assert_int_equal(flags, 0xd);
	assert_int_equal(acpi_isa_gsi(&info, 4, &flags), 4);
	assert_int_equal(info.nmi_count, 2);
	assert_int_equal(info.nmis[0].uid, ACPI_ALL_CPUS);
	assert_int_equal(info.nmis[1].uid, 7);
	assert_int_equal(info.fadt.pm1a_cnt.address, 0x604);
	assert_int_equal(info.fadt.pm1b_cnt.address, 0);
	assert_int_equal(info.fadt.pm_timer.address, 0x1608);
	assert_true(info.fadt.pm_timer_32);
	assert_int_equal(info.fadt.reset.address, 0xcf9);
	assert_int_equal(info.fadt.reset_value, 0xf);
	assert_true(info.fadt.has_8042);
	assert_int_equal(info.fadt.sci_irq, 9);
	assert_int_equal(info.fadt.century, 0x32);
	assert_int_equal(info.sleep[5].type_a, 5);
	assert_int_equal(info.sleep[5].type_b, 6);
	assert_int_equal(info.sleep[3].type_a, 1);
	assert_int_equal(info.sleep[4].type_a, ACPI_SLEEP_NONE);
	assert_int_equal(info.segment_count, 1);
	assert_int_equal(info.segments[0].base.v, 0xb0000000);
	assert_int_equal(info.segments[0].last_bus, 255);
	assert_int_equal(info.hpet.v, 0xfed00000);
	assert_true(info.uart.present);
	assert_int_equal(info.uart.address, 0x3f8);
	assert_int_equal(info.uart.baud, 115200);
	assert_int_equal(info.node_cpu_count, 2);
	assert_int_equal(info.node_cpus[0].node, 1);
	assert_int_equal(info.node_cpus[1].apic_id, 0x1234);
	assert_int_equal(info.node_cpus[1].node, 3);
	assert_int_equal(info.node_span_count, 1);
	assert_int_equal(info.node_spans[0].size, 0x100000000);
	assert_non_null(acpi_table_find(&info, "HPET"));
	assert_null(acpi_table_find(&info, "DMAR"));
	assert_int_equal(reports, 1); /* the processor named twice */
}

static void falls_back_to_rsdt(void **state)
{
	(void)state;
	start();
	assert_int_equal(parse(0), 0);
	assert_memory_equal(info.tables[0].signature, "RSDT", 4);
	assert_int_equal(parse(2), 0);
	memory[XSDT + 10] ^= 1;
	assert_int_equal(acpi_parse(&info, &access_, memory, 36), 0);
	assert_int_equal(info.cpu_count, 3);
	memory[RSDT + 10] ^= 1;
	assert_int_equal(acpi_parse(&info, &access_, memory, 36), -EINVAL);
	assert_int_equal(acpi_parse(&info, &access_, memory, 19), -EINVAL);
}

static void bad_tables_are_left_out(void **state)
{
	uint8_t hpet[20] = {[10] = 0xd0, [11] = 0xfe};
	uint32_t at;

	(void)state;
	start();
	at = table("HPET", hpet, sizeof(hpet));
	memory[at + 20] ^= 1;
	tables[table_count++] = 0;
	tables[table_count++] = MEMORY - 10; /* header not readable */
	tables[table_count++] = top;	     /* length 0 */
	assert_int_equal(parse(2), 0);
	assert_int_equal(info.hpet.v, 0);
	assert_int_equal(reports, 4);
	assert_false(acpi_table_find(&info, "HPET")->intact);
	put(at + 4, 0xffffffff, 4);
	assert_int_equal(parse(2), 0);
	assert_null(acpi_table_find(&info, "HPET"));
}

static void madt_and_fadt_are_needed(void **state)
{
	(void)state;
	start();
	memory[tables[0] + 12] ^= 1;
	assert_int_equal(parse(2), -ENOENT);
	start();
	memory[tables[1] + 12] ^= 1;
	assert_int_equal(parse(2), -ENOENT);
}

static void bad_entries_end_a_table(void **state)
{
	static const uint8_t lengths[] = {0, 1, 255};

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		start();
		memory[tables[0] + 44 + 8 + 1] = lengths[i]; /* of the second processor */
		again(tables[0]);
		assert_int_equal(parse(2), 0);
		assert_int_equal(info.cpu_count, 1);
	}
	start();
	memory[tables[0] + 44 + 1] = 4; /* too short for a processor; what follows shifts */
	again(tables[0]);
	assert_true(parse(2) <= 0);
}

static void tables_are_bounded(void **state)
{
	static uint8_t many[8 + 300 * 16];

	(void)state;
	start();
	for (uint32_t i = 0; i < 300; i++) {
		uint8_t *e = many + 8 + i * 16;

		e[0] = 9;
		e[1] = 16;
		e[4] = (uint8_t)i;
		e[5] = (uint8_t)(i >> 8);
		e[8] = 1;
	}
	tables[0] = table("APIC", many, sizeof(many));
	table_count--;
	assert_int_equal(parse(2), 0);
	assert_int_equal(info.cpu_count, ACPI_CPUS);
	assert_int_equal(reports, 300 - ACPI_CPUS);
}

static void sleep_objects_across_chunks(void **state)
{
	static uint8_t ssdt[5000];
	static const uint8_t s4[] = {0x08, '_',	 'S',  '4',  '_',  0x12,
				     0x07, 0x02, 0x0a, 0x02, 0x0a, 0x03};

	(void)state;
	for (uint32_t off = 0; off + sizeof(s4) <= sizeof(ssdt); off += 7) {
		memset(ssdt, 0, sizeof(ssdt));
		memcpy(ssdt + off, s4, sizeof(s4));
		start();
		table("SSDT", ssdt, sizeof(ssdt));
		assert_int_equal(parse(2), 0);
		assert_int_equal(info.sleep[4].type_a, 2);
		assert_int_equal(info.sleep[4].type_b, 3);
	}
}

static void sleep_object_forms(void **state)
{
	struct aml_sleep s;
	static const struct {
		uint8_t bytes[24];
		uint32_t len;
		bool good;
		uint8_t a, b;
	} cases[] = {
		{{8, '_', 'S', '5', '_', 0x12, 4, 2, 0, 1},		    10, true,  0, 1},
		{{8, '_', 'S', '5', '_', 0x12, 4, 2, 0, 1},		    9,  false, 0, 0},
		{{8, '_', 'S', '5', '_', 0x12, 0x45, 0, 2, 0xff, 0},    11, true,  7, 0},
		{{8, '_', 'S', '5', '_', 0x12, 0xc5, 0, 0, 0, 2, 0, 0}, 13, true,  0, 0},
		{{8, '_', 'S', '5', '_', 0x12, 6, 1, 0x0b, 5, 6},	  11, true,  5, 6},
		{{8, '_', 'S', '5', '_', 0x12, 9, 1, 0x0c, 5, 6, 0, 0}, 13, true,  5, 6},
		{{8, '_', 'S', '5', '_', 0x12, 2, 0},		      8,	 false, 0, 0},
		{{8, '_', 'S', '0', '_', 0x12, 4, 2, 0, 1},		    10, false, 0, 0},
		{{8, '_', 'S', '6', '_', 0x12, 4, 2, 0, 1},		    10, false, 0, 0},
		{{8, '_', 'S', '5', '_', 0x14, 4, 2, 0, 1},		    10, false, 0, 0},
		{{8, '_', 'S', '5', '_', 0x12, 4, 2, 'X', 1},	      10, false, 0, 0},
		{{8},						   1,	 false, 0, 0},
		{{8},						   0,	 false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(aml_sleep_object(cases[i].bytes, cases[i].len, &s), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(s.type_a, cases[i].a);
		assert_int_equal(s.type_b, cases[i].b);
		assert_int_equal(s.name, 1);
	}
}

static void rsdp_is_found(void **state)
{
	uint8_t rsdp[ACPI_RSDP_MAX];

	(void)state;
	start();
	parse(2);
	assert_int_equal(acpi_find_rsdp(&access_, rsdp), -ENOENT); /* not where a PC has it */
	put(0x40e, 0x2000, 2);
	memcpy(memory + 0x20000 + 0x3e0, memory, 36);
	assert_int_equal(acpi_find_rsdp(&access_, rsdp), 36);
	assert_memory_equal(rsdp, memory, 36);
	parse(0);
	memcpy(memory + 0x20000 + 0x3e0, memory, 36);
	assert_int_equal(acpi_find_rsdp(&access_, rsdp), 20);
}

int main(void)
{
	const struct CMUnitTest tests_[] = {
		cmocka_unit_test(finds_everything),
		cmocka_unit_test(falls_back_to_rsdt),
		cmocka_unit_test(bad_tables_are_left_out),
		cmocka_unit_test(madt_and_fadt_are_needed),
		cmocka_unit_test(bad_entries_end_a_table),
		cmocka_unit_test(tables_are_bounded),
		cmocka_unit_test(sleep_objects_across_chunks),
		cmocka_unit_test(sleep_object_forms),
		cmocka_unit_test(rsdp_is_found),
	};

	return cmocka_run_group_tests(tests_, NULL, NULL);
}
