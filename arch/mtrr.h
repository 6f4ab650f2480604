/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory types that the firmware has set up in the MTRRs. SDM vol. 3, 12.11; APM vol. 2, 7.7. */

#ifndef ARCH_MTRR_H
#define ARCH_MTRR_H

#include "lib/types.h"

/* Memory types as MTRRs, PAT and EPT encode them (SDM vol. 3, table 12-8). */
enum memtype { MEMTYPE_UC = 0, MEMTYPE_WC = 1, MEMTYPE_WT = 4, MEMTYPE_WP = 5, MEMTYPE_WB = 6 };

#define MTRR_VARIABLE_MAX 32 /* pairs that we look at */

/* Fixed-range registers in ascending order of what they cover: one of 64 KiB steps, two of 16 KiB, eight of 4 KiB. */
#define MTRR_FIXED 11

/* IA32_MTRRCAP */
#define MTRR_CAP_VCNT  BITS(7, 0)
#define MTRR_CAP_FIXED BIT(8)

/* IA32_MTRR_DEF_TYPE */
#define MTRR_DEF_TYPE	      BITS(7, 0)
#define MTRR_DEF_FIXED_ENABLE BIT(10)
#define MTRR_DEF_ENABLE	      BIT(11)

/* IA32_MTRR_PHYSBASEn, IA32_MTRR_PHYSMASKn */
#define MTRR_BASE_TYPE	BITS(7, 0)
#define MTRR_MASK_VALID BIT(11)

/* The registers as read. Firmware wrote them: any value is taken, and means what the processor makes of it. */
struct mtrr_state {
	uint64_t cap;
	uint64_t def_type;
	uint64_t fixed[MTRR_FIXED];
	uint64_t base[MTRR_VARIABLE_MAX];
	uint64_t mask[MTRR_VARIABLE_MAX];
	uint8_t maxphyaddr; /* bits, 32 to 52 */
};

/*
 * The type of the byte at @pa, and, if @uniform_to is not NULL, an address above @pa up to which every byte has it:
 * the farthest, except where there are hundreds of changes of ranges on the way. Beyond the address width all is UC.
 *
 * Precedence (SDM vol. 3, 12.11.4.1): fixed ranges win below 1 MiB; of overlapping variable ranges UC wins over all,
 * WT over WB; what the manual leaves undefined, reserved types included, is UC here. All is UC while MTRRs are disabled.
 */
enum memtype mtrr_type(const struct mtrr_state *s, hpa_t pa, uint64_t *uniform_to);

/* Read this CPU's registers. A CPU without MTRRs: write-back everywhere. */
void mtrr_read(struct mtrr_state *s, uint8_t maxphyaddr);

#endif
