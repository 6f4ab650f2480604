/* SPDX-License-Identifier: BSD-2-Clause */
/* As service guest: every vector and delivery mode from a pin, an MSI, an MSI-X entry and the ICR; what comes is what was asked for. */

#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/pci.h"
#include "lib/trap.h"
#include "lib/x86.h"

/* Delivery modes (SDM vol. 3, 11.6.1) */
enum { FIXED, LOWEST, SMI, RESERVED, NMI, INIT, STARTUP, EXTINT, MODES };

#define LEGAL_FIRST 16 /* vectors below are refused (SDM vol. 3, 11.5.2) */
#define NOBODY	    0xeeU
#define RTE_MASKED  0x10000U
#define RTE_LEVEL   0x8000U
#define PIN_FIRST   16 /* of those that carry PCI interrupts */

/* QEMU's teaching device (docs/specs/edu.txt) */
#define EDU	  0x123411e8U
#define EDU_RAISE 0x60
#define EDU_ACK	  0x64

/* NVM Express 1.4, 3.1; the administrator's queues use entry 0 of the MSI-X table. */
#define NVME_CLASS   0x0108
#define NVME_CC	     0x14
#define NVME_CSTS    0x1c
#define NVME_AQA     0x24
#define NVME_ASQ     0x28
#define NVME_ACQ     0x30
#define NVME_SQ_TAIL 0x1000
#define NVME_CQ_HEAD 0x1004
#define CC_START     0x00460001U /* enable; entries of 64 and 16 bytes */
#define QUEUE	     4
#define BAD_COMMAND  0xff /* is answered, too: with an error */

#define MSI_ADDRESS  0xfee00000U
#define MSI_ENABLE   1
#define MSI_64	     0x80
#define MSIX_ENABLE  0x8000U
#define SETTLE_TICKS 20000
#define WAIT_TICKS   4000000000ULL

static uint64_t ioapic;
static uint32_t edu_pin;
static uint16_t edu_bdf;
static volatile uint32_t *edu, *nvme, *entry;
static volatile uint64_t *pending;
static uint32_t commands[QUEUE][16] ALIGNED(4096);
static uint32_t answers[QUEUE][4] ALIGNED(4096);
static uint32_t command;
static volatile uint32_t taken, last;

static void on_any(struct trap_frame *f)
{
	taken++;
	last = f ? (uint32_t)f->vector : 0;
	edu[EDU_ACK / 4] = 1;
	apic_eoi();
}

/* The vectors of exceptions that push an error code: no telling which. */
static void on_raw(struct trap_frame *f)
{
	(void)f;
	on_any(NULL);
}

static void on_nmi(struct trap_frame *f)
{
	taken++;
	last = (uint32_t)f->vector;
	edu[EDU_ACK / 4] = 1;
}

/* --- four ways to send a message --- */

static uint32_t dest_of(uint32_t mode)
{
	return mode == INIT ? NOBODY : apic_id();
}

static void pin_entry(uint32_t pin, uint32_t low, uint32_t dest)
{
	ioapic_write(ioapic, 0x10 + 2 * pin, RTE_MASKED);
	ioapic_write(ioapic, 0x11 + 2 * pin, dest << 24);
	ioapic_write(ioapic, 0x10 + 2 * pin, low);
}

static void by_level_pin(uint32_t mode, uint8_t vector)
{
	pin_entry(edu_pin, RTE_LEVEL | mode << 8 | vector, dest_of(mode));
	edu[EDU_RAISE / 4] = 1;
}

static void by_edge_pin(uint32_t mode, uint8_t vector)
{
	pin_entry(edu_pin, mode << 8 | vector, dest_of(mode));
	edu[EDU_RAISE / 4] = 1;
}

