/* SPDX-License-Identifier: BSD-2-Clause */
/* As service guest: random values into every I/O APIC entry, MSI and MSI-X entry and the ICR, and interrupts provoked. */

#include "lib/acpi.h"
#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/pci.h"
#include "lib/smp.h"
#include "lib/trap.h"
#include "lib/x86.h"

/* Delivery modes (SDM vol. 3, 11.6.1) */
enum { FIXED, LOWEST, SMI, RESERVED, NMI, INIT, STARTUP, EXTINT };

#define NOBODY	       0xeeU
#define PIC_BASE       0x30
#define STORM	       100
#define MASKED	       0x10000U
#define E1000E	       0x808610d3U
#define E1000E_ICR     0x00c0
#define E1000E_ICS     0x00c8
#define E1000E_IMS     0x00d0
#define E1000E_IMC     0x00d8
#define E1000E_IVAR    0x00e4
#define E1000E_CAUSES  0x01f00095U  /* MSI-X causes 20 to 24, receive, transmit, link */
#define IVAR_VALID     0x8000dcba8U /* cause n goes to vector n, each valid */
#define MSIX_ENTRY     16
#define MSIX_ENABLE    0x8000U
#define MSIX_MASK_ALL  0x4000U
#define MSI_64	       0x80
#define MSI_ENABLE     0x1
#define FUNCTIONS      16
#define RTC_INDEX      0x70
#define RTC_DATA       0x71
#define KBD_DATA       0x60
#define KBD_COMMAND    0x64
#define THROTTLE_TICKS 1000000000 /* a good part of a second */
#define ROUND_TICKS    100000

struct function {
	uint16_t bdf;
	uint8_t msi, msix;
	volatile uint32_t *table;
	uint32_t entries;
};

static struct function functions[FUNCTIONS];
static uint32_t function_count;
static volatile uint32_t *nic;
static uint16_t nic_bdf;
static bool nic_msix;
static uint64_t ioapic;
static uint32_t pins, self, other;
static volatile uint32_t taken, in_round, storms;
static volatile bool calm; /* enough of this round: everything is masked */
static uint64_t random_state = 88172645463325252ULL;

static uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static uint32_t below(uint32_t n)
{
	return random32() % n;
}

/* Vectors that mean something to somebody, half of the time. */
static uint8_t some_vector(void)
{
	static const uint8_t hot[] = {0xf0, 0xf1, 0xfe, 0xff, 0x30, 0x31, 0xef,
				      0x00, 0x02, 0x08, 0x0e, 0x12, 0x10};

	switch (below(4)) {
	case 0:
		return hot[below(ARRAY_SIZE(hot))];
	case 1:
		return (uint8_t)(0x20 + below(16));
	default:
		return (uint8_t)random32();
	}
}

static uint32_t some_id(void)
{
	switch (below(5)) {
	case 0:
		return self;
	case 1:
		return other;
	case 2:
		return 2; /* the CPU of another VM */
	case 3:
		return 0xff;
	default:
		return random32() & 0xff;
	}
}

/*
 * The low 16 bits of an entry or message, and its destination. INIT must not reach this vCPU, which would end the
 * test; a start-up message must not reach the other one once INIT has: another message could then come before it has
 * an IDT.
 */
static uint32_t some_message(uint32_t *id, bool *logical)
{
	uint32_t mode = below(8);

	*id = some_id();
	*logical = below(2);
	if (mode == INIT) {
		*logical = false;
		*id = below(16) ? NOBODY : other;
	}
	if (mode == STARTUP) {
		*logical = false;
		*id = below(2) ? NOBODY : self;
	}
	return mode << 8 | some_vector();
}

/* --- taking what comes --- */

static void devices_quiet(void)
{
	for (uint32_t i = 0; i < pins; i++)
		ioapic_write(ioapic, 0x10 + 2 * i, MASKED);
	if (nic)
		nic[E1000E_IMC / 4] = 0xffffffff;
}

static void on_any(struct trap_frame *f)
{
	taken++;
	if (nic)
		(void)nic[E1000E_ICR / 4]; /* reading clears the causes */
	if (++in_round > STORM && !calm) {
		calm = true;
		storms++;
		devices_quiet();
	}
	apic_eoi();
	if (!f || f->vector < PIC_BASE || f->vector >= PIC_BASE + 16)
		return;
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
}

static void on_nmi(struct trap_frame *f)
{
	(void)f;
	taken++;
}

static void other_main(uint32_t number)
{
	(void)number;
	apic_enable();
	for (;;)
		sti_hlt();
}

/* --- devices --- */

