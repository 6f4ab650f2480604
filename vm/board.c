/* SPDX-License-Identifier: BSD-2-Clause */
/* The board of an isolated guest's PC. */

#include "vm/board.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "lib/string.h"
#include "vdev/vboard.h"
#include "vm/acpi_make.h"
#include "vm/clock.h"
#include "vm/gmem.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/shm.h"
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

/* --- firmware configuration --- */

/* Cells that firmware for QEMU reads of the clock's memory: how much RAM, how many processors. QEMU, hw/i386/pc.c. */
static INIT void cmos_fill(struct vm *vm)
{
	uint64_t low = memory_low(vm);
	const struct {
		uint8_t at, bytes;
		uint64_t value;
	} cells[] = {
		{0x15,						2, 640				       },
		{0x17,						2, min_u64((low - MIB) / KIB,		     UINT16_MAX)},
		{0x30,						   2,						 min_u64((low - MIB) / KIB,					     UINT16_MAX)},
		{0x34,					2,					 low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0					    },
		{0x5b, 3,(vm->memory - low) / (64 * KIB)},
		{0x5f,		       1,							    vm->vcpu_count - 1																	  },
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(cells); i++)
		memcpy(vm->rtc.ram + cells[i].at, &cells[i].value, cells[i].bytes);
}

static void fwcfg_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		       uint32_t *value)
{
	struct vm *vm = arg;
	uint32_t offset = (uint32_t)port - VBOARD_FWCFG_PORT;

	lock_acquire(&vm->irq_lock);
	if (in)
		*value = vfwcfg_read(&vm->fwcfg, offset, size);
	else
		v->io_again = !vfwcfg_write(&vm->fwcfg, offset, size, *value);
	lock_release(&vm->irq_lock);
}

static void *fwcfg_map(void *vm, uint64_t gpa, bool write)
{
	return guest_map(vm, gpa, write);
}

INIT void board_firmware(struct vm *vm, const struct vfwcfg_item *items, uint32_t count)
{
	vm->fwcfg = (struct vfwcfg){.items = items, .count = count, .map = fwcfg_map, .vm = vm};
	vfwcfg_reset(&vm->fwcfg);
	cmos_fill(vm);
}

/* --- PCI: one host bridge on one bus, with the functions of shared regions (vm/shm.c); for firmware, what it wants to find of a Q35 --- */

#define SELECT_ENABLE BIT(31)
#define SELECT_BDF(s) ((s) >> 8 & 0xffff)
#define SELECT_REG(s) ((s)&0xfc)
#define BRIDGE_IDS    0x00081b36U /* a host bridge that needs no driver, known from QEMU's machines */
#define BRIDGE_CLASS  0x06000000U

#define LPC	      (31 << 3)	  /* ICH9's, where firmware looks for the ACPI registers */
#define Q35_SUBSYSTEM 0x11001af4U /* by which firmware knows QEMU, and so that there is fw_cfg */

/* What is not 0 of the functions' registers. Bridges without settings: writes change nothing. */
struct pci_register {
	uint8_t bdf, offset;
	uint32_t value;
};
static const struct pci_register plain[] = {
	{0, 0x00, BRIDGE_IDS  },
	{0, 0x08, BRIDGE_CLASS},
	{0, 0x2c, BRIDGE_IDS  },
};
/* Intel 82Q35 MCH data sheet, 5; ICH9 data sheet, 13.1. */
static const struct pci_register q35[] =
	{
		{0,   0x00, 0x29c08086	    },
		{0,   0x08, BRIDGE_CLASS      },
		{0,   0x2c, Q35_SUBSYSTEM     },
		{0,   0x60, VBOARD_ECAM | 1	 }, /* PCIEXBAR: there, enabled */
		{LPC, 0x00, 0x29188086	      },
		{LPC, 0x04, 0x00000007	      }, /* always decodes, and may master */
		{LPC, 0x08, 0x06010002	      }, /* an ISA bridge */
		{LPC, 0x2c, Q35_SUBSYSTEM	 },
		{LPC, 0x40, VBOARD_PM_PORT | 1}, /* PMBASE; ACPI_CNTL is 0: the other 116 ports are not there */
};

