/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's power: the service guest's requests, and the way down. */

#include "vm/power.h"
#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "drivers/pci.h"
#include "drivers/power.h"
#include "lib/atomic.h"
#include "lib/lock.h"
#include "vdev/vboard.h"
#include "vdev/vpower.h"
#include "vm/board.h"
#include "vm/console.h"

#define TCO_OFFSET	0x60 /* ICH9 data sheet, 13.9: TCO registers from PMBASE + 60h on */
#define LPC_PMBASE	0x40 /* of device 31, function 0 (ICH9 data sheet, 13.1.13) */
#define LPC_PMBASE_MASK 0xff80
#define VENDOR_INTEL	0x8086
#define CLASS_ISA	0x0601 /* bridge, to ISA */
#define PARK_WAIT_MS	100

static enum config_on_end at_end;
static struct vpower_config machine_config;

static INIT uint16_t io_port(const struct acpi_block *b)
{
	return b->space == ACPI_IO ? (uint16_t)b->address : 0;
}

/* The ICH9's TCO timer lies beside its PM registers; where there is none the LPC bridge has another id. */
static INIT uint16_t tco_base(void)
{
	uint16_t bdf = PCI_BDF(0, 31, 0);
	uint32_t pmbase;

	if (pci_read(bdf, PCI_VENDOR, 2) != VENDOR_INTEL ||
	    pci_read(bdf, PCI_CLASS + 1, 2) != CLASS_ISA)
		return 0;
	pmbase = pci_read(bdf, LPC_PMBASE, 4);
	return pmbase & 1 ? (uint16_t)((pmbase & LPC_PMBASE_MASK) + TCO_OFFSET) : 0;
}

INIT void machine_power_init(const struct acpi_info *acpi, enum config_on_end on_end)
{
	const struct acpi_fadt *f = &acpi->fadt;

	power_init(acpi);
	at_end = on_end;
	machine_config = (struct vpower_config){
		.pm1a_control = io_port(&f->pm1a_cnt),
		.pm1b_control = io_port(&f->pm1b_cnt),
		.pm1a_status = io_port(&f->pm1a_evt),
		.tco_base = tco_base(),
		.fake_wake = true,
	};
	for (uint32_t i = 0; i < VPOWER_SLEEP_STATES; i++) {
		machine_config.slp_typ_a[i] = i ? acpi->sleep[i].type_a : VPOWER_UNKNOWN;
		machine_config.slp_typ_b[i] = i ? acpi->sleep[i].type_b : VPOWER_UNKNOWN;
	}
	if (f->flags & ACPI_FADT_RESET_REG_SUP && f->reset.space == ACPI_IO) {
		machine_config.reset_port = (uint16_t)f->reset.address;
		machine_config.reset_value = f->reset_value;
	}
}

/* --- the guest's accesses --- */

static void request(void *arg, enum power_request what, const char *how)
{
	struct vm *vm = arg;
	struct vcpu *asking = vm->power_asking;

	if (what == POWER_OFF)
		power_request_off(asking, how);
	else if (what == POWER_RESET)
		power_request_reset(asking, how);
	else
		log_warn("vm %s: sleep refused (%s): waking up would leave the hypervisor",
			 asking->vm->name, how);
}

static void power_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		       uint32_t *value);

/* Does part of an access that reaches out of the filter's ports belong to another virtual device? */
static bool elsewhere(struct vm *vm, uint16_t port, uint8_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		const struct port_range *r = port_find(vm, (uint16_t)(port + i));

		if (r && r->fn != power_port)
			return true;
	}
	return false;
}

/* Byte by byte: to the virtual device that is there, or to nobody. */
static uint32_t other_access(struct vm *vm, uint16_t port, uint8_t size, bool in, uint32_t value)
{
	uint32_t result = 0;

	for (uint32_t i = 0; i < size; i++) {
		uint32_t byte = in ? 0xff : value >> 8 * i & 0xff;
		const struct port_range *r = port_find(vm, (uint16_t)(port + i));

		if (r && r->fn != power_port)
			r->fn(vm->power_asking, r->arg, (uint16_t)(port + i), 1, in, &byte);
		result |= (byte & 0xff) << 8 * i;
	}
	return result;
}

static uint32_t pass_read(void *arg, uint16_t port, uint8_t size)
{
	if (elsewhere(arg, port, size))
		return other_access(arg, port, size, true, 0);
	return size == 1 ? io_in8(port) : size == 2 ? io_in16(port) : io_in32(port);
}

