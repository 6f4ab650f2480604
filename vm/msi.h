/* SPDX-License-Identifier: BSD-2-Clause */
/* Message-signalled interrupts of physical devices: a host vector for each, the guest's message when it fires. */

#ifndef VM_MSI_H
#define VM_MSI_H

#include "vm/vm.h"

/* Room for at least @count sources of @vm. Boot. 0 or -ENOMEM. */
int msi_init(struct vm *vm, uint32_t count);

/*
 * A device's source shall reach @vm as the message (@addr, @data). *@cookie is 0 for a source that is not bound and
 * belongs to this file. Says what to write into the device. The VM's PCI lock is held. 0, -ENOSPC.
 */
int msi_bind(struct vm *vm, uint32_t *cookie, uint64_t addr, uint32_t data, uint64_t *phys_addr,
	     uint32_t *phys_data);
void msi_unbind(struct vm *vm, uint32_t *cookie);

#endif
