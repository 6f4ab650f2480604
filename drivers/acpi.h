/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables: found, checked, and read into one plain structure; nothing of AML but sleep types is interpreted. */

#ifndef DRIVERS_ACPI_H
#define DRIVERS_ACPI_H

#include "lib/types.h"

#define ACPI_CPUS	256
#define ACPI_IOAPICS	16
#define ACPI_OVERRIDES	32
#define ACPI_NMIS	32
#define ACPI_TABLES	96
#define ACPI_SEGMENTS	8
#define ACPI_NODE_CPUS	256
#define ACPI_NODE_SPANS 32

#define ACPI_TABLE_MAX	(4 * MIB) /* bytes; a longer table is damaged */
#define ACPI_HEADER	36 /* bytes of the header that all tables but FACS have (ACPI 6.5, 5.2.6) */
#define ACPI_RSDP_MAX	36
#define ACPI_ALL_CPUS	0xffffffffu /* an NMI entry's uid: every processor */
#define ACPI_SLEEP_NONE 0xff	    /* this sleep state is not offered */
#define ACPI_S5		5

/* How the parser reaches memory and says what it found wrong. */
struct acpi_access {
	/* Copy @len bytes at @from to @buf; 0, or negative where this cannot be read. */
	int (*read)(void *arg, hpa_t from, void *buf, uint32_t len);
	/* One sentence about a table that is left out or odd, to stand behind "ACPI: "; may be NULL. */
	void (*report)(void *arg, const char *fmt, ...) PRINTF(2, 3);
	void *arg;
};

/* Generic address structure (ACPI 6.5, 5.2.3.2). */
enum acpi_space { ACPI_MEMORY = 0, ACPI_IO = 1, ACPI_PCI_CONFIG = 2 };

struct acpi_gas {
	uint8_t space; /* enum acpi_space */
	uint8_t bit_width, bit_offset;
	uint8_t access; /* 0 undefined, 1 byte, 2 word, 3 dword, 4 qword */
	uint64_t address;
};

/* A register block of the FADT; address 0: there is none. An ACPI_IO one lies inside the 64K ports. */
struct acpi_block {
	uint8_t space; /* ACPI_MEMORY or ACPI_IO */
	uint8_t len;   /* bytes */
	uint64_t address;
};

struct acpi_table {
	char signature[4];
	bool intact; /* its checksum is right; others are listed but not believed */
	hpa_t at;
	uint32_t len;
};

/* A processor that is there or can be added (MADT types 0 and 9); ids are unique. */
struct acpi_cpu {
	uint32_t apic_id;
	uint32_t uid;
	bool enabled;	     /* usable now */
	bool online_capable; /* not now, but firmware may add it while the system runs */
	bool x2apic;	     /* described by a type 9 entry */
};

struct acpi_ioapic {
	hpa_t at;
	uint32_t gsi_base;
	uint8_t id;
};

/* MPS INTI flags (ACPI 6.5, table 5.26) */
#define ACPI_POLARITY	   0x3
#define ACPI_POLARITY_LOW  0x3
#define ACPI_TRIGGER	   0xc
#define ACPI_TRIGGER_LEVEL 0xc

/* ISA interrupt @irq arrives as @gsi. */
struct acpi_override {
	uint32_t gsi;
	uint16_t flags;
	uint8_t irq;
};

/* LINT @lint of the processor with @uid (or ACPI_ALL_CPUS) is an NMI. */
struct acpi_nmi {
	uint32_t uid;
	uint16_t flags;
	uint8_t lint;
};

/* FADT flags (ACPI 6.5, table 5.10) and boot flags (table 5.11) */
#define ACPI_FADT_TMR_VAL_EXT	BIT(8)
#define ACPI_FADT_RESET_REG_SUP BIT(10)
#define ACPI_FADT_HW_REDUCED	BIT(20)
#define ACPI_BOOT_8042		BIT(1)
#define ACPI_BOOT_NO_CMOS_RTC	BIT(5)

