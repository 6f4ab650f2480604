/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's virtual interrupt controllers and timer: their ports and pages, and the way of a message to its vCPUs. */

#include "vm/irq.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "sched/timer.h"
#include "vdev/vboard.h"
#include "vm/pins.h"

/* MSI address and data (SDM vol. 3, 11.11.1 and 11.11.2) */
#define MSI_DEST(addr)	  ((uint32_t)((addr) >> 12 & 0xff))
#define MSI_LOGICAL(addr) ((addr) >> 2 & 1)
#define MSI_MODE(data)	  ((uint8_t)((data) >> 8 & 7))
#define MSI_LEVEL(data)	  ((data) >> 15 & 1)
#define MSI_BASE	  0xfee00000ULL
#define MSI_BASE_MASK	  0xfff00000ULL

/* --- what devices ask of their VM --- */

static uint64_t host_now(void *vm)
{
	(void)vm;
	return tsc_read();
}

static void host_timer_set(void *vm, struct timer *t, uint64_t deadline)
{
	(void)vm;
	timer_set(t, deadline);
}

static void host_timer_cancel(void *vm, struct timer *t)
{
	(void)vm;
	timer_cancel(t);
}

static void host_lock(void *arg)
{
	struct vm *vm = arg;

	lock_acquire(&vm->irq_lock);
}

static void host_unlock(void *arg)
{
	struct vm *vm = arg;

	lock_release(&vm->irq_lock);
}

static void host_apic_msg(void *arg, const struct apic_msg *msg)
{
	struct vm *vm = arg;

	vlapic_route(vm->lapics, vm->vcpu_count, msg);
}

static void host_kick(void *arg, uint32_t vcpu)
{
	struct vm *vm = arg;

	vcpu_raise(vm->vcpu[vcpu], EV_IRQ);
}

static void host_signal(void *arg, uint32_t vcpu, int what, uint8_t page)
{
	struct vm *vm = arg;
	struct vcpu *v = vm->vcpu[vcpu];

	if (what == VDEV_SIPI) {
		__atomic_store_n(&v->sipi_page, page, __ATOMIC_RELEASE);
		vcpu_raise(v, EV_SIPI);
		return;
	}
	vcpu_raise(v, what == VDEV_INIT ? EV_INIT : EV_NMI);
}

static void host_apic_virtual(void *arg, uint32_t vcpu, bool on)
{
	struct vm *vm = arg;
	struct vcpu *v = vm->vcpu[vcpu];

	virt->apic_virtual(&v->arch, on, on ? vlapic_page_status(&v->lapic) : 0);
}

static void host_eoi_broadcast(void *arg, uint8_t vector)
{
	struct vm *vm = arg;

	lock_acquire(&vm->irq_lock);
	for (uint32_t i = 0; i < vm->ioapic_count; i++)
		vioapic_eoi(&vm->ioapic[i], vector);
	lock_release(&vm->irq_lock);
}

static void host_pin_changed(void *arg, uint32_t ioapic, uint32_t pin)
{
	pins_update(arg, ioapic, pin);
}

static void host_pin_eoi(void *arg, uint32_t ioapic, uint32_t pin)
{
	pins_eoi(arg, ioapic, pin);
}

static void host_pic_output(void *arg, bool level)
{
	struct vm *vm = arg;

	vlapic_lint(&vm->vcpu[0]->lapic, 0, level);
	if (level)
		vcpu_raise(vm->vcpu[0], EV_IRQ);
}

static void host_pic_masked(void *arg, uint16_t mask)
{
	pins_pic_masked(arg, mask);
}

static void host_pic_eoi(void *arg, uint32_t irq)
{
	pins_pic_eoi(arg, irq);
}

/* ISA interrupt @irq at both controllers; vm->irq_lock held. */
void irq_line_locked(struct vm *vm, uint32_t irq, bool level)
{
	uint32_t pin = irq ? irq : VBOARD_PIT_PIN;

	vpic_set(&vm->pic, irq, level);
	vioapic_set(&vm->ioapic[0], vm->service ? irq_isa_gsi(irq) : pin, level);
}

