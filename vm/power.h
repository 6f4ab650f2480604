/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's power: who may switch it off or reset it, and how that is done. */

#ifndef VM_POWER_H
#define VM_POWER_H

#include "drivers/acpi.h"
#include "vm/config.h"
#include "vm/vm.h"

/* Keep what power-off and reset need. Boot. */
void machine_power_init(const struct acpi_info *acpi, enum config_on_end on_end);

/* Give @vm the filter over its power and reset ports: the machine's, or its own board's. Boot. 0 or an error. */
int power_vm_init(struct vm *vm);

/* The guest asks for power-off or reset, by @how: granted where [system] power says so, else that VM ends. */
void power_request_off(struct vcpu *v, const char *how);
void power_request_reset(struct vcpu *v, const char *how);
void power_triple_fault(struct vcpu *v);

/* All VMs are at their end, [system] on-end says what then. */
void machine_end(void);
/* Leave VMX or SVM on all CPUs, write out the console, switch off or reset. Returns only if the hardware did not. */
void machine_power_off(void);
void machine_reboot(void);

#endif
