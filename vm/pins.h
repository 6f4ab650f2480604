/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's I/O APIC pins, lent to the service guest: its redirection entries, translated to host vectors. */

#ifndef VM_PINS_H
#define VM_PINS_H

#include "vm/irq.h"

/* What the machine has, for building a virtual I/O APIC like each real one. */
uint32_t pins_ioapics(void);
uint64_t pins_ioapic_base(uint32_t ioapic);
uint32_t pins_ioapic_pins(uint32_t ioapic);
uint8_t pins_ioapic_id(uint32_t ioapic);

/* Callbacks of the virtual controllers; vm->irq_lock held. For a VM without physical pins they do nothing. */
void pins_update(struct vm *vm, uint32_t ioapic, uint32_t pin);
void pins_eoi(struct vm *vm, uint32_t ioapic, uint32_t pin);
void pins_pic_masked(struct vm *vm, uint16_t mask);
void pins_pic_eoi(struct vm *vm, uint32_t irq);

/*
 * The VM that has the machine's pins has stopped: mask @count of them from number @first on, all I/O APICs' in a row,
 * and take their vectors back. Are there more?
 */
bool pins_quiesce(struct vm *vm, uint32_t first, uint32_t count);

#endif