static void pic_start(void)
{
	static const uint8_t words[] = {0x11, PIC_BASE, 4, 1};

	for (uint32_t i = 0; i < ARRAY_SIZE(words); i++) {
		out8(i ? 0x21 : 0x20, words[i]);
		out8(i ? 0xa1 : 0xa0, (uint8_t)(i == 1 ? PIC_BASE + 8 : i == 2 ? 2 : words[i]));
	}
}

static void function_add(uint16_t bdf)
{
	struct function *f = &functions[function_count];
	uint32_t where;
	uint64_t bar;

	*f = (struct function){.bdf = bdf, .msi = pci_capability(bdf, PCI_CAP_MSI)};
	f->msix = pci_capability(bdf, PCI_CAP_MSIX);
	if (!f->msi && !f->msix)
		return;
	function_count++;
	pci_write(bdf, PCI_COMMAND, 2,
		  pci_read(bdf, PCI_COMMAND, 2) | PCI_COMMAND_MASTER | PCI_COMMAND_MEM);
	if (!f->msix)
		return;
	where = pci_read(bdf, (uint16_t)(f->msix + 4), 4);
	bar = pci_bar(bdf, where & 7);
	if (!bar || (bar >> 32 && !map_identity(bar, 0x200000)))
		return;
	f->table = (volatile uint32_t *)(bar + (where & ~7U));
	f->entries = (pci_read(bdf, (uint16_t)(f->msix + 2), 2) & 0x7ff) + 1;
}

static void devices_find(void)
{
	nic_bdf = pci_find(E1000E, 0, 0);
	for (uint32_t n = 0; function_count < FUNCTIONS; n++) {
		uint16_t next = pci_find(0, 0, n);

		if (next == 0xffff)
			break;
		function_add(next);
	}
	if (nic_bdf == 0xffff)
		return;
	nic = (volatile uint32_t *)pci_bar(nic_bdf, 0);
	nic[E1000E_IVAR / 4] = (uint32_t)IVAR_VALID;
}

/* --- writing --- */

static void write_entry(void)
{
	uint32_t pin = below(pins), id;
	bool logical;
	uint32_t low = some_message(&id, &logical) | (logical ? 0x800 : 0) | (random32() & 0xf000) |
		       (below(2) ? 0x8000 : 0);

	if (!below(8))
		low |= MASKED;
	/* masked meanwhile: the old half and the new one might make an INIT for this vCPU */
	ioapic_write(ioapic, 0x10 + 2 * pin, MASKED);
	ioapic_write(ioapic, 0x11 + 2 * pin, id << 24 | (random32() & 0xffffff));
	ioapic_write(ioapic, 0x10 + 2 * pin, low);
}

/* An address for a message; sometimes one that is no message's. */
static uint32_t message_address(uint32_t id, bool logical)
{
	if (!below(8))
		return random32() & ~3U;
	return 0xfee00000 | id << 12 | (logical ? 4 : 0) | (below(2) ? 8 : 0);
}

static void write_msi(const struct function *f)
{
	uint32_t control = pci_read(f->bdf, (uint16_t)(f->msi + 2), 2), id;
	uint16_t at = (uint16_t)(f->msi + 4);
	bool logical;
	uint32_t data = some_message(&id, &logical) | (random32() & 0xc000);

	pci_write(f->bdf, (uint16_t)(f->msi + 2), 2, 0);
	pci_write(f->bdf, at, 4, message_address(id, logical));
	if (control & MSI_64) {
		at = (uint16_t)(at + 4);
		pci_write(f->bdf, at, 4, below(8) ? 0 : random32());
	}
	pci_write(f->bdf, (uint16_t)(at + 4), 2, data);
	pci_write(f->bdf, (uint16_t)(f->msi + 2), 2, below(8) ? MSI_ENABLE | below(8) << 4 : 0);
}

/*
 * QEMU's model of the network card aborts when MSI-X is switched while its throttling timer runs: it has MSI-X off in
 * the first half of the rounds and on in the second, and is left in peace in between.
 */
static void msix_switch(const struct function *f, uint32_t control)
{
	if (f->bdf == nic_bdf)
		control = nic_msix ? control | MSIX_ENABLE : control & ~MSIX_ENABLE;
	pci_write(f->bdf, (uint16_t)(f->msix + 2), 2, control);
}

static void nic_to_msix(void)
{
	uint64_t end = rdtsc() + THROTTLE_TICKS;

	if (!nic)
		return;
	nic[E1000E_IMC / 4] = 0xffffffff;
	(void)nic[E1000E_ICR / 4];
	while (rdtsc() < end)
		pause();
	nic_msix = true;
	for (uint32_t i = 0; i < function_count; i++) {
		if (functions[i].bdf == nic_bdf && functions[i].msix)
			msix_switch(&functions[i], MSIX_ENABLE);
	}
}