struct acpi_fadt {
	struct acpi_block pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_timer, gpe0, gpe1;
	struct acpi_gas reset; /* address 0: there is none */
	uint8_t reset_value;
	bool pm_timer_32;
	bool has_8042;
	uint8_t century; /* CMOS index, 0: none */
	uint8_t acpi_enable, acpi_disable;
	uint16_t sci_irq;
	uint32_t smi_cmd; /* port, 0: none */
	uint32_t flags;	  /* ACPI_FADT_* */
	uint16_t boot;	  /* ACPI_BOOT_* as found; 0 before revision 2 */
	hpa_t facs, dsdt; /* 0: none */
};

/* SLP_TYP values of a sleep state, or ACPI_SLEEP_NONE in both. */
struct acpi_sleep {
	uint8_t type_a, type_b;
};

/* A span of buses with memory-mapped configuration space (PCI firmware specification 3.3, 4.1.2). */
struct acpi_segment {
	hpa_t base; /* of bus 0, even where first_bus is another */
	uint16_t segment;
	uint8_t first_bus, last_bus;
};

/* SPCR: the serial port that the firmware talks to. */
struct acpi_uart {
	bool present; /* and a 16550 or compatible one */
	bool mmio;
	uint8_t shift;	  /* registers are 1 << shift bytes apart */
	uint64_t address; /* port or HPA */
	uint32_t baud;	  /* 0: as the firmware left it */
};

struct acpi_node_cpu {
	uint32_t apic_id;
	uint32_t node;
};

struct acpi_node_span {
	hpa_t base;
	uint64_t size;
	uint32_t node;
};

struct acpi_info {
	struct acpi_table tables[ACPI_TABLES]; /* RSDT or XSDT first; DSDT included, FACS not */
	uint32_t table_count;
	hpa_t lapic;
	bool has_8259;			 /* MADT: PCAT_COMPAT */
	struct acpi_cpu cpus[ACPI_CPUS]; /* in MADT order */
	uint32_t cpu_count;
	struct acpi_ioapic ioapics[ACPI_IOAPICS];
	uint32_t ioapic_count;
	struct acpi_override overrides[ACPI_OVERRIDES];
	uint32_t override_count;
	struct acpi_nmi nmis[ACPI_NMIS];
	uint32_t nmi_count;
	struct acpi_fadt fadt;
	struct acpi_sleep sleep[ACPI_S5 + 1]; /* by state; [0] unused */
	struct acpi_segment segments[ACPI_SEGMENTS];
	uint32_t segment_count;
	hpa_t hpet; /* 0: none */
	struct acpi_uart uart;
	struct acpi_node_cpu node_cpus[ACPI_NODE_CPUS];
	uint32_t node_cpu_count;
	struct acpi_node_span node_spans[ACPI_NODE_SPANS];
	uint32_t node_span_count;
};

/*
 * Search the places where a PC's BIOS leaves the RSDP (ACPI 6.5, 5.2.5.1). Returns its length (20 or 36) and the
 * bytes in @rsdp, or -ENOENT. Boot, where the boot loader gave none; reads at most 128 KiB.
 */
int acpi_find_rsdp(const struct acpi_access *a, uint8_t rsdp[ACPI_RSDP_MAX]);

/*
 * Read all tables that the @rsdp_len bytes at @rsdp lead to. Every length, count and checksum is checked; what is bad
 * is reported and left out; what exceeds a table of @out is reported and left out. Boot CPU, boot only (not
 * reentrant: one static buffer). Returns 0, -EINVAL (RSDP, or both root tables, bad), -ENOENT (no usable MADT with a
 * processor in it, or no usable FADT).
 */
int acpi_parse(struct acpi_info *out, const struct acpi_access *a, const void *rsdp,
	       uint32_t rsdp_len);

/* The first listed table with this signature, intact or not; NULL: none. */
const struct acpi_table *acpi_table_find(const struct acpi_info *info, const char signature[4]);

/* The global interrupt that ISA interrupt @irq arrives as, and its flags (0: as ISA has it, edge and high). */
uint32_t acpi_isa_gsi(const struct acpi_info *info, uint8_t irq, uint16_t *flags);

#endif
