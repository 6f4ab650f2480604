/* SPDX-License-Identifier: BSD-2-Clause */
/* Control and debug registers, and XCR0: what a guest's writes may do. SDM vol. 3, 2.5; APM vol. 2, 3.1. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vm/gmem.h"
#include "vm/vm.h"
#include "vm/xstate.h"

#define CR0_DEFINED                                                                                \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
	 CR0_PG)
#define CR0_LMSW    (CR0_PE | CR0_MP | CR0_EM | CR0_TS)
#define CR8_DEFINED 0xf
#define CR3_PCID    0xfff

/* Which register, and where to or from; decoded from the instruction where the hardware does not say. */
static bool cr_operands(struct vcpu *v)
{
	struct exit *x = &v->arch.exit;
	uint8_t bytes[INSN_MAX];
	const struct insn *i;
	enum cpu_mode mode;
	uint32_t n;

	if (x->info.cr.decoded)
		return true;
	n = insn_fetch(v, bytes, &mode);
	if (!n)
		return false;
	if (insn_decode_again(v, &i, bytes, n, mode) ||
	    !(i->op == OP_MOV_CR || i->op == OP_MOV_DR || i->op == OP_CLTS)) {
		vm_stop(v,
			"control register access by an instruction that is not covered (%02x %02x %02x)",
			bytes[0], bytes[1], bytes[2]);
		return false;
	}
	x->len = i->length;
	x->info.cr.clts = i->op == OP_CLTS;
	x->info.cr.num = i->op == OP_CLTS ? 0 : i->reg;
	x->info.cr.gpr = i->rm;
	x->info.cr.write = i->op == OP_CLTS || i->dst == OPND_CR || i->dst == OPND_DR;
	return true;
}

/* 0, or -EINVAL for #GP. */
static int cr0_set(struct vcpu *v, uint64_t value)
{
	uint64_t old = virt->get_cr(&v->arch, 0);
	uint64_t efer = vcpu_efer(v);

	value |= CR0_ET;
	if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) ||
	    (value & CR0_NW && !(value & CR0_CD)))
		return -EINVAL;
	value &= CR0_DEFINED;
	if (value & CR0_PG && !(old & CR0_PG) && efer & EFER_LME) {
		if (!(virt->get_cr(&v->arch, 4) & CR4_PAE) ||
		    virt->get_seg(&v->arch, SEG_CS).attr & SEG_ATTR_L)
			return -EINVAL;
	}
	if (!(value & CR0_PG) && old & CR0_PG &&
	    (vcpu_mode(v) == CPU_MODE_64 || virt->get_cr(&v->arch, 4) & CR4_PCIDE))
		return -EINVAL;
	virt->set_cr(&v->arch, 0, value);
	return 0;
}

static int cr4_set(struct vcpu *v, uint64_t value)
{
	uint64_t old = virt->get_cr(&v->arch, 4);
	bool lma = vcpu_efer(v) & EFER_LMA;

	if (value & ~cr4_allowed(v))
		return -EINVAL;
	if (lma && !(value & CR4_PAE))
		return -EINVAL;
	if (value & CR4_PCIDE && !(old & CR4_PCIDE) &&
	    (!lma || virt->get_cr(&v->arch, 3) & CR3_PCID))
		return -EINVAL;
	virt->set_cr(&v->arch, 4, value);
	return 0;
}

static int cr_set(struct vcpu *v, uint32_t num, uint64_t value)
{
	switch (num) {
	case 0:
		return cr0_set(v, value);
	case 4:
		return cr4_set(v, value);
	case 3:
		virt->set_cr(&v->arch, 3, value);
		return 0;
	case 8:
		if (value & ~(uint64_t)CR8_DEFINED)
			return -EINVAL;
		vlapic_set_cr8(&v->lapic, value);
		return 0;
	default:
		return -ENOENT;
	}
}

static uint64_t cr_get(struct vcpu *v, uint32_t num)
{
	return num == 8 ? vlapic_cr8(&v->lapic) : virt->get_cr(&v->arch, num);
}

/* LMSW can set PE but not clear it. */
static uint64_t lmsw_value(struct vcpu *v)
{
	uint64_t old = virt->get_cr(&v->arch, 0);
	uint64_t new = v->arch.exit.info.cr.lmsw_source &CR0_LMSW;

	return (old & ~CR0_LMSW) | new | (old & CR0_PE);
}

void exit_cr(struct vcpu *v)
{
	struct exit *x = &v->arch.exit;
	uint64_t mask, value;
	int err = 0;

	if (!cr_operands(v))
		return;
	mask = vcpu_mode(v) == CPU_MODE_64 ? ~0ULL : UINT32_MAX;
	if (x->info.cr.clts)
		err = cr0_set(v, virt->get_cr(&v->arch, 0) & ~CR0_TS);
	else if (x->info.cr.lmsw)
		err = cr0_set(v, lmsw_value(v));
	else if (x->info.cr.write)
		err = cr_set(v, x->info.cr.num, v->arch.gpr[x->info.cr.gpr & 15] & mask);
	else {
		value = cr_get(v, x->info.cr.num) & mask;
		v->arch.gpr[x->info.cr.gpr & 15] = value;
	}
	if (err == -ENOENT)
		vcpu_ud(v);
	else if (err)
		vcpu_gp(v);
	else
		vcpu_skip(v);
}

/* No backend intercepts debug registers: they are switched with the vCPU. */
void exit_dr(struct vcpu *v)
{
	vm_stop(v, "debug register exit that was not asked for");
}

void exit_xsetbv(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->arch.gpr[RAX] | v->arch.gpr[RDX] << 32;

	if (!(virt->get_cr(&v->arch, 4) & CR4_OSXSAVE)) {
		vcpu_ud(v);
		return;
	}
	if (virt->cpl(&v->arch) || (uint32_t)v->arch.gpr[RCX] || !xcr0_valid(value)) {
		vcpu_gp(v);
		return;
	}
	v->xcr0 = value;
	xcr0_write(value); /* the guest's is the one in force while it is loaded */
	vcpu_skip(v);
}
