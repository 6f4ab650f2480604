/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's state in and out of its VMCS, and of the registers that no VMCS holds. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

#define FIELD_STEP 2

static const uint32_t live_msrs[LIVE_COUNT] = {
	[LIVE_STAR] = MSR_STAR,
	[LIVE_LSTAR] = MSR_LSTAR,
	[LIVE_CSTAR] = MSR_CSTAR,
	[LIVE_SFMASK] = MSR_SFMASK,
	[LIVE_KERNEL_GS_BASE] = MSR_KERNEL_GS_BASE,
};

/* MSRs that are VMCS fields; EFER apart, of which parts follow CR0. */
static const struct {
	uint32_t msr;
	uint32_t field;
} field_msrs[] = {
	{MSR_FS_BASE,      VMCS_GUEST_FS_BASE	},
	     {MSR_GS_BASE,	   VMCS_GUEST_GS_BASE     },
	{MSR_SYSENTER_CS,  VMCS_GUEST_SYSENTER_CS },
	     {MSR_SYSENTER_ESP, VMCS_GUEST_SYSENTER_ESP},
	{MSR_SYSENTER_EIP, VMCS_GUEST_SYSENTER_EIP},
	     {MSR_PAT,	       VMCS_GUEST_PAT	     },
	{MSR_DEBUGCTL,     VMCS_GUEST_DEBUGCTL	  },
};

void vmx_live_load(const struct vmx_own *own)
{
	for (uint32_t i = 0; i < LIVE_COUNT; i++)
		msr_write(live_msrs[i], own->live[i]);
}

void vmx_live_save(struct vmx_own *own)
{
	for (uint32_t i = 0; i < LIVE_COUNT; i++)
		own->live[i] = msr_read(live_msrs[i]);
}

static uint64_t live_get(struct vcpu_arch *v, enum live_msr i)
{
	return vmx_is_loaded(v) ? msr_read(live_msrs[i]) : own_of(v)->live[i];
}

static void live_set(struct vcpu_arch *v, enum live_msr i, uint64_t value)
{
	if (vmx_is_loaded(v))
		msr_write(live_msrs[i], value);
	else
		own_of(v)->live[i] = value;
}

/* Offset of a segment's fields from those of ES: LDTR comes before TR there. */
static uint32_t seg_offset(enum seg_reg seg)
{
	uint32_t n = seg == SEG_TR ? SEG_LDTR : seg == SEG_LDTR ? SEG_TR : seg;

	return n * FIELD_STEP;
}

static uint16_t seg_attr(uint64_t access)
{
	uint64_t attr = (access & ACCESS_LOW) | (access & ACCESS_HIGH) >> ACCESS_SHIFT;

	return (uint16_t)(access & ACCESS_UNUSABLE ? attr & ~(uint64_t)SEG_ATTR_P : attr);
}

uint32_t vmx_seg_access(enum seg_reg seg)
{
	return (uint32_t)vmcs_read(VMCS_GUEST_ES_ACCESS + seg_offset(seg));
}

static struct segment seg_read(enum seg_reg seg)
{
	uint32_t at = seg_offset(seg);

	return (struct segment){
		.sel = (uint16_t)vmcs_read(VMCS_GUEST_ES_SEL + at),
		.attr = seg_attr(vmcs_read(VMCS_GUEST_ES_ACCESS + at)),
		.limit = (uint32_t)vmcs_read(VMCS_GUEST_ES_LIMIT + at),
		.base = vmcs_read(VMCS_GUEST_ES_BASE + at),
	};
}

/* A usable code or data segment must be marked as accessed (27.3.1.2), as loading it from its descriptor does. */
static void seg_write(enum seg_reg seg, const struct segment *s)
{
	uint32_t at = seg_offset(seg);
	uint64_t attr = s->attr;
	uint64_t access;

	if (attr & SEG_ATTR_P && attr & SEG_ATTR_S)
		attr |= 1;
	access = (attr & ACCESS_LOW) | ((attr << ACCESS_SHIFT) & ACCESS_HIGH);
	if (!(attr & SEG_ATTR_P))
		access |= ACCESS_UNUSABLE;
	vmcs_write(VMCS_GUEST_ES_SEL + at, s->sel);
	vmcs_write(VMCS_GUEST_ES_LIMIT + at, s->limit);
	vmcs_write(VMCS_GUEST_ES_BASE + at, s->base);
	vmcs_write(VMCS_GUEST_ES_ACCESS + at, access);
}

