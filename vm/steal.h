/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's steal time: how long a vCPU could have run and did not, told to it in memory of its own. */

#ifndef VM_STEAL_H
#define VM_STEAL_H

#include "vm/vm.h"

#define STEAL_ENABLE BIT(0)

/* Does the guest ask for it? Only then the functions below are called. */
static inline bool steal_told(const struct vcpu *v)
{
	return v->steal.msr & STEAL_ENABLE;
}

/* MSR_KVM_STEAL_TIME. 0, or -EINVAL for #GP: reserved bits, or no memory of this VM there. */
int steal_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
int steal_msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* @v is about to run; another vCPU gets its CPU. On its CPU. */
void steal_run(struct vcpu *v);
void steal_away(struct vcpu *v);

#endif
