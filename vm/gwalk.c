/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks a guest's page tables: one loop, three formats (SDM vol. 3, 4.3-4.5). */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vm/gwalk.h"

/* Page-table entries (SDM vol. 3, tables 4-4 to 4-20) */
#define PTE_P	       BIT(0)
#define PTE_RW	       BIT(1)
#define PTE_US	       BIT(2)
#define PTE_A	       BIT(5)
#define PTE_D	       BIT(6)
#define PTE_PS	       BIT(7)
#define PTE_NX	       BIT(63)
#define PTE_PK_SHIFT   59
#define PTE_PK_MASK    0xf
#define PTE_ADDR       BITS(51, 12)
#define PDPTE_RESERVED (BITS(2, 1) | BITS(8, 5) | BITS(63, 52)) /* of PAE */

/* A 4 MiB page of 32-bit paging: bits 20:13 are its address bits 39:32, bit 21 is reserved. */
#define PSE36_BITS     40
#define PSE36_SHIFT    13
#define PSE36_HIGH     BITS(20, 13)
#define PSE36_RESERVED BIT(21)
#define PSE36_ADDR     BITS(31, 22)

/* PKRU: two bits for each key (SDM vol. 3, 4.6.2) */
#define PKRU_AD 1
#define PKRU_WD 2

#define CR3_ADDR_LEGACY BITS(31, 12)
#define CR3_ADDR_PAE	BITS(31, 5)
#define LEGACY_BITS	32
#define LONG_BITS	48

#define LONG_INDEX_BITS 9
#define LONG_INDEX_MASK (BIT(LONG_INDEX_BITS) - 1)
#define LARGE_SHIFT	(PAGE_SHIFT + LONG_INDEX_BITS)
#define LARGE_RESERVED	BITS(LARGE_SHIFT - 1, PAGE_SHIFT + 1) /* bit 12 is PAT */

#define GWALK_LEVELS 4
#define GWALK_TRIES  4

/* A paging mode. Levels count from the leaves: 0 is the page table. */
struct format {
	uint8_t levels;
	uint8_t index_bits;
	uint8_t entry_size;
	uint64_t root; /* address bits of CR3 */
};

static const struct format format_32 = {2, 10, 4, CR3_ADDR_LEGACY};
static const struct format format_pae = {3, 9, 8, CR3_ADDR_PAE};
static const struct format format_long = {4, 9, 8, PTE_ADDR};

/* One walk under way; the entries it has used are kept for their accessed bits. */
struct walk {
	const struct gwalk_ops *ops;
	void *ctx;
	const struct gwalk_cpu *cpu;
	const struct format *format;
	uint64_t linear;
	uint32_t access;
	bool user;
	uint64_t reserved; /* bits that no entry may have */
	uint64_t rights;   /* RW and US: and of all levels; NX: or */
	uint32_t level;	   /* of the last entry read */
	gpa_t where[GWALK_LEVELS];
	uint64_t entry[GWALK_LEVELS];
};

static bool is_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << (64 - LONG_BITS)) >> (64 - LONG_BITS)) == a;
}

/* PAE's top level has neither rights nor an accessed bit. */
static bool is_pdpte(const struct walk *w)
{
	return w->format == &format_pae && w->level == 2;
}

static uint32_t level_shift(const struct walk *w)
{
	return PAGE_SHIFT + w->level * w->format->index_bits;
}

static bool is_leaf(const struct walk *w, uint64_t entry)
{
	if (w->level == 0)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (w->format == &format_32)
		return w->cpu->cr4 & CR4_PSE;
	return w->level == 1 || (w->format == &format_long && w->level == 2 && w->cpu->pages_1g);
}

/* SDM vol. 3, 4.3 (PSE-36: as many address bits as MAXPHYADDR allows), 4.4.1, 4.5.4. */
static uint64_t reserved_bits(const struct walk *w, uint64_t entry)
{
	if (w->format == &format_32) {
		uint32_t bits = (uint32_t)min_u64(w->cpu->phys_bits, PSE36_BITS) - LEGACY_BITS;

		if (w->level == 0 || !is_leaf(w, entry))
			return 0;
		return PSE36_RESERVED | (PSE36_HIGH & ~(BIT(PSE36_SHIFT + bits) - 1));
	}
	if (is_pdpte(w))
		return w->reserved | PDPTE_RESERVED;
	if (w->level == 0)
		return w->reserved;
	if (is_leaf(w, entry))
		return w->reserved | (BITS(63, PAGE_SHIFT + 1) & (BIT(level_shift(w)) - 1));
	/* PS where no large page can be: in PML4E, or in a PDPTE without 1 GiB pages. */
	return w->level >= 2 ? w->reserved | PTE_PS : w->reserved;
}

