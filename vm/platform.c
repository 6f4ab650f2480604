/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's PCI functions as the service guest has them: the device model's operations, on the real thing. */

#include "vm/platform.h"
#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/log.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "drivers/pci.h"
#include "lib/printf.h"
#include "vm/devices.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/msi.h"
#include "vm/shm.h"

#define PORT_CONFIG	0xcf8
#define PORT_CONFIG_END 0xcff
#define FUNCS_SPARE	16 /* for functions that are plugged in later */
#define MESSAGES_SPARE	16
#define MESSAGES_MAX	1024 /* more are hidden from the guest */
#define RANGES_MAX	256
#define PLACE_TRIES	65536
#define SEGMENT_BDF	0xffff
#define ECAM_BUS	MIB /* of configuration space per bus */

struct vpci platform_pci;
struct lock platform_pci_lock;
static const struct acpi_segment *ecam_segments;
static uint32_t ecam_count;
static struct acpi_segment segments_kept[VPCI_ECAM_MAX];

/* --- the physical side --- */

volatile void *platform_page(uint64_t hpa)
{
	uint64_t va = (uint64_t)percpu_page(this_cpu()->index, PERCPU_DEVICE);

	paging_window_set(va, HPA(hpa & ~PAGE_MASK), MAP_WRITE | MAP_UNCACHED);
	return (volatile void *)(va + (hpa & PAGE_MASK));
}

static volatile void *ecam_page(void *arg, uint16_t bdf)
{
	(void)arg;
	for (uint32_t i = 0; i < ecam_count; i++) {
		const struct acpi_segment *s = &ecam_segments[i];

		if (s->segment == 0 && PCI_BUS(bdf) >= s->first_bus && PCI_BUS(bdf) <= s->last_bus)
			return platform_page(s->base.v + (uint64_t)bdf * PCIE_CONFIG_SIZE);
	}
	return NULL;
}

INIT void platform_machine_init(const struct acpi_info *acpi)
{
	ecam_count = (uint32_t)min_u64(acpi->segment_count, VPCI_ECAM_MAX);
	for (uint32_t i = 0; i < ecam_count; i++)
		segments_kept[i] = acpi->segments[i];
	ecam_segments = segments_kept;
	pci_ecam(ecam_page, NULL);
}

/* --- operations of the device model --- */

static uint32_t op_cfg_read(void *arg, uint32_t bdf, uint16_t off, uint8_t size)
{
	(void)arg;
	return bdf > SEGMENT_BDF ? ~0U : pci_read((uint16_t)bdf, off, size);
}

static void op_cfg_write(void *arg, uint32_t bdf, uint16_t off, uint8_t size, uint32_t value)
{
	(void)arg;
	if (bdf <= SEGMENT_BDF)
		pci_write((uint16_t)bdf, off, size, value);
}

static bool op_own(void *arg, uint32_t bdf, uint32_t off, uint8_t size, bool write, uint32_t *value)
{
	return shm_config(arg, bdf, off, size, write, value);
}

/* No function is given to another VM yet. */
static bool op_visible(void *arg, uint32_t bdf)
{
	(void)arg;
	return bdf <= SEGMENT_BDF;
}

static int op_msi_bind(void *arg, struct vpci_irq *irq, uint64_t addr, uint32_t data,
		       uint64_t *phys_addr, uint32_t *phys_data)
{
	return msi_bind(arg, &irq->cookie, addr, data, phys_addr, phys_data);
}

static void op_msi_unbind(void *arg, struct vpci_irq *irq)
{
	msi_unbind(arg, &irq->cookie);
}

static int op_trap(void *arg, gpa_t gpa, uint64_t len, bool on)
{
	return memory_trap(arg, gpa.v, len, on);
}

static uint64_t op_mmio_read(void *arg, hpa_t hpa, uint8_t size)
{
	volatile void *p = platform_page(hpa.v);

	(void)arg;
	switch (size) {
	case 1:
		return *(volatile uint8_t *)p;
	case 2:
		return *(volatile uint16_t *)p;
	case 4:
		return *(volatile uint32_t *)p;
	default:
		return *(volatile uint64_t *)p;
	}
}

static void op_mmio_write(void *arg, hpa_t hpa, uint8_t size, uint64_t value)
{
	volatile void *p = platform_page(hpa.v);

	(void)arg;
	switch (size) {
	case 1:
		*(volatile uint8_t *)p = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)p = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)p = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)p = value;
		break;
	}
}

static void op_log(void *arg, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	(void)arg;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("PCI: %s", text);
}

static const struct vpci_ops pci_ops = {
	.cfg_read = op_cfg_read,
	.cfg_write = op_cfg_write,
	.own = op_own,
	.visible = op_visible,
	.msi_bind = op_msi_bind,
	.msi_unbind = op_msi_unbind,
	.trap_mmio = op_trap,
	.mmio_read = op_mmio_read,
	.mmio_write = op_mmio_write,
	.log = op_log,
};

/* --- the guest's accesses --- */

static void config_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
			uint32_t *value)
{
	bool done;

	(void)v;
	(void)arg;
	lock_acquire(&platform_pci_lock);
	done = in ? vpci_io_read(&platform_pci, port, size, value)
		  : vpci_io_write(&platform_pci, port, size, *value);
	lock_release(&platform_pci_lock);
	if (done || !in)
		return;
	*value = ~0U;
}

