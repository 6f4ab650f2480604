/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the MTRRs of the running CPU. */

#include "arch/msr.h"
#include "arch/mtrr.h"
#include "lib/string.h"

/* In the order of struct mtrr_state. */
static const uint32_t fixed_msr[MTRR_FIXED] = {
	MSR_MTRR_FIX64K,       MSR_MTRR_FIX16K_80,    MSR_MTRR_FIX16K_A0,    MSR_MTRR_FIX4K_C0,
	MSR_MTRR_FIX4K_C0 + 1, MSR_MTRR_FIX4K_C0 + 2, MSR_MTRR_FIX4K_C0 + 3, MSR_MTRR_FIX4K_C0 + 4,
	MSR_MTRR_FIX4K_C0 + 5, MSR_MTRR_FIX4K_C0 + 6, MSR_MTRR_FIX4K_C0 + 7,
};

void mtrr_read(struct mtrr_state *s, uint8_t maxphyaddr)
{
	memset(s, 0, sizeof(*s));
	s->maxphyaddr = maxphyaddr;
	if (msr_read_safe(MSR_MTRR_CAP, &s->cap)) {
		s->def_type = MTRR_DEF_ENABLE | MEMTYPE_WB;
		return;
	}

	s->def_type = msr_read(MSR_MTRR_DEF_TYPE);
	for (uint32_t i = 0; s->cap & MTRR_CAP_FIXED && i < MTRR_FIXED; i++)
		s->fixed[i] = msr_read(fixed_msr[i]);
	for (uint32_t i = 0; i < min_u64(s->cap & MTRR_CAP_VCNT, MTRR_VARIABLE_MAX); i++) {
		s->base[i] = msr_read(MSR_MTRR_PHYSBASE0 + 2 * i);
		s->mask[i] = msr_read(MSR_MTRR_PHYSBASE0 + 2 * i + 1);
	}
}
