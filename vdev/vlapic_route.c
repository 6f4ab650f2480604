/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupt messages between virtual local APICs: sending, matching destinations, delivering. */

#include "vdev/vlapic_priv.h"

#define BROADCAST8  0xffu
#define BROADCAST32 UINT32_MAX

static void say_ignored(struct vlapic *v, uint8_t mode, const char *what)
{
	uint32_t bit = 1u << (mode & 7);

	if (!(atomic_or_u32(&v->said, bit) & bit))
		v->host->log(v->vm, "vCPU %u: %s is ignored (said once)", v->cfg.vcpu, what);
}

bool vlapic_deliver(struct vlapic *v, const struct apic_msg *msg)
{
	if (!(v->base & IA32_APIC_BASE_EN))
		return false;
	switch (msg->mode) {
	case APIC_MODE_FIXED:
	case APIC_MODE_LOWEST:
		return vlapic_accept(v, msg->vector, msg->level);
	case APIC_MODE_NMI:
		v->host->init_sipi(v->vm, v->cfg.vcpu, VDEV_NMI, 0);
		return true;
	case APIC_MODE_INIT:
		v->host->init_sipi(v->vm, v->cfg.vcpu, VDEV_INIT, 0);
		return true;
	case APIC_MODE_SIPI:
		v->host->init_sipi(v->vm, v->cfg.vcpu, VDEV_SIPI, msg->vector);
		return true;
	case APIC_MODE_EXTINT:
		if (!atomic_xchg_u32(&v->extint, 1))
			v->host->kick(v->vm, v->cfg.vcpu);
		return true;
	case APIC_MODE_SMI:
		say_ignored(v, msg->mode, "a system management interrupt");
		return false;
	default:
		say_ignored(v, msg->mode, "a reserved delivery mode");
		return false;
	}
}

/* SDM vol. 3, 11.6.2.2 and 11.12.10.1. */
static bool match_logical(const struct vlapic *v, uint32_t dest)
{
	uint32_t ldr = atomic_load_relaxed_u32(&v->ldr);

	if (v->x2)
		return dest >> 16 == ldr >> 16 && dest & ldr & 0xffff;
	if (dest > BROADCAST8)
		return false;
	ldr >>= 24;
	switch (DFR_MODEL(atomic_load_relaxed_u32(&v->dfr))) {
	case DFR_MODEL(DFR_FLAT):
		return dest & ldr;
	case 0:
		return dest >> 4 == ldr >> 4 && dest & ldr & 0xf;
	default:
		return false;
	}
}

bool vlapic_match(const struct vlapic *v, uint32_t dest, bool logical, bool dest8)
{
	if (dest == (dest8 ? BROADCAST8 : BROADCAST32))
		return true;
	if (logical)
		return match_logical(v, dest);
	/* With its full id also in xAPIC mode: a processor in x2APIC mode starts the others like that. */
	return dest == v->cfg.id || (dest8 && !v->x2 && dest == (v->cfg.id & 0xff));
}

static bool is_target(const struct vlapic *v, const struct apic_msg *msg)
{
	switch (msg->shorthand) {
	case APIC_TO_SELF:
		return v->cfg.vcpu == msg->source;
	case APIC_TO_ALL:
		return true;
	case APIC_TO_OTHERS:
		return v->cfg.vcpu != msg->source;
	default:
		return vlapic_match(v, msg->dest, msg->logical, msg->dest8);
	}
}

/* Lowest priority (11.6.2.4): the least PPR of those enabled; among equals the vector chooses, so that they share. */
static struct vlapic *lowest(struct vlapic *const *all, uint32_t n, const struct apic_msg *msg)
{
	struct vlapic *best = NULL;
	uint32_t best_ppr = UINT32_MAX;
	uint32_t i = msg->vector % n;

	for (uint32_t seen = 0; seen < n; seen++) {
		struct vlapic *v = all[i];

		i = i + 1 == n ? 0 : i + 1;
		if (!v || !atomic_load_relaxed_bool(&v->soft_on) || !is_target(v, msg))
			continue;
		if (atomic_load_relaxed_u32(&v->ppr) < best_ppr) {
			best_ppr = atomic_load_relaxed_u32(&v->ppr);
			best = v;
		}
	}
	return best;
}

/* The usual case without a search: one physical destination whose id is its number. */
static struct vlapic *by_number(struct vlapic *const *all, uint32_t n, const struct apic_msg *msg)
{
	struct vlapic *v;

	if (msg->shorthand != APIC_TO_DEST || msg->logical || msg->dest >= n)
		return NULL;
	v = all[msg->dest & (VLAPIC_MAX - 1)];
	return v && v->cfg.id == msg->dest ? v : NULL;
}