static uint32_t error_code(const struct walk *w, uint32_t cause)
{
	bool exec = w->access & GWALK_EXEC;
	bool nx_or_smep =
		w->cpu->cr4 & CR4_SMEP || (w->format != &format_32 && w->cpu->efer & EFER_NXE);

	return cause | (w->access & GWALK_WRITE ? PF_WRITE : 0) | (w->user ? PF_USER : 0) |
	       (exec && nx_or_smep ? PF_FETCH : 0);
}

/* Protection keys: user pages under 4-level paging, data only. */
static bool key_denies(const struct walk *w, uint64_t leaf)
{
	uint32_t key = (uint32_t)(leaf >> PTE_PK_SHIFT) & PTE_PK_MASK;
	uint32_t bits = w->cpu->pkru >> (2 * key);

	if (!(w->cpu->cr4 & CR4_PKE) || w->format != &format_long || w->access & GWALK_EXEC)
		return false;
	if (!(w->rights & PTE_US))
		return false;
	if (bits & PKRU_AD)
		return true;
	return w->access & GWALK_WRITE && bits & PKRU_WD && (w->user || w->cpu->cr0 & CR0_WP);
}

/* The access rights of SDM vol. 3, 4.6.1. */
static bool rights_deny(const struct walk *w)
{
	const struct gwalk_cpu *cpu = w->cpu;
	bool user_page = w->rights & PTE_US;

	if (w->user && !user_page)
		return true;
	if (w->access & GWALK_EXEC)
		return w->rights & PTE_NX || (!w->user && user_page && cpu->cr4 & CR4_SMEP);
	if (!w->user && user_page && cpu->cr4 & CR4_SMAP &&
	    (!cpu->ac || w->access & GWALK_IMPLICIT))
		return true;
	if (!(w->access & GWALK_WRITE) || w->rights & PTE_RW)
		return false;
	return w->user || cpu->cr0 & CR0_WP;
}

/* Read the entries from the root to the leaf; leaves w->level at the leaf's. */
static int descend(struct walk *w, uint32_t *pf_error)
{
	uint64_t table = w->cpu->cr3 & w->format->root;
	uint32_t index_mask = (1U << w->format->index_bits) - 1;

	w->rights = PTE_RW | PTE_US;
	for (w->level = w->format->levels - 1U;; w->level--) {
		uint32_t index = (uint32_t)(w->linear >> level_shift(w)) & index_mask;
		uint64_t entry = 0;
		int err;

		w->where[w->level] = GPA(table + (uint64_t)index * w->format->entry_size);
		err = w->ops->read(w->ctx, w->where[w->level], w->format->entry_size, &entry);
		if (err)
			return err;
		w->entry[w->level] = entry;
		if (!(entry & PTE_P)) {
			*pf_error = error_code(w, 0);
			return -EFAULT;
		}
		if (entry & reserved_bits(w, entry)) {
			*pf_error = error_code(w, PF_PRESENT | PF_RSVD);
			return -EFAULT;
		}
		if (!is_pdpte(w))
			w->rights = (w->rights & entry & (PTE_RW | PTE_US)) |
				    ((w->rights | entry) & PTE_NX);
		if (is_leaf(w, entry))
			return 0;
		table = entry & PTE_ADDR;
	}
}

/* Set accessed bits on the way and the leaf's dirty bit, where they are missing. -EAGAIN: an entry has changed. */
static int mark(const struct walk *w)
{
	if (!w->ops->cmpxchg)
		return 0;
	for (uint32_t k = w->level; k < w->format->levels; k++) {
		uint64_t want = w->entry[k] | PTE_A;
		int err;

		if (w->format == &format_pae && k == 2)
			continue;
		if (k == w->level && w->access & GWALK_WRITE)
			want |= PTE_D;
		if (want == w->entry[k])
			continue;
		err = w->ops->cmpxchg(w->ctx, w->where[k], w->format->entry_size, w->entry[k],
				      want);
		if (err)
			return err;
	}
	return 0;
}

static uint64_t leaf_address(const struct walk *w)
{
	uint64_t leaf = w->entry[w->level], offset = BIT(level_shift(w)) - 1;

	if (w->format == &format_32 && w->level == 1)
		return (leaf & PSE36_ADDR) | (leaf & PSE36_HIGH) << (LEGACY_BITS - PSE36_SHIFT) |
		       (w->linear & offset);
	return (leaf & PTE_ADDR & ~offset) | (w->linear & offset);
}