static void write_msix(const struct function *f)
{
	volatile uint32_t *e = f->table + below(f->entries) * MSIX_ENTRY / 4;
	uint32_t id;
	bool logical;
	uint32_t data = some_message(&id, &logical) | (random32() & 0xffffc000);

	e[3] = 1;
	e[0] = message_address(id, logical);
	e[1] = below(8) ? 0 : random32();
	e[2] = data;
	e[3] = below(8) ? 0 : random32();
	msix_switch(f, below(8) ? MSIX_ENABLE : below(2) ? MSIX_ENABLE | MSIX_MASK_ALL : 0);
}

static void write_icr(void)
{
	uint32_t id;
	bool logical;
	uint32_t low = some_message(&id, &logical) | ICR_ASSERT | (logical ? ICR_LOGICAL : 0);

	if ((low >> 8 & 7) != INIT && (low >> 8 & 7) != STARTUP && !below(4))
		low |= below(4) << 18;
	apic_ipi(id, low);
}

static void write_something(void)
{
	const struct function *f = function_count ? &functions[below(function_count)] : NULL;

	switch (below(4)) {
	case 0:
		write_entry();
		break;
	case 1:
		if (f && f->msi)
			write_msi(f);
		break;
	case 2:
		if (f && f->table)
			write_msix(f);
		break;
	default:
		write_icr();
		break;
	}
}

/* --- provoking --- */

static void provoke(void)
{
	switch (below(6)) {
	case 0: /* the timer, a virtual device: IRQ 0 */
		out8(0x43, 0x30);
		out8(0x40, 100);
		out8(0x40, 0);
		break;
	case 1: /* the clock's periodic interrupt: IRQ 8 */
		out8(RTC_INDEX, 0x0a);
		out8(RTC_DATA, 0x2a); /* 64 Hz: much more keeps QEMU busy with itself */
		out8(RTC_INDEX, 0x0b);
		out8(RTC_DATA, 0x42);
		out8(RTC_INDEX, 0x0c);
		(void)in8(RTC_DATA);
		break;
	case 2: /* a byte as if from the keyboard: IRQ 1; from the mouse: IRQ 12 */
		out8(KBD_COMMAND, (uint8_t)(0xd2 + below(2)));
		out8(KBD_DATA, 0x1e);
		(void)in8(KBD_DATA);
		break;
	case 3: /* the transmitter of COM1: IRQ 4 */
		out8(0x3f9, 0);
		out8(0x3f9, 2);
		out8(0x3f9, 0);
		break;
	default: /* the network card: a pin, MSI or MSI-X */
		if (nic) {
			nic[E1000E_IMS / 4] = 0xffffffff;
			nic[E1000E_ICS / 4] = E1000E_CAUSES & random32();
		}
		break;
	}
}

static void round_run(void)
{
	in_round = 0;
	calm = false;
	for (uint32_t n = below(4); n; n--)
		write_something();
	provoke();
	sti();
	for (uint64_t end = rdtsc() + ROUND_TICKS; rdtsc() < end && !calm;)
		;
	cli();
}

static void start(void)
{
	static const uint8_t with_error_code[] = {17, 21, 29, 30};
	uint32_t ids[GUEST_VCPUS], gsi;

	self = apic_id();
	other = madt_cpus(ids, GUEST_VCPUS) > 1 ? ids[1] : NOBODY;
	if (!madt_ioapic(0, &ioapic, &gsi))
		ioapic = IOAPIC_PAGE;
	pins = (ioapic_read(ioapic, 1) >> 16 & 0xff) + 1;
	for (uint32_t v = 16; v < 256; v++)
		trap_handler((uint8_t)v, on_any);
	for (uint32_t i = 0; i < ARRAY_SIZE(with_error_code); i++)
		trap_raw(with_error_code[i], on_any);
	trap_handler(EXC_NMI, on_nmi);
	smp_entry = other_main;
	if (other != NOBODY && !smp_start(other))
		print("irqfuzz: the other vCPU does not start\n");
	pic_start();
	devices_find();
}

uint32_t guest_main(void)
{
	uint32_t rounds = (uint32_t)cmdline_number("rounds", 20000);

	random_state += cmdline_number("seed", 1) * 0x9e3779b97f4a7c15ULL;
	apic_enable();
	start();
	print("irqfuzz: %u pins, %u functions with messages%s, seed %lu\n", pins, function_count,
	      nic ? ", e1000e" : "", cmdline_number("seed", 1));
	for (uint32_t i = 0; i < rounds; i++) {
		round_run();
		if (i != rounds / 2)
			continue;
		nic_to_msix();
		apic_enter_x2();
	}
	devices_quiet();
	print("irqfuzz: %u rounds, %u interrupts, %u storms\n", rounds, taken, storms);
	return taken ? 0 : 1;
}