static uint64_t cr0_get(void)
{
	return (vmcs_read(VMCS_GUEST_CR0) & ~vmx_ctl.cr0_mask) |
	       (vmcs_read(VMCS_CR0_SHADOW) & vmx_ctl.cr0_mask);
}

static uint64_t cr4_get(void)
{
	return (vmcs_read(VMCS_GUEST_CR4) & ~vmx_ctl.cr4_mask) |
	       (vmcs_read(VMCS_CR4_SHADOW) & vmx_ctl.cr4_mask);
}

/* EFER.LMA is LME with paging; the entry control says the same (25.8.1). */
static void mode_follow(uint64_t efer)
{
	bool lma = efer & EFER_LME && vmcs_read(VMCS_GUEST_CR0) & CR0_PG;

	vmcs_write(VMCS_GUEST_EFER, lma ? efer | EFER_LMA : efer & ~EFER_LMA);
	vmcs_write(VMCS_ENTRY, lma ? vmx_ctl.entry | ENTRY_IA32E : vmx_ctl.entry);
}

static void cr0_put(uint64_t value)
{
	vmcs_write(VMCS_CR0_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR0, (value & ~(CR0_NW | CR0_CD) & vmx_ctl.cr0_fixed1) |
					   vmx_ctl.cr0_fixed0 | CR0_ET | CR0_NE);
}

static void cr4_put(uint64_t value)
{
	vmcs_write(VMCS_CR4_SHADOW, value);
	vmcs_write(VMCS_GUEST_CR4, value | vmx_ctl.cr4_fixed0 | CR4_MCE);
}

static void get_fields(struct guest_state *s)
{
	s->cr0 = cr0_get();
	s->cr3 = vmcs_read(VMCS_GUEST_CR3);
	s->cr4 = cr4_get();
	s->efer = vmcs_read(VMCS_GUEST_EFER);
	s->dr7 = vmcs_read(VMCS_GUEST_DR7);
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		s->seg[i] = seg_read(i);
	s->gdtr.base = vmcs_read(VMCS_GUEST_GDTR_BASE);
	s->gdtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_GDTR_LIMIT);
	s->idtr.base = vmcs_read(VMCS_GUEST_IDTR_BASE);
	s->idtr.limit = (uint16_t)vmcs_read(VMCS_GUEST_IDTR_LIMIT);
	s->sysenter_cs = vmcs_read(VMCS_GUEST_SYSENTER_CS);
	s->sysenter_esp = vmcs_read(VMCS_GUEST_SYSENTER_ESP);
	s->sysenter_eip = vmcs_read(VMCS_GUEST_SYSENTER_EIP);
	s->pat = vmcs_read(VMCS_GUEST_PAT);
	s->debugctl = vmcs_read(VMCS_GUEST_DEBUGCTL);
}

void vmx_get_state(struct vcpu_arch *v, struct guest_state *s)
{
	bool borrowed = vmx_borrow(v);

	*s = (struct guest_state){.rip = v->rip, .rsp = v->gpr[RSP], .rflags = v->rflags};
	get_fields(s);
	vmx_release(v, borrowed);
	s->cr2 = vmx_get_cr(v, 2);
	s->dr6 = vmx_is_loaded(v) ? dr6_read() : own_of(v)->dr6;
	s->star = live_get(v, LIVE_STAR);
	s->lstar = live_get(v, LIVE_LSTAR);
	s->cstar = live_get(v, LIVE_CSTAR);
	s->sfmask = live_get(v, LIVE_SFMASK);
	s->kernel_gs_base = live_get(v, LIVE_KERNEL_GS_BASE);
}

