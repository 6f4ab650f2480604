/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's own page walk in software: from a guest-linear to a guest-physical address, as the processor would. */

#ifndef VM_GWALK_H
#define VM_GWALK_H

#include "lib/types.h"

/* What the translation is for; none of the first two: a data read. */
#define GWALK_WRITE 0x1 /* data write, or the read of a read-modify-write */
#define GWALK_EXEC  0x2 /* instruction fetch */
#define GWALK_IMPLICIT \
	0x4 /* supervisor access whatever the CPL, AC ignored: descriptor tables, TSS */

/* #PF error code (SDM vol. 3, 4.7) */
#define PF_PRESENT 0x01
#define PF_WRITE   0x02
#define PF_USER	   0x04
#define PF_RSVD	   0x08
#define PF_FETCH   0x10
#define PF_PK	   0x20

struct gwalk_cpu {
	uint64_t cr0, cr3, cr4, efer;
	uint32_t pkru;
	uint8_t cpl;
	bool ac;	   /* RFLAGS.AC */
	bool pages_1g;	   /* the guest's CPUID offers 1 GiB pages */
	uint8_t phys_bits; /* the guest's MAXPHYADDR: 32-52 */
};

/* How page-table entries are reached. Both return 0 or a negative error, which ends the walk and is handed on. */
struct gwalk_ops {
	/* Read the entry of @size (4 or 8) bytes at @gpa, which is aligned to its size. One access, not two halves. */
	int (*read)(void *ctx, gpa_t gpa, uint32_t size, uint64_t *value);
	/*
	 * Replace it by @new if it still is @old, atomically; -EAGAIN: it is not. For accessed and dirty bits. NULL: the
	 * walk only looks, and sets none.
	 */
	int (*cmpxchg)(void *ctx, gpa_t gpa, uint32_t size, uint64_t old, uint64_t new);
};

/*
 * Translate @gva for @access. Without paging, @out is @gva cut to 32 bits. With it: 32-bit with PSE and PSE-36, PAE, 4-level
 * (five levels are hidden from guests). PAE's page-directory-pointer entries are read from memory, a reserved bit in
 * them is a page fault, as in AMD's nested paging (APM vol. 2, 15.25.10). At most four entries are read, once where
 * nothing is to be marked, else a bounded number of times. Rights: SDM vol. 3, 4.6; accessed and dirty bits are set only if the access is allowed.
 * @pf_error is written only with -EFAULT. Nothing is cached.
 *
 * Returns 0; -EFAULT: #PF with *@pf_error; -EINVAL: @gva is not canonical (#GP or #SS, as the access says);
 * -EAGAIN: an entry kept changing; else what a callback returned.
 */
int gwalk(const struct gwalk_ops *ops, void *ctx, const struct gwalk_cpu *cpu, gva_t gva,
	  uint32_t access, gpa_t *out, uint32_t *pf_error);

#endif
