/* SPDX-License-Identifier: BSD-2-Clause */
/* The restart of a VM: what its loader did is kept, and done again over scrubbed memory. */

#ifndef VM_RESTART_H
#define VM_RESTART_H

#include "vm/load.h"
#include "vm/vm.h"

/*
 * Keep from now on what a loader does to @vm through @target, which goes on to do it. The images it copies from must
 * stay readable. Boot. 0 or -ENOMEM.
 */
int restart_record(struct vm *vm, struct load_target *target);

/* Keep a page as it is now, for the next life: at @gpa, or, where @vm has a page of the pool there, that. Boot. */
int restart_keep_page(struct vm *vm, uint64_t gpa, uint8_t *page);

/* The state that its vCPU 0 starts with. Boot; after restart_record. */
void restart_keep(struct vm *vm, const struct load_result *result);

static inline bool restart_possible(const struct vm *vm)
{
	return vm->image != NULL;
}

/* All its vCPUs have stopped: build it again, as a work item. Any CPU. */
void restart_begin(struct vm *vm);

/* Make @v, which is loaded on this CPU, as after power-up; the last one of its VM sets that going. */
void restart_vcpu(struct vcpu *v);

#endif
