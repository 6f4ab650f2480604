/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI: from the RSDP to the list of tables, each checked, and to the parser of each. */

#include "drivers/acpi_aml.h"
#include "drivers/acpi_parse.h"

/* RSDP (ACPI 6.5, table 5.3) */
#define RSDP_SIGNATURE "RSD PTR "
#define RSDP_REVISION  15
#define RSDP_RSDT      16
#define RSDP_LENGTH    20
#define RSDP_XSDT      24
#define RSDP_V1_SIZE   20
#define RSDP_V2_SIZE   36

/* Where a PC has it (ACPI 6.5, 5.2.5.1); the EBDA's segment is a word of the BIOS data area. */
#define EBDA_SEGMENT  0x40e
#define EBDA_SIZE     KIB
#define BIOS_ROM      0xe0000
#define BIOS_ROM_SIZE (128 * KIB)
#define RSDP_STEP     16

/* Table header (ACPI 6.5, table 5.4) */
#define HEADER_LENGTH 4

#define ROOT_POINTERS_MAX 256 /* of a root table; some firmware names a table twice */

#define CHUNK KIB
_Static_assert(CHUNK > 2 * AML_SLEEP_MAX, "chunks overlap by an object");

static INITDATA uint8_t chunk[CHUNK];

struct parser_row {
	char signature[5];
	void (*parse)(struct acpi_parser *p, const struct acpi_table *t);
};

/* Tables of which only the first intact one counts. */
static const struct parser_row once[] = {
	{"APIC", acpi_parse_madt},
	   {"FACP", acpi_parse_fadt},
	      {"SRAT", acpi_parse_srat},
	{"MCFG", acpi_parse_mcfg},
	   {"HPET", acpi_parse_hpet},
	      {"SPCR", acpi_parse_spcr},
};

INIT struct acpi_gas acpi_gas_at(const uint8_t *at)
{
	return (struct acpi_gas){
		.space = at[0],
		.bit_width = at[1],
		.bit_offset = at[2],
		.access = at[3],
		.address = acpi_u64(at + 4),
	};
}

static INIT uint8_t sum(const uint8_t *bytes, uint32_t len)
{
	uint8_t total = 0;

	for (uint32_t i = 0; i < len; i++)
		total = (uint8_t)(total + bytes[i]);
	return total;
}

static INIT bool read_at(struct acpi_parser *p, uint64_t from, void *buf, uint32_t len)
{
	return !range_wraps(from, len) && p->a->read(p->a->arg, HPA(from), buf, len) == 0;
}

INIT bool acpi_table_read(struct acpi_parser *p, const struct acpi_table *t, uint32_t off,
			  void *buf, uint32_t len)
{
	uint32_t have = off < t->len ? t->len - off : 0;

	if (have > len)
		have = len;
	memset((uint8_t *)buf + have, 0, len - have);
	return !have || read_at(p, t->at.v + off, buf, have);
}

INIT bool acpi_walk_next(struct acpi_parser *p, struct acpi_walk *w)
{
	enum { TYPE, LENGTH, HEADER };
	const struct acpi_table *t = w->table;

	if (w->next >= t->len || t->len - w->next < HEADER)
		return false;
	if (!acpi_table_read(p, t, w->next, w->entry, sizeof(w->entry)))
		return false;
	w->type = w->entry[TYPE];
	w->len = w->entry[LENGTH];
	if (w->len < HEADER || w->len > t->len - w->next) {
		acpi_report(p, "table %.4s: entry at %u has the length %u; the rest is ignored",
			    t->signature, w->next, w->len);
		return false;
	}
	if (w->len < sizeof(w->entry))
		memset(w->entry + w->len, 0, sizeof(w->entry) - w->len);
	w->next += w->len;
	return true;
}

/* Is the sum of all bytes zero, as it must be (ACPI 6.5, 5.2.6)? */
static INIT bool table_intact(struct acpi_parser *p, const struct acpi_table *t)
{
	uint8_t total = 0;

	for (uint32_t off = 0; off < t->len; off += CHUNK) {
		if (!acpi_table_read(p, t, off, chunk, CHUNK))
			return false;
		total = (uint8_t)(total + sum(chunk, CHUNK));
	}
	return total == 0;
}

static INIT bool table_listed(const struct acpi_info *info, uint64_t at)
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->tables[i].at.v == at)
			return true;
	return false;
}

