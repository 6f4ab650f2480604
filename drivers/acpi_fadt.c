/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI: the FADT (power management registers), and the small tables MCFG, HPET and SPCR. */

#include "drivers/acpi_parse.h"

/* FADT (ACPI 6.5, table 5.9) */
#define FADT_REVISION	  8
#define FADT_FACS	  36
#define FADT_DSDT	  40
#define FADT_SCI_INT	  46
#define FADT_SMI_CMD	  48
#define FADT_ACPI_ENABLE  52
#define FADT_ACPI_DISABLE 53
#define FADT_PM1A_EVT	  56
#define FADT_PM1B_EVT	  60
#define FADT_PM1A_CNT	  64
#define FADT_PM1B_CNT	  68
#define FADT_PM2_CNT	  72
#define FADT_PM_TMR	  76
#define FADT_GPE0	  80
#define FADT_GPE1	  84
#define FADT_PM1_EVT_LEN  88
#define FADT_PM1_CNT_LEN  89
#define FADT_PM2_CNT_LEN  90
#define FADT_PM_TMR_LEN	  91
#define FADT_GPE0_LEN	  92
#define FADT_GPE1_LEN	  93
#define FADT_CENTURY	  108
#define FADT_BOOT_ARCH	  109
#define FADT_FLAGS	  112
#define FADT_V1_SIZE	  116
#define FADT_RESET_REG	  116
#define FADT_RESET_VALUE  128
#define FADT_X_FACS	  132
#define FADT_X_DSDT	  140
#define FADT_X_PM1A_EVT	  148
#define FADT_X_PM1B_EVT	  160
#define FADT_X_PM1A_CNT	  172
#define FADT_X_PM1B_CNT	  184
#define FADT_X_PM2_CNT	  196
#define FADT_X_PM_TMR	  208
#define FADT_X_GPE0	  220
#define FADT_X_GPE1	  232
#define FADT_SIZE	  276

#define PORT_LIMIT 0x10000u

/* MCFG: entries of 16 bytes behind 8 reserved ones (PCI firmware specification 3.3, table 4-3) */
#define MCFG_ENTRIES	44
#define MCFG_ENTRY_SIZE 16

/* HPET (IA-PC HPET specification 1.0a, 3.2.4) */
#define HPET_BASE 40
#define HPET_SIZE 56

/* SPCR (Microsoft, "Serial Port Console Redirection Table", revision 2) */
#define SPCR_INTERFACE	 36
#define SPCR_BASE	 40
#define SPCR_BAUD	 58
#define SPCR_SIZE	 80
#define SPCR_16550	 0x00
#define SPCR_16450	 0x01
#define SPCR_16550_GAS	 0x12
#define GAS_ACCESS_WORD	 2
#define GAS_ACCESS_DWORD 3

/* A register block: where its port, its generic address and its length stand. */
struct block_row {
	uint16_t port, gas, len;
	uint16_t offset; /* in struct acpi_fadt */
};

#define BLOCK(name, port, gas, len)                              \
	{                                                        \
		port, gas, len, offsetof(struct acpi_fadt, name) \
	}

static const struct block_row blocks[] = {
	BLOCK(pm1a_evt, FADT_PM1A_EVT, FADT_X_PM1A_EVT, FADT_PM1_EVT_LEN),
	BLOCK(pm1b_evt, FADT_PM1B_EVT, FADT_X_PM1B_EVT, FADT_PM1_EVT_LEN),
	BLOCK(pm1a_cnt, FADT_PM1A_CNT, FADT_X_PM1A_CNT, FADT_PM1_CNT_LEN),
	BLOCK(pm1b_cnt, FADT_PM1B_CNT, FADT_X_PM1B_CNT, FADT_PM1_CNT_LEN),
	BLOCK(pm2_cnt, FADT_PM2_CNT, FADT_X_PM2_CNT, FADT_PM2_CNT_LEN),
	BLOCK(pm_timer, FADT_PM_TMR, FADT_X_PM_TMR, FADT_PM_TMR_LEN),
	BLOCK(gpe0, FADT_GPE0, FADT_X_GPE0, FADT_GPE0_LEN),
	BLOCK(gpe1, FADT_GPE1, FADT_X_GPE1, FADT_GPE1_LEN),
};

static INIT bool block_usable(const struct acpi_block *b)
{
	if (!b->address || !b->len)
		return false;
	if (b->space == ACPI_IO)
		return b->address + b->len <= PORT_LIMIT && b->address < PORT_LIMIT;
	return b->space == ACPI_MEMORY && !range_wraps(b->address, b->len);
}

/* The extended address is preferred where it is usable (ACPI 6.5, table 5.9). */
static INIT struct acpi_block block_at(const uint8_t *fadt, const struct block_row *row)
{
	struct acpi_gas gas = acpi_gas_at(fadt + row->gas);
	struct acpi_block extended = {
		.space = gas.space, .len = fadt[row->len], .address = gas.address};
	struct acpi_block legacy = {
		.space = ACPI_IO, .len = fadt[row->len], .address = acpi_u32(fadt + row->port)};

	if (block_usable(&extended))
		return extended;
	return block_usable(&legacy) ? legacy : (struct acpi_block){0};
}

static INIT uint64_t pointer_at(const uint8_t *fadt, uint32_t extended, uint32_t legacy)
{
	uint64_t pointer = acpi_u64(fadt + extended);

	return pointer ? pointer : acpi_u32(fadt + legacy);
}

