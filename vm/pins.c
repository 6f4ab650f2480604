/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's I/O APIC pins: programmed after the service guest's virtual entries, with host vectors. */

#include "vm/pins.h"
#include "arch/log.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "drivers/ioapic.h"

#define ISA_IRQS 16

/*
 * One pin. While the guest moves it to another CPU both sources are bound: the old one catches what is still on its
 * way, and is released when the first interrupt arrives at the new one.
 */
struct vm_pin {
	struct irq_source source[2];
	struct vm *vm;
	uint8_t ioapic, pin;
	uint8_t active; /* which source the entry holds */
	bool kept; /* a virtual device's, or the hypervisor's: never programmed for the guest */
	bool in_service; /* level-triggered, masked until the guest's EOI */
	bool level;
	int8_t irq; /* ISA interrupt that this pin carries, -1: none */
};

static struct ioapic ioapics[VM_IOAPICS];
static uint8_t ioapic_ids[VM_IOAPICS];
static uint64_t ioapic_bases[VM_IOAPICS];
static uint32_t ioapic_count;
static uint8_t isa_gsi[ISA_IRQS];
static uint16_t isa_flags[ISA_IRQS];
static uint64_t kept_gsis; /* bit per GSI below 64 */

INIT int irq_machine_init(const struct acpi_info *acpi)
{
	for (uint32_t i = 0; i < ISA_IRQS; i++)
		isa_gsi[i] = (uint8_t)acpi_isa_gsi(acpi, (uint8_t)i, &isa_flags[i]);
	if (acpi->ioapic_count > VM_IOAPICS)
		return -E2BIG;
	for (uint32_t i = 0; i < acpi->ioapic_count && i < VM_IOAPICS; i++) {
		volatile void *regs = mmio_map(acpi->ioapics[i].at, PAGE_SIZE);

		if (!regs)
			return -ENOMEM;
		if (ioapic_init(&ioapics[i], regs, acpi->ioapics[i].gsi_base))
			log_warn("I/O APIC %u does not answer", acpi->ioapics[i].id);
		ioapic_ids[i] = acpi->ioapics[i].id;
		ioapic_bases[i] = acpi->ioapics[i].at.v;
		ioapic_count = i + 1;
	}
	kept_gsis = BIT(isa_gsi[0] & 63); /* IRQ 0 is the virtual PIT's */
	return 0;
}

uint32_t pins_ioapics(void)
{
	return ioapic_count;
}

uint64_t pins_ioapic_base(uint32_t ioapic)
{
	return ioapic_bases[ioapic];
}

uint32_t pins_ioapic_pins(uint32_t ioapic)
{
	return ioapics[ioapic].pins;
}

uint8_t pins_ioapic_id(uint32_t ioapic)
{
	return ioapic_ids[ioapic];
}

uint32_t irq_isa_gsi(uint32_t irq)
{
	return isa_gsi[irq & (ISA_IRQS - 1)];
}

/* --- programming --- */

static uint64_t rte_compose(const struct irq_source *source, bool level, bool low)
{
	return source->vector | (low ? IOAPIC_RTE_LOW : 0) | (level ? IOAPIC_RTE_LEVEL : 0) |
	       (uint64_t)source->cpu->apic_id << IOAPIC_RTE_DEST_SHIFT;
}

static bool isa_low(uint32_t irq)
{
	return (isa_flags[irq] & ACPI_POLARITY) == ACPI_POLARITY_LOW;
}

static bool isa_level(uint32_t irq)
{
	return (isa_flags[irq] & ACPI_TRIGGER) == ACPI_TRIGGER_LEVEL;
}

/* Make @p's interrupt arrive on @cpu. False: no vector is left there. */
static bool pin_bind(struct vm_pin *p, struct cpu *cpu)
{
	uint8_t other = p->active ^ 1;

	if (p->source[p->active].cpu == cpu)
		return true;
	irq_unbind(&p->source[other]);
	if (irq_bind(&p->source[other], cpu))
		return p->source[p->active].cpu != NULL;
	p->active = other;
	return true;
}

