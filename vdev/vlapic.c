/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC's core: requests, priorities, EOI, local sources, modes and resets. */

#include "vdev/vlapic_priv.h"

#define WORD(vector)  ((vector) >> 6)
#define MASK(vector)  BIT((vector)&63)
#define CLASS(vector) ((vector)&0xf0u)

static uint32_t top_bit(uint64_t word)
{
	return 63 - (uint32_t)__builtin_clzll(word);
}

bool vlapic_irr_set(struct vlapic *v, uint8_t vector, bool level)
{
	uint32_t w = WORD(vector);
	uint64_t bit = MASK(vector);
	uint64_t old;

	/* TMR first: whoever sees the request sees its trigger mode. */
	if (level)
		atomic_or_u64(&v->tmr[w], bit);
	else if (unlikely(atomic_load_relaxed_u64(&v->tmr[w]) & bit))
		atomic_and_u64(&v->tmr[w], ~bit);
	old = atomic_or_u64(&v->irr[w], bit);
	/* Sees the summary as it is after our bit became visible: see vlapic_ack. */
	if (!(atomic_load_u32(&v->irr_sum) & 1u << w))
		atomic_or_u32(&v->irr_sum, 1u << w);
	return !(old & bit);
}

bool vlapic_accept(struct vlapic *v, uint8_t vector, bool level)
{
	if (!atomic_load_relaxed_bool(&v->soft_on))
		return false;
	if (vector < VECTOR_FIRST) {
		vlapic_error(v, ESR_RECV_ILLEGAL);
		return false;
	}
	if (vlapic_irr_set(v, vector, level))
		v->host->kick(v->vm, v->cfg.vcpu);
	return true;
}

int vlapic_requested(const struct vlapic *v)
{
	uint32_t sum = atomic_load_u32(&v->irr_sum);

	while (sum) {
		uint32_t w = top_bit(sum);
		uint64_t word = atomic_load_relaxed_u64(&v->irr[w]);

		if (word)
			return (int)(w * 64 + top_bit(word));
		sum &= ~(1u << w);
	}
	return -1;
}

int vlapic_pending_slow(const struct vlapic *v)
{
	int vector = vlapic_requested(v);
	uint32_t ppr = v->ppr;

	if (v->virtual) {
		int shown = vlapic_page_requested(v);

		vector = vector > shown ? vector : shown;
		ppr = vlapic_page_ppr(v);
	}
	return vector >= 0 && CLASS((uint32_t)vector) > CLASS(ppr) ? vector : -1;
}

uint32_t vlapic_in_service(const struct vlapic *v)
{
	uint32_t w;

	if (!v->isr_sum)
		return 0;
	w = top_bit(v->isr_sum);
	return w * 64 + top_bit(v->isr[w]);
}

/* Processor priority, SDM 11.8.3.1. */
static void ppr_update(struct vlapic *v)
{
	uint32_t class = CLASS(vlapic_in_service(v));

	atomic_store_u32(&v->ppr, CLASS(v->tpr) >= class ? v->tpr : class);
}

void vlapic_ack(struct vlapic *v, uint8_t vector)
{
	uint32_t w = WORD(vector);
	uint64_t bit = MASK(vector);

	if (!(atomic_and_u64(&v->irr[w], ~bit) & ~bit)) {
		/*
		 * A request that finds the summary still set does not set it; then its bit is visible to the load
		 * below, because that comes after the clearing.
		 */
		atomic_and_u32(&v->irr_sum, ~(1u << w));
		if (atomic_load_u64(&v->irr[w]))
			atomic_or_u32(&v->irr_sum, 1u << w);
	}
	v->isr[w] |= bit;
	v->isr_sum |= 1u << w;
	ppr_update(v);
}

void vlapic_eoi_seen(struct vlapic *v, uint8_t vector)
{
	if (likely(!(atomic_load_relaxed_u64(&v->tmr[WORD(vector)]) & MASK(vector))))
		return;
	if (v->lvt[VLAPIC_LVT_LINT0] & LVT_REMOTE_IRR || v->lvt[VLAPIC_LVT_LINT1] & LVT_REMOTE_IRR)
		vlapic_lint_eoi(v, vector);
	if (!(v->svr & SVR_NO_EOI_BROADCAST))
		v->host->eoi_broadcast(v->vm, vector);
}

void vlapic_eoi(struct vlapic *v)
{
	uint32_t vector = vlapic_in_service(v);
	uint32_t w = WORD(vector);

	if (!vector)
		return;
	v->isr[w] &= ~MASK(vector);
	if (!v->isr[w])
		v->isr_sum &= ~(1u << w);
	ppr_update(v);
	vlapic_eoi_seen(v, (uint8_t)vector);
}

void vlapic_tpr_set(struct vlapic *v, uint32_t tpr)
{
	v->tpr = tpr;
	ppr_update(v);
}

uint64_t vlapic_cr8(const struct vlapic *v)
{
	return v->tpr >> 4;
}

void vlapic_set_cr8(struct vlapic *v, uint64_t value)
{
	vlapic_tpr_set(v, (uint32_t)(value & 0xf) << 4);
}

void vlapic_error(struct vlapic *v, uint32_t bits)
{
	uint32_t lvt = atomic_load_relaxed_u32(&v->lvt[VLAPIC_LVT_ERROR]);

	/* Writing ESR re-arms the interrupt (SDM 11.5.3). */
	if (atomic_or_u32(&v->esr_latch, bits))
		return;
	/* An illegal vector here would only be the next error. */
	if (lvt & LVT_MASKED || (lvt & LVT_VECTOR) < VECTOR_FIRST)
		return;
	vlapic_accept(v, (uint8_t)(lvt & LVT_VECTOR), false);
}

