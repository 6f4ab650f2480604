/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI: the MADT (processors and interrupt controllers) and the SRAT (what is near to what). */

#include "drivers/acpi_parse.h"

/* MADT (ACPI 6.5, table 5.19) */
#define MADT_LAPIC   36
#define MADT_FLAGS   40
#define MADT_ENTRIES 44
#define PCAT_COMPAT  BIT(0)

/* Processor flags of types 0 and 9 (table 5.21) */
#define CPU_ENABLED	   BIT(0)
#define CPU_ONLINE_CAPABLE BIT(1)

#define APIC_ID_BROADCAST   0xffu /* names no processor */
#define X2APIC_ID_BROADCAST 0xffffffffu
#define UID_ALL		    0xff

/* SRAT (table 5.60); entries' flags: bit 0 enabled */
#define SRAT_ENTRIES 48
#define SRAT_ENABLED BIT(0)

/* A sub-table's type, the least length it must have, and who reads it. */
struct entry_row {
	uint8_t type, len;
	void (*take)(struct acpi_parser *p, const uint8_t *e);
};

static INIT void entries_read(struct acpi_parser *p, const struct acpi_table *t, uint32_t first,
			      const struct entry_row *rows, uint32_t row_count)
{
	struct acpi_walk w = {.table = t, .next = first};

	while (acpi_walk_next(p, &w)) {
		for (uint32_t i = 0; i < row_count; i++) {
			if (rows[i].type != w.type)
				continue;
			if (w.len >= rows[i].len)
				rows[i].take(p, w.entry);
			else
				acpi_report(
					p,
					"table %.4s: an entry of type %u is too short; it is ignored",
					t->signature, w.type);
		}
	}
}

static INIT void full(struct acpi_parser *p, const char *what, uint32_t limit)
{
	acpi_report(p, "more than %u %s; one is ignored", limit, what);
}

static INIT void cpu_add(struct acpi_parser *p, struct acpi_cpu cpu, uint32_t flags)
{
	struct acpi_info *info = p->info;

	cpu.enabled = flags & CPU_ENABLED;
	cpu.online_capable = !cpu.enabled && flags & CPU_ONLINE_CAPABLE;
	if (!cpu.enabled && !cpu.online_capable)
		return;
	for (uint32_t i = 0; i < info->cpu_count; i++) {
		if (info->cpus[i].apic_id != cpu.apic_id)
			continue;
		acpi_report(p, "a second processor with APIC id 0x%x is ignored", cpu.apic_id);
		return;
	}
	if (info->cpu_count == ACPI_CPUS)
		full(p, "processors", ACPI_CPUS);
	else
		info->cpus[info->cpu_count++] = cpu;
}

/* Type 0, processor local APIC (5.2.12.2): 2 uid, 3 APIC id, 4 flags */
static INIT void take_lapic(struct acpi_parser *p, const uint8_t *e)
{
	if (e[3] != APIC_ID_BROADCAST)
		cpu_add(p, (struct acpi_cpu){.uid = e[2], .apic_id = e[3]}, acpi_u32(e + 4));
}

/* Type 9, processor local x2APIC (5.2.12.12): 4 x2APIC id, 8 flags, 12 uid */
static INIT void take_x2apic(struct acpi_parser *p, const uint8_t *e)
{
	struct acpi_cpu cpu = {.apic_id = acpi_u32(e + 4), .uid = acpi_u32(e + 12), .x2apic = true};

	if (cpu.apic_id != X2APIC_ID_BROADCAST)
		cpu_add(p, cpu, acpi_u32(e + 8));
}

/* Type 1, IOAPIC (5.2.12.3): 2 id, 4 address, 8 first global interrupt */
static INIT void take_ioapic(struct acpi_parser *p, const uint8_t *e)
{
	struct acpi_info *info = p->info;

	if (info->ioapic_count == ACPI_IOAPICS)
		full(p, "IOAPICs", ACPI_IOAPICS);
	else
		info->ioapics[info->ioapic_count++] = (struct acpi_ioapic){
			.id = e[2], .at = HPA(acpi_u32(e + 4)), .gsi_base = acpi_u32(e + 8)};
}

/* Type 2, interrupt source override (5.2.12.5): 2 bus (0: ISA), 3 source, 4 global interrupt, 8 flags */
static INIT void take_override(struct acpi_parser *p, const uint8_t *e)
{
	struct acpi_info *info = p->info;

	if (e[2] != 0)
		return;
	if (info->override_count == ACPI_OVERRIDES)
		full(p, "interrupt source overrides", ACPI_OVERRIDES);
	else
		info->overrides[info->override_count++] = (struct acpi_override){
			.irq = e[3], .gsi = acpi_u32(e + 4), .flags = acpi_u16(e + 8)};
}

