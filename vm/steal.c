/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's steal time (Linux, Documentation/virt/kvm/x86/msr.rst, MSR_KVM_STEAL_TIME). */

#include "vm/steal.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "vm/clock.h"
#include "vm/gmem.h"

#define STEAL_RESERVED 0x3eULL

struct steal_page {
	uint64_t steal;	  /* ns */
	uint32_t version; /* odd while it is written */
	uint32_t flags;
	uint8_t preempted; /* 1: it could run, and another one does */
	uint8_t pad[47];
};
_Static_assert(sizeof(struct steal_page) == 64, "struct kvm_steal_time");

/* The page is aligned to its size, so that one window shows all of it. */
static struct steal_page *page(struct vcpu *v)
{
	return guest_map(v->vm, v->steal.msr & ~(STEAL_ENABLE | STEAL_RESERVED), true);
}

static void steal_write(struct vcpu *v, uint8_t preempted)
{
	struct steal_page *p = page(v);

	if (!p)
		return;
	__atomic_store_n(&p->version, p->version | 1, __ATOMIC_RELEASE);
	__atomic_store_n(&p->steal, clock_ns(v->steal.ticks), __ATOMIC_RELEASE);
	__atomic_store_n(&p->preempted, preempted, __ATOMIC_RELEASE);
	__atomic_store_n(&p->version, (p->version | 1) + 1, __ATOMIC_RELEASE);
}

int steal_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = v->steal.msr;
	return 0;
}

int steal_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t before = v->steal.msr;

	(void)msr;
	if (value & STEAL_RESERVED)
		return -EINVAL;
	v->steal.msr = value;
	if (!steal_told(v))
		return 0;
	if (!page(v)) {
		v->steal.msr = before;
		return -EINVAL;
	}
	steal_write(v, 0);
	return 0;
}

/* Since it ran last, or since it was woken, whichever is later. */
void steal_run(struct vcpu *v)
{
	v->steal.ticks += tsc_read() - max_u64(v->steal.left, v->entity.woken);
	if (!v->steal.away)
		return;
	v->steal.away = false;
	steal_write(v, 0);
}

void steal_away(struct vcpu *v)
{
	v->steal.away = true;
	if (v->entity.queued)
		steal_write(v, 1);
}