void vlapic_lvt_raise(struct vlapic *v, enum vlapic_lvt n)
{
	uint32_t lvt = atomic_load_relaxed_u32(&v->lvt[n]);
	struct apic_msg msg = {
		.vector = (uint8_t)(lvt & LVT_VECTOR),
		.mode = LVT_MODE(lvt),
		.source = v->cfg.vcpu,
	};

	if (lvt & LVT_MASKED)
		return;
	vlapic_deliver(v, &msg);
}

bool vlapic_extint_enabled(const struct vlapic *v)
{
	uint32_t lvt = v->lvt[VLAPIC_LVT_LINT0];

	/* Globally disabled, LINT0 is the INTR pin of a processor without an APIC (SDM 11.4.3). */
	if (!(v->base & IA32_APIC_BASE_EN))
		return true;
	return (!(lvt & LVT_MASKED) && LVT_MODE(lvt) == APIC_MODE_EXTINT) ||
	       atomic_load_u32(&v->extint);
}

void vlapic_extint_ack(struct vlapic *v)
{
	if (unlikely(atomic_load_u32(&v->extint)))
		atomic_store_u32(&v->extint, 0);
}

static uint32_t vlapic_x2_ldr(const struct vlapic *v)
{
	return (v->cfg.id >> 4) << 16 | 1u << (v->cfg.id & 0xf);
}

/* What reset and INIT have in common: everything but mode, base and id. */
static void registers_reset(struct vlapic *v)
{
	atomic_store_bool(&v->soft_on, false);
	for (uint32_t i = 0; i < 4; i++) {
		atomic_store_u64(&v->irr[i], 0);
		atomic_store_u64(&v->tmr[i], 0);
		v->isr[i] = 0;
	}
	atomic_store_u32(&v->irr_sum, 0);
	v->isr_sum = 0;
	vlapic_tpr_set(v, 0);
	v->ldr = v->x2 ? vlapic_x2_ldr(v) : 0;
	v->dfr = DFR_FLAT;
	v->svr = SVR_VECTOR;
	for (uint32_t i = 0; i < VLAPIC_LVT_COUNT; i++)
		v->lvt[i] = LVT_MASKED;
	v->esr = 0;
	v->icr = 0;
	atomic_store_u32(&v->esr_latch, 0);
	atomic_store_u32(&v->extint, 0);
	vlapic_timer_reset(v);
}

void vlapic_init_signal(struct vlapic *v)
{
	vlapic_page_give_back(v);
	registers_reset(v);
	if (v->x2)
		vlapic_page_take(v);
}

void vlapic_reset(struct vlapic *v)
{
	vlapic_page_give_back(v);
	v->base = VLAPIC_BASE | IA32_APIC_BASE_EN | (v->cfg.bsp ? IA32_APIC_BASE_BSP : 0);
	v->x2 = false;
	registers_reset(v);
}

void vlapic_firmware(struct vlapic *v)
{
	atomic_store_u32(&v->svr, SVR_VECTOR | SVR_ENABLE);
	atomic_store_bool(&v->soft_on, true);
	atomic_store_u32(&v->lvt[VLAPIC_LVT_LINT0], (uint32_t)APIC_MODE_EXTINT << LVT_MODE_SHIFT);
	atomic_store_u32(&v->lvt[VLAPIC_LVT_LINT1], (uint32_t)APIC_MODE_NMI << LVT_MODE_SHIFT);
}

void vlapic_init(struct vlapic *v, const struct vlapic_config *cfg, const struct vdev_host *host,
		 void *vm)
{
	*v = (struct vlapic){.cfg = *cfg, .host = host, .vm = vm};
	vlapic_timer_init(v);
	vlapic_reset(v);
}

/* SDM vol. 3, 11.12.5 and figure 11-27: which changes of EN and EXTD are allowed. */
static bool base_change_legal(uint64_t from, uint64_t to)
{
	bool from_x2 = from & IA32_APIC_BASE_EXTD;
	bool to_on = to & IA32_APIC_BASE_EN;
	bool to_x2 = to & IA32_APIC_BASE_EXTD;

	if (to_x2)
		return to_on && from & IA32_APIC_BASE_EN;
	return !(from_x2 && to_on);
}

int vlapic_set_base(struct vlapic *v, uint64_t value)
{
	uint64_t allowed =
		IA32_APIC_BASE_BSP | IA32_APIC_BASE_EN | BITS(v->cfg.phys_bits - 1, PAGE_SHIFT);

	if (v->cfg.x2apic)
		allowed |= IA32_APIC_BASE_EXTD;
	if (value & ~allowed || !base_change_legal(v->base, value))
		return -EINVAL;
	/* Which processor is the BSP is not the guest's to say. */
	value = (value & ~IA32_APIC_BASE_BSP) | (v->cfg.bsp ? IA32_APIC_BASE_BSP : 0);
	v->base = value;
	if (!(value & IA32_APIC_BASE_EN)) {
		/* Enabled again it is as after power-up (11.4.3). */
		vlapic_page_give_back(v);
		v->x2 = false;
		registers_reset(v);
	} else if (value & IA32_APIC_BASE_EXTD && !v->x2) {
		v->x2 = true;
		v->ldr = vlapic_x2_ldr(v);
		v->icr = (uint32_t)v->icr; /* the high half is not preserved (11.12.5.1) */
		vlapic_page_take(v);
	}
	return 0;
}
