/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables for an isolated guest. ACPI 6.5, 5.2; PCI Firmware 3.3, 4.1.2 (MCFG). */

#include "vm/acpi_make.h"
#include "lib/string.h"
#include "vdev/vacpi.h"
#include "vdev/vboard.h"
#include "vdev/vfwcfg.h"
#include "vdev/vpic.h"
#include "vdev/vpit.h"
#include "vm/aml.h"

#define OEM_ID	   "BULKHD"
#define OEM_TABLE  "BULKHEAD"
#define CREATOR	   "BHED"
#define TABLE_STEP 64 /* which is what the FACS asks for */

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} PACKED;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} PACKED;
_Static_assert(sizeof(struct rsdp) == 36, "ACPI table 5.3");
#define RSDP_OLD_SIZE 20 /* what its first checksum covers */

struct gas {
	uint8_t space, bits, offset, access;
	uint64_t address;
} PACKED;
#define SPACE_IO 1

struct fadt {
	struct acpi_header h;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, timer, gpe0, gpe1;
	uint8_t event_len, control_len, control2_len, timer_len, gpe0_len, gpe1_len, gpe1_base,
		cst_control;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_flags;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset;
	uint8_t reset_value;
	uint16_t arm_flags;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control,
		x_timer, x_gpe0, x_gpe1, sleep_control, sleep_status;
	uint64_t vendor;
} PACKED;
_Static_assert(sizeof(struct fadt) == 276, "ACPI table 5.9");

#define FADT_REVISION	  6
#define PROFILE_SERVER	  4
#define C2_UNSUPPORTED	  101
#define C3_UNSUPPORTED	  1001
#define BOOT_ISA	  BIT(0) /* there are devices on the ISA bus */
#define BOOT_NO_VGA	  BIT(2)
#define BOOT_NO_ASPM	  BIT(4)
#define FADT_WBINVD	  BIT(0)
#define FADT_C1		  BIT(2)
#define FADT_NO_POWER_KEY BIT(4) /* and no sleep button: none in the fixed hardware */
#define FADT_NO_SLEEP_KEY BIT(5)
#define FADT_TIMER_32	  BIT(8)
#define FADT_RESET	  BIT(10)
#define FADT_HEADLESS	  BIT(12)
#define CMOS_CENTURY	  0x32

struct facs {
	char signature[4];
	uint32_t length, hardware, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} PACKED;
_Static_assert(sizeof(struct facs) == 64, "ACPI table 5.13");

struct madt {
	struct acpi_header h;
	uint32_t lapic, flags;
} PACKED;
#define MADT_HAS_8259 BIT(0)

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} PACKED;
struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} PACKED;
struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} PACKED;
struct madt_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_NMI = 4 };
#define LAPIC_ENABLED  1
#define IRQ_HIGH_LEVEL 0x000d
#define UID_ALL	       0xff
#define LINT_NMI       1

struct mcfg {
	struct acpi_header h;
	uint64_t reserved0, base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} PACKED;

struct xsdt {
	struct acpi_header h;
	uint64_t tables[3]; /* FADT, MADT, MCFG */
} PACKED;

/* The buffer, and where its first byte lies in the guest. */
struct maker {
	struct aml out;
	uint32_t base;
};

static void checksum(uint8_t *sum, const void *table, uint32_t len)
{
	const uint8_t *p = table;
	uint8_t total = 0;

	*sum = 0;
	while (len--)
		total = (uint8_t)(total + *p++);
	*sum = (uint8_t)-total;
}

/* Where the next table goes, as an offset. */
static uint32_t table_start(struct maker *m)
{
	while (m->out.len % TABLE_STEP)
		aml_byte(&m->out, 0);
	return m->out.len;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = {.revision = revision, .oem_revision = 1, .creator_revision = 1};

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, OEM_ID, sizeof(h.oem_id));
	memcpy(h.oem_table, OEM_TABLE, sizeof(h.oem_table));
	memcpy(h.creator, CREATOR, sizeof(h.creator));
	return h;
}

/* Length and checksum of the table that was written from @start on; returns its address. */
static uint32_t table_end(struct maker *m, uint32_t start)
{
	struct acpi_header *h = (struct acpi_header *)(void *)(m->out.buf + start);

	if (m->out.len <= m->out.size) {
		h->length = m->out.len - start;
		checksum(&h->checksum, h, h->length);
	}
	return m->base + start;
}

static uint32_t table_put(struct maker *m, const void *table, uint32_t len)
{
	uint32_t start = table_start(m);

	aml_bytes(&m->out, table, len);
	return table_end(m, start);
}

/* --- DSDT --- */

