/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's MTRRs: stored, not honoured (DESIGN section 6). They start as the machine's for the service guest. */

#include "arch/msr.h"
#include "arch/mtrr.h"
#include "vm/platform.h"

#define TYPE_MASK     0xffULL
#define DEF_TYPE_BITS (TYPE_MASK | MTRR_DEF_FIXED_ENABLE | MTRR_DEF_ENABLE)

/* Where an MSR's value is kept; NULL: the machine has no such MTRR. */
static uint64_t *slot(struct vm *vm, uint32_t msr)
{
	struct vm_mtrrs *m = &vm->mtrrs;

	if (msr == MSR_MTRR_DEF_TYPE)
		return &m->def_type;
	if (msr - MSR_MTRR_PHYSBASE0 < 2 * (m->cap & MTRR_CAP_VCNT) &&
	    msr - MSR_MTRR_PHYSBASE0 < VM_MTRRS)
		return &m->variable[msr - MSR_MTRR_PHYSBASE0];
	if (!(m->cap & MTRR_CAP_FIXED))
		return NULL;
	if (msr == MSR_MTRR_FIX64K)
		return &m->fixed[0];
	if (msr == MSR_MTRR_FIX16K_80 || msr == MSR_MTRR_FIX16K_A0)
		return &m->fixed[1 + msr - MSR_MTRR_FIX16K_80];
	if (msr - MSR_MTRR_FIX4K_C0 < 8)
		return &m->fixed[3 + msr - MSR_MTRR_FIX4K_C0];
	return NULL;
}

int mtrr_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	uint64_t *s;

	if (msr == MSR_MTRR_CAP) {
		*value = v->vm->mtrrs.cap;
		return 0;
	}
	s = slot(v->vm, msr);
	if (!s)
		return -EINVAL;
	*value = *s;
	return 0;
}

static bool type_valid(uint64_t type)
{
	return type == MEMTYPE_UC || type == MEMTYPE_WC || type == MEMTYPE_WT ||
	       type == MEMTYPE_WP || type == MEMTYPE_WB;
}

static bool value_valid(uint32_t msr, uint64_t value)
{
	if (msr == MSR_MTRR_DEF_TYPE)
		return !(value & ~DEF_TYPE_BITS) && type_valid(value & TYPE_MASK);
	if (msr - MSR_MTRR_PHYSBASE0 < VM_MTRRS)
		return msr & 1 || type_valid(value & TYPE_MASK);
	for (uint32_t i = 0; i < 64; i += 8) {
		if (!type_valid(value >> i & TYPE_MASK))
			return false;
	}
	return true;
}

int mtrr_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t *s = slot(v->vm, msr);

	if (!s || !value_valid(msr, value))
		return -EINVAL;
	*s = value;
	return 0;
}

/* Only those that there are: a restart does this in one step. */
void mtrr_vm_init(struct vm *vm)
{
	static const uint16_t
		ranges[][2] =
			{
				{MSR_MTRR_FIX64K,	  1},
				 {MSR_MTRR_FIX16K_80, 2},
				{MSR_MTRR_FIX4K_C0,  8},
				 {MSR_MTRR_DEF_TYPE,  1},
				{MSR_MTRR_PHYSBASE0, 0}, /* as many as the capability says */
	};
	uint64_t value;

	if (msr_read_safe(MSR_MTRR_CAP, &vm->mtrrs.cap))
		vm->mtrrs.cap = 0;
	vm->mtrrs.cap &= MTRR_CAP_VCNT | MTRR_CAP_FIXED;
	for (uint32_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint32_t n = ranges[i][1] ? ranges[i][1]
					  : (uint32_t)(2 * (vm->mtrrs.cap & MTRR_CAP_VCNT));

		for (uint32_t msr = ranges[i][0]; msr < ranges[i][0] + n; msr++) {
			uint64_t *s = slot(vm, msr);

			if (s && !msr_read_safe(msr, &value))
				*s = value;
		}
	}
}