/* Rights and keys; -EFAULT and *@pf_error if they deny the access. */
static int check_access(const struct walk *w, uint32_t *pf_error)
{
	bool key = key_denies(w, w->entry[w->level]);

	if (!key && !rights_deny(w))
		return 0;
	*pf_error = error_code(w, PF_PRESENT | (key ? PF_PK : 0));
	return -EFAULT;
}

static int walk_once(struct walk *w, gpa_t *out, uint32_t *pf_error)
{
	int err = descend(w, pf_error);

	if (!err)
		err = check_access(w, pf_error);
	if (!err)
		err = mark(w);
	if (err)
		return err;
	*out = GPA(leaf_address(w));
	return 0;
}

/*
 * 4-level paging when nothing is special: every entry present and accessed, no reserved bit, a 4 KiB or 2 MiB page that is
 * dirty already if it is to be written. -EAGAIN: something is; take the long way from the start.
 */
static int walk_fast(struct walk *w, gpa_t *out)
{
	uint64_t table = w->cpu->cr3 & PTE_ADDR, entry = 0, rights = PTE_RW | PTE_US, nx = 0;
	uint32_t shift = LONG_BITS - LONG_INDEX_BITS;
	uint32_t denied;

	for (; shift >= PAGE_SHIFT; shift -= LONG_INDEX_BITS) {
		uint64_t index = (w->linear >> shift) & LONG_INDEX_MASK;
		int err = w->ops->read(w->ctx, GPA(table + index * sizeof(entry)), sizeof(entry),
				       &entry);

		if (err)
			return err;
		if ((entry & (PTE_P | PTE_A | w->reserved)) != (PTE_P | PTE_A))
			return -EAGAIN;
		rights &= entry;
		nx |= entry;
		if (entry & PTE_PS && shift != PAGE_SHIFT)
			break;
		table = entry & PTE_ADDR;
	}
	if (shift < PAGE_SHIFT)
		shift = PAGE_SHIFT;
	else if (shift != LARGE_SHIFT || entry & LARGE_RESERVED)
		return -EAGAIN;
	if (w->access & GWALK_WRITE && !(entry & PTE_D))
		return -EAGAIN;
	w->rights = rights | (nx & PTE_NX);
	w->level = 0;
	w->entry[0] = entry;
	if (check_access(w, &denied))
		return -EAGAIN;
	*out = GPA((entry & PTE_ADDR & ~(BIT(shift) - 1)) | (w->linear & (BIT(shift) - 1)));
	return 0;
}

static const struct format *format_of(const struct gwalk_cpu *cpu)
{
	if (!(cpu->cr4 & CR4_PAE))
		return &format_32;
	return cpu->efer & EFER_LMA ? &format_long : &format_pae;
}

/* What stays the same on the way down; @w's other fields are the steps' own. */
static void walk_start(struct walk *w, const struct gwalk_cpu *cpu, uint64_t linear,
		       uint32_t access)
{
	w->cpu = cpu;
	w->format = format_of(cpu);
	w->access = access;
	w->user = cpu->cpl == 3 && !(access & GWALK_IMPLICIT);
	w->linear = w->format == &format_long ? linear : (uint32_t)linear;
	w->reserved = BITS(51, 0) & ~(BIT(cpu->phys_bits) - 1);
	if (!(cpu->efer & EFER_NXE))
		w->reserved |= PTE_NX;
	if (w->format == &format_pae)
		w->reserved |= BITS(62, 52);
}

int gwalk(const struct gwalk_ops *ops, void *ctx, const struct gwalk_cpu *cpu, gva_t gva,
	  uint32_t access, gpa_t *out, uint32_t *pf_error)
{
	struct walk w;
	int err = -EAGAIN;

	if (!(cpu->cr0 & CR0_PG)) {
		*out = GPA((uint32_t)gva.v);
		return 0;
	}
	w.ops = ops;
	w.ctx = ctx;
	walk_start(&w, cpu, gva.v, access);
	if (w.format == &format_long && !is_canonical(gva.v))
		return -EINVAL;
	if (w.format == &format_long)
		err = walk_fast(&w, out);
	for (uint32_t k = 0; k < GWALK_TRIES && err == -EAGAIN; k++)
		err = walk_once(&w, out, pf_error);
	return err;
}
