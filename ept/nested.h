/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's nested table: guest-physical to host-physical, in the format of either vendor. */

#ifndef EPT_NESTED_H
#define EPT_NESTED_H

#include "arch/mtrr.h"
#include "arch/pool.h"
#include "lib/lock.h"
#include "lib/ptab.h"

enum nested_kind { NESTED_NPT, NESTED_EPT };

/*
 * Rights of a mapping and of an access. Every mapping must have NESTED_R: NPT cannot express write-only or
 * execute-only, not every EPT can, and a mapping never gets more rights than were asked for.
 */
#define NESTED_R BIT(0)
#define NESTED_W BIT(1)
#define NESTED_X BIT(2)

/*
 * Changes take the lock; translations and reports do not, and see each page before or after a change. After a change
 * of what was mapped the caller has the translations that processors hold dropped.
 * Tables come from the pool on the VM's quota, and stay until nested_destroy.
 */
struct nested {
	struct ptab pt;
	struct quota *quota;
	struct lock lock; /* only the pool's is acquired under it */
	uint64_t limit;	  /* guest-physical addresses are below */
	uint64_t host_limit;
	uint8_t kind; /* enum nested_kind */
	bool ad;      /* EPT: accessed and dirty flags are used; NPT always has them */
};

/* What the processor can do. */
struct nested_caps {
	uint8_t maxphyaddr; /* bits of a physical address, 32 to 52 */
	bool large_2m;
	bool large_1g;
	bool ad; /* EPT accessed and dirty flags (IA32_VMX_EPT_VPID_CAP bit 21) */
};

/* An empty table: nothing is mapped. @quota is kept. 0, -EINVAL, -ENOMEM. */
int nested_init(struct nested *n, enum nested_kind kind, struct quota *quota,
		const struct nested_caps *caps);

/* Give all tables back. No CPU runs the VM, or has it in a paging-structure cache. */
void nested_destroy(struct nested *n);

/*
 * Map [@gpa, @gpa + @size) to [@hpa, …) with NESTED_* @rights, replacing what was there, in the largest pages that
 * alignment and processor allow. All or nothing. The caller has checked who owns the frames.
 *
 * @memtype is the memory type that the host's MTRRs give all of the range (mtrr_type). EPT has to be told: it goes
 * into the entry, IPAT clear, so that the guest's PAT combines with it as on bare hardware (SDM vol. 3, 28.3.7.2).
 * NPT has not, as the processor applies the MTRRs to the host-physical address itself (APM vol. 2, 15.25.8): its
 * entries select PAT entry 0, which is write-back, the type that leaves the decision to guest PAT and MTRRs.
 *
 * 0, -EINVAL (unaligned, empty, no NESTED_R, unknown type), -ERANGE (beyond the address width), -ENOMEM.
 */
int nested_map(struct nested *n, gpa_t gpa, hpa_t hpa, uint64_t size, uint32_t rights,
	       enum memtype memtype);

/* Unmap [@gpa, @gpa + @size). All or nothing. 0, -EINVAL, -ERANGE, -ENOMEM (only where a large page is split). */
int nested_unmap(struct nested *n, gpa_t gpa, uint64_t size);

/*
 * Where an access with @rights to @gpa goes. @contig, if not NULL: bytes from @gpa on that are translated alike, to
 * the end of the page at least. Bounded and short: for the exit path. 0, -EFAULT (not mapped, or not with @rights).
 */
int nested_translate(const struct nested *n, gpa_t gpa, uint32_t rights, hpa_t *out,
		     uint64_t *contig);

/* For reports: the raw entries on the way to @gpa, from the root; how many. */
uint32_t nested_path(const struct nested *n, gpa_t gpa, uint64_t entry[PTAB_LEVELS_MAX]);

/* NPT: the value of nCR3. EPT: the EPTP (SDM vol. 3, 25.6.11: walk length 4, write-back, accessed and dirty flags). */
uint64_t nested_root(const struct nested *n);

#endif