/* Whether the guest's 8259s want this pin's interrupt. */
static bool pic_wants(const struct vm_pin *p)
{
	return p->irq >= 0 && !(vpic_mask(&p->vm->pic) >> p->irq & 1) &&
	       vlapic_extint_enabled(&p->vm->vcpu[0]->lapic);
}

static struct cpu *rte_cpu(struct vm *vm, uint64_t rte)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vlapic_match(&vm->vcpu[i]->lapic, VIOAPIC_RTE_DEST(rte),
				 rte & VIOAPIC_RTE_LOGICAL, true))
			return vm->vcpu[i]->cpu;
	}
	return vm->vcpu[0]->cpu;
}

static void pin_program(struct vm_pin *p)
{
	struct vm *vm = p->vm;
	struct ioapic *io = &ioapics[p->ioapic];
	uint64_t rte = vioapic_rte(&vm->ioapic[p->ioapic], p->pin);
	bool by_ioapic = !(rte & VIOAPIC_RTE_MASKED), by_pic = !by_ioapic && pic_wants(p);
	struct cpu *cpu = by_ioapic ? rte_cpu(vm, rte) : vm->vcpu[0]->cpu;
	bool low = by_ioapic ? rte & VIOAPIC_RTE_LOW : p->irq >= 0 && isa_low((uint32_t)p->irq);

	if (p->kept)
		return;
	if (p->in_service && by_ioapic && !(rte & VIOAPIC_RTE_REMOTE_IRR)) {
		/* ended without an EOI, by a change of the entry */
		p->in_service = false;
		vioapic_set(&vm->ioapic[p->ioapic], p->pin, false);
	}
	if ((!by_ioapic && !by_pic) || !pin_bind(p, cpu)) {
		ioapic_mask(io, p->pin);
		return;
	}
	p->level = by_ioapic ? rte & VIOAPIC_RTE_LEVEL : isa_level((uint32_t)p->irq);
	ioapic_write(io, p->pin,
		     rte_compose(&p->source[p->active], p->level, low) |
			     (p->in_service ? IOAPIC_RTE_MASKED : 0));
}

static struct vm_pin *pin_find(struct vm *vm, uint32_t ioapic, uint32_t pin)
{
	struct vm_pin *p = vm->pins;

	if (!p || ioapic >= ioapic_count || pin >= ioapics[ioapic].pins)
		return NULL;
	for (uint32_t i = 0; i < ioapic; i++)
		p += ioapics[i].pins;
	return p + pin;
}

void pins_update(struct vm *vm, uint32_t ioapic, uint32_t pin)
{
	struct vm_pin *p = pin_find(vm, ioapic, pin);

	if (p)
		pin_program(p);
}

static struct vm_pin *pin_of_irq(struct vm *vm, uint32_t irq)
{
	struct vm_pin *p = pin_find(vm, 0, isa_gsi[irq & (ISA_IRQS - 1)]);

	return p && p->irq == (int8_t)irq ? p : NULL;
}

void pins_pic_masked(struct vm *vm, uint16_t mask)
{
	(void)mask;
	for (uint32_t irq = 0; irq < ISA_IRQS; irq++) {
		struct vm_pin *p = pin_of_irq(vm, irq);

		if (p)
			pin_program(p);
	}
}

/* The guest has dealt with a level-triggered interrupt: look at the pin again. */
static void pin_end(struct vm_pin *p)
{
	if (!p->in_service)
		return;
	p->in_service = false;
	vioapic_set(&p->vm->ioapic[p->ioapic], p->pin, false);
	if (p->irq >= 0)
		vpic_set(&p->vm->pic, (uint32_t)p->irq, false);
	pin_program(p);
}

void pins_eoi(struct vm *vm, uint32_t ioapic, uint32_t pin)
{
	struct vm_pin *p = pin_find(vm, ioapic, pin);

	if (p)
		pin_end(p);
}

