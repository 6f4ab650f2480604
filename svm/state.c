/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's state in and out of its VMCB. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/percpu.h"
#include "svm/svm.h"

/* Segment registers in the VMCB, by enum seg_reg. */
static const uint16_t seg_offset[SEG_COUNT] = {
	[SEG_ES] = offsetof(struct vmcb, es), [SEG_CS] = offsetof(struct vmcb, cs),
	[SEG_SS] = offsetof(struct vmcb, ss), [SEG_DS] = offsetof(struct vmcb, ds),
	[SEG_FS] = offsetof(struct vmcb, fs), [SEG_GS] = offsetof(struct vmcb, gs),
	[SEG_TR] = offsetof(struct vmcb, tr), [SEG_LDTR] = offsetof(struct vmcb, ldtr),
};

static struct segment *seg_at(const struct vcpu_arch *v, enum seg_reg seg)
{
	return (struct segment *)((uint8_t *)v->ctl + seg_offset[seg]);
}

/* Without CR4.MCE a machine check would be a shutdown, not an exit: the guest's own is only what it reads. */
static void cr4_set(struct vcpu_arch *v, uint64_t value)
{
	struct vmcb *c = vmcb_of(v);

	c->cr4 = value | CR4_MCE;
	if (value & CR4_MCE)
		c->intercept[ICPT_CR] &= ~ICPT_CR_READ(4);
	else
		c->intercept[ICPT_CR] |= ICPT_CR_READ(4);
}

void svm_get_state(struct vcpu_arch *v, struct guest_state *s)
{
	const struct vmcb *c = vmcb_of(v);

	*s = (struct guest_state){
		.cr0 = c->cr0,
		.cr2 = c->cr2,
		.cr3 = c->cr3,
		.cr4 = svm_get_cr(v, 4),
		.efer = c->efer & ~EFER_SVME,
		.dr6 = c->dr6,
		.dr7 = c->dr7,
		.rip = v->rip,
		.rsp = v->gpr[RSP],
		.rflags = v->rflags,
		.gdtr = {c->gdtr.base, (uint16_t)c->gdtr.limit},
		.idtr = {c->idtr.base, (uint16_t)c->idtr.limit},
		.star = c->star,
		.lstar = c->lstar,
		.cstar = c->cstar,
		.sfmask = c->sfmask,
		.kernel_gs_base = c->kernel_gs_base,
		.sysenter_cs = c->sysenter_cs,
		.sysenter_esp = c->sysenter_esp,
		.sysenter_eip = c->sysenter_eip,
		.pat = c->g_pat,
		.debugctl = c->dbgctl,
	};
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		s->seg[i] = *seg_at(v, i);
}

void svm_set_state(struct vcpu_arch *v, const struct guest_state *s)
{
	struct vmcb *c = vmcb_of(v);

	c->cr0 = s->cr0;
	c->cr2 = s->cr2;
	c->cr3 = s->cr3;
	cr4_set(v, s->cr4);
	c->efer = s->efer | EFER_SVME;
	c->dr6 = s->dr6;
	c->dr7 = s->dr7;
	v->rip = s->rip;
	v->gpr[RSP] = s->rsp;
	v->rflags = s->rflags;
	for (uint32_t i = 0; i < SEG_COUNT; i++)
		*seg_at(v, i) = s->seg[i];
	c->gdtr = (struct segment){.base = s->gdtr.base, .limit = s->gdtr.limit};
	c->idtr = (struct segment){.base = s->idtr.base, .limit = s->idtr.limit};
	c->cpl = (uint8_t)SEG_ATTR_DPL(s->seg[SEG_SS].attr);
	c->star = s->star;
	c->lstar = s->lstar;
	c->cstar = s->cstar;
	c->sfmask = s->sfmask;
	c->kernel_gs_base = s->kernel_gs_base;
	c->sysenter_cs = s->sysenter_cs;
	c->sysenter_esp = s->sysenter_esp;
	c->sysenter_eip = s->sysenter_eip;
	c->g_pat = s->pat;
	c->dbgctl = s->debugctl;
	c->int_shadow = 0;
	svm_nmi_reset(v);
	vmcb_changed(v, CLEAN_ALL);
	v->flush = true;
}