static void pass_write(void *arg, uint16_t port, uint8_t size, uint32_t value)
{
	if (elsewhere(arg, port, size))
		other_access(arg, port, size, false, value);
	else if (size == 1)
		io_out8(port, (uint8_t)value);
	else if (size == 2)
		io_out16(port, (uint16_t)value);
	else
		io_out32(port, value);
}

static const struct vpower_ops machine_ops = {
	.request = request, .pass_read = pass_read, .pass_write = pass_write};

/* An isolated guest's ports end at its virtual board. */
static const struct vpower_ops board_ops = {
	.request = request, .pass_read = board_read, .pass_write = board_write};

static INITDATA struct vpower_config board_config = {
	.pm1a_control = VBOARD_PM_PORT + VACPI_CONTROL,
	.slp_typ_a = {VPOWER_UNKNOWN, VPOWER_UNKNOWN, VPOWER_UNKNOWN, VPOWER_UNKNOWN,
		      VPOWER_UNKNOWN, VBOARD_S5},
	.reset_port = VBOARD_RESET_PORT,
	.reset_value = VBOARD_RESET,
};

static void power_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		       uint32_t *value)
{
	struct vm *vm = arg;

	lock_acquire(&vm->power_lock);
	vm->power_asking = v;
	if (in)
		*value = vpower_read(&vm->power, port, size);
	else
		vpower_write(&vm->power, port, size, *value);
	lock_release(&vm->power_lock);
}

INIT int power_vm_init(struct vm *vm)
{
	uint16_t port, count;
	int err = 0;

	if (vm->service)
		vpower_init(&vm->power, &machine_ops, vm, &machine_config);
	else
		vpower_init(&vm->power, &board_ops, vm, &board_config);
	for (uint32_t i = 0; vpower_ports(&vm->power, i, &port, &count) && !err; i++)
		err = port_add(vm, port, (uint16_t)(port + count - 1), power_port, vm);
	return err;
}

/* --- requests --- */

void power_request_off(struct vcpu *v, const char *how)
{
	struct vm *vm = v->vm;

	console_settle(vm);
	if (vm->restarts < VM_LOUD_LIVES)
		log_info("vm %s: power-off by %s", vm->name, how);
	if (vm->may_power) {
		log_info("vm %s: exit 0", vm->name);
		vm_stats_log(vm);
		machine_power_off();
	}
	vm_exit(vm, 0);
}

void power_request_reset(struct vcpu *v, const char *how)
{
	struct vm *vm = v->vm;

	console_settle(vm);
	if (vm->restarts < VM_LOUD_LIVES)
		log_info("vm %s: reset by %s", vm->name, how);
	if (vm->may_power) {
		log_info("vm %s: exit 0", vm->name);
		machine_reboot();
	}
	vm_stop(v, "it reset itself, and has no power over the machine");
}

/* A triple fault resets a PC. */
void power_triple_fault(struct vcpu *v)
{
	if (v->vm->service && v->vm->may_power) {
		power_request_reset(v, "triple fault");
		return;
	}
	vm_stop(v, "triple fault");
}

/* --- the way down --- */

/*
 * Every other CPU leaves VMX or SVM, and halts; those that do not within the bound are left to the reset. The request
 * comes by NMI: not every processor takes an interrupt while its guest has them off (vmx/quirk.c).
 */
static void machine_park(void)
{
	uint64_t end = tsc_read() + PARK_WAIT_MS * tsc_khz;
	bool all = false;

	for (uint32_t i = 0; i < cpu_count; i++) {
		if (!cpu_by_index[i] || cpu_by_index[i] == this_cpu())
			continue;
		atomic_or_u64(&cpu_by_index[i]->requests, CPU_REQ_PARK);
		lapic_nmi(cpu_by_index[i]->apic_id);
	}
	while (!all && tsc_read() < end) {
		all = true;
		for (uint32_t i = 0; i < cpu_count; i++)
			all &= !cpu_by_index[i] || cpu_by_index[i] == this_cpu() ||
			       !__atomic_load_n(&cpu_by_index[i]->online, __ATOMIC_ACQUIRE);
		cpu_pause();
	}
	console_flush();
	virt->cpu_off();
}

void machine_power_off(void)
{
	log_info("power off");
	machine_park();
	power_off();
	log_error("the machine did not switch itself off; do it by hand");
	console_flush();
	cpu_halt_forever();
}

void machine_reboot(void)
{
	log_info("reboot");
	machine_park();
	power_reboot();
}

void machine_end(void)
{
	if (at_end == END_POWEROFF)
		machine_power_off();
	if (at_end == END_REBOOT)
		machine_reboot();
}
