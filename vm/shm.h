/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared regions and doorbells: which VM has which, and the PCI functions by which it has them. */

#ifndef VM_SHM_H
#define VM_SHM_H

#include "vm/build.h"
#include "vm/vm.h"

/* --- boot --- */
/* Take zeroed memory for every region of the configuration. What cannot be had is missed by the VMs that name it. */
void shm_regions_make(const struct config *c);
/* Region @i's frames, which no VM owns; false: there is none. */
bool shm_region(uint32_t i, hpa_t *base, uint64_t *size);
/* @vm's functions, in a slot of its PCI bus 0; after its memory was filled. 0, -ENOMEM, -ENODEV (no slot). */
int shm_vm_init(struct vm *vm, const struct build_input *in);

/* --- while @vm runs: on an exit of its vCPU, no lock held but, of the service guest, that of its PCI devices --- */
/* Its functions as after power-up, pending doorbells dropped; the regions stay as they are. */
void shm_reset(struct vm *vm);
/* An access to configuration space, @size 1, 2, 4. False: no function of these. */
bool shm_config(struct vm *vm, uint32_t bdf, uint32_t off, uint8_t size, bool write,
		uint32_t *value);
/* An access to registers or the MSI-X table, or a write to a region that may only be read. False: neither. */
bool shm_access(struct vcpu *v, uint64_t gpa, uint8_t size, bool write, uint64_t *value);
/* Are registers or a table there? */
bool shm_is_device(struct vm *vm, uint64_t gpa);
/*
 * A nested fault (NPF_* @access) at @gpa: a piece of a region may have to be mapped (true: try again). Without the right
 * to this access the VM is stopped.
 */
bool shm_fault(struct vcpu *v, uint64_t gpa, uint32_t access);

#endif
