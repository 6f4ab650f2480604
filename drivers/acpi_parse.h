/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the ACPI parser share; nobody else includes it. */

#ifndef DRIVERS_ACPI_PARSE_H
#define DRIVERS_ACPI_PARSE_H

#include "drivers/acpi.h"
#include "lib/string.h"

/* The longest sub-table of MADT and SRAT that is looked at; more of one is ignored. */
#define ACPI_ENTRY_MAX 40

struct acpi_parser {
	const struct acpi_access *a;
	struct acpi_info *info;
};

/* Say what is wrong; arguments as for printf. */
#define acpi_report(p, ...)                                       \
	do {                                                      \
		if ((p)->a->report)                               \
			(p)->a->report((p)->a->arg, __VA_ARGS__); \
	} while (0)

static inline uint16_t acpi_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t acpi_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t acpi_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

struct acpi_gas acpi_gas_at(const uint8_t *at);

/* Copy @len bytes of table @t from @off on, as many as it has; the rest of @buf is zeroed. False: cannot be read. */
bool acpi_table_read(struct acpi_parser *p, const struct acpi_table *t, uint32_t off, void *buf,
		     uint32_t len);

/* A walk over a table's sub-tables, each of which starts with its type and its length. */
struct acpi_walk {
	const struct acpi_table *table;
	uint32_t next;
	uint8_t type, len;
	uint8_t entry[ACPI_ENTRY_MAX]; /* zero behind len */
};

/* Go to the next sub-table; false at the end, or where a length is bad (reported). */
bool acpi_walk_next(struct acpi_parser *p, struct acpi_walk *w);

/* One parser per table; each gets an intact table of at least a header's length. */
void acpi_parse_madt(struct acpi_parser *p, const struct acpi_table *t);
void acpi_parse_srat(struct acpi_parser *p, const struct acpi_table *t);
void acpi_parse_fadt(struct acpi_parser *p, const struct acpi_table *t);
void acpi_parse_mcfg(struct acpi_parser *p, const struct acpi_table *t);
void acpi_parse_hpet(struct acpi_parser *p, const struct acpi_table *t);
void acpi_parse_spcr(struct acpi_parser *p, const struct acpi_table *t);
/* Sleep types in a DSDT or SSDT. */
void acpi_parse_aml(struct acpi_parser *p, const struct acpi_table *t);

#endif
