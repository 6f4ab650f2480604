/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's devices between two lives of the service guest, step by step. */

#include "vm/devices.h"
#include "arch/io.h"
#include "arch/log.h"
#include "arch/pool.h"
#include "drivers/pci_reset.h"
#include "ept/frame.h"
#include "vdev/vpci.h"
#include "vm/pins.h"
#include "vm/platform.h"

/* PCI header (PCI 3.0, 6.1; PCI-to-PCI Bridge 1.2, 3.2), by dword */
#define HEADER_DWORDS 16
#define DW_COMMAND    1
#define DW_LATENCY    3
#define DW_BAR0	      4
#define DW_BUSES      6
#define DW_IO_WINDOW  7
#define DW_WINDOWS    8	 /* of a bridge: memory, prefetchable, their upper halves, I/O's: to 12 */
#define DW_ROM	      12 /* of a bridge: 14 */
#define DW_BRIDGE_ROM 14
#define DW_INT	      15
#define CLASS_BRIDGE  0x06
#define CLASS_PCI_PCI 0x0604
/* PCI Express capability (PCI Express 3.0, 7.8) */
#define PCIE_DEVCTL   0x08
#define PCIE_LNKCTL   0x10
#define PCIE_DEVCTL2  0x28

#define BUSES	     256
#define PINS_A_STEP  24
#define POLL_US	     10000
#define APPEAR_TRIES 100 /* of POLL_US: 1 s (PCI Express 3.0, 6.6.1) */

/* RTC (MC146818 data sheet) */
#define RTC_INDEX  0x70
#define RTC_DATA   0x71
#define RTC_B	   0x0b
#define RTC_C	   0x0c
#define RTC_B_IRQS 0x70
/* Master clear of the two 8237 DMA controllers (its data sheet, "software commands") */
#define DMA1_CLEAR 0x0d
#define DMA2_CLEAR 0xda

/* What firmware left in one function. */
struct kept_func {
	uint32_t header[HEADER_DWORDS];
	uint16_t bdf, class;
	uint16_t devctl, lnkctl, devctl2;
	uint8_t type, pcie;
};

static struct kept_func *kept;
static uint32_t kept_count;
static struct acpi_block events[4]; /* PM1a, PM1b, GPE0, GPE1: each half status, half enable */

/* In this order. */
enum phase { QUIET, PINS, PUT_BACK, BUS_RESET, RESET, FORGET, PUT_BACK_AGAIN, CHIPS, OVER };

/* Where it is. There is one service guest. */
static struct {
	uint8_t phase, last;
	bool resetting; /* reset is under way */
	uint16_t tries;
	uint32_t index; /* slot of the device model, or of kept */
	struct pci_reset reset;
	uint64_t fresh[BUSES / 64]; /* buses that have been reset */
} at;

/* --- what is kept; boot --- */

static INIT void func_keep(struct kept_func *k, const struct pci_function *f)
{
	k->bdf = f->bdf;
	k->class = (uint16_t)(f->class << 8 | f->subclass);
	k->type = f->header;
	k->pcie = f->pcie;
	for (uint32_t i = 0; i < HEADER_DWORDS; i++)
		k->header[i] = pci_read(f->bdf, 4 * i, 4);
	if (!f->pcie)
		return;
	k->devctl = (uint16_t)pci_read(f->bdf, f->pcie + PCIE_DEVCTL, 2);
	k->lnkctl = (uint16_t)pci_read(f->bdf, f->pcie + PCIE_LNKCTL, 2);
	k->devctl2 = (uint16_t)pci_read(f->bdf, f->pcie + PCIE_DEVCTL2, 2);
}

INIT int devices_save(struct vm *vm, const struct pci_list *found, const struct acpi_info *acpi)
{
	uint64_t bytes = ALIGN_UP(found->count * sizeof(*kept), PAGE_SIZE);
	const struct acpi_fadt *f = &acpi->fadt;

	if (bytes) {
		kept = pool_alloc(&vm->quota, (uint32_t)(bytes / PAGE_SIZE), NULL);
		if (!kept)
			return -ENOMEM;
	}
	kept_count = kept ? found->count : 0;
	for (uint32_t i = 0; i < kept_count; i++)
		func_keep(&kept[i], &found->functions[i]);
	events[0] = f->pm1a_evt;
	events[1] = f->pm1b_evt;
	events[2] = f->gpe0;
	events[3] = f->gpe1;
	return 0;
}

/* --- putting back --- */

static bool is_bridge(const struct kept_func *k)
{
	return k->class == CLASS_PCI_PCI && k->type == PCI_HEADER_BRIDGE;
}

static void dwords_put(const struct kept_func *k, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++)
		pci_write(k->bdf, 4 * i, 4, k->header[i]);
}

/*
 * The header as firmware left it, bus mastering off; on in a bridge where it was on, and @masters says that what is
 * behind has been reset. Host and ISA bridges stay as they are: the filters rely on where they place things.
 */