static void set_fields(const struct guest_state *s)
{
	cr0_put(s->cr0);
	vmcs_write(VMCS_GUEST_CR3, s->cr3);
	cr4_put(s->cr4);
	mode_follow(s->efer);
	vmcs_write(VMCS_GUEST_DR7, s->dr7);
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		seg_write(i, &s->seg[i]);
	vmcs_write(VMCS_GUEST_GDTR_BASE, s->gdtr.base);
	vmcs_write(VMCS_GUEST_GDTR_LIMIT, s->gdtr.limit);
	vmcs_write(VMCS_GUEST_IDTR_BASE, s->idtr.base);
	vmcs_write(VMCS_GUEST_IDTR_LIMIT, s->idtr.limit);
	vmcs_write(VMCS_GUEST_SYSENTER_CS, s->sysenter_cs);
	vmcs_write(VMCS_GUEST_SYSENTER_ESP, s->sysenter_esp);
	vmcs_write(VMCS_GUEST_SYSENTER_EIP, s->sysenter_eip);
	vmcs_write(VMCS_GUEST_PAT, s->pat);
	vmcs_write(VMCS_GUEST_DEBUGCTL, s->debugctl);
	vmcs_write(VMCS_GUEST_BLOCKING, 0);
	vmcs_write(VMCS_GUEST_ACTIVITY, 0);
	vmcs_write(VMCS_GUEST_PENDING_DB, 0);
	vmcs_write(VMCS_ENTRY_INTR, 0);
}

void vmx_set_state(struct vcpu_arch *v, const struct guest_state *s)
{
	bool borrowed = vmx_borrow(v);

	set_fields(s);
	vmx_release(v, borrowed);
	v->rip = s->rip;
	v->gpr[RSP] = s->rsp;
	v->rflags = s->rflags;
	vmx_set_cr(v, 2, s->cr2);
	if (vmx_is_loaded(v))
		dr6_write(s->dr6);
	else
		own_of(v)->dr6 = s->dr6;
	live_set(v, LIVE_STAR, s->star);
	live_set(v, LIVE_LSTAR, s->lstar);
	live_set(v, LIVE_CSTAR, s->cstar);
	live_set(v, LIVE_SFMASK, s->sfmask);
	live_set(v, LIVE_KERNEL_GS_BASE, s->kernel_gs_base);
	__atomic_store_n(&v->flush, true, __ATOMIC_RELAXED);
}

struct segment vmx_get_seg(struct vcpu_arch *v, enum seg_reg seg)
{
	bool borrowed = vmx_borrow(v);
	struct segment s = seg_read(seg);

	vmx_release(v, borrowed);
	return s;
}

uint64_t vmx_get_cr(struct vcpu_arch *v, uint32_t num)
{
	uint64_t value;
	bool borrowed;

	if (num == 2)
		return vmx_is_loaded(v) ? cr2_read() : own_of(v)->cr2;
	borrowed = vmx_borrow(v);
	value = num == 0 ? cr0_get() : num == 3 ? vmcs_read(VMCS_GUEST_CR3) : cr4_get();
	vmx_release(v, borrowed);
	return value;
}

void vmx_set_cr(struct vcpu_arch *v, uint32_t num, uint64_t value)
{
	bool borrowed;

	if (num == 2) {
		if (vmx_is_loaded(v))
			cr2_write(value);
		else
			own_of(v)->cr2 = value;
		return;
	}
	borrowed = vmx_borrow(v);
	if (num == 0) {
		cr0_put(value);
		mode_follow(vmcs_read(VMCS_GUEST_EFER));
	} else if (num == 3) {
		vmcs_write(VMCS_GUEST_CR3, value);
	} else {
		cr4_put(value);
	}
	vmx_release(v, borrowed);
	/* From outside it must drop translations as the guest's own write would have. */
	__atomic_store_n(&v->flush, true, __ATOMIC_RELAXED);
}

static bool is_pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LME);
}