/* Put the table at @at on the list; NULL, and a report, if there is none that could be one. */
static INIT struct acpi_table *table_add(struct acpi_parser *p, uint64_t at)
{
	struct acpi_info *info = p->info;
	uint8_t header[ACPI_HEADER];
	struct acpi_table *t;

	if (!at || table_listed(info, at))
		return NULL;
	if (info->table_count == ACPI_TABLES) {
		acpi_report(p, "more than %u tables; the one at %llx is ignored", ACPI_TABLES,
			    (unsigned long long)at);
		return NULL;
	}
	if (!read_at(p, at, header, sizeof(header))) {
		acpi_report(p, "the table at %llx cannot be read", (unsigned long long)at);
		return NULL;
	}
	t = &info->tables[info->table_count];
	*t = (struct acpi_table){.at = HPA(at), .len = acpi_u32(header + HEADER_LENGTH)};
	memcpy(t->signature, header, sizeof(t->signature));
	if (t->len < ACPI_HEADER || t->len > ACPI_TABLE_MAX || range_wraps(at, t->len)) {
		acpi_report(p, "the table %.4s at %llx has the length %u; it is ignored",
			    t->signature, (unsigned long long)at, t->len);
		return NULL;
	}
	info->table_count++;
	t->intact = table_intact(p, t);
	if (!t->intact)
		acpi_report(p, "the table %.4s at %llx has a bad checksum; it is not used",
			    t->signature, (unsigned long long)at);
	return t;
}

/* List the tables that the root table at @at names, with pointers of @width bytes. */
static INIT bool root_read(struct acpi_parser *p, uint64_t at, const char *signature,
			   uint32_t width)
{
	const struct acpi_table *root = table_add(p, at);
	uint8_t pointer[8];
	uint32_t count;

	if (!root || !root->intact ||
	    memcmp(root->signature, signature, sizeof(root->signature)) != 0)
		return false;
	count = (root->len - ACPI_HEADER) / width;
	if (count > ROOT_POINTERS_MAX)
		count = ROOT_POINTERS_MAX;
	for (uint32_t i = 0; i < count && p->info->table_count < ACPI_TABLES; i++) {
		if (!acpi_table_read(p, root, ACPI_HEADER + i * width, pointer, width))
			return false;
		table_add(p, width == 8 ? acpi_u64(pointer) : acpi_u32(pointer));
	}
	return true;
}

/* Does the RSDP carry what revision 2 added, with its own checksum right? */
static INIT bool rsdp_is_v2(const uint8_t *rsdp, uint32_t len)
{
	uint32_t length;

	if (len < RSDP_V2_SIZE || rsdp[RSDP_REVISION] < 2)
		return false;
	length = acpi_u32(rsdp + RSDP_LENGTH);
	return length >= RSDP_V2_SIZE && length <= len && sum(rsdp, length) == 0;
}

static INIT bool rsdp_is_good(const uint8_t *rsdp, uint32_t len)
{
	return len >= RSDP_V1_SIZE && memcmp(rsdp, RSDP_SIGNATURE, 8) == 0 &&
	       sum(rsdp, RSDP_V1_SIZE) == 0;
}

static INIT bool roots_read(struct acpi_parser *p, const uint8_t *rsdp, uint32_t len)
{
	if (rsdp_is_v2(rsdp, len) && root_read(p, acpi_u64(rsdp + RSDP_XSDT), "XSDT", 8))
		return true;
	return root_read(p, acpi_u32(rsdp + RSDP_RSDT), "RSDT", 4);
}

static INIT const struct acpi_table *intact_find(const struct acpi_info *info,
						 const char *signature)
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->tables[i].intact && memcmp(info->tables[i].signature, signature, 4) == 0)
			return &info->tables[i];
	return NULL;
}

/* The first definition of a sleep state counts: the DSDT is looked at before the SSDTs. */
static INIT void sleep_take(struct acpi_info *info, const struct aml_sleep *found)
{
	struct acpi_sleep *sleep = &info->sleep[found->state];

	if (sleep->type_a == ACPI_SLEEP_NONE)
		*sleep = (struct acpi_sleep){.type_a = found->type_a, .type_b = found->type_b};
}

