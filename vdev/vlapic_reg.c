/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual local APIC's registers as the guest reaches them: xAPIC page and x2APIC MSRs. */

#include "vdev/vlapic_priv.h"

/* Writable bits of each LVT entry, SDM vol. 3, figure 11-8. */
static const uint32_t lvt_writable[VLAPIC_LVT_COUNT] = {
	[VLAPIC_LVT_TIMER] = LVT_VECTOR | LVT_MASKED | LVT_TIMER_MODE,
	[VLAPIC_LVT_THERMAL] = LVT_VECTOR | LVT_MODE_MASK | LVT_MASKED,
	[VLAPIC_LVT_PERF] = LVT_VECTOR | LVT_MODE_MASK | LVT_MASKED,
	[VLAPIC_LVT_LINT0] = LVT_VECTOR | LVT_MODE_MASK | LVT_LOW | LVT_LEVEL | LVT_MASKED,
	[VLAPIC_LVT_LINT1] = LVT_VECTOR | LVT_MODE_MASK | LVT_LOW | LVT_LEVEL | LVT_MASKED,
	[VLAPIC_LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
};

/* Read-only bits, which may be written with anything. */
static const uint32_t lvt_read_only[VLAPIC_LVT_COUNT] = {
	[VLAPIC_LVT_TIMER] = LVT_STATUS,
	[VLAPIC_LVT_THERMAL] = LVT_STATUS,
	[VLAPIC_LVT_PERF] = LVT_STATUS,
	[VLAPIC_LVT_LINT0] = LVT_STATUS | LVT_REMOTE_IRR,
	[VLAPIC_LVT_LINT1] = LVT_STATUS | LVT_REMOTE_IRR,
	[VLAPIC_LVT_ERROR] = LVT_STATUS,
};

static uint32_t svr_writable(const struct vlapic *v)
{
	return SVR_VECTOR | SVR_ENABLE | SVR_NO_FOCUS |
	       (v->cfg.directed_eoi ? SVR_NO_EOI_BROADCAST : 0);
}

static uint32_t word_of(const uint64_t *map, uint32_t reg)
{
	return (uint32_t)(atomic_load_u64(&map[(reg >> 1) & 3]) >> (reg & 1) * 32);
}

static uint32_t version(const struct vlapic *v)
{
	return VERSION_INTEGRATED | VERSION_MAX_LVT |
	       (v->cfg.directed_eoi ? VERSION_DIRECTED_EOI : 0);
}

bool vlapic_register(struct vlapic *v, uint32_t reg, uint32_t *value)
{
	switch (reg) {
	case REG_VERSION:
		*value = version(v);
		return true;
	case REG_TPR:
		*value = v->tpr;
		return true;
	case REG_PPR:
		*value = v->ppr;
		return true;
	case REG_LDR:
		*value = v->ldr;
		return true;
	case REG_SVR:
		*value = v->svr;
		return true;
	case REG_ISR ... REG_ISR + 7:
		*value = word_of(v->isr, reg);
		return true;
	case REG_TMR ... REG_TMR + 7:
		*value = word_of(v->tmr, reg);
		return true;
	case REG_IRR ... REG_IRR + 7:
		*value = word_of(v->irr, reg);
		return true;
	case REG_ESR:
		*value = v->esr;
		return true;
	case REG_ICR:
		*value = (uint32_t)v->icr;
		return true;
	case REG_LVT_FIRST ... REG_LVT_LAST:
		*value = atomic_load_u32(&v->lvt[reg - REG_LVT_FIRST]);
		return true;
	case REG_INITIAL:
		*value = v->initial;
		return true;
	case REG_CURRENT:
		*value = vlapic_timer_current(v);
		return true;
	case REG_DCR:
		*value = v->dcr;
		return true;
	default:
		return false;
	}
}

/* Arbitration priority, SDM 11.6.2.4, for the one register that shows it. */
static uint32_t arbitration(const struct vlapic *v)
{
	int top = vlapic_requested(v);
	uint32_t irrv = top < 0 ? 0 : (uint32_t)top & CLASS_MASK;
	uint32_t isrv = vlapic_in_service(v) & CLASS_MASK;
	uint32_t tpr = v->tpr & CLASS_MASK;

	if (tpr >= irrv && tpr > isrv)
		return v->tpr;
	return (uint32_t)max_u64(max_u64(tpr, isrv), irrv);
}

static uint32_t xapic_read(struct vlapic *v, uint32_t reg)
{
	uint32_t value = 0;

	switch (reg) {
	case REG_ID:
		return v->cfg.id << 24;
	case REG_APR:
		return arbitration(v);
	case REG_EOI:
	case REG_RRD:
		return 0;
	case REG_DFR:
		return v->dfr;
	case REG_ICR2:
		return (uint32_t)(v->icr >> 32);
	default:
		if (!vlapic_register(v, reg, &value))
			vlapic_error(v, ESR_REGISTER);
		return value;
	}
}

static void lvt_write(struct vlapic *v, enum vlapic_lvt n, uint32_t value)
{
	uint32_t old = v->lvt[n];

	value &= lvt_writable[n];
	/* While software-disabled the mask bits stay set (11.4.7.2). */
	if (!v->soft_on)
		value |= LVT_MASKED;
	/* Remote IRR belongs to a level-triggered fixed interrupt that waits for its EOI. */
	if (value & LVT_LEVEL)
		value |= old & LVT_REMOTE_IRR;
	atomic_store_u32(&v->lvt[n], value);
	if (n == VLAPIC_LVT_TIMER)
		vlapic_timer_lvt(v, old);
	else if (n == VLAPIC_LVT_LINT0 || n == VLAPIC_LVT_LINT1)
		vlapic_lint_changed(v, n - VLAPIC_LVT_LINT0);
}

static void svr_write(struct vlapic *v, uint32_t value)
{
	value &= svr_writable(v);
	atomic_store_u32(&v->svr, value);
	atomic_store_bool(&v->soft_on, value & SVR_ENABLE);
	vlapic_page_svr(v);
	if (v->soft_on)
		return;
	for (uint32_t n = 0; n < VLAPIC_LVT_COUNT; n++)
		lvt_write(v, n, v->lvt[n]);
}

/* Registers that both modes write alike. False: no such register, or it cannot be written. */
static bool reg_write(struct vlapic *v, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case REG_TPR:
		vlapic_tpr_set(v, value & 0xff);
		return true;
	case REG_EOI:
		vlapic_eoi(v);
		return true;
	case REG_SVR:
		svr_write(v, value);
		return true;
	case REG_ESR:
		v->esr = atomic_xchg_u32(&v->esr_latch, 0);
		return true;
	case REG_LVT_FIRST ... REG_LVT_LAST:
		lvt_write(v, reg - REG_LVT_FIRST, value);
		return true;
	case REG_INITIAL:
		vlapic_timer_initial(v, value);
		return true;
	case REG_DCR:
		vlapic_timer_divide(v, value);
		return true;
	default:
		return false;
	}
}