static INIT void nmi_add(struct acpi_parser *p, struct acpi_nmi nmi)
{
	struct acpi_info *info = p->info;

	if (info->nmi_count == ACPI_NMIS)
		full(p, "NMI entries", ACPI_NMIS);
	else
		info->nmis[info->nmi_count++] = nmi;
}

/* Type 4, local APIC NMI (5.2.12.7): 2 uid, 3 flags, 5 LINT */
static INIT void take_nmi(struct acpi_parser *p, const uint8_t *e)
{
	nmi_add(p, (struct acpi_nmi){.uid = e[2] == UID_ALL ? ACPI_ALL_CPUS : e[2],
				     .flags = acpi_u16(e + 3),
				     .lint = e[5]});
}

/* Type 10, local x2APIC NMI (5.2.12.13): 2 flags, 4 uid, 8 LINT */
static INIT void take_x2apic_nmi(struct acpi_parser *p, const uint8_t *e)
{
	nmi_add(p,
		(struct acpi_nmi){.uid = acpi_u32(e + 4), .flags = acpi_u16(e + 2), .lint = e[8]});
}

/* Type 5, local APIC address override (5.2.12.8): 4 address */
static INIT void take_lapic_address(struct acpi_parser *p, const uint8_t *e)
{
	p->info->lapic = HPA(acpi_u64(e + 4));
}

INIT void acpi_parse_madt(struct acpi_parser *p, const struct acpi_table *t)
{
	static const struct entry_row rows[] = {
		{0,  8,  take_lapic	 },
		   {1,  12, take_ioapic	      },
		{2,  10, take_override     },
		{4,  6,  take_nmi	       },
		   {5,  12, take_lapic_address},
		{9,  16, take_x2apic	   },
		{10, 12, take_x2apic_nmi	},
	};
	uint8_t head[MADT_ENTRIES];

	if (t->len < MADT_ENTRIES || !acpi_table_read(p, t, 0, head, sizeof(head)))
		return;
	p->info->lapic = HPA(acpi_u32(head + MADT_LAPIC));
	p->info->has_8259 = acpi_u32(head + MADT_FLAGS) & PCAT_COMPAT;
	entries_read(p, t, MADT_ENTRIES, rows, ARRAY_SIZE(rows));
}

static INIT void node_cpu_add(struct acpi_parser *p, uint32_t apic_id, uint32_t node)
{
	struct acpi_info *info = p->info;

	if (info->node_cpu_count == ACPI_NODE_CPUS)
		full(p, "processors in the SRAT", ACPI_NODE_CPUS);
	else
		info->node_cpus[info->node_cpu_count++] =
			(struct acpi_node_cpu){.apic_id = apic_id, .node = node};
}

/* Type 0 (5.2.16.1): 2 domain bits 7:0, 3 APIC id, 4 flags, 9 domain bits 31:8 */
static INIT void take_node_lapic(struct acpi_parser *p, const uint8_t *e)
{
	uint32_t node = e[2] | (uint32_t)e[9] << 8 | (uint32_t)e[10] << 16 | (uint32_t)e[11] << 24;

	if (acpi_u32(e + 4) & SRAT_ENABLED)
		node_cpu_add(p, e[3], node);
}

/* Type 2 (5.2.16.3): 4 domain, 8 x2APIC id, 12 flags */
static INIT void take_node_x2apic(struct acpi_parser *p, const uint8_t *e)
{
	if (acpi_u32(e + 12) & SRAT_ENABLED)
		node_cpu_add(p, acpi_u32(e + 8), acpi_u32(e + 4));
}

/* Type 1 (5.2.16.2): 2 domain, 8 base, 16 length, 28 flags */
static INIT void take_node_memory(struct acpi_parser *p, const uint8_t *e)
{
	struct acpi_info *info = p->info;
	struct acpi_node_span span = {
		.base = HPA(acpi_u64(e + 8)), .size = acpi_u64(e + 16), .node = acpi_u32(e + 2)};

	if (!(acpi_u32(e + 28) & SRAT_ENABLED) || !span.size)
		return;
	if (range_wraps(span.base.v, span.size))
		acpi_report(p, "a memory range of the SRAT wraps; it is ignored");
	else if (info->node_span_count == ACPI_NODE_SPANS)
		full(p, "memory ranges in the SRAT", ACPI_NODE_SPANS);
	else
		info->node_spans[info->node_span_count++] = span;
}

INIT void acpi_parse_srat(struct acpi_parser *p, const struct acpi_table *t)
{
	static const struct entry_row rows[] = {
		{0, 16, take_node_lapic },
		  {1, 40, take_node_memory},
		     {2, 24, take_node_x2apic}
	      };

	entries_read(p, t, SRAT_ENTRIES, rows, ARRAY_SIZE(rows));
}