static INIT bool reset_usable(const struct acpi_gas *reset)
{
	switch (reset->space) {
	case ACPI_IO:
		return reset->address && reset->address < PORT_LIMIT;
	case ACPI_MEMORY:
	case ACPI_PCI_CONFIG:
		return reset->address;
	default:
		return false;
	}
}

INIT void acpi_parse_fadt(struct acpi_parser *p, const struct acpi_table *t)
{
	struct acpi_fadt *out = &p->info->fadt;
	uint8_t fadt[FADT_SIZE];

	if (!acpi_table_read(p, t, 0, fadt, sizeof(fadt)))
		return;
	if (t->len < FADT_V1_SIZE)
		acpi_report(p, "the FADT is only %u bytes long", t->len);
	for (uint32_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		struct acpi_block block = block_at(fadt, &blocks[i]);

		memcpy((uint8_t *)out + blocks[i].offset, &block, sizeof(block));
	}
	out->flags = acpi_u32(fadt + FADT_FLAGS);
	out->boot = fadt[FADT_REVISION] >= 2 ? acpi_u16(fadt + FADT_BOOT_ARCH) : 0;
	out->has_8042 = fadt[FADT_REVISION] < 2 || out->boot & ACPI_BOOT_8042;
	out->pm_timer_32 = out->flags & ACPI_FADT_TMR_VAL_EXT;
	out->reset = acpi_gas_at(fadt + FADT_RESET_REG);
	out->reset_value = fadt[FADT_RESET_VALUE];
	if (!(out->flags & ACPI_FADT_RESET_REG_SUP) || !reset_usable(&out->reset))
		out->reset = (struct acpi_gas){0};
	out->century = fadt[FADT_CENTURY];
	out->acpi_enable = fadt[FADT_ACPI_ENABLE];
	out->acpi_disable = fadt[FADT_ACPI_DISABLE];
	out->sci_irq = acpi_u16(fadt + FADT_SCI_INT);
	out->smi_cmd = acpi_u32(fadt + FADT_SMI_CMD);
	if (out->smi_cmd >= PORT_LIMIT)
		out->smi_cmd = 0;
	out->facs = HPA(pointer_at(fadt, FADT_X_FACS, FADT_FACS));
	out->dsdt = HPA(pointer_at(fadt, FADT_X_DSDT, FADT_DSDT));
}

INIT void acpi_parse_mcfg(struct acpi_parser *p, const struct acpi_table *t)
{
	struct acpi_info *info = p->info;
	uint8_t e[MCFG_ENTRY_SIZE];

	for (uint32_t off = MCFG_ENTRIES; off + sizeof(e) <= t->len; off += sizeof(e)) {
		struct acpi_segment s;

		if (!acpi_table_read(p, t, off, e, sizeof(e)))
			return;
		s = (struct acpi_segment){.base = HPA(acpi_u64(e)),
					  .segment = acpi_u16(e + 8),
					  .first_bus = e[10],
					  .last_bus = e[11]};
		if (!s.base.v || !IS_ALIGNED(s.base.v, MIB) || s.last_bus < s.first_bus ||
		    range_wraps(s.base.v, 256 * MIB)) {
			acpi_report(p, "an entry of the MCFG makes no sense; it is ignored");
			continue;
		}
		if (info->segment_count == ACPI_SEGMENTS)
			return;
		info->segments[info->segment_count++] = s;
	}
}

INIT void acpi_parse_hpet(struct acpi_parser *p, const struct acpi_table *t)
{
	uint8_t hpet[HPET_SIZE];
	struct acpi_gas base;

	if (t->len < HPET_SIZE || !acpi_table_read(p, t, 0, hpet, sizeof(hpet)))
		return;
	base = acpi_gas_at(hpet + HPET_BASE);
	if (base.space == ACPI_MEMORY)
		p->info->hpet = HPA(base.address);
}

/* Baud rates by their code; others: as the firmware left it. */
static INIT uint32_t spcr_baud(uint8_t code)
{
	static const uint32_t bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};

	return code < ARRAY_SIZE(bauds) ? bauds[code] : 0;
}

INIT void acpi_parse_spcr(struct acpi_parser *p, const struct acpi_table *t)
{
	uint8_t spcr[SPCR_SIZE];
	struct acpi_gas base;
	uint8_t interface;

	if (!acpi_table_read(p, t, 0, spcr, sizeof(spcr)))
		return;
	interface = spcr[SPCR_INTERFACE];
	base = acpi_gas_at(spcr + SPCR_BASE);
	if (!base.address ||
	    (interface != SPCR_16550 && interface != SPCR_16450 && interface != SPCR_16550_GAS))
		return;
	if (base.space != ACPI_MEMORY && (base.space != ACPI_IO || base.address > PORT_LIMIT - 8))
		return;
	p->info->uart = (struct acpi_uart){
		.present = true,
		.mmio = base.space == ACPI_MEMORY,
		.address = base.address,
		.baud = spcr_baud(spcr[SPCR_BAUD]),
	};
	if (base.space == ACPI_MEMORY && base.access == GAS_ACCESS_DWORD)
		p->info->uart.shift = 2;
	else if (base.space == ACPI_MEMORY && base.access == GAS_ACCESS_WORD)
		p->info->uart.shift = 1;
}