static void func_put(const struct kept_func *k, bool masters)
{
	uint32_t command = k->header[DW_COMMAND] & 0xffff & ~(uint32_t)PCI_COMMAND_MASTER;

	if (k->class >> 8 == CLASS_BRIDGE && !is_bridge(k))
		return;
	pci_write(k->bdf, PCI_COMMAND, 2, 0);
	if (is_bridge(k)) {
		dwords_put(k, DW_BUSES, 1);
		pci_write(k->bdf, 4 * DW_IO_WINDOW, 2, k->header[DW_IO_WINDOW]);
		dwords_put(k, DW_WINDOWS, 5);
		dwords_put(k, DW_BAR0, 2);
		dwords_put(k, DW_BRIDGE_ROM, 2);
	} else {
		dwords_put(k, DW_BAR0, k->type == PCI_HEADER_NORMAL ? PCI_BARS : 1);
		if (k->type == PCI_HEADER_NORMAL)
			dwords_put(k, DW_ROM, 1);
		pci_write(k->bdf, PCI_INT_LINE, 1, k->header[DW_INT] & 0xff);
	}
	pci_write(k->bdf, 4 * DW_LATENCY, 2, k->header[DW_LATENCY]);
	if (k->pcie) {
		pci_write(k->bdf, k->pcie + PCIE_DEVCTL, 2, k->devctl);
		pci_write(k->bdf, k->pcie + PCIE_LNKCTL, 2, k->lnkctl);
		pci_write(k->bdf, k->pcie + PCIE_DEVCTL2, 2, k->devctl2);
	}
	if (masters && is_bridge(k))
		command |= k->header[DW_COMMAND] & PCI_COMMAND_MASTER;
	pci_write(k->bdf, PCI_COMMAND, 2, command);
}

/* Has it its BARs back? */
static bool func_placed(const struct kept_func *k)
{
	for (uint32_t i = 0; i < PCI_BARS; i++) {
		if (pci_read(k->bdf, 4 * (DW_BAR0 + i), 4) != k->header[DW_BAR0 + i])
			return false;
	}
	return k->type == PCI_HEADER_NORMAL;
}

static const struct kept_func *kept_find(uint32_t bdf)
{
	for (uint32_t i = 0; i < kept_count; i++) {
		if (kept[i].bdf == bdf)
			return &kept[i];
	}
	return NULL;
}

/* --- the steps; each says how long to wait for the next one, in microseconds --- */

static void phase_next(void)
{
	at.phase++;
	at.index = 0;
	at.tries = 0;
}

static int step_quiet(struct vm *vm)
{
	(void)vm;
	vpci_quiesce(&platform_pci, at.index++);
	if (at.index >= platform_pci.func_max)
		phase_next();
	return 0;
}

static int step_pins(struct vm *vm)
{
	at.index += PINS_A_STEP;
	if (!pins_quiesce(vm, at.index - PINS_A_STEP, PINS_A_STEP))
		phase_next();
	return 0;
}

/*
 * One of what was there at boot. It may have been renumbered out of the model's sight: then it is behind a bridge, whose
 * reset ends its DMA and its messages. The model learns of it when the next life touches it.
 */
static int step_put_back(struct vm *vm)
{
	const struct kept_func *k = &kept[at.index];

	(void)vm;
	if (at.index >= kept_count) {
		phase_next();
		return 0;
	}
	/* unplugged, or not back from its reset yet */
	if (pci_read(k->bdf, PCI_VENDOR, 4) != k->header[0]) {
		if (at.phase == PUT_BACK_AGAIN && ++at.tries < APPEAR_TRIES)
			return POLL_US;
		log_warn("PCI %02x:%02x.%x is not there any more", PCI_BUS(k->bdf),
			 PCI_DEVICE(k->bdf), PCI_FUNCTION(k->bdf));
	} else {
		func_put(k, at.phase == PUT_BACK_AGAIN);
	}
	at.tries = 0;
	at.index++;
	return 0;
}

static uint32_t secondary(const struct kept_func *bridge)
{
	return bridge->header[DW_BUSES] >> 8 & 0xff;
}

static void bus_done(const struct kept_func *bridge)
{
	uint32_t last = bridge->header[DW_BUSES] >> 16 & 0xff;

	for (uint32_t bus = secondary(bridge); bus <= last; bus++)
		at.fresh[bus / 64] |= BIT(bus % 64);
}

static bool bus_is_fresh(uint32_t bus)
{
	return at.fresh[bus / 64 % ARRAY_SIZE(at.fresh)] >> bus % 64 & 1;
}

