/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual local APIC whose x2APIC registers the processor keeps, in a virtual-APIC page. SDM vol. 3, 30.1. */

#include "vdev/vlapic_priv.h"

/*
 * While v->virtual is set TPR, PPR, ISR and the requests in the page are the truth, and belong to the processor while the
 * guest runs. v->irr stays where any CPU puts requests; its own CPU moves them to the page before an entry.
 */

#define WORDS 8 /* registers of 32 bits in each of ISR, TMR, IRR */

static uint32_t *reg(const struct vlapic *v, uint32_t n)
{
	return &v->cfg.page[n * 4];
}

static uint32_t half(const uint64_t *map, uint32_t i)
{
	return (uint32_t)(map[i / 2] >> i % 2 * 32);
}

/* The highest vector of the map that begins at register @first, -1: none. */
static int top_of(const struct vlapic *v, uint32_t first)
{
	for (uint32_t i = WORDS; i-- > 0;) {
		uint32_t word = *reg(v, first + i);

		if (word)
			return (int)(i * 32 + 31 - (uint32_t)__builtin_clz(word));
	}
	return -1;
}

int vlapic_page_requested(const struct vlapic *v)
{
	return top_of(v, REG_IRR);
}

uint32_t vlapic_page_ppr(const struct vlapic *v)
{
	return *reg(v, REG_PPR);
}

uint16_t vlapic_page_status(const struct vlapic *v)
{
	int requested = top_of(v, REG_IRR), served = top_of(v, REG_ISR);

	return (uint16_t)((requested < 0 ? 0 : requested) | (served < 0 ? 0 : served) << 8);
}

void vlapic_page_svr(struct vlapic *v)
{
	if (v->cfg.page)
		*reg(v, REG_SVR) = v->svr;
}

void vlapic_page_take(struct vlapic *v)
{
	uint32_t version = 0;

	if (!v->cfg.page || v->virtual)
		return;
	vlapic_register(v, REG_VERSION, &version);
	*reg(v, REG_ID) = v->cfg.id;
	*reg(v, REG_VERSION) = version;
	*reg(v, REG_TPR) = v->tpr;
	*reg(v, REG_PPR) = v->ppr;
	*reg(v, REG_LDR) = v->ldr;
	vlapic_page_svr(v);
	for (uint32_t i = 0; i < WORDS; i++) {
		*reg(v, REG_ISR + i) = half(v->isr, i);
		*reg(v, REG_TMR + i) = half(v->tmr, i);
		*reg(v, REG_IRR + i) = 0; /* requests follow by vlapic_post */
	}
	v->virtual = true;
	v->host->apic_virtual(v->vm, v->cfg.vcpu, true);
}

void vlapic_page_give_back(struct vlapic *v)
{
	if (!v->virtual)
		return;
	v->virtual = false;
	v->host->apic_virtual(v->vm, v->cfg.vcpu, false);
	for (uint32_t w = 0; w < 4; w++) {
		uint64_t irr = *reg(v, REG_IRR + 2 * w) | (uint64_t)*reg(v, REG_IRR + 2 * w + 1)
								  << 32;

		v->isr[w] = *reg(v, REG_ISR + 2 * w) | (uint64_t)*reg(v, REG_ISR + 2 * w + 1) << 32;
		v->isr_sum = (v->isr_sum & ~(1u << w)) | (v->isr[w] ? 1u << w : 0);
		if (irr) {
			atomic_or_u64(&v->irr[w], irr);
			atomic_or_u32(&v->irr_sum, 1u << w);
		}
	}
	vlapic_tpr_set(v, *reg(v, REG_TPR));
}

int vlapic_post(struct vlapic *v)
{
	for (uint32_t w = 0; w < 4; w++) {
		uint64_t irr, tmr;

		if (!(atomic_load_u32(&v->irr_sum) & 1u << w))
			continue;
		/* The summary first: a request that comes between the two sets it again, see vlapic_irr_set. */
		atomic_and_u32(&v->irr_sum, ~(1u << w));
		irr = atomic_xchg_u64(&v->irr[w], 0);
		tmr = atomic_load_u64(&v->tmr[w]);
		*reg(v, REG_IRR + 2 * w) |= (uint32_t)irr;
		*reg(v, REG_IRR + 2 * w + 1) |= (uint32_t)(irr >> 32);
		*reg(v, REG_TMR + 2 * w) = (uint32_t)tmr;
		*reg(v, REG_TMR + 2 * w + 1) = (uint32_t)(tmr >> 32);
	}
	return top_of(v, REG_IRR);
}

bool vlapic_page_written(struct vlapic *v, uint32_t offset)
{
	if (!v->virtual || offset != REG_SELF_IPI << 4)
		return false;
	/* The processor sends what is legal by itself (30.1.5). */
	vlapic_self_ipi(v, (uint8_t)*reg(v, REG_SELF_IPI));
	return true;
}