static void host_pit_output(void *arg, bool level)
{
	irq_line_locked(arg, 0, level);
}

static void host_log(void *arg, const char *fmt, ...)
{
	struct vm *vm = arg;
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_debug("vm %s: %s", vm->name, text);
}

/* The functions that every VM's virtual devices get. */
static const struct vdev_host irq_host = {
	.now = host_now,
	.timer_set = host_timer_set,
	.timer_cancel = host_timer_cancel,
	.chips_lock = host_lock,
	.chips_unlock = host_unlock,
	.apic_msg = host_apic_msg,
	.kick = host_kick,
	.init_sipi = host_signal,
	.apic_virtual = host_apic_virtual,
	.eoi_broadcast = host_eoi_broadcast,
	.pin_changed = host_pin_changed,
	.pin_eoi = host_pin_eoi,
	.pic_output = host_pic_output,
	.pic_masked = host_pic_masked,
	.pic_eoi = host_pic_eoi,
	.pit_output = host_pit_output,
	.log = host_log,
};

void irq_line(struct vm *vm, uint32_t irq, bool level)
{
	lock_acquire(&vm->irq_lock);
	irq_line_locked(vm, irq, level);
	lock_release(&vm->irq_lock);
}

/* --- messages --- */

void irq_message(struct vm *vm, uint64_t addr, uint32_t data)
{
	struct apic_msg msg = {
		.dest = MSI_DEST(addr),
		.source = APIC_NO_SOURCE,
		.vector = (uint8_t)data,
		.mode = MSI_MODE(data),
		.logical = MSI_LOGICAL(addr),
		.dest8 = true,
		.level = MSI_LEVEL(data),
	};

	if ((addr & MSI_BASE_MASK) != MSI_BASE || addr >> 32)
		return; /* not a message to local APICs: it would have been an ordinary write, to nowhere here */
	vlapic_route(vm->lapics, vm->vcpu_count, &msg);
}

struct cpu *irq_message_cpu(struct vm *vm, uint64_t addr)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vlapic_match(&vm->vcpu[i]->lapic, MSI_DEST(addr), MSI_LOGICAL(addr), true))
			return vm->vcpu[i]->cpu;
	}
	return vm->vcpu[0]->cpu;
}

/* --- the 8259's way in --- */

bool irq_extint_pending(struct vcpu *v)
{
	return v->id == 0 && vpic_pending(&v->vm->pic) && vlapic_extint_enabled(&v->lapic);
}

int irq_extint_ack(struct vcpu *v)
{
	int vector = -1;

	lock_acquire(&v->vm->irq_lock);
	if (vpic_pending(&v->vm->pic)) {
		vector = vpic_ack(&v->vm->pic);
		vlapic_extint_ack(&v->lapic);
	}
	lock_release(&v->vm->irq_lock);
	return vector;
}

/* --- ports and pages --- */

static __attribute__((noinline)) void pic_bytes(struct vm *vm, uint16_t port, uint8_t size, bool in,
						uint32_t *value)
{
	lock_acquire(&vm->irq_lock);
	for (uint32_t i = 0; i < size; i++) {
		if (in)
			*value = (*value & ~(0xffU << 8 * i)) |
				 (uint32_t)vpic_read(&vm->pic, (uint16_t)(port + i)) << 8 * i;
		else
			vpic_write(&vm->pic, (uint16_t)(port + i), (uint8_t)(*value >> 8 * i));
	}
	lock_release(&vm->irq_lock);
}

static void pic_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		     uint32_t *value)
{
	struct vm *vm = arg;

	(void)v;
	if (unlikely(!in || size != 1)) {
		pic_bytes(vm, port, size, in, value);
		return;
	}
	lock_acquire(&vm->irq_lock);
	*value = vpic_read(&vm->pic, port);
	lock_release(&vm->irq_lock);
}

