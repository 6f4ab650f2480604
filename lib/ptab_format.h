/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats that the page-table walker knows, and their bits. */

#ifndef LIB_PTAB_FORMAT_H
#define LIB_PTAB_FORMAT_H

#include "lib/ptab.h"

/*
 * Long mode (SDM vol. 3, 4.5.4; APM vol. 2, 5.3). As attributes in the places of a 4 KiB entry; the walker moves PAT
 * to bit 12 in large ones.
 */
#define PTE_P	      BIT(0)
#define PTE_W	      BIT(1)
#define PTE_U	      BIT(2)
#define PTE_PWT	      BIT(3)
#define PTE_PCD	      BIT(4)
#define PTE_A	      BIT(5)
#define PTE_D	      BIT(6)
#define PTE_PS	      BIT(7) /* in levels 1 and 2: a leaf */
#define PTE_PAT	      BIT(7)
#define PTE_G	      BIT(8)
#define PTE_PAT_LARGE BIT(12)
#define PTE_ADDR      BITS(51, 12)
#define PTE_NX	      BIT(63)

/* EPT (SDM vol. 3, 28.3.2, tables 28-1 to 28-7) */
#define EPT_R	       BIT(0)
#define EPT_W	       BIT(1)
#define EPT_X	       BIT(2)
#define EPT_TYPE_SHIFT 3
#define EPT_TYPE       BITS(5, 3) /* memory type, MTRR encoding */
#define EPT_IPAT       BIT(6)	  /* ignore the guest's PAT */
#define EPT_PS	       BIT(7)
#define EPT_A	       BIT(8) /* if enabled in the EPTP */
#define EPT_D	       BIT(9)

/*
 * The hypervisor's own tables, 4 levels: attributes P, W, PWT, PCD, PAT, A, D, G, NX. No U: what points to a table has
 * none either, so that no page can be a user page.
 */
extern const struct ptab_format ptab_format_x86;

/* AMD's nested tables, 4 levels: the same layout (APM vol. 2, 15.25.5: every access is a user access). U, no G. */
extern const struct ptab_format ptab_format_npt;

/* Intel's: R, W, X, memory type, IPAT, A, D. */
extern const struct ptab_format ptab_format_ept;

#endif