/* Bridges are in ascending order, so the topmost comes first, and what is behind it needs no reset of its own. */
static int step_bus_reset(struct vm *vm)
{
	const struct kept_func *k = &kept[at.index];
	int wait;

	(void)vm;
	if (at.index >= kept_count) {
		phase_next();
		return 0;
	}
	/* a bridge that firmware gave no buses leads nowhere */
	if (!at.resetting &&
	    (!is_bridge(k) || secondary(k) <= PCI_BUS(k->bdf) || bus_is_fresh(PCI_BUS(k->bdf)))) {
		at.index++;
		return 0;
	}
	if (!at.resetting)
		pci_bus_reset_begin(&at.reset, k->bdf);
	wait = pci_reset_step(&at.reset);
	at.resetting = wait > 0;
	if (!at.resetting) {
		bus_done(k);
		at.index++;
	}
	return wait;
}

static int refuse(struct vm *vm, uint32_t bdf, const char *why)
{
	log_error("vm %s: stays stopped: PCI %02x:%02x.%x, class %06x, %s", vm->name,
		  PCI_BUS((uint16_t)bdf), PCI_DEVICE(bdf), PCI_FUNCTION(bdf),
		  pci_read((uint16_t)bdf, PCI_REVISION, 4) >> 8, why);
	return -EIO;
}

/* A page of registers, only where no RAM is: a BAR is the guest's to write. */
static volatile void *registers(uint64_t hpa)
{
	uint16_t owner = frame_owner(HPA(hpa));

	return owner == OWNER_NONE || owner == OWNER_RESERVED ? platform_page(hpa) : NULL;
}

static int reset_begin(const struct vpci_func *f, const struct kept_func *k)
{
	bool placed = k && func_placed(k);

	if (placed)
		pci_write(k->bdf, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	return pci_reset_begin(&at.reset, (uint16_t)f->bdf, placed ? registers : NULL);
}

static int step_reset(struct vm *vm)
{
	const struct vpci_func *f = &platform_pci.funcs[at.index];
	const struct kept_func *k = kept_find(f->bdf);
	int wait;

	if (at.index >= platform_pci.func_max) {
		phase_next();
		return 0;
	}
	/* What was never master has no DMA under way, nor can a bridge pass any on before it is one again. */
	if (!at.resetting && (!f->used || !f->visible || !f->mastered ||
			      bus_is_fresh(VPCI_BUS(f->bdf)) || (k && is_bridge(k)))) {
		at.index++;
		return 0;
	}
	if (!at.resetting && reset_begin(f, k))
		return refuse(vm, f->bdf, "has no reset that would end its DMA for good");
	wait = pci_reset_step(&at.reset);
	if (wait < 0)
		return refuse(vm, f->bdf, "does not come out of its reset");
	at.resetting = wait > 0;
	if (!at.resetting)
		at.index++;
	return wait;
}

static int step_forget(struct vm *vm)
{
	(void)vm;
	vpci_forget(&platform_pci, at.index++);
	if (at.index >= platform_pci.func_max)
		phase_next();
	return 0;
}

/* Chips that no capability resets. ACPI mode stays as it is: a guest finds it on, or switches it on. */
static int step_chips(struct vm *vm)
{
	(void)vm;
	for (uint32_t i = 0; i < ARRAY_SIZE(events); i++) {
		const struct acpi_block *b = &events[i];
		uint32_t half = b->len / 2U;

		for (uint32_t n = 0; b->space == ACPI_IO && b->address && n < half; n++) {
			io_out8((uint16_t)(b->address + half + n), 0);
			io_out8((uint16_t)(b->address + n), 0xff);
		}
	}
	io_out8(RTC_INDEX, RTC_B);
	io_out8(RTC_DATA, io_in8(RTC_DATA) & (uint8_t)~RTC_B_IRQS);
	io_out8(RTC_INDEX, RTC_C);
	(void)io_in8(RTC_DATA);
	io_out8(DMA1_CLEAR, 0);
	io_out8(DMA2_CLEAR, 0);
	phase_next();
	return 0;
}

void devices_begin(bool reset)
{
	lock_acquire(&platform_pci_lock);
	at.phase = QUIET;
	at.last = reset ? OVER : PUT_BACK;
	at.index = 0;
	at.tries = 0;
	at.resetting = false;
	for (uint32_t i = 0; i < ARRAY_SIZE(at.fresh); i++)
		at.fresh[i] = 0;
	lock_release(&platform_pci_lock);
}

int devices_step(struct vm *vm, uint32_t *wait_us)
{
	static int (*const steps[])(struct vm *) = {
		[QUIET] = step_quiet,
		[PINS] = step_pins,
		[PUT_BACK] = step_put_back,
		[BUS_RESET] = step_bus_reset,
		[RESET] = step_reset,
		[FORGET] = step_forget,
		[PUT_BACK_AGAIN] = step_put_back,
		[CHIPS] = step_chips,
	};
	int wait;

	if (at.phase >= at.last)
		return 0;
	lock_acquire(&platform_pci_lock);
	wait = steps[at.phase](vm);
	lock_release(&platform_pci_lock);
	if (wait < 0)
		return wait;
	*wait_us = (uint32_t)wait;
	return 1;
}
