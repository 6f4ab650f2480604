/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns which physical memory. */

#ifndef EPT_FRAME_H
#define EPT_FRAME_H

#include "lib/types.h"

/* Types of a memory map: the numbers of ACPI's address ranges (ACPI 6.5, table 15.4). All others are reserved. */
#define MEM_RAM	     1
#define MEM_RESERVED 2
#define MEM_ACPI     3
#define MEM_NVS	     4
#define MEM_BAD	     5

/* A piece of physical memory, bytes [base, base + size). */
struct mem_range {
	hpa_t base;
	uint64_t size;
	uint32_t type; /* MEM_* */
};

#endif
