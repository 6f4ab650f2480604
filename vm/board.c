/* SPDX-License-Identifier: BSD-2-Clause */
/* The board of an isolated guest's PC. */

#include "vm/board.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "lib/string.h"
#include "vdev/vboard.h"
#include "vm/acpi_make.h"
#include "vm/clock.h"
#include "vm/irq.h"
#include "vm/smbios_make.h"

/* --- ACPI registers --- */

static void sci_line(void *arg, bool level)
{
	irq_line_locked(arg, VBOARD_SCI_IRQ, level);
}

static void acpi_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		      uint32_t *value)
{
	(void)v;
	if (in)
		*value = board_read(arg, port, size);
	else
		board_write(arg, port, size, *value);
}

uint32_t board_read(void *arg, uint16_t port, uint8_t size)
{
	struct vm *vm = arg;
	uint32_t offset = (uint32_t)port - VBOARD_PM_PORT, value;

	if (offset >= VACPI_PORTS)
		return 0;
	lock_acquire(&vm->irq_lock);
	value = vacpi_read(&vm->acpi, offset, size);
	lock_release(&vm->irq_lock);
	return value;
}

void board_write(void *arg, uint16_t port, uint8_t size, uint32_t value)
{
	struct vm *vm = arg;
	uint32_t offset = (uint32_t)port - VBOARD_PM_PORT;

	if (offset >= VACPI_PORTS)
		return;
	lock_acquire(&vm->irq_lock);
	vacpi_write(&vm->acpi, offset, size, value);
	lock_release(&vm->irq_lock);
}

/* --- the clock --- */

static void rtc_line(void *arg, bool level)
{
	struct vm *vm = arg;

	irq_line_locked(vm, VBOARD_RTC_IRQ, level);
	if (level)
		vacpi_rtc(&vm->acpi);
}

static void rtc_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		     uint32_t *value)
{
	struct vm *vm = arg;
	bool data = port != VBOARD_RTC_PORT;

	(void)v;
	if (size != 1)
		return;
	lock_acquire(&vm->irq_lock);
	if (in)
		*value = vrtc_read(&vm->rtc, data);
	else
		vrtc_write(&vm->rtc, data, (uint8_t)*value);
	lock_release(&vm->irq_lock);
}

/* --- PCI: one host bridge on one bus, with nothing behind it --- */

#define SELECT_ENABLE BIT(31)
#define SELECT_BDF(s) ((s) >> 8 & 0xffff)
#define SELECT_REG(s) ((s)&0xfc)
#define BRIDGE_IDS    0x00081b36U /* a host bridge that needs no driver, known from QEMU's machines */
#define BRIDGE_CLASS  0x06000000U

/* Register @offset of the function, as a whole; a bridge without settings: writes change nothing. */
static uint32_t function_read(uint32_t bdf, uint32_t offset)
{
	if (bdf)
		return ~0U;
	switch (offset & ~3U) {
	case 0x00:
	case 0x2c: /* subsystem */
		return BRIDGE_IDS;
	case 0x08:
		return BRIDGE_CLASS;
	default:
		return 0;
	}
}

static void pci_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		     uint32_t *value)
{
	struct vm *vm = arg;
	uint32_t at = (uint32_t)port - VBOARD_PCI_PORT, select;

	(void)v;
	select = __atomic_load_n(&vm->pci_select, __ATOMIC_RELAXED);
	if (at < 4) {
		if (at || size != 4)
			return;
		if (in)
			*value = select;
		else
			__atomic_store_n(&vm->pci_select, *value, __ATOMIC_RELAXED);
		return;
	}
	if (in && select & SELECT_ENABLE)
		*value = function_read(SELECT_BDF(select), SELECT_REG(select)) >> 8 * (at & 3);
}

static void ecam_page(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
		      uint64_t *value)
{
	uint32_t offset = (uint32_t)gpa - VBOARD_ECAM;

	(void)v;
	(void)arg;
	if (write)
		return;
	*value = function_read(offset >> 12, offset & 0xfff) >> 8 * (offset & 3);
	if (size == 8)
		*value |= (uint64_t)function_read(offset >> 12, (offset & 0xfff) + 4) << 32;
}

/* --- life --- */

INIT int board_vm_init(struct vm *vm)
{
	int err;

	vacpi_init(&vm->acpi, &vm->host, vm, sci_line);
	vrtc_init(&vm->rtc, &vm->host, vm, rtc_line, clock_wall());
	err = port_add(vm, VBOARD_PM_PORT, VBOARD_PM_PORT + VACPI_PORTS - 1, acpi_port, vm);
	if (!err)
		err = port_add(vm, VBOARD_RTC_PORT, VBOARD_RTC_PORT + 1, rtc_port, vm);
	if (!err)
		err = port_add(vm, VBOARD_PCI_PORT, VBOARD_PCI_PORT + VBOARD_PCI_PORTS - 1,
			       pci_port, vm);
	if (!err)
		err = mmio_add(vm, VBOARD_ECAM, VBOARD_ECAM + VBOARD_ECAM_SIZE - 1, ecam_page, vm);
	return err;
}

void board_reset(struct vm *vm)
{
	lock_acquire(&vm->irq_lock);
	vacpi_reset(&vm->acpi);
	vrtc_reset(&vm->rtc);
	vm->pci_select = 0;
	lock_release(&vm->irq_lock);
}

void board_stop(struct vm *vm)
{
	if (vm->service)
		return;
	vacpi_stop(&vm->acpi);
	vrtc_stop(&vm->rtc);
}

/* The boot CPU's words stand for all. */
static INIT uint32_t smbios(const struct vm *vm, uint8_t *buf, uint32_t size)
{
	struct cpuid_regs r = cpuid(1, 0);
	struct smbios_vm s = {
		.version = BULKHEAD_VERSION,
		.name = vm->name,
		.vcpus = vm->vcpu_count,
		.signature = r.eax,
		.features = r.edx,
		.mhz = (uint32_t)(tsc_khz / 1000),
		.memory = vm->memory,
	};

	return smbios_make(&s, VBOARD_SMBIOS, buf, size);
}

INIT gpa_t board_tables(struct vm *vm, const struct load_target *target)
{
	static uint8_t tables[VBOARD_ACPI_SPACE] INITBSS;
	uint32_t size;

	if (vm->memory < VBOARD_BIOS_END)
		return GPA(0);
	size = smbios(vm, tables, sizeof(tables));
	if (size > sizeof(tables) || target->write(target->arg, GPA(VBOARD_SMBIOS), tables, size))
		return GPA(0);
	memset(tables, 0, size);
	size = acpi_make(vm->vcpu_count, VBOARD_ACPI, tables, sizeof(tables));
	if (size > sizeof(tables) || target->write(target->arg, GPA(VBOARD_ACPI), tables, size))
		return GPA(0);
	memset(tables, 0, size);
	return GPA(VBOARD_ACPI);
}
