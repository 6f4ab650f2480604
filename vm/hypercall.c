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

static int64_t call_none(struct vcpu *v)
{
	(void)v;
	return -KVM_ENOSYS;
}

#define CALLS 8 /* a power of two: the index is masked, so that no mispredicted path reads beyond */

static int64_t (*const calls[CALLS])(struct vcpu *v) = {
	[BULKHEAD_CALL_VERSION - BULKHEAD_CALL_FIRST] = call_version,
	[BULKHEAD_CALL_VCPU_ID - BULKHEAD_CALL_FIRST] = call_vcpu_id,
	[BULKHEAD_CALL_VCPU_ID - BULKHEAD_CALL_FIRST + 1 ... CALLS - 1] = call_none,
};

static int64_t call(struct vcpu *v)
{
	uint64_t n = v->arch.gpr[RAX] - BULKHEAD_CALL_FIRST;

	return likely(n < CALLS) ? calls[n & (CALLS - 1)](v) : -KVM_ENOSYS;
}

void exit_hypercall(struct vcpu *v)
{
	v->arch.gpr[RAX] = (uint64_t)(unlikely(virt->cpl(&v->arch)) ? -EPERM : call(v));
	vcpu_skip_known(v);
}