static void device_isa(struct aml *a, const char *name, const char *id, uint16_t port,
		       uint8_t count, int irq)
{
	uint32_t device = aml_begin_device(a, name), resources;

	aml_name_eisaid(a, "_HID", id);
	resources = aml_begin_resources(a);
	aml_io(a, port, count);
	if (irq >= 0)
		aml_irq(a, (uint32_t)irq);
	aml_end_resources(a, resources);
	aml_end(a, device);
}

static void device_pic(struct aml *a)
{
	uint32_t device = aml_begin_device(a, "PIC_"), resources;

	aml_name_eisaid(a, "_HID", "PNP0000");
	resources = aml_begin_resources(a);
	aml_io(a, VPIC_MASTER_PORT, 2);
	aml_io(a, VPIC_SLAVE_PORT, 2);
	aml_io(a, VPIC_ELCR_PORT, 2);
	aml_irq(a, 2);
	aml_end_resources(a, resources);
	aml_end(a, device);
}

static void device_pci(struct aml *a)
{
	uint32_t device = aml_begin_device(a, "PCI0"), resources;

	aml_name_eisaid(a, "_HID", "PNP0A08");
	aml_name_eisaid(a, "_CID", "PNP0A03");
	aml_name_integer(a, "_UID", 0);
	aml_name_integer(a, "_SEG", 0);
	aml_name_integer(a, "_BBN", 0);
	resources = aml_begin_resources(a);
	aml_window_bus(a, 0, 0);
	aml_io(a, VBOARD_PCI_PORT, VBOARD_PCI_PORTS);
	aml_window_memory(a, VBOARD_PCI_HOLE, VBOARD_PCI_END);
	aml_end_resources(a, resources);
	aml_name_route(a, VBOARD_PCI_SLOT >> 3, 0, VBOARD_PCI_IRQ);
	aml_end(a, device);
}

/* What is neither a device of its own nor free: the ACPI registers, ECAM. */
static void device_board(struct aml *a)
{
	uint32_t device = aml_begin_device(a, "BRD_"), resources;

	aml_name_eisaid(a, "_HID", "PNP0C02");
	aml_name_integer(a, "_UID", 0);
	resources = aml_begin_resources(a);
	aml_io(a, VBOARD_PM_PORT, VACPI_PORTS);
	aml_memory_fixed(a, VBOARD_ECAM, VBOARD_ECAM_SIZE);
	aml_end_resources(a, resources);
	aml_end(a, device);
}

/* QEMU, docs/specs/fw_cfg, "ACPI Interface": a name that is no EISA id. */
static void device_fw_cfg(struct aml *a)
{
	uint32_t device = aml_begin_device(a, "FWCF"), resources;

	aml_name_string(a, "_HID", "QEMU0002");
	resources = aml_begin_resources(a);
	aml_io(a, VBOARD_FWCFG_PORT, VFWCFG_PORTS);
	aml_end_resources(a, resources);
	aml_end(a, device);
}

static void device_processor(struct aml *a, uint32_t uid)
{
	static const char digits[] = "0123456789ABCDEF";
	const char name[] = {'C', 'P', digits[uid >> 4 & 15], digits[uid & 15], 0};
	uint32_t device = aml_begin_device(a, name);

	aml_name_string(a, "_HID", "ACPI0007");
	aml_name_integer(a, "_UID", uid);
	aml_end(a, device);
}

static uint32_t dsdt_make(struct maker *m, uint32_t vcpus, bool fw_cfg)
{
	static const uint8_t s5[] = {VBOARD_S5, 0, 0, 0};
	struct acpi_header h = header("DSDT", 2);
	struct aml *a = &m->out;
	uint32_t start = table_start(m), scope;

	aml_bytes(a, &h, sizeof(h));
	aml_name_package(a, "_S5_", s5, sizeof(s5));
	scope = aml_begin_scope(a, "_SB_");
	for (uint32_t i = 0; i < vcpus; i++)
		device_processor(a, i);
	device_pci(a);
	device_board(a);
	device_pic(a);
	device_isa(a, "TMR_", "PNP0100", VPIT_PORT, 4, 0);
	device_isa(a, "RTC_", "PNP0B00", VBOARD_RTC_PORT, 2, VBOARD_RTC_IRQ);
	device_isa(a, "COM1", "PNP0501", VBOARD_UART_PORT, 8, VBOARD_UART_IRQ);
	if (fw_cfg)
		device_fw_cfg(a);
	aml_end(a, scope);
	return table_end(m, start);
}

/* --- the others --- */

static uint32_t facs_make(struct maker *m)
{
	struct facs f = {.signature = "FACS", .length = sizeof(f), .version = 2};
	uint32_t start = table_start(m);

	aml_bytes(&m->out, &f, sizeof(f));
	return m->base + start;
}

static struct gas gas_io(uint16_t port, uint8_t bytes)
{
	return (struct gas){.space = SPACE_IO,
			    .bits = (uint8_t)(8 * bytes),
			    .access = bytes == 1   ? 1
				      : bytes == 2 ? 2
						   : 3,
			    .address = port};
}

