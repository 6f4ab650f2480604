/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's nested table: rights and memory types in, entries of either vendor's format out. */

#include "ept/nested.h"
#include "lib/ptab_format.h"

#define NESTED_LEVELS 4
#define GPA_BITS      48 /* that four levels decode */
#define HPA_BITS_MIN  32
#define HPA_BITS_MAX  52

/* EPTP (SDM vol. 3, 25.6.11, table 25-9) */
#define EPTP_WALK_4 (3ULL << 3) /* walk length minus one */
#define EPTP_AD	    BIT(6)

static int table_alloc(void *arg, hpa_t *out)
{
	struct nested *n = arg;

	return pool_alloc(n->quota, 1, out) ? 0 : -ENOMEM;
}

static void table_free(void *arg, hpa_t table)
{
	struct nested *n = arg;

	pool_free(n->quota, pool_va(table), 1);
}

static uint64_t *table_ptr(void *arg, hpa_t table)
{
	(void)arg;
	return pool_va(table);
}

static const struct ptab_mem table_mem = {table_alloc, table_free, table_ptr};

int nested_init(struct nested *n, enum nested_kind kind, struct quota *quota,
		const struct nested_caps *caps)
{
	const struct ptab_format *fmt = kind == NESTED_NPT ? &ptab_format_npt : &ptab_format_ept;
	uint8_t max_leaf = caps->large_1g ? PTAB_1G : PTAB_2M;

	if (caps->maxphyaddr < HPA_BITS_MIN || caps->maxphyaddr > HPA_BITS_MAX)
		return -EINVAL;
	if (!caps->large_2m)
		max_leaf = PTAB_4K;

	*n = (struct nested){
		.quota = quota,
		.lock = LOCK_INIT,
		.limit = BIT(caps->maxphyaddr < GPA_BITS ? caps->maxphyaddr : GPA_BITS),
		.host_limit = BIT(caps->maxphyaddr),
		.kind = (uint8_t)kind,
		.ad = caps->ad,
	};
	return ptab_init(&n->pt, fmt, NESTED_LEVELS, max_leaf, &table_mem, n);
}

void nested_destroy(struct nested *n)
{
	lock_acquire(&n->lock);
	ptab_destroy(&n->pt);
	lock_release(&n->lock);
}

static bool in_limit(uint64_t start, uint64_t size, uint64_t limit)
{
	return size <= limit && start <= limit - size;
}

static bool is_memtype(enum memtype t)
{
	return t == MEMTYPE_UC || t == MEMTYPE_WC || t == MEMTYPE_WT || t == MEMTYPE_WP ||
	       t == MEMTYPE_WB;
}

static uint64_t attr_npt(uint32_t rights)
{
	uint64_t attr = PTE_P | PTE_U;

	if (rights & NESTED_W)
		attr |= PTE_W;
	if (!(rights & NESTED_X))
		attr |= PTE_NX;
	return attr;
}

static uint64_t attr_ept(uint32_t rights, enum memtype memtype)
{
	uint64_t attr = (uint64_t)memtype << EPT_TYPE_SHIFT | EPT_R;

	if (rights & NESTED_W)
		attr |= EPT_W;
	if (rights & NESTED_X)
		attr |= EPT_X;
	return attr;
}

int nested_map(struct nested *n, gpa_t gpa, hpa_t hpa, uint64_t size, uint32_t rights,
	       enum memtype memtype)
{
	uint64_t attr = n->kind == NESTED_NPT ? attr_npt(rights) : attr_ept(rights, memtype);
	int err;

	if (!(rights & NESTED_R) || rights & ~(uint32_t)(NESTED_R | NESTED_W | NESTED_X) ||
	    !is_memtype(memtype))
		return -EINVAL;
	if (!in_limit(gpa.v, size, n->limit) || !in_limit(hpa.v, size, n->host_limit))
		return -ERANGE;

	lock_acquire(&n->lock);
	err = ptab_map(&n->pt, gpa.v, hpa, size, attr);
	lock_release(&n->lock);
	return err;
}

int nested_unmap(struct nested *n, gpa_t gpa, uint64_t size)
{
	int err;

	if (!in_limit(gpa.v, size, n->limit))
		return -ERANGE;

	lock_acquire(&n->lock);
	err = ptab_unmap(&n->pt, gpa.v, size, 0);
	lock_release(&n->lock);
	return err;
}

static uint32_t rights_of(const struct nested *n, uint64_t attr)
{
	uint32_t rights = NESTED_R;

	if (n->kind == NESTED_NPT) {
		rights |= attr & PTE_W ? NESTED_W : 0;
		return rights | (attr & PTE_NX ? 0 : NESTED_X);
	}
	rights |= attr & EPT_W ? NESTED_W : 0;
	return rights | (attr & EPT_X ? NESTED_X : 0);
}

int nested_translate(const struct nested *n, gpa_t gpa, uint32_t rights, hpa_t *out,
		     uint64_t *contig)
{
	struct ptab_leaf leaf;

	if (ptab_lookup(&n->pt, gpa.v, &leaf) || rights & ~rights_of(n, leaf.attr))
		return -EFAULT;
	*out = leaf.pa;
	if (contig)
		*contig = leaf.size - (gpa.v & (leaf.size - 1));
	return 0;
}

uint32_t nested_path(const struct nested *n, gpa_t gpa, uint64_t entry[PTAB_LEVELS_MAX])
{
	return ptab_walk_path(&n->pt, gpa.v, entry);
}

uint64_t nested_root(const struct nested *n)
{
	if (n->kind == NESTED_NPT)
		return n->pt.root.v;
	return n->pt.root.v | MEMTYPE_WB | EPTP_WALK_4 | (n->ad ? EPTP_AD : 0);
}
