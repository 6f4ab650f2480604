/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding ACPI tables and reading the MADT. ACPI 6.4, 5.2.5 to 5.2.12. */

#include "lib/acpi.h"
#include "lib/guest.h"

#define BIOS_START 0xe0000UL
#define BIOS_END   0x100000UL
#define RSDP_V1	   20 /* bytes under the first checksum */

#define MADT_LAPIC	 0
#define MADT_IOAPIC	 1
#define MADT_X2APIC	 9
#define MADT_CPU_ENABLED 1

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} PACKED;

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} PACKED;

struct madt {
	struct header header;
	uint32_t lapic, flags;
	uint8_t entries[];
} PACKED;

static bool sum_is_zero(const void *p, uint32_t len)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)p)[i]);
	return !sum;
}

static const struct rsdp *rsdp_find(void)
{
	if (start_info->rsdp)
		return (const struct rsdp *)start_info->rsdp;
	for (uint64_t at = BIOS_START; at < BIOS_END; at += 16) {
		const struct rsdp *r = (const struct rsdp *)at;

		if (!memcmp(r->signature, "RSD PTR ", 8) && sum_is_zero(r, RSDP_V1))
			return r;
	}
	return NULL;
}

static uint64_t read_pointer(const uint8_t *p, uint32_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

const void *acpi_table(const char *signature)
{
	const struct rsdp *r = rsdp_find();
	bool wide = r && r->revision >= 2 && r->xsdt;
	const struct header *root;
	uint32_t size = wide ? 8 : 4;

	if (!r)
		return NULL;
	root = (const struct header *)(wide ? r->xsdt : r->rsdt);
	for (uint32_t at = sizeof(*root); at + size <= root->length; at += size) {
		const struct header *h =
			(const struct header *)read_pointer((const uint8_t *)root + at, size);

		if (!memcmp(h->signature, signature, 4) && sum_is_zero(h, h->length))
			return h;
	}
	return NULL;
}

/* The entry of the MADT after @e (NULL: the first); NULL at the end. */
static const uint8_t *madt_next(const struct madt *m, const uint8_t *e)
{
	const uint8_t *end = (const uint8_t *)m + m->header.length;

	e = e ? e + e[1] : m->entries;
	return e + 2 <= end && e[1] >= 2 && e + e[1] <= end ? e : NULL;
}

uint32_t madt_cpus(uint32_t *ids, uint32_t max)
{
	const struct madt *m = acpi_table("APIC");
	uint32_t n = 0;

	for (const uint8_t *e = m ? madt_next(m, NULL) : NULL; e; e = madt_next(m, e)) {
		bool lapic = e[0] == MADT_LAPIC, x2apic = e[0] == MADT_X2APIC;
		uint32_t flags = lapic ? e[4] : x2apic ? e[8] : 0;

		if (!(flags & MADT_CPU_ENABLED))
			continue;
		if (n < max)
			ids[n] = lapic ? e[3] : (uint32_t)read_pointer(e + 4, 4);
		n++;
	}
	return n;
}

bool madt_ioapic(uint32_t index, uint64_t *base, uint32_t *gsi)
{
	const struct madt *m = acpi_table("APIC");

	for (const uint8_t *e = m ? madt_next(m, NULL) : NULL; e; e = madt_next(m, e)) {
		if (e[0] != MADT_IOAPIC || index--)
			continue;
		*base = read_pointer(e + 4, 4);
		*gsi = (uint32_t)read_pointer(e + 8, 4);
		return true;
	}
	return false;
}
