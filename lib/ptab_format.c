/* SPDX-License-Identifier: BSD-2-Clause */
/* The formats that the page-table walker knows. */

#include "lib/ptab_format.h"

#define X86_TABLE     (PTE_P | PTE_W | PTE_A)
#define NPT_TABLE     (PTE_P | PTE_W | PTE_U | PTE_A)
#define EPT_TABLE     (EPT_R | EPT_W | EPT_X)
#define X86_LEAF_ATTR (PTE_P | PTE_W | PTE_PWT | PTE_PCD | PTE_A | PTE_D | PTE_PAT | PTE_NX)

const struct ptab_format ptab_format_x86 = {
	.leaf_max = PTAB_1G,
	.sign_extended = true,
	.present = PTE_P,
	.address = PTE_ADDR,
	.attr = X86_LEAF_ATTR | PTE_G,
	.leaf_mask = PTE_PS,
	.leaf_value = PTE_PS,
	.moved = PTE_PAT,
	.moved_to = PTE_PAT_LARGE,
	.hardware = PTE_A | PTE_D,
	.table = {0, X86_TABLE, X86_TABLE, X86_TABLE, X86_TABLE},
};

const struct ptab_format ptab_format_npt = {
	.leaf_max = PTAB_1G,
	.present = PTE_P,
	.address = PTE_ADDR,
	.attr = X86_LEAF_ATTR | PTE_U,
	.leaf_mask = PTE_PS,
	.leaf_value = PTE_PS,
	.moved = PTE_PAT,
	.moved_to = PTE_PAT_LARGE,
	.hardware = PTE_A | PTE_D,
	.table = {0, NPT_TABLE, NPT_TABLE, NPT_TABLE, NPT_TABLE},
};

const struct ptab_format ptab_format_ept = {
	.leaf_max = PTAB_1G,
	.present = EPT_R | EPT_W | EPT_X,
	.address = BITS(51, 12),
	.attr = EPT_R | EPT_W | EPT_X | EPT_TYPE | EPT_IPAT | EPT_A | EPT_D,
	.leaf_mask = EPT_PS,
	.leaf_value = EPT_PS,
	.hardware = EPT_A | EPT_D,
	.table = {0, EPT_TABLE, EPT_TABLE, EPT_TABLE, EPT_TABLE},
};