struct segment svm_get_seg(struct vcpu_arch *v, enum seg_reg seg)
{
	return *seg_at(v, seg);
}

uint64_t svm_get_cr(struct vcpu_arch *v, uint32_t num)
{
	const struct vmcb *c = vmcb_of(v);

	switch (num) {
	case 0:
		return c->cr0;
	case 2:
		return c->cr2;
	case 3:
		return c->cr3;
	default:
		return c->intercept[ICPT_CR] & ICPT_CR_READ(4) ? c->cr4 & ~CR4_MCE : c->cr4;
	}
}

/* VMRUN loads CR2 (APM vol. 2, 15.5.1), on Bochs it does not: there it is the register that counts. */
static void cr2_set(struct vcpu_arch *v, uint64_t value)
{
	vmcb_of(v)->cr2 = value;
	if (this_cpu()->loaded == v)
		cr2_write(value);
}

/* Writing CR0, CR3 or CR4 from outside must drop translations as the guest's own write would have. */
void svm_set_cr(struct vcpu_arch *v, uint32_t num, uint64_t value)
{
	struct vmcb *c = vmcb_of(v);

	switch (num) {
	case 0:
		c->cr0 = value;
		break;
	case 2:
		cr2_set(v, value);
		break;
	case 3:
		c->cr3 = value;
		break;
	default:
		cr4_set(v, value);
		break;
	}
	vmcb_changed(v, CLEAN_CR | CLEAN_CR2 | CLEAN_INTERCEPTS);
	if (num != 2)
		v->flush = true;
}

/* Where an MSR lies in the VMCB, or NULL. EFER apart, whose SVME bit is ours. */
static uint64_t *msr_slot(struct vmcb *c, uint32_t msr)
{
	switch (msr) {
	case MSR_STAR:
		return &c->star;
	case MSR_LSTAR:
		return &c->lstar;
	case MSR_CSTAR:
		return &c->cstar;
	case MSR_SFMASK:
		return &c->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &c->kernel_gs_base;
	case MSR_FS_BASE:
		return &c->fs.base;
	case MSR_GS_BASE:
		return &c->gs.base;
	case MSR_SYSENTER_CS:
		return &c->sysenter_cs;
	case MSR_SYSENTER_ESP:
		return &c->sysenter_esp;
	case MSR_SYSENTER_EIP:
		return &c->sysenter_eip;
	case MSR_PAT:
		return &c->g_pat;
	case MSR_DEBUGCTL:
		return &c->dbgctl;
	default:
		return NULL;
	}
}

int svm_get_msr(struct vcpu_arch *v, uint32_t msr, uint64_t *value)
{
	uint64_t *slot = msr_slot(vmcb_of(v), msr);

	if (msr == MSR_EFER) {
		*value = vmcb_of(v)->efer & ~EFER_SVME;
		return 0;
	}
	if (!slot)
		return -ENOENT;
	*value = *slot;
	return 0;
}

int svm_set_msr(struct vcpu_arch *v, uint32_t msr, uint64_t value)
{
	struct vmcb *c = vmcb_of(v);
	uint64_t *slot = msr_slot(c, msr);

	if (msr == MSR_EFER) {
		if ((c->efer ^ value) & ~EFER_SVME & ~EFER_SCE)
			v->flush = true;
		c->efer = value | EFER_SVME;
		vmcb_changed(v, CLEAN_CR);
		return 0;
	}
	if (!slot)
		return -ENOENT;
	*slot = value;
	vmcb_changed(v, CLEAN_NP | CLEAN_SEG | CLEAN_LBR);
	return 0;
}

uint8_t svm_cpl(struct vcpu_arch *v)
{
	return vmcb_of(v)->cpl;
}

void svm_get_mode(struct vcpu_arch *v, struct guest_mode *m)
{
	const struct vmcb *c = vmcb_of(v);

	m->cr0 = c->cr0;
	m->cr3 = c->cr3;
	m->cr4 = c->cr4;
	m->efer = c->efer & ~EFER_SVME;
	m->cs_base = c->cs.base;
	m->cs_attr = c->cs.attr;
	m->cpl = c->cpl;
}