static void by_msi(uint32_t mode, uint8_t vector)
{
	uint16_t at = pci_capability(edu_bdf, PCI_CAP_MSI);
	bool wide = pci_read(edu_bdf, (uint16_t)(at + 2), 2) & MSI_64;

	pci_write(edu_bdf, (uint16_t)(at + 2), 2, 0);
	pci_write(edu_bdf, (uint16_t)(at + 4), 4, MSI_ADDRESS | dest_of(mode) << 12);
	if (wide)
		pci_write(edu_bdf, (uint16_t)(at + 8), 4, 0);
	pci_write(edu_bdf, (uint16_t)(at + (wide ? 12 : 8)), 2, mode << 8 | vector);
	pci_write(edu_bdf, (uint16_t)(at + 2), 2, MSI_ENABLE);
	edu[EDU_RAISE / 4] = 1;
}

/* The disk answers when it likes, so the message is made to wait behind the mask, and sent by taking that away. */
static void by_msix(uint32_t mode, uint8_t vector)
{
	uint64_t end = rdtsc() + WAIT_TICKS;

	entry[3] = 1;
	commands[command][0] = BAD_COMMAND;
	command = (command + 1) % QUEUE;
	nvme[NVME_SQ_TAIL / 4] = command;
	while (!(*pending & 1) && rdtsc() < end)
		pause();
	if (!(*pending & 1))
		print("messages: the disk stays silent\n");
	nvme[NVME_CQ_HEAD / 4] = command;
	entry[0] = MSI_ADDRESS | dest_of(mode) << 12;
	entry[1] = 0;
	entry[2] = mode << 8 | vector;
	entry[3] = 0;
}

static void by_icr(uint32_t mode, uint8_t vector)
{
	apic_ipi(dest_of(mode), ICR_ASSERT | mode << 8 | vector);
}

/* --- what comes of it --- */

static bool delivers(uint32_t mode, uint32_t vector)
{
	return mode == NMI || ((mode == FIXED || mode == LOWEST) && vector >= LEGAL_FIRST);
}

static void let_in(uint64_t ticks, bool until_taken)
{
	uint64_t end = rdtsc() + ticks;

	sti();
	while (rdtsc() < end && !(until_taken && taken))
		pause();
	cli();
}

static bool has_error_code(uint32_t vector)
{
	return vector == 17 || vector == 21 || vector == 29 || vector == 30;
}

static bool one(void (*way)(uint32_t, uint8_t), uint32_t mode, uint32_t vector)
{
	bool wanted = delivers(mode, vector);
	uint32_t number = mode == NMI ? EXC_NMI : has_error_code(vector) ? 0 : vector;

	taken = 0;
	way(mode, (uint8_t)vector);
	if (wanted)
		let_in(WAIT_TICKS, true);
	let_in(SETTLE_TICKS, false);
	edu[EDU_ACK / 4] = 1;
	if (taken != wanted)
		return case_fail("mode %u vector %x: %u came, the last %x", mode, vector, taken,
				 last);
	if (wanted && last != number)
		return case_fail("mode %u vector %x: %x came", mode, vector, last);
	return true;
}

/* ExtINT is left out: with nothing pending at the 8259s it brings a spurious vector of theirs, or none. */
static bool all(void (*way)(uint32_t, uint8_t))
{
	for (uint32_t mode = 0; mode < EXTINT; mode++) {
		for (uint32_t vector = 0; vector < 256; vector++) {
			if (!one(way, mode, vector))
				return false;
		}
	}
	return true;
}

static bool case_level_pin(void)
{
	bool ok = all(by_level_pin);

	pin_entry(edu_pin, RTE_MASKED, 0);
	return ok;
}

static bool case_edge_pin(void)
{
	bool ok = all(by_edge_pin);

	pin_entry(edu_pin, RTE_MASKED, 0);
	return ok;
}

static bool case_msi(void)
{
	return all(by_msi);
}

static bool case_msix(void)
{
	return all(by_msix);
}

static bool case_icr(void)
{
	return all(by_icr);
}

static bool case_icr_x2(void)
{
	CHECK(apic_enter_x2());
	return all(by_icr);
}

/* --- start --- */