/* Register @offset of the function, as a whole. */
static uint32_t function_read(struct vm *vm, uint32_t bdf, uint32_t offset)
{
	const struct pci_register *r = vm->firmware ? q35 : plain;
	uint32_t n = vm->firmware ? ARRAY_SIZE(q35) : ARRAY_SIZE(plain), value = ~0U;

	if (shm_config(vm, bdf, offset & ~3U, 4, false, &value))
		return value;
	for (uint32_t i = 0; i < n; i++) {
		if (r[i].bdf != bdf)
			continue;
		if (r[i].offset == (offset & ~3U))
			return r[i].value;
		value = 0;
	}
	return value;
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
		*value = function_read(vm, SELECT_BDF(select), SELECT_REG(select)) >> 8 * (at & 3);
	else if (select & SELECT_ENABLE)
		shm_config(vm, SELECT_BDF(select), SELECT_REG(select) + (at & 3), size, true,
			   value);
}

static void ecam_page(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
		      uint64_t *value)
{
	uint32_t offset = (uint32_t)gpa - VBOARD_ECAM, bdf = offset >> 12, low = (uint32_t)*value;
	struct vm *vm = arg;

	(void)v;
	offset &= 0xfff;
	if (write) {
		if (size <= 4)
			shm_config(vm, bdf, offset, size, true, &low);
		return;
	}
	*value = function_read(vm, bdf, offset) >> 8 * (offset & 3);
	if (size == 8)
		*value |= (uint64_t)function_read(vm, bdf, offset + 4) << 32;
}

/* --- life --- */

/* As firmware leaves it: the interrupt of PCI functions is level-triggered. */
static void interrupt_mode(struct vm *vm)
{
	vpic_write(&vm->pic, VPIC_ELCR_PORT + VBOARD_PCI_IRQ / 8, BIT(VBOARD_PCI_IRQ % 8));
}

INIT int board_vm_init(struct vm *vm)
{
	int err;

	vacpi_init(&vm->acpi, &vm->host, vm, sci_line);
	vrtc_init(&vm->rtc, &vm->host, vm, rtc_line, clock_wall());
	interrupt_mode(vm);
	err = port_add(vm, VBOARD_PM_PORT, VBOARD_PM_PORT + VACPI_PORTS - 1, acpi_port, vm);
	if (!err)
		err = port_add(vm, VBOARD_RTC_PORT, VBOARD_RTC_PORT + 1, rtc_port, vm);
	if (!err)
		err = port_add(vm, VBOARD_PCI_PORT, VBOARD_PCI_PORT + VBOARD_PCI_PORTS - 1,
			       pci_port, vm);
	if (!err && vm->firmware)
		err = port_add(vm, VBOARD_FWCFG_PORT, VBOARD_FWCFG_PORT + VFWCFG_PORTS - 1,
			       fwcfg_port, vm);
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
	vfwcfg_reset(&vm->fwcfg);
	interrupt_mode(vm);
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
INIT struct smbios_vm board_smbios(const struct vm *vm)
{
	struct cpuid_regs r = cpuid(1, 0);

	return (struct smbios_vm){
		.version = BULKHEAD_VERSION,
		.name = vm->name,
		.vcpus = vm->vcpu_count,
		.signature = r.eax,
		.features = r.edx,
		.mhz = (uint32_t)(tsc_khz / 1000),
		.memory = vm->memory,
	};
}

INIT gpa_t board_tables(struct vm *vm, const struct load_target *target)
{
	static uint8_t tables[VBOARD_ACPI_SPACE] INITBSS;
	struct smbios_vm s = board_smbios(vm);
	uint32_t size;

	if (vm->memory < VBOARD_BIOS_END)
		return GPA(0);
	size = smbios_make(&s, VBOARD_SMBIOS, tables, sizeof(tables));
	if (size > sizeof(tables) || target->write(target->arg, GPA(VBOARD_SMBIOS), tables, size))
		return GPA(0);
	memset(tables, 0, size);
	size = acpi_make(vm->vcpu_count, false, VBOARD_ACPI, tables, sizeof(tables));
	if (size > sizeof(tables) || target->write(target->arg, GPA(VBOARD_ACPI), tables, size))
		return GPA(0);
	memset(tables, 0, size);
	return GPA(VBOARD_ACPI);
}