void pins_pic_eoi(struct vm *vm, uint32_t irq)
{
	struct vm_pin *p = pin_of_irq(vm, irq);

	if (p)
		pin_end(p);
}

/* --- arrival, on the CPU that the source is bound to, from irq_dispatch --- */

static void pin_fire(struct vm_pin *p, uint32_t which)
{
	struct vm *vm = p->vm;

	lock_acquire(&vm->irq_lock);
	if (which == p->active)
		irq_unbind(&p->source[which ^ 1]);
	if (p->level) {
		ioapic_mask(&ioapics[p->ioapic], p->pin);
		p->in_service = true;
	}
	vioapic_set(&vm->ioapic[p->ioapic], p->pin, true);
	if (p->irq >= 0 && p->level)
		vpic_set(&vm->pic, (uint32_t)p->irq, true);
	else if (p->irq >= 0)
		vpic_pulse(&vm->pic, (uint32_t)p->irq);
	if (!p->level)
		vioapic_set(&vm->ioapic[p->ioapic], p->pin, false);
	lock_release(&vm->irq_lock);
}

static void pin_fire_0(struct irq_source *s)
{
	pin_fire(container_of(s, struct vm_pin, source[0]), 0);
}

static void pin_fire_1(struct irq_source *s)
{
	pin_fire(container_of(s, struct vm_pin, source[1]), 1);
}

/* --- start-up --- */

static INIT int8_t pin_irq(uint32_t gsi)
{
	for (uint32_t i = 0; i < ISA_IRQS; i++) {
		if (isa_gsi[i] == gsi && i != 2)
			return (int8_t)i;
	}
	return -1;
}

INIT int irq_pins_init(struct vm *vm)
{
	uint32_t total = 0, frames;
	struct vm_pin *p;

	for (uint32_t i = 0; i < ioapic_count; i++)
		total += ioapics[i].pins;
	frames = (uint32_t)(ALIGN_UP(total * sizeof(*p), PAGE_SIZE) / PAGE_SIZE);
	p = frames ? pool_alloc(&vm->quota, frames, NULL) : NULL;
	if (!p)
		return -ENOMEM;
	vm->pins = p;
	for (uint32_t i = 0; i < ioapic_count; i++) {
		for (uint32_t pin = 0; pin < ioapics[i].pins; pin++, p++) {
			uint32_t gsi = ioapics[i].gsi_base + pin;

			p->source[0].fn = pin_fire_0;
			p->source[1].fn = pin_fire_1;
			p->vm = vm;
			p->ioapic = (uint8_t)i;
			p->pin = (uint8_t)pin;
			p->irq = pin_irq(gsi);
			p->kept = gsi < 64 && kept_gsis >> gsi & 1;
		}
	}
	return 0;
}

INIT int irq_isa_claim(uint32_t irq, struct irq_source *source)
{
	uint32_t gsi = isa_gsi[irq];
	int err;

	if (!ioapic_count || gsi >= ioapics[0].pins)
		return -ENODEV;
	err = irq_bind(source, this_cpu());
	if (err)
		return err;
	kept_gsis |= BIT(gsi & 63);
	ioapic_write(&ioapics[0], gsi, rte_compose(source, isa_level(irq), isa_low(irq)));
	return 0;
}

static void pin_quiesce(struct vm_pin *p)
{
	if (p->kept)
		return;
	ioapic_mask(&ioapics[p->ioapic], p->pin);
	irq_unbind(&p->source[0]);
	irq_unbind(&p->source[1]);
	p->in_service = false;
}

bool pins_quiesce(struct vm *vm, uint32_t first, uint32_t count)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < ioapic_count; i++)
		total += ioapics[i].pins;
	lock_acquire(&vm->irq_lock);
	for (uint32_t i = first; vm->pins && i < total && i < first + count; i++)
		pin_quiesce(&vm->pins[i]);
	lock_release(&vm->irq_lock);
	return first + count < total;
}
