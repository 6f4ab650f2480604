/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory a VM has: its RAM, what else of the machine it sees, and the map that its loader tells it. */

#ifndef VM_MEMORY_H
#define VM_MEMORY_H

#include "vm/build.h"
#include "vm/vm.h"

/* Bits of a physical address, of the machine and of every guest. */
uint8_t memory_phys_bits(void);

/* An empty nested table. Boot. 0 or -ENOMEM. */
int memory_vm_init(struct vm *vm);

/*
 * Give @vm its memory: an isolated VM frames of its own, scrubbed; the service guest everything that nobody else has,
 * identity-mapped, device memory included. Boot. 0, -ENOMEM, -ENOSPC.
 */
int memory_vm_fill(struct vm *vm, const struct build_input *in);

/* How much of an isolated VM's RAM is below 4 GiB, from address 0 on. Boot. */
uint64_t memory_low(const struct vm *vm);

/*
 * Put firmware into memory of @vm beside its RAM, read-only, so that it ends at 4 GiB: whole pages, at most
 * VBOARD_FLASH_MAX. Boot. 0 or negative.
 */
int memory_flash(struct vm *vm, const struct image *image);

/*
 * Zero the first page of @vm's own RAM at or behind *@at, an offset that begins at 0, and move it on. 1: there may be
 * more. 0: that was all. -EFAULT. A step of a work item.
 */
int memory_scrub(struct vm *vm, uint64_t *at);

/* Find out where PCI functions may be in the service guest. Boot. */
void memory_gaps(const struct build_input *in);

/* Loader callbacks over @vm's memory, and the map that the guest is told; valid until the next call. Boot. */
void memory_load_target(struct vm *vm, const struct build_input *in, struct load_target *target);

/* The service guest gets what start-up needed for itself; scrubbed where it held the hypervisor's data. Boot. */
int memory_give_temporary(struct vm *vm, const struct build_input *in);

/*
 * The service guest never sees what is at [@first, @last]: reads give ones unless a handler is there. Boot. 0, -ENOSPC.
 */
int memory_hide(struct vm *vm, uint64_t first, uint64_t last);

/*
 * Make accesses of the service guest to [@gpa, @gpa + @len) exit, or let them through again. 0; -EPERM: not device
 * memory in its hands. Any exit.
 */
int memory_trap(struct vm *vm, uint64_t gpa, uint64_t len, bool on);

/*
 * [@gpa, @gpa + @len), a multiple of pages: accesses exit from now on, until something is mapped there; and the end of
 * it. 0; -EPERM: not where PCI functions of this VM may be; or an error of nested_unmap. The VM's lock for PCI
 * configuration is held; after closing, memory_flush.
 */
bool memory_window_allowed(struct vm *vm, uint64_t gpa, uint64_t len);
int memory_window_open(struct vm *vm, uint64_t gpa, uint64_t len);
void memory_window_close(struct vm *vm, uint64_t gpa, uint64_t len);

/* A nested fault where nothing is mapped: device memory far up is mapped when it is touched. True: try again. */
bool memory_fault(struct vm *vm, uint64_t gpa);

/* All vCPUs drop their translations, and their CPUs their windows, before they go on; those that run now are made to exit. */
void memory_flush(struct vm *vm);

#endif