uint32_t vlapic_route(struct vlapic *const *all, uint32_t n, const struct apic_msg *msg)
{
	struct vlapic *v;
	uint32_t accepted = 0;

	if (!n || n > VLAPIC_MAX)
		return 0;
	v = by_number(all, n, msg);
	if (!v && msg->mode == APIC_MODE_LOWEST) {
		v = lowest(all, n, msg);
		if (!v)
			return 0;
	}
	if (v)
		return vlapic_deliver(v, msg);
	for (uint32_t i = 0; i < n; i++)
		if (all[i] && is_target(all[i], msg))
			accepted += vlapic_deliver(all[i], msg);
	return accepted;
}

void vlapic_self_ipi(struct vlapic *v, uint8_t vector)
{
	if (unlikely(vector < VECTOR_FIRST))
		vlapic_error(v, ESR_SEND_ILLEGAL);
	/* No kick: the sender looks before it enters the guest again. */
	else if (likely(v->soft_on))
		vlapic_irr_set(v, vector, false);
}

void vlapic_icr(struct vlapic *v, uint32_t low, uint32_t dest, bool dest8)
{
	struct apic_msg msg = {
		.dest = dest,
		.source = v->cfg.vcpu,
		.vector = (uint8_t)(low & ICR_VECTOR),
		.mode = ICR_MODE(low),
		.shorthand = ICR_SHORTHAND(low),
		.logical = low & ICR_LOGICAL,
		.dest8 = dest8,
		/* Trigger mode means nothing for IPIs (11.6.1), but for INIT. */
	};
	bool interrupt = msg.mode == APIC_MODE_FIXED || msg.mode == APIC_MODE_LOWEST;

	if (interrupt && msg.vector < VECTOR_FIRST) {
		vlapic_error(v, ESR_SEND_ILLEGAL);
		return;
	}
	/* INIT level de-assert only synchronised arbitration ids, on processors of long ago. */
	if (msg.mode == APIC_MODE_INIT && low & ICR_LEVEL && !(low & ICR_ASSERT))
		return;
	if (msg.mode == APIC_MODE_EXTINT) {
		say_ignored(v, msg.mode, "an ExtINT from the ICR"); /* reserved there */
		return;
	}
	if (msg.shorthand != APIC_TO_SELF) {
		v->host->apic_msg(v->vm, &msg);
		return;
	}
	if (interrupt)
		vlapic_self_ipi(v, msg.vector);
	else
		vlapic_deliver(v, &msg);
}

/* LINT0 or LINT1 as a level-triggered fixed interrupt: requested, until its EOI, once. */
static void lint_level(struct vlapic *v, uint32_t pin, uint32_t lvt)
{
	uint32_t *reg = &v->lvt[VLAPIC_LVT_LINT0 + pin];

	if (atomic_or_u32(reg, LVT_REMOTE_IRR) & LVT_REMOTE_IRR)
		return;
	if (!vlapic_accept(v, (uint8_t)(lvt & LVT_VECTOR), true))
		atomic_and_u32(reg, ~LVT_REMOTE_IRR);
}

static bool lint_is_level(uint32_t lvt)
{
	return !(lvt & LVT_MASKED) && LVT_MODE(lvt) == APIC_MODE_FIXED && lvt & LVT_LEVEL;
}

void vlapic_lint(struct vlapic *v, uint32_t pin, bool level)
{
	uint32_t bit = 1u << (pin & 1);
	uint32_t lvt = atomic_load_u32(&v->lvt[VLAPIC_LVT_LINT0 + (pin & 1)]);
	uint32_t old = level ? atomic_or_u32(&v->lint, bit) : atomic_and_u32(&v->lint, ~bit);

	if (!level)
		return;
	if (!(v->base & IA32_APIC_BASE_EN) ||
	    (!(lvt & LVT_MASKED) && LVT_MODE(lvt) == APIC_MODE_EXTINT)) {
		v->host->kick(v->vm, v->cfg.vcpu);
		return;
	}
	if (lint_is_level(lvt))
		lint_level(v, pin & 1, lvt);
	else if (!(old & bit))
		vlapic_lvt_raise(v, VLAPIC_LVT_LINT0 + (pin & 1));
}

void vlapic_lint_eoi(struct vlapic *v, uint32_t vector)
{
	for (uint32_t pin = 0; pin < 2; pin++) {
		uint32_t *reg = &v->lvt[VLAPIC_LVT_LINT0 + pin];
		uint32_t lvt = atomic_load_u32(reg);

		if (!(lvt & LVT_REMOTE_IRR) || (lvt & LVT_VECTOR) != vector)
			continue;
		atomic_and_u32(reg, ~LVT_REMOTE_IRR);
		if (lint_is_level(lvt) && atomic_load_u32(&v->lint) & 1u << pin)
			lint_level(v, pin, lvt);
	}
}

void vlapic_lint_changed(struct vlapic *v, uint32_t pin)
{
	uint32_t lvt = v->lvt[VLAPIC_LVT_LINT0 + pin];

	if (lint_is_level(lvt) && atomic_load_u32(&v->lint) & 1u << pin)
		lint_level(v, pin, lvt);
}
