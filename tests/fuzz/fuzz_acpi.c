/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables of any content: the parser on a machine built of the input, then every edit on every table of it. */
/* sources: drivers/acpi.c drivers/acpi_aml.c drivers/acpi_fadt.c drivers/acpi_madt.c vm/acpi_edit.c */

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "drivers/acpi.h"
#include "vm/acpi_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLE_STRIDE 0x400
#define TABLES_MAX   24
#define RSDT	     0x100
#define FIRST	     0x400
#define MEMORY	     (FIRST + TABLES_MAX * TABLE_STRIDE)

static uint8_t memory[MEMORY];
static struct acpi_info info;

static const char signatures[][5] = {
	"APIC", "FACP", "SRAT", "MCFG", "HPET", "SPCR", "SSDT", "DSDT",
};

static int mem_read(void *arg, hpa_t from, void *buf, uint32_t len)
{
	(void)arg;
	if (from.v >= MEMORY || len > MEMORY - from.v)
		return -EFAULT;
	memcpy(buf, memory + from.v, len);
	return 0;
}

static void sum_fix(uint8_t *at, uint32_t len, uint32_t sum_at)
{
	uint8_t sum = 0;

	at[sum_at] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + at[i]);
	at[sum_at] = (uint8_t)-sum;
}

/* The input is a row of tables: kind, length, bytes. Their headers are made right, or the fuzzer would never get in. */
static uint32_t machine_build(const uint8_t *data, size_t size)
{
	uint32_t count = 0;

	while (size > 3 && count < TABLES_MAX) {
		uint8_t *at = memory + FIRST + count * TABLE_STRIDE;
		uint32_t len = data[1] | (data[2] & 3u) << 8, take;

		if (len < ACPI_HEADER)
			len = ACPI_HEADER;
		take = len - 8 < size - 3 ? len - 8 : (uint32_t)(size - 3);
		memcpy(at, signatures[data[0] % ARRAY_SIZE(signatures)], 4);
		memcpy(at + 4, &len, 4);
		memcpy(at + 8, data + 3, take);
		sum_fix(at, len, 9);
		data += 3 + take;
		size -= 3 + take;
		count++;
	}
	return count;
}

static void root_build(uint32_t count)
{
	uint32_t len = ACPI_HEADER + 4 * count, rsdt = RSDT;

	memcpy(memory, "RSD PTR ", 8);
	memcpy(memory + 16, &rsdt, 4);
	sum_fix(memory, 20, 8);
	memcpy(memory + RSDT, "RSDT", 4);
	memcpy(memory + RSDT + 4, &len, 4);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = FIRST + i * TABLE_STRIDE;

		memcpy(memory + RSDT + ACPI_HEADER + 4 * i, &at, 4);
	}
	sum_fix(memory + RSDT, len, 9);
}

static bool keep(void *arg, uint32_t apic_id)
{
	(void)arg;
	return apic_id & 1;
}

static void info_check(void)
{
	assert(info.table_count <= ACPI_TABLES && info.cpu_count <= ACPI_CPUS);
	assert(info.ioapic_count <= ACPI_IOAPICS && info.override_count <= ACPI_OVERRIDES);
	assert(info.nmi_count <= ACPI_NMIS && info.segment_count <= ACPI_SEGMENTS);
	assert(info.node_cpu_count <= ACPI_NODE_CPUS && info.node_span_count <= ACPI_NODE_SPANS);
	for (uint32_t i = 0; i < info.cpu_count; i++)
		for (uint32_t j = 0; j < i; j++)
			assert(info.cpus[i].apic_id != info.cpus[j].apic_id);
	for (uint32_t s = 1; s <= ACPI_S5; s++)
		assert(info.sleep[s].type_a <= 7 || info.sleep[s].type_a == ACPI_SLEEP_NONE ||
		       !info.cpu_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct acpi_access access = {.read = mem_read};
	uint32_t count;

	memset(memory, 0, sizeof(memory));
	count = machine_build(data, size);
	root_build(count);
	acpi_parse(&info, &access, memory, 20);
	info_check();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len;
		uint8_t *copy;

		memcpy(&len, memory + FIRST + i * TABLE_STRIDE + 4, 4);
		copy = malloc(len);
		assert(copy);
		memcpy(copy, memory + FIRST + i * TABLE_STRIDE, len);
		acpi_edit_madt(copy, len, keep, NULL);
		acpi_edit_srat(copy, len, keep, NULL);
		acpi_edit_sleep(copy, len);
		assert(acpi_edit_sleep(copy, len) == 0);
		acpi_edit_hide(copy, len);
		free(copy);
	}
	return 0;
}