/* Only where the hypervisor's bits that change need nobody's leave: CR0's cache bits, CR4.MCE. */
bool vmx_cr_retry(struct vcpu_arch *v, uint32_t num, uint64_t value)
{
	uint64_t cr0, cr4, efer, changed;

	if (likely(num != 0 && num != 4))
		return false;
	cr0 = cr0_get();
	cr4 = cr4_get();
	efer = vmcs_read(VMCS_GUEST_EFER);
	if (is_pae_paging(cr0, cr4, efer) ||
	    !is_pae_paging(num == 0 ? value : cr0, num == 4 ? value : cr4, efer))
		return false;
	if (num == 0) {
		if (value & CR0_NW && !(value & CR0_CD))
			return false;
		changed = (cr0 ^ value) & vmx_ctl.cr0_mask;
		if (!changed || changed & ~(CR0_NW | CR0_CD | CR0_NE | CR0_ET))
			return false;
		cr0_put(cr0 ^ changed);
	} else {
		changed = (cr4 ^ value) & vmx_ctl.cr4_mask;
		if (changed != CR4_MCE)
			return false;
		cr4_put(cr4 ^ changed);
	}
	__atomic_store_n(&v->flush, true, __ATOMIC_RELAXED);
	return true;
}

int vmx_get_msr(struct vcpu_arch *v, uint32_t msr, uint64_t *value)
{
	bool borrowed;

	if (msr == MSR_EFER) {
		borrowed = vmx_borrow(v);
		*value = vmcs_read(VMCS_GUEST_EFER);
		vmx_release(v, borrowed);
		return 0;
	}
	for (uint32_t i = 0; i < LIVE_COUNT; i++) {
		if (live_msrs[i] == msr) {
			*value = live_get(v, i);
			return 0;
		}
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(field_msrs); i++) {
		if (field_msrs[i].msr != msr)
			continue;
		borrowed = vmx_borrow(v);
		*value = vmcs_read(field_msrs[i].field);
		vmx_release(v, borrowed);
		return 0;
	}
	return -ENOENT;
}

/* Entries refuse an EFER with bits that the processor does not define (27.3.1.1). */
static int efer_set(struct vcpu_arch *v, uint64_t value)
{
	bool borrowed;

	if (value & ~vmx_ctl.efer_bits)
		return -EINVAL;
	borrowed = vmx_borrow(v);
	mode_follow(value);
	vmx_release(v, borrowed);
	__atomic_store_n(&v->flush, true, __ATOMIC_RELAXED);
	return 0;
}

int vmx_set_msr(struct vcpu_arch *v, uint32_t msr, uint64_t value)
{
	bool borrowed;

	if (msr == MSR_EFER)
		return efer_set(v, value);
	for (uint32_t i = 0; i < LIVE_COUNT; i++) {
		if (live_msrs[i] == msr) {
			live_set(v, i, value);
			return 0;
		}
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(field_msrs); i++) {
		if (field_msrs[i].msr != msr)
			continue;
		borrowed = vmx_borrow(v);
		vmcs_write(field_msrs[i].field, value);
		vmx_release(v, borrowed);
		return 0;
	}
	return -ENOENT;
}

/* 25.4.1: CPL is SS.DPL, also where SS is unusable. */
uint8_t vmx_cpl(struct vcpu_arch *v)
{
	(void)v;
	return SEG_ATTR_DPL(vmcs_read(VMCS_GUEST_SS_ACCESS));
}

void vmx_get_mode(struct vcpu_arch *v, struct guest_mode *m)
{
	bool borrowed = vmx_borrow(v);

	m->cr0 = cr0_get();
	m->cr3 = vmcs_read(VMCS_GUEST_CR3);
	m->cr4 = cr4_get();
	m->efer = vmcs_read(VMCS_GUEST_EFER);
	m->cs_base = vmcs_read(VMCS_GUEST_ES_BASE + seg_offset(SEG_CS));
	m->cs_attr = seg_attr(vmcs_read(VMCS_GUEST_CS_ACCESS));
	m->cpl = SEG_ATTR_DPL(vmcs_read(VMCS_GUEST_SS_ACCESS));
	vmx_release(v, borrowed);
}
