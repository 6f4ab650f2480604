/* SPDX-License-Identifier: BSD-2-Clause */
/* What only the service guest has: the machine's PCI functions, its MTRRs as a memory, ACPI tables edited for it. */

#ifndef VM_PLATFORM_H
#define VM_PLATFORM_H

#include "drivers/acpi.h"
#include "vdev/vpci.h"
#include "vm/vm.h"

/* PCI and MSI translation, ACPI overlay, hidden devices. Boot; 0 or an error. */
int platform_init(struct vm *vm, const struct acpi_info *acpi);

/* Machine-wide PCI set-up before any VM. Boot. */
void platform_machine_init(const struct acpi_info *acpi);

/*
 * ACPI tables edited for @vm, and the HPET hidden. After memory_vm_fill, before the guest runs. Boot; 0, -ENOMEM,
 * -ENOSPC.
 */
int overlay_init(struct vm *vm, const struct acpi_info *acpi);

/* Keep the tables as @vm sees them, and page 0, for its next life. After restart_record. Boot; 0 or an error. */
int overlay_keep(struct vm *vm, const struct acpi_info *acpi);

/* An access to ECAM or to a trapped page of a device. False: neither. */
bool platform_mmio(struct vm *vm, uint64_t gpa, uint8_t size, bool write, uint64_t *value);

/* MTRRs: the service guest finds the machine's and may write them; nothing follows from it. 0, -EINVAL: #GP. */
int mtrr_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
void mtrr_vm_init(struct vm *vm); /* at boot and restart */
int mtrr_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* The model of the machine's PCI functions, and the lock around every use of it. */
extern struct vpci platform_pci;
extern struct lock platform_pci_lock;

/* An address of device memory through this CPU's device window; valid until the next call. */
volatile void *platform_page(uint64_t hpa);

/* A device of bus 0 that the machine does not have, as the bdf of its function 0; 0: none. Boot, after platform_init. */
uint32_t platform_slot(void);
/* Where @size bytes, a power of two, of PCI memory could be: aligned, where nothing answers. 0: nowhere. Boot, as above. */
uint64_t platform_place(struct vm *vm, uint64_t size);

#endif