/* The pin that edu's INTA is wired to: the one whose vector comes. */
static bool pin_find(void)
{
	uint32_t pins = (ioapic_read(ioapic, 1) >> 16 & 0xff) + 1;

	for (uint32_t pin = PIN_FIRST; pin < pins; pin++)
		pin_entry(pin, RTE_LEVEL | (0x40 + pin), apic_id());
	edu[EDU_RAISE / 4] = 1;
	let_in(WAIT_TICKS, true);
	for (uint32_t pin = PIN_FIRST; pin < pins; pin++)
		pin_entry(pin, RTE_MASKED, 0);
	edu_pin = last - 0x40;
	return taken == 1 && edu_pin >= PIN_FIRST && edu_pin < pins;
}

static bool disk_start(uint16_t bdf)
{
	uint8_t at = pci_capability(bdf, PCI_CAP_MSIX);
	uint32_t table = pci_read(bdf, (uint16_t)(at + 4), 4);
	uint32_t pba = pci_read(bdf, (uint16_t)(at + 8), 4);
	uint64_t base = pci_bar(bdf, 0), end = rdtsc() + WAIT_TICKS;

	if (!at || (table & 7) || (pba & 7) || (base >> 32 && !map_identity(base, 0x4000)))
		return false;
	nvme = (volatile uint32_t *)base;
	entry = (volatile uint32_t *)(base + table);
	pending = (volatile uint64_t *)(base + pba);
	pci_write(bdf, PCI_COMMAND, 2,
		  pci_read(bdf, PCI_COMMAND, 2) | PCI_COMMAND_MASTER | PCI_COMMAND_MEM);
	pci_write(bdf, (uint16_t)(at + 2), 2, MSIX_ENABLE);
	nvme[NVME_CC / 4] = 0;
	nvme[NVME_AQA / 4] = (QUEUE - 1) << 16 | (QUEUE - 1);
	nvme[NVME_ASQ / 4] = (uint32_t)(uint64_t)commands;
	nvme[NVME_ASQ / 4 + 1] = 0;
	nvme[NVME_ACQ / 4] = (uint32_t)(uint64_t)answers;
	nvme[NVME_ACQ / 4 + 1] = 0;
	nvme[NVME_CC / 4] = CC_START;
	while (!(nvme[NVME_CSTS / 4] & 1) && rdtsc() < end)
		pause();
	return nvme[NVME_CSTS / 4] & 1;
}

static bool start(void)
{
	static const uint8_t with_error_code[] = {17, 21, 29, 30};
	uint16_t disk = pci_find(0, NVME_CLASS, 0);
	uint32_t gsi;

	edu_bdf = pci_find(EDU, 0, 0);
	if (disk == 0xffff || edu_bdf == 0xffff || !madt_ioapic(0, &ioapic, &gsi))
		return false;
	edu = (volatile uint32_t *)pci_bar(edu_bdf, 0);
	pci_write(edu_bdf, PCI_COMMAND, 2,
		  pci_read(edu_bdf, PCI_COMMAND, 2) | PCI_COMMAND_MASTER | PCI_COMMAND_MEM);
	for (uint32_t v = LEGAL_FIRST; v < 256; v++)
		trap_handler((uint8_t)v, on_any);
	for (uint32_t i = 0; i < ARRAY_SIZE(with_error_code); i++)
		trap_raw(with_error_code[i], on_raw);
	trap_handler(EXC_NMI, on_nmi);
	return pin_find() && disk_start(disk);
}

static const struct test_case cases[] = {
	{"level-pin", case_level_pin},
	       {"edge-pin",  case_edge_pin },
	    {"msi",	    case_msi	    },
	{"msi-x",	  case_msix	   },
	       {"icr",       case_icr      },
	    {"icr-x2",    case_icr_x2	  },
};

uint32_t guest_main(void)
{
	apic_enable();
	if (!start()) {
		print("messages: edu, NVMe or their interrupts are missing\n");
		return 255;
	}
	print("messages: edu is at pin %u\n", edu_pin);
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