static bool xapic_write(struct vlapic *v, uint32_t reg, uint32_t value)
{
	switch (reg) {
	case REG_ID:
		return true; /* as on processors where it is fixed (11.4.6) */
	case REG_LDR:
		atomic_store_u32(&v->ldr, value & 0xff000000);
		return true;
	case REG_DFR:
		atomic_store_u32(&v->dfr, value | 0x0fffffff);
		return true;
	case REG_ICR:
		v->icr = (v->icr & ~0xffffffffULL) | (value & ~ICR_STATUS & ~ICR_RESERVED);
		vlapic_icr(v, value, (uint32_t)(v->icr >> 56), true);
		return true;
	case REG_ICR2:
		v->icr = (uint32_t)v->icr | (uint64_t)(value & 0xff000000) << 32;
		return true;
	default:
		return reg_write(v, reg, value);
	}
}

static bool xapic_on(const struct vlapic *v)
{
	return v->base & IA32_APIC_BASE_EN && !v->x2;
}

uint64_t vlapic_mmio_read(struct vlapic *v, uint32_t offset, uint8_t size)
{
	uint32_t byte = offset & 0xf;
	uint64_t mask = size >= 8 ? ~0ULL : BIT(size * 8) - 1;

	if (!xapic_on(v))
		return mask;
	if (offset >= VLAPIC_MMIO_SIZE || byte + size > sizeof(uint32_t))
		return 0;
	return (xapic_read(v, offset >> 4) >> byte * 8) & mask;
}

void vlapic_mmio_write(struct vlapic *v, uint32_t offset, uint8_t size, uint64_t value)
{
	if (!xapic_on(v) || offset >= VLAPIC_MMIO_SIZE || offset & 0xf || size != sizeof(uint32_t))
		return;
	if (!xapic_write(v, offset >> 4, (uint32_t)value))
		vlapic_error(v, ESR_REGISTER);
}

int vlapic_msr_read(struct vlapic *v, uint32_t msr, uint64_t *value)
{
	uint32_t reg = msr - VLAPIC_MSR_FIRST;
	uint32_t low = 0;

	if (!v->x2 || reg >= REG_COUNT)
		return -EINVAL;
	if (reg == REG_ICR) {
		*value = v->icr;
		return 0;
	}
	if (reg == REG_ID)
		low = v->cfg.id;
	else if (!vlapic_register(v, reg, &low))
		return -EINVAL;
	*value = low;
	return 0;
}

/* Bits that must be zero in x2APIC mode (table 11-6, 11.12.1.2); of what cannot be written, all. */
static uint32_t x2_reserved(const struct vlapic *v, uint32_t reg)
{
	switch (reg) {
	case REG_TPR:
		return ~0xffu;
	case REG_SVR:
		return ~svr_writable(v);
	case REG_LVT_FIRST ... REG_LVT_LAST:
		return ~(lvt_writable[reg - REG_LVT_FIRST] | lvt_read_only[reg - REG_LVT_FIRST]);
	case REG_INITIAL:
		return 0;
	case REG_DCR:
		return ~DCR_MASK;
	default: /* EOI and ESR take only 0 */
		return ~0u;
	}
}

int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value)
{
	uint32_t reg = msr - VLAPIC_MSR_FIRST;

	if (unlikely(!v->x2))
		return -EINVAL;
	/* The frequent ones first, with nothing in their way. */
	if (reg == REG_EOI && !value) {
		vlapic_eoi(v);
		return 0;
	}
	if (reg == REG_ICR) {
		if (value & ICR_RESERVED)
			return -EINVAL;
		v->icr = value & ~(uint64_t)ICR_STATUS;
		vlapic_icr(v, (uint32_t)value, (uint32_t)(value >> 32), false);
		return 0;
	}
	if (reg == REG_SELF_IPI) {
		if (value & ~(uint64_t)ICR_VECTOR)
			return -EINVAL;
		vlapic_self_ipi(v, (uint8_t)value);
		return 0;
	}
	if (reg >= REG_COUNT || value >> 32 || (uint32_t)value & x2_reserved(v, reg))
		return -EINVAL;
	return reg_write(v, reg, (uint32_t)value) ? 0 : -EINVAL;
}
