/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits of copies of ACPI tables, in place and of the same length, for the guest that sees the firmware's tables. */

#include "drivers/acpi_aml.h"
#include "lib/string.h"
#include "vm/acpi_edit.h"

/* Table header (ACPI 6.5, table 5.4) */
#define HEADER_SIZE	36
#define HEADER_LENGTH	4
#define HEADER_CHECKSUM 9
#define SIGNATURE_SIZE	4

/* Sub-tables start with type and length. */
#define ENTRY_TYPE   0
#define ENTRY_LENGTH 1
#define ENTRY_HEADER 2

#define MADT_ENTRIES 44
#define SRAT_ENTRIES 48

#define APIC_ID_BROADCAST   0xff
#define X2APIC_ID_BROADCAST 0xffffffffu

#define SLEEP_STATE_KEPT 5 /* S5 */
#define SLEEP_NAME_FIRST 'X'

/* Where a kind of sub-table describes a processor. */
struct cpu_row {
	uint8_t type;
	uint8_t len; /* at least */
	uint8_t id, id_size;
	uint8_t flags; /* four bytes */
	uint32_t clear;
	bool broadcast; /* the id becomes the broadcast one */
};

/* MADT: processor local APIC and x2APIC (ACPI 6.5, 5.2.12.2 and 5.2.12.12); flags 0 enabled, 1 online capable */
static const struct cpu_row madt_rows[] = {
	{.type = 0, .len = 8,  .id = 3, .id_size = 1, .flags = 4, .clear = 3, .broadcast = true},
	{.type = 9, .len = 16, .id = 4, .id_size = 4, .flags = 8, .clear = 3, .broadcast = true},
};

/* SRAT: processor affinities (ACPI 6.5, 5.2.16.1 and 5.2.16.3); flag 0 enabled */
static const struct cpu_row srat_rows[] = {
	{.type = 0, .len = 16, .id = 3, .id_size = 1, .flags = 4,  .clear = 1},
	{.type = 2, .len = 24, .id = 8, .id_size = 4, .flags = 12, .clear = 1},
};

/* The table's length by its own account, 0 if it cannot be true. */
static uint32_t table_size(const uint8_t *table, uint32_t len)
{
	uint32_t size;

	if (len < HEADER_SIZE)
		return 0;
	memcpy(&size, table + HEADER_LENGTH, sizeof(size));
	return size >= HEADER_SIZE && size <= len ? size : 0;
}

static void checksum_set(uint8_t *table, uint32_t size)
{
	uint8_t sum = 0;

	table[HEADER_CHECKSUM] = 0;
	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[HEADER_CHECKSUM] = (uint8_t)-sum;
}

static void cpu_drop(uint8_t *entry, const struct cpu_row *row)
{
	uint32_t flags, none = X2APIC_ID_BROADCAST;

	_Static_assert((uint8_t)X2APIC_ID_BROADCAST == APIC_ID_BROADCAST,
		       "one pattern for both sizes");
	memcpy(&flags, entry + row->flags, sizeof(flags));
	flags &= ~row->clear;
	memcpy(entry + row->flags, &flags, sizeof(flags));
	if (row->broadcast)
		memcpy(entry + row->id, &none, row->id_size);
}

/* Drop the entry's processor if it is one and not to be kept; true if it was dropped. */
static bool cpu_edit(uint8_t *entry, const struct cpu_row *row, acpi_keep_fn keep, void *arg)
{
	uint32_t id = 0;

	if (entry[ENTRY_TYPE] != row->type || entry[ENTRY_LENGTH] < row->len)
		return false;
	memcpy(&id, entry + row->id, row->id_size);
	if (keep(arg, id))
		return false;
	cpu_drop(entry, row);
	return true;
}

static int cpus_edit(uint8_t *table, uint32_t len, uint32_t first, const struct cpu_row *rows,
		     uint32_t row_count, acpi_keep_fn keep, void *arg)
{
	uint32_t size = table_size(table, len);
	int changed = 0;

	if (!size)
		return -EINVAL;
	for (uint32_t at = first; at < size && size - at >= ENTRY_HEADER;) {
		uint8_t *entry = table + at;
		uint32_t entry_len = entry[ENTRY_LENGTH];

		if (entry_len < ENTRY_HEADER || entry_len > size - at)
			break;
		for (uint32_t i = 0; i < row_count; i++)
			if (cpu_edit(entry, &rows[i], keep, arg)) {
				changed++;
				break;
			}
		at += entry_len;
	}
	checksum_set(table, size);
	return changed;
}

int acpi_edit_madt(void *table, uint32_t len, acpi_keep_fn keep, void *arg)
{
	return cpus_edit(table, len, MADT_ENTRIES, madt_rows, ARRAY_SIZE(madt_rows), keep, arg);
}

int acpi_edit_srat(void *table, uint32_t len, acpi_keep_fn keep, void *arg)
{
	return cpus_edit(table, len, SRAT_ENTRIES, srat_rows, ARRAY_SIZE(srat_rows), keep, arg);
}

int acpi_edit_hide(void *table, uint32_t len)
{
	uint32_t size = table_size(table, len);

	if (!size)
		return -EINVAL;
	memcpy(table, ACPI_HIDDEN_SIGNATURE, SIGNATURE_SIZE);
	checksum_set(table, size);
	return 1;
}

int acpi_edit_sleep(void *table, uint32_t len)
{
	uint8_t *bytes = table;
	uint32_t size = table_size(bytes, len);
	struct aml_sleep found;
	int changed = 0;

	if (!size)
		return -EINVAL;
	for (uint32_t at = HEADER_SIZE; at < size; at++) {
		uint32_t left = size - at < AML_SLEEP_MAX ? size - at : AML_SLEEP_MAX;

		if (!aml_sleep_object(bytes + at, left, &found) || found.state == SLEEP_STATE_KEPT)
			continue;
		bytes[at + found.name] = SLEEP_NAME_FIRST;
		changed++;
	}
	checksum_set(bytes, size);
	return changed;
}