static uint32_t fadt_make(struct maker *m, uint32_t facs, uint32_t dsdt)
{
	struct fadt f = {
		.h = header("FACP", FADT_REVISION),
		.facs = facs,
		.dsdt = dsdt,
		.profile = PROFILE_SERVER,
		.sci = VBOARD_SCI_IRQ,
		.pm1a_event = VBOARD_PM_PORT + VACPI_STATUS,
		.pm1a_control = VBOARD_PM_PORT + VACPI_CONTROL,
		.timer = VBOARD_PM_PORT + VACPI_TIMER,
		.event_len = 4,
		.control_len = 2,
		.timer_len = 4,
		.c2_latency = C2_UNSUPPORTED,
		.c3_latency = C3_UNSUPPORTED,
		.century = CMOS_CENTURY,
		.boot_flags = BOOT_ISA | BOOT_NO_VGA | BOOT_NO_ASPM,
		.flags = FADT_WBINVD | FADT_C1 | FADT_NO_POWER_KEY | FADT_NO_SLEEP_KEY |
			 FADT_TIMER_32 | FADT_RESET | FADT_HEADLESS,
		.reset = gas_io(VBOARD_RESET_PORT, 1),
		.reset_value = VBOARD_RESET,
		.x_dsdt = dsdt,
		.x_pm1a_event = gas_io(VBOARD_PM_PORT + VACPI_STATUS, 4),
		.x_pm1a_control = gas_io(VBOARD_PM_PORT + VACPI_CONTROL, 2),
		.x_timer = gas_io(VBOARD_PM_PORT + VACPI_TIMER, 4),
	};

	return table_put(m, &f, sizeof(f));
}

static uint32_t madt_make(struct maker *m, uint32_t vcpus)
{
	struct madt t = {.h = header("APIC", 5), .lapic = VBOARD_LAPIC, .flags = MADT_HAS_8259};
	struct madt_ioapic io = {
		.type = MADT_IOAPIC, .length = sizeof(io), .address = VBOARD_IOAPIC};
	struct madt_override pit = {
		.type = MADT_OVERRIDE, .length = sizeof(pit), .gsi = VBOARD_PIT_PIN};
	struct madt_override sci = {.type = MADT_OVERRIDE,
				    .length = sizeof(sci),
				    .source = VBOARD_SCI_IRQ,
				    .gsi = VBOARD_SCI_IRQ,
				    .flags = IRQ_HIGH_LEVEL};
	struct madt_nmi nmi = {
		.type = MADT_NMI, .length = sizeof(nmi), .uid = UID_ALL, .lint = LINT_NMI};
	uint32_t start = table_start(m);

	aml_bytes(&m->out, &t, sizeof(t));
	for (uint32_t i = 0; i < vcpus; i++) {
		struct madt_lapic cpu = {.type = MADT_LAPIC,
					 .length = sizeof(cpu),
					 .uid = (uint8_t)i,
					 .apic_id = (uint8_t)i,
					 .flags = LAPIC_ENABLED};

		aml_bytes(&m->out, &cpu, sizeof(cpu));
	}
	aml_bytes(&m->out, &io, sizeof(io));
	aml_bytes(&m->out, &pit, sizeof(pit));
	aml_bytes(&m->out, &sci, sizeof(sci));
	aml_bytes(&m->out, &nmi, sizeof(nmi));
	return table_end(m, start);
}

static uint32_t mcfg_make(struct maker *m)
{
	struct mcfg t = {.h = header("MCFG", 1), .base = VBOARD_ECAM};

	return table_put(m, &t, sizeof(t));
}

uint32_t acpi_make(uint32_t vcpus, bool fw_cfg, uint32_t base, uint8_t *buf, uint32_t size)
{
	struct maker m = {
		.out = {.buf = buf, .size = size},
		   .base = base
	       };
	struct rsdp r = {
		.signature = "RSD PTR ", .oem_id = OEM_ID, .revision = 2, .length = sizeof(r)};
	struct xsdt x = {.h = header("XSDT", 1)};

	uint32_t facs, dsdt;

	aml_bytes(&m.out, &r, sizeof(r)); /* its place; filled in last */
	facs = facs_make(&m);
	dsdt = dsdt_make(&m, vcpus, fw_cfg);
	x.tables[0] = fadt_make(&m, facs, dsdt);
	x.tables[1] = madt_make(&m, vcpus);
	x.tables[2] = mcfg_make(&m);
	r.xsdt = table_put(&m, &x, sizeof(x));
	checksum(&r.checksum, &r, RSDP_OLD_SIZE);
	checksum(&r.extended_checksum, &r, sizeof(r));
	if (m.out.len <= size)
		memcpy(buf, &r, sizeof(r));
	return m.out.len;
}
