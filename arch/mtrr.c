/* SPDX-License-Identifier: BSD-2-Clause */
/* What the MTRRs mean: the type of an address, and how far it reaches. */

#include "arch/mtrr.h"

#define FIXED_END     (1 * MIB)
#define FIXED_PER_MSR 8 /* types of a byte each */
#define TYPE_BITS     BITS(7, 0)
#define NEVER	      UINT64_MAX
#define STEPS_MAX \
	512 /* changes that mtrr_type looks across: more than 88 fixed and 64 variable bounds */

/* What a group of fixed registers covers. */
static const struct {
	uint32_t start; /* address */
	uint32_t shift; /* of one step's size */
	uint32_t first; /* register */
} fixed_groups[] = {
	{0xc0000, 12, 3},
	{0x80000, 14, 1},
	{0x00000, 16, 0},
};

/* What is no memory type is the safest one. */
static enum memtype clean_type(uint64_t type)
{
	switch (type) {
	case MEMTYPE_WC:
	case MEMTYPE_WT:
	case MEMTYPE_WP:
	case MEMTYPE_WB:
		return (enum memtype)type;
	default:
		return MEMTYPE_UC;
	}
}

/* Of two ranges that overlap. */
static enum memtype combine(enum memtype a, enum memtype b)
{
	if (a == b)
		return a;
	if ((a == MEMTYPE_WT && b == MEMTYPE_WB) || (a == MEMTYPE_WB && b == MEMTYPE_WT))
		return MEMTYPE_WT;
	return MEMTYPE_UC;
}

static enum memtype fixed_type(const struct mtrr_state *s, uint64_t pa, uint64_t *to)
{
	uint32_t g = 0;
	uint32_t step;

	while (pa < fixed_groups[g].start)
		g++;
	step = (uint32_t)(pa - fixed_groups[g].start) >> fixed_groups[g].shift;
	*to = fixed_groups[g].start + ((uint64_t)(step + 1) << fixed_groups[g].shift);
	return clean_type(s->fixed[fixed_groups[g].first + step / FIXED_PER_MSR] >>
				  (step % FIXED_PER_MSR * 8) &
			  TYPE_BITS);
}

/*
 * The lowest address above @pa, which does not match, that does: (address & mask) == base. Masks may have holes, so
 * that a register covers many ranges. @width has a one for every address bit.
 */
static uint64_t next_match(uint64_t pa, uint64_t base, uint64_t mask, uint64_t width)
{
	const uint64_t differ = (pa ^ base) & mask;
	const uint64_t top = BIT(63 - __builtin_clzll(differ));
	const uint64_t below = top | (top - 1);
	uint64_t carry;

	/* Raising the highest bit that differs is enough: what is below becomes as low as can be. */
	if (base & top)
		return (pa & ~below) | (base & below);

	/* It has to fall, so a bit above must rise: the lowest that may, that is not in the mask. */
	carry = ~pa & ~mask & width & ~below;
	if (!carry)
		return NEVER;
	carry &= 0 - carry;
	return (pa & ~(carry | (carry - 1))) | carry | (base & (carry - 1));
}

/* Does variable register @i cover @pa? *@to: where that changes next, at the earliest. */
static bool variable_covers(const struct mtrr_state *s, uint32_t i, uint64_t pa, uint64_t *to)
{
	const uint64_t width = BIT(s->maxphyaddr) - 1;
	const uint64_t mask = s->mask[i] & width & ~PAGE_MASK;
	const uint64_t base = s->base[i] & mask;
	const uint64_t unit = mask & (0 - mask);

	*to = NEVER;
	if (!(s->mask[i] & MTRR_MASK_VALID))
		return false;
	if ((pa & mask) != base) {
		*to = next_match(pa, base, mask, width);
		return false;
	}
	if (mask)
		*to = ALIGN_DOWN(pa, unit) + unit;
	return true;
}

static enum memtype variable_type(const struct mtrr_state *s, uint64_t pa, uint64_t *to)
{
	const uint64_t count = min_u64(s->cap & MTRR_CAP_VCNT, MTRR_VARIABLE_MAX);
	enum memtype type = clean_type(s->def_type & MTRR_DEF_TYPE);
	bool found = false;

	*to = NEVER;
	for (uint32_t i = 0; i < count; i++) {
		enum memtype t = clean_type(s->base[i] & MTRR_BASE_TYPE);
		uint64_t change;

		if (variable_covers(s, i, pa, &change)) {
			type = found ? combine(type, t) : t;
			found = true;
		}
		*to = min_u64(*to, change);
	}
	return type;
}

static bool fixed_enabled(const struct mtrr_state *s)
{
	return s->cap & MTRR_CAP_FIXED && s->def_type & MTRR_DEF_FIXED_ENABLE;
}

/* The type of @pa, and where it may change next. */
static enum memtype type_at(const struct mtrr_state *s, uint64_t pa, uint64_t *to)
{
	enum memtype type;

	*to = NEVER;
	if (!(s->def_type & MTRR_DEF_ENABLE) || pa >= BIT(s->maxphyaddr))
		return MEMTYPE_UC;
	if (pa < FIXED_END && fixed_enabled(s))
		return fixed_type(s, pa, to);
	type = variable_type(s, pa, to);
	*to = min_u64(*to, BIT(s->maxphyaddr));
	return type;
}

enum memtype mtrr_type(const struct mtrr_state *s, hpa_t pa, uint64_t *uniform_to)
{
	uint64_t to;
	uint64_t next;
	enum memtype type = type_at(s, pa.v, &to);

	if (!uniform_to)
		return type;
	for (uint32_t i = 0; i < STEPS_MAX && to != NEVER && type_at(s, to, &next) == type; i++)
		to = next;
	*uniform_to = to;
	return type;
}
