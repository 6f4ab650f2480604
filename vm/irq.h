/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of a VM: what its virtual controllers ask for, and the physical pins and messages that feed them. */

#ifndef VM_IRQ_H
#define VM_IRQ_H

#include "arch/irq.h"
#include "drivers/acpi.h"
#include "vm/vm.h"

struct cpu;

/* --- start-up --- */
/* Map and mask the machine's I/O APICs. 0 or -ENOMEM. */
int irq_machine_init(const struct acpi_info *acpi);
/* What @vm's virtual devices may ask of it; before any of them is made. */
void irq_host_init(struct vm *vm);
/* Make @vm's interrupt controllers and timer, and their ports and pages. 0 or an error. */
int irq_vm_init(struct vm *vm);
/* Give @vm the machine's pins, those apart that the hypervisor keeps. 0 or -ENOMEM. */
int irq_pins_init(struct vm *vm);
/* The hypervisor's own use of ISA interrupt @irq, on the boot CPU. 0, or an error: it must be polled. */
int irq_isa_claim(uint32_t irq, struct irq_source *source);
/* The APIC id to tell that GSI of an ISA interrupt. */
uint32_t irq_isa_gsi(uint32_t irq);

/* --- running --- */
/* An ISA interrupt line of one of @vm's virtual devices. Any CPU, vm->irq_lock not held. */
void irq_line(struct vm *vm, uint32_t irq, bool level);
/* The same with vm->irq_lock held. */
void irq_line_locked(struct vm *vm, uint32_t irq, bool level);
/* All of @vm's virtual I/O APICs as after power-up; vm->irq_lock held. */
void irq_ioapics_reset(struct vm *vm);
/* Deliver a message (MSI address and data, SDM vol. 3, 11.11) to @vm. */
void irq_message(struct vm *vm, uint64_t addr, uint32_t data);
/* The CPU that a message would go to first, or that of vCPU 0. */
struct cpu *irq_message_cpu(struct vm *vm, uint64_t addr);

/* Has the 8259 something for @v? Then the vector, taken. */
bool irq_extint_pending(struct vcpu *v);
int irq_extint_ack(struct vcpu *v);

/* A physical NMI was noted on @cpu. */
void nmi_route(struct cpu *cpu);

#endif