INIT void acpi_parse_aml(struct acpi_parser *p, const struct acpi_table *t)
{
	struct aml_sleep found;

	for (uint32_t off = ACPI_HEADER; off < t->len; off += CHUNK - AML_SLEEP_MAX) {
		if (!acpi_table_read(p, t, off, chunk, CHUNK))
			return;
		for (uint32_t i = 0; i < CHUNK - AML_SLEEP_MAX; i++)
			if (aml_sleep_object(chunk + i, AML_SLEEP_MAX, &found))
				sleep_take(p->info, &found);
	}
}

static INIT void sleep_types_read(struct acpi_parser *p)
{
	struct acpi_info *info = p->info;

	for (uint32_t state = 0; state <= ACPI_S5; state++)
		info->sleep[state] =
			(struct acpi_sleep){.type_a = ACPI_SLEEP_NONE, .type_b = ACPI_SLEEP_NONE};
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->tables[i].intact && memcmp(info->tables[i].signature, "DSDT", 4) == 0)
			acpi_parse_aml(p, &info->tables[i]);
	for (uint32_t i = 0; i < info->table_count; i++)
		if (info->tables[i].intact && memcmp(info->tables[i].signature, "SSDT", 4) == 0)
			acpi_parse_aml(p, &info->tables[i]);
}

INIT int acpi_parse(struct acpi_info *out, const struct acpi_access *a, const void *rsdp,
		    uint32_t rsdp_len)
{
	struct acpi_parser p = {.a = a, .info = out};

	memset(out, 0, sizeof(*out));
	if (!rsdp_is_good(rsdp, rsdp_len)) {
		acpi_report(&p, "the root pointer is damaged");
		return -EINVAL;
	}
	if (!roots_read(&p, rsdp, rsdp_len)) {
		acpi_report(&p, "neither XSDT nor RSDT is usable");
		return -EINVAL;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(once); i++) {
		const struct acpi_table *t = intact_find(out, once[i].signature);

		if (t)
			once[i].parse(&p, t);
	}
	if (!out->cpu_count || !intact_find(out, "FACP")) {
		acpi_report(&p, "no usable %s", out->cpu_count ? "FADT" : "MADT");
		return -ENOENT;
	}
	table_add(&p, out->fadt.dsdt.v);
	sleep_types_read(&p);
	return 0;
}

const struct acpi_table *acpi_table_find(const struct acpi_info *info, const char signature[4])
{
	for (uint32_t i = 0; i < info->table_count; i++)
		if (memcmp(info->tables[i].signature, signature, 4) == 0)
			return &info->tables[i];
	return NULL;
}

uint32_t acpi_isa_gsi(const struct acpi_info *info, uint8_t irq, uint16_t *flags)
{
	for (uint32_t i = 0; i < info->override_count; i++) {
		if (info->overrides[i].irq != irq)
			continue;
		*flags = info->overrides[i].flags;
		return info->overrides[i].gsi;
	}
	*flags = 0;
	return irq;
}

/* Search [@base, @base + @size) in steps of RSDP_STEP; its length, or 0. */
static INIT uint32_t rsdp_search(const struct acpi_access *a, uint64_t base, uint64_t size,
				 uint8_t rsdp[ACPI_RSDP_MAX])
{
	for (uint64_t at = base; at + RSDP_V1_SIZE <= base + size; at += RSDP_STEP) {
		if (a->read(a->arg, HPA(at), rsdp, RSDP_V1_SIZE) ||
		    !rsdp_is_good(rsdp, RSDP_V1_SIZE))
			continue;
		if (rsdp[RSDP_REVISION] < 2)
			return RSDP_V1_SIZE;
		return a->read(a->arg, HPA(at), rsdp, RSDP_V2_SIZE) ? 0 : RSDP_V2_SIZE;
	}
	return 0;
}

INIT int acpi_find_rsdp(const struct acpi_access *a, uint8_t rsdp[ACPI_RSDP_MAX])
{
	uint8_t segment[2];
	uint32_t len = 0;

	if (a->read(a->arg, HPA(EBDA_SEGMENT), segment, sizeof(segment)) == 0 && acpi_u16(segment))
		len = rsdp_search(a, (uint64_t)acpi_u16(segment) << 4, EBDA_SIZE, rsdp);
	if (!len)
		len = rsdp_search(a, BIOS_ROM, BIOS_ROM_SIZE, rsdp);
	return len ? (int)len : -ENOENT;
}