static void pit_port(struct vcpu *v, void *arg, uint16_t port, uint8_t size, bool in,
		     uint32_t *value)
{
	struct vm *vm = arg;

	(void)v;
	if (size != 1)
		return;
	lock_acquire(&vm->irq_lock);
	if (in)
		*value = vpit_read(&vm->pit, port);
	else
		vpit_write(&vm->pit, port, (uint8_t)*value);
	lock_release(&vm->irq_lock);
}

static void lapic_page(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
		       uint64_t *value)
{
	uint32_t offset = (uint32_t)(gpa & (VLAPIC_MMIO_SIZE - 1));

	(void)arg;
	if (write)
		vlapic_mmio_write(&v->lapic, offset, size, *value);
	else
		*value = vlapic_mmio_read(&v->lapic, offset, size);
}

static void ioapic_page(struct vcpu *v, void *arg, uint64_t gpa, uint8_t size, bool write,
			uint64_t *value)
{
	struct vioapic *io = arg;
	uint32_t offset = (uint32_t)(gpa & (VIOAPIC_MMIO_SIZE - 1));

	lock_acquire(&v->vm->irq_lock);
	if (write)
		vioapic_mmio_write(io, offset, size, *value);
	else
		*value = vioapic_mmio_read(io, offset, size);
	lock_release(&v->vm->irq_lock);
}

static void ioapic_reset(struct vm *vm, uint32_t i)
{
	if (vm->service)
		vioapic_init(&vm->ioapic[i], i, pins_ioapic_pins(i), pins_ioapic_id(i), &vm->host,
			     vm);
	else
		vioapic_init(&vm->ioapic[i], i, VIOAPIC_PINS, 0, &vm->host, vm);
}

void irq_ioapics_reset(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->ioapic_count; i++)
		ioapic_reset(vm, i);
}

static INIT int ioapics_init(struct vm *vm)
{
	int err = 0;

	vm->ioapic_count = vm->service ? pins_ioapics() : 1;
	irq_ioapics_reset(vm);
	for (uint32_t i = 0; i < vm->ioapic_count && !err; i++) {
		uint64_t base = vm->service ? pins_ioapic_base(i) : VBOARD_IOAPIC;

		err = mmio_add(vm, base, base + VIOAPIC_MMIO_SIZE - 1, ioapic_page, &vm->ioapic[i]);
	}
	return err;
}

INIT void irq_host_init(struct vm *vm)
{
	vm->host = irq_host;
	vm->host.tsc_khz = tsc_khz;
}

INIT int irq_vm_init(struct vm *vm)
{
	int err;

	vpic_init(&vm->pic, &vm->host, vm);
	vpic_firmware(&vm->pic);
	vpit_init(&vm->pit, &vm->host, vm);
	err = ioapics_init(vm);
	if (!err)
		err = mmio_add(vm, VLAPIC_BASE, VLAPIC_BASE + VLAPIC_MMIO_SIZE - 1, lapic_page, vm);
	if (!err)
		err = port_add(vm, VPIC_MASTER_PORT, VPIC_MASTER_PORT + 1, pic_port, vm);
	if (!err)
		err = port_add(vm, VPIC_SLAVE_PORT, VPIC_SLAVE_PORT + 1, pic_port, vm);
	if (!err)
		err = port_add(vm, VPIC_ELCR_PORT, VPIC_ELCR_PORT + 1, pic_port, vm);
	if (!err)
		err = port_add(vm, VPIT_PORT, VPIT_PORT + 3, pit_port, vm);
	if (!err)
		err = port_add(vm, VPIT_NMI_PORT, VPIT_NMI_PORT, pit_port, vm);
	return err;
}

/* --- NMI of the machine --- */

void nmi_route(struct cpu *cpu)
{
	struct vcpu *v = cpu->loaded ? vcpu_of(cpu->loaded) : NULL;

	if (panic_in_progress())
		cpu_halt_forever();
	log_warn("CPU %u: NMI of the machine", cpu->index);
	if (v && v->vm->service)
		vcpu_raise(v, EV_NMI);
}