bool platform_mmio(struct vm *vm, uint64_t gpa, uint8_t size, bool write, uint64_t *value)
{
	bool done;

	(void)vm;
	lock_acquire(&platform_pci_lock);
	done = write ? vpci_mmio_write(&platform_pci, GPA(gpa), size, *value)
		     : vpci_mmio_read(&platform_pci, GPA(gpa), size, value);
	lock_release(&platform_pci_lock);
	return done;
}

static struct pci_list found INITBSS;

/* Frames for @n things of @size bytes. */
static INIT uint32_t frames_for(uint32_t n, uint32_t size)
{
	return (uint32_t)(ALIGN_UP((uint64_t)n * size, PAGE_SIZE) / PAGE_SIZE);
}

/* Messages that the functions found can have, for the size of the tables; there is a limit to what is kept. */
static INIT uint32_t messages_count(void)
{
	uint32_t n = MESSAGES_SPARE;

	for (uint32_t i = 0; i < found.count; i++)
		n += found.functions[i].msix_vectors + (found.functions[i].msi ? 1U : 0U);
	return (uint32_t)min_u64(n, MESSAGES_MAX);
}

static INIT void functions_add(void)
{
	for (uint32_t i = 0; i < found.count; i++)
		vpci_add(&platform_pci, found.functions[i].bdf);
	log_info("PCI: %u functions", found.count);
}

/* What no guest may reach although no virtual device stands there. */
static INIT int chips_hide(struct vm *vm, const struct acpi_info *acpi)
{
	int err = 0;

	if (acpi->hpet.v)
		err = memory_hide(vm, acpi->hpet.v, acpi->hpet.v);
	if (!err && acpi->lapic.v)
		err = memory_hide(vm, acpi->lapic.v, acpi->lapic.v);
	for (uint32_t i = ecam_count; i < acpi->segment_count && !err; i++) {
		const struct acpi_segment *s = &acpi->segments[i];

		err = memory_hide(vm, s->base.v,
				  s->base.v + ((uint64_t)s->last_bus + 1) * ECAM_BUS - 1);
	}
	return err;
}

INIT int platform_init(struct vm *vm, const struct acpi_info *acpi)
{
	struct vpci_func *funcs;
	struct vpci_msix_entry *entries;
	uint32_t func_frames, entry_frames;
	int err;

	if (pci_scan(&found))
		log_warn("PCI: more functions than fit; the rest is added when it is used");
	func_frames = frames_for((uint32_t)min_u64(found.count + FUNCS_SPARE, VPCI_FUNCS_MAX),
				 sizeof(*funcs));
	entry_frames = frames_for(messages_count(), sizeof(*entries));
	funcs = pool_alloc(&vm->quota, func_frames, NULL);
	entries = pool_alloc(&vm->quota, entry_frames, NULL);
	err = funcs && entries ? msi_init(vm, messages_count()) : -ENOMEM;
	if (err)
		return err;
	vpci_init(&platform_pci, &pci_ops, vm, funcs,
		  (uint32_t)min_u64(func_frames * PAGE_SIZE / sizeof(*funcs), VPCI_FUNCS_MAX),
		  entries, (uint32_t)(entry_frames * PAGE_SIZE / sizeof(*entries)));
	functions_add();
	for (uint32_t i = 0; i < ecam_count && !err; i++)
		err = vpci_ecam_add(&platform_pci, segments_kept[i].segment,
				    segments_kept[i].base.v, segments_kept[i].first_bus,
				    segments_kept[i].last_bus);
	if (!err)
		err = port_add(vm, PORT_CONFIG, PORT_CONFIG_END, config_port, NULL);
	if (!err)
		err = chips_hide(vm, acpi);
	return err ? err : devices_save(vm, &found, acpi);
}

/* --- room for functions that are not the machine's --- */

INIT uint32_t platform_slot(void)
{
	uint32_t used = 1; /* bit n: device n of bus 0 is there, or was never to be had */

	for (uint32_t i = 0; i < found.count; i++) {
		if (!PCI_BUS(found.functions[i].bdf))
			used |= (uint32_t)BIT(PCI_DEVICE(found.functions[i].bdf));
	}
	for (uint32_t device = 31; device > 0; device--) {
		if (!(used & BIT(device)))
			return PCI_BDF(0, device, 0);
	}
	return 0;
}

static INIT const struct pci_range *range_met(const struct pci_range *r, uint32_t n, uint64_t base,
					      uint64_t size)
{
	for (uint32_t i = 0; i < n; i++) {
		if (base <= r[i].last && r[i].first < base + size)
			return &r[i];
	}
	return NULL;
}

/* Below the highest address that is decoded already: so far at least the host bridge passes accesses on. */
INIT uint64_t platform_place(struct vm *vm, uint64_t size)
{
	static struct pci_range decoded[RANGES_MAX] INITBSS;
	static uint32_t count INITDATA;
	uint64_t end = 0;

	if (!count)
		count = pci_decoded(&found, decoded, RANGES_MAX);
	for (uint32_t i = 0; i < count; i++)
		end = max_u64(end, min_u64(decoded[i].last + 1, 4 * GIB));
	for (uint32_t tries = 0; tries < PLACE_TRIES && end >= 2 * size; tries++) {
		uint64_t base = ALIGN_DOWN(end, size) - size;
		const struct pci_range *r = range_met(decoded, count, base, size);

		if (!r && memory_window_allowed(vm, base, size))
			return base;
		end = r ? min_u64(r->first, base + size - 1) : base + size - 1;
	}
	return 0;
}
