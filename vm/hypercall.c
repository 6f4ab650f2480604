/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls: a table by number; it says who may call. */

#include "vm/hypercall.h"
#include <bulkhead/hypercall.h>

#define KVM_ENOSYS 1000 /* what KVM answers to a number it does not know */

static int64_t call_version(struct vcpu *v)
{
	(void)v;
	return BULKHEAD_ABI_VERSION;
}

static int64_t call_vcpu_id(struct vcpu *v)
{
	return v->id;
}

#define CALLS 8 /* a power of two: the index is masked, so that no mispredicted path reads beyond */

static int64_t (*const calls[CALLS])(struct vcpu *v) = {
	[BULKHEAD_CALL_VERSION - BULKHEAD_CALL_FIRST] = call_version,
	[BULKHEAD_CALL_VCPU_ID - BULKHEAD_CALL_FIRST] = call_vcpu_id,
};

void exit_hypercall(struct vcpu *v)
{
	uint64_t n = v->arch.gpr[RAX] - BULKHEAD_CALL_FIRST;
	int64_t result = -KVM_ENOSYS;

	if (virt->cpl(&v->arch))
		result = -EPERM;
	else if (n < CALLS && calls[n & (CALLS - 1)])
		result = calls[n & (CALLS - 1)](v);
	v->arch.gpr[RAX] = (uint64_t)result;
	vcpu_skip(v);
}
