/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's devices when the service guest ends: quiet; and before it lives again: reset, and as firmware left them. */

#ifndef VM_DEVICES_H
#define VM_DEVICES_H

#include "drivers/acpi.h"
#include "drivers/pci.h"
#include "vm/vm.h"

/* Keep what firmware has put into the functions @found and into a few chips. Boot. 0 or -ENOMEM. */
int devices_save(struct vm *vm, const struct pci_list *found, const struct acpi_info *acpi);

/* @vm, the service guest, has stopped. Begin with the first step; @reset: not only quiet. */
void devices_begin(bool reset);

/*
 * The next step, a work item's. 1: there are more; the next one not before *@wait_us microseconds. 0: done. Negative: a
 * function whose DMA cannot be ended for good keeps @vm from a next life; it has been named in the log.
 */
int devices_step(struct vm *vm, uint32_t *wait_us);

#endif
