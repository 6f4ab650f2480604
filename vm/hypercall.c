/* SPDX-License-Identifier: BSD-2-Clause */
/* Hypercalls: a table by number; it says who may call. */

#include "vm/hypercall.h"
#include <bulkhead/hypercall.h>
#include "vm/gmem.h"

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

static int64_t call_window(struct vcpu *v)
{
	uint64_t began = sched_window_began();

	return began ? (int64_t)(began + v->arch.tsc_offset) : -ENOENT;
}

static int64_t call_none(struct vcpu *v)
{
	(void)v;
	return -KVM_ENOSYS;
}

/* --- KVM's (Linux, Documentation/virt/kvm/x86/hypercalls.rst): arguments in RBX, RCX, RDX, RSI --- */

#define KVM_KICK_CPU	5
#define KVM_SEND_IPI	10
#define KVM_SCHED_YIELD 11
#define ICR_VECTOR	0xff
#define ICR_MODE	8 /* bits 10:8 */
#define ICR_MODE_MASK	7
#define ICR_DEST	0xc0800U /* destination mode and shorthand: the bits say who */

static struct vcpu *vcpu_by_apic(struct vm *vm, uint32_t id)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vm->lapics[i]->cfg.id == id)
			return vm->vcpu[i];
	}
	return NULL;
}

static int64_t call_kick(struct vcpu *v)
{
	struct vcpu *target = vcpu_by_apic(v->vm, (uint32_t)v->arch.gpr[RCX]);

	if (target)
		vcpu_raise(target, EV_KICK);
	return 0;
}

/* Outside 64-bit mode the bitmap's two parts have 32 bits each. */
static int64_t call_send_ipi(struct vcpu *v)
{
	uint32_t width = vcpu_mode(v) == CPU_MODE_64 ? 64 : 32;
	uint64_t map[2] = {v->arch.gpr[RBX], v->arch.gpr[RCX]};
	uint32_t first = (uint32_t)v->arch.gpr[RDX], icr = (uint32_t)v->arch.gpr[RSI];
	struct apic_msg msg = {.source = v->id,
			       .vector = icr & ICR_VECTOR,
			       .mode = icr >> ICR_MODE & ICR_MODE_MASK};
	int64_t sent = 0;

	if (icr & ICR_DEST || (msg.mode != APIC_MODE_FIXED && msg.mode != APIC_MODE_NMI))
		return -EINVAL;
	for (uint32_t i = 0; i < v->vm->vcpu_count; i++) {
		uint32_t bit = v->vm->lapics[i]->cfg.id - first;

		if (bit < 2 * width && map[bit >= width] & BIT(bit & (width - 1)))
			sent += vlapic_deliver(v->vm->lapics[i], &msg);
	}
	return sent;
}

/* The vCPU named in RBX waits for this CPU, or is none of its business: which one is next the scheduler knows. */
static int64_t call_yield(struct vcpu *v)
{
	(void)v;
	sched_yield();
	return 0;
}

static NOINLINE int64_t call_kvm(struct vcpu *v)
{
	switch ((uint32_t)v->arch.gpr[RAX]) {
	case KVM_KICK_CPU:
		return call_kick(v);
	case KVM_SEND_IPI:
		return call_send_ipi(v);
	case KVM_SCHED_YIELD:
		return call_yield(v);
	default:
		return call_none(v);
	}
}

#define CALLS 8 /* a power of two: the index is masked, so that no mispredicted path reads beyond */

static int64_t (*const calls[CALLS])(struct vcpu *v) = {
	[BULKHEAD_CALL_VERSION - BULKHEAD_CALL_FIRST] = call_version,
	[BULKHEAD_CALL_VCPU_ID - BULKHEAD_CALL_FIRST] = call_vcpu_id,
	[BULKHEAD_CALL_WINDOW - BULKHEAD_CALL_FIRST] = call_window,
	[BULKHEAD_CALL_WINDOW - BULKHEAD_CALL_FIRST + 1 ... CALLS - 1] = call_none,
};

static int64_t call(struct vcpu *v)
{
	uint64_t n = v->arch.gpr[RAX] - BULKHEAD_CALL_FIRST;

	return likely(n < CALLS) ? calls[n & (CALLS - 1)](v) : call_kvm(v);
}

void exit_hypercall(struct vcpu *v)
{
	v->arch.gpr[RAX] = (uint64_t)(unlikely(virt->cpl(&v->arch)) ? -EPERM : call(v));
	vcpu_skip_known(v);
}
