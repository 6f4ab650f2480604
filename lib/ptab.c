/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table walker. Changes are prepared (tables made, leaves split) before the first translation changes. */

#include "lib/ptab.h"
#include "lib/atomic.h"

#define INDEX_MASK (PTAB_ENTRIES - 1ULL)

/* --- Entries --- */

static bool is_present(const struct ptab_format *f, uint64_t entry)
{
	return entry & f->present;
}

/* Of a present entry. */
static bool is_leaf(const struct ptab_format *f, uint64_t entry, uint32_t level)
{
	return !level || (entry & f->leaf_mask) == f->leaf_value;
}

static bool is_table(const struct ptab_format *f, uint64_t entry, uint32_t level)
{
	return is_present(f, entry) && !is_leaf(f, entry, level);
}

static uint64_t make_leaf(const struct ptab_format *f, uint64_t pa, uint64_t attr, uint32_t level)
{
	if (!level)
		return pa | attr;
	if (attr & f->moved)
		attr = (attr & ~f->moved) | f->moved_to;
	return pa | attr | f->leaf_value;
}

static uint64_t leaf_pa(const struct ptab_format *f, uint64_t entry, uint32_t level)
{
	return entry & f->address & ~(PTAB_SPAN(level) - 1);
}

static uint64_t leaf_attr(const struct ptab_format *f, uint64_t entry, uint32_t level)
{
	uint64_t attr = entry & f->attr;

	if (!level)
		return attr;
	attr &= ~(f->leaf_mask & f->moved);
	return entry & f->moved_to ? attr | f->moved : attr;
}

static hpa_t table_pa(const struct ptab_format *f, uint64_t entry)
{
	return HPA(entry & f->address);
}

static uint64_t *table_ptr(const struct ptab *p, hpa_t table)
{
	return p->mem->ptr(p->mem_arg, table);
}

static uint32_t index_of(uint64_t addr, uint32_t level)
{
	return (uint32_t)(addr >> (PAGE_SHIFT + PTAB_SHIFT * level) & INDEX_MASK);
}

/* --- Addresses --- */

static uint64_t space_size(const struct ptab *p)
{
	return PTAB_SPAN(p->levels);
}

/* Is every byte of [addr, addr + size) one that the tree decodes? @size at least 1. */
static bool range_decoded(const struct ptab *p, uint64_t addr, uint64_t size)
{
	const uint64_t space = space_size(p);
	const uint64_t half = space / 2;

	if (size > space)
		return false;
	if (!p->fmt->sign_extended)
		return addr <= space - size;
	if (addr < half)
		return addr + size <= half;
	return addr >= 0 - half && addr + (size - 1) >= addr;
}

/* The decoded bits of an address in range. */
static uint64_t decoded(const struct ptab *p, uint64_t addr)
{
	return addr & (space_size(p) - 1);
}

static int check_range(const struct ptab *p, uint64_t addr, uint64_t size)
{
	if (!size || !IS_ALIGNED(addr | size, PAGE_SIZE))
		return -EINVAL;
	return range_decoded(p, addr, size) ? 0 : -ERANGE;
}

/* --- Walking --- */

/*
 * The entry for @addr at the level nearest to *@level at which there is one: walk down to *@level, or until an entry
 * is absent or a leaf. *@level becomes the entry's level.
 */
static uint64_t *find_entry(const struct ptab *p, uint64_t addr, uint32_t *level)
{
	uint32_t l = p->levels - 1U;
	uint64_t *entry = table_ptr(p, p->root) + index_of(addr, l);

	while (l > *level) {
		uint64_t e = atomic_load_u64(entry);

		if (!is_table(p->fmt, e, l))
			break;
		l--;
		entry = table_ptr(p, table_pa(p->fmt, e)) + index_of(addr, l);
	}
	*level = l;
	return entry;
}

/* Put an empty table under the absent @entry of @level. */
static int add_table(struct ptab *p, uint64_t *entry, uint32_t level)
{
	hpa_t table;

	if (p->mem->alloc(p->mem_arg, &table))
		return -ENOMEM;
	atomic_store_u64(entry, table.v | p->fmt->table[level]);
	return 0;
}

/*
 * Put a table of 512 smaller leaves in the place of the leaf @entry of @level, which translate as it did. Accessed
 * and dirty bits that a processor sets meanwhile are not lost.
 */
static int split(struct ptab *p, uint64_t *entry, uint32_t level)
{
	const struct ptab_format *f = p->fmt;
	const uint64_t old = atomic_load_u64(entry);
	const uint64_t pa = leaf_pa(f, old, level);
	const uint64_t attr = leaf_attr(f, old, level);
	uint64_t *sub;
	uint64_t late;
	hpa_t table;

	if (p->mem->alloc(p->mem_arg, &table))
		return -ENOMEM;
	sub = table_ptr(p, table);
	for (uint32_t i = 0; i < PTAB_ENTRIES; i++)
		sub[i] = make_leaf(f, pa + i * PTAB_SPAN(level - 1), attr, level - 1);

	late = atomic_xchg_u64(entry, table.v | f->table[level]) & ~old & f->hardware;
	for (uint32_t i = 0; late && i < PTAB_ENTRIES; i++)
		atomic_or_u64(&sub[i], late);
	return 0;
}

/* Make sure that the walk to @addr reaches an entry of @level, without changing what anything translates to. */
static int reach(struct ptab *p, uint64_t addr, uint32_t level)
{
	for (;;) {
		uint32_t l = level;
		uint64_t *entry = find_entry(p, addr, &l);
		int err;

		if (l == level)
			return 0;
		err = is_present(p->fmt, *entry) ? split(p, entry, l) : add_table(p, entry, l);
		if (err)
			return err;
	}
}

/* Make sure that no leaf has @addr in its inside. */
static int cut(struct ptab *p, uint64_t addr)
{
	for (;;) {
		uint32_t l = 0;
		uint64_t *entry = find_entry(p, addr, &l);
		int err;

		if (IS_ALIGNED(addr, PTAB_SPAN(l)) || !is_present(p->fmt, *entry))
			return 0;
		err = split(p, entry, l);
		if (err)
			return err;
	}
}

/* --- Mapping --- */

/* A mapping in the making: what is left of it. */
struct piece {
	uint64_t addr; /* decoded bits */
	uint64_t pa;
	uint64_t size;
	uint32_t level; /* of the entry that the next leaf goes to */
};

/* The level of the largest leaf that the beginning of the piece can have. */
static uint32_t piece_level(const struct ptab *p, const struct piece *m)
{
	uint32_t fit = p->max_leaf;
	uint32_t found;

	while (fit && (!IS_ALIGNED(m->addr | m->pa, PTAB_SPAN(fit)) || m->size < PTAB_SPAN(fit)))
		fit--;
	while (fit) {
		found = fit;
		if (!is_table(p->fmt, atomic_load_u64(find_entry(p, m->addr, &found)), found) ||
		    found > fit)
			break;
		fit--; /* a table is there, and may be in use */
	}
	return fit;
}

static void piece_advance(struct piece *m, uint64_t bytes)
{
	m->addr += bytes;
	m->pa += bytes;
	m->size -= bytes;
}

/* How many leaves of its level the piece has until it, or the table that its first leaf is in, ends. */
static uint32_t piece_run(const struct piece *m)
{
	uint64_t room = PTAB_ENTRIES - index_of(m->addr, m->level);

	return (uint32_t)min_u64(room, m->size / PTAB_SPAN(m->level));
}

/* Make every table that the mapping needs, level by level of its pieces. Translations do not change. */
static int prepare(struct ptab *p, struct piece m)
{
	while (m.size) {
		int err;

		m.level = piece_level(p, &m);
		err = reach(p, m.addr, m.level);
		if (err)
			return err;
		/* Level-0 entries of one table need nothing more. */
		piece_advance(&m, PTAB_SPAN(m.level) * (m.level ? 1 : piece_run(&m)));
	}
	return 0;
}

/* Write the leaves; all tables are there. */
static void write_leaves(struct ptab *p, struct piece m, uint64_t attr)
{
	while (m.size) {
		uint32_t level = m.level = piece_level(p, &m);
		uint64_t *entry = find_entry(p, m.addr, &level);
		uint32_t n = m.level ? 1 : piece_run(&m);

		for (uint32_t i = 0; i < n; i++) {
			atomic_store_u64(entry + i, make_leaf(p->fmt, m.pa, attr, m.level));
			piece_advance(&m, PTAB_SPAN(m.level));
		}
	}
}

int ptab_map(struct ptab *p, uint64_t addr, hpa_t pa, uint64_t size, uint64_t attr)
{
	const struct piece whole = {.addr = decoded(p, addr), .pa = pa.v, .size = size};
	int err = check_range(p, addr, size);

	if (err)
		return err;
	if (!IS_ALIGNED(pa.v, PAGE_SIZE) || (attr & ~p->fmt->attr) || !(attr & p->fmt->present))
		return -EINVAL;
	if (range_wraps(pa.v, size - 1) ||
	    ((pa.v | (pa.v + (size - PAGE_SIZE))) & ~p->fmt->address))
		return -ERANGE;

	err = prepare(p, whole);
	if (err)
		return err;
	write_leaves(p, whole, attr);
	return 0;
}

/* --- Unmapping --- */

/* Address behind the entry of @level that @addr is in, at most @end. */
static uint64_t next_entry(uint64_t addr, uint32_t level, uint64_t end)
{
	return min_u64(ALIGN_DOWN(addr, PTAB_SPAN(level)) + PTAB_SPAN(level), end);
}

static void clear_leaves(struct ptab *p, uint64_t addr, uint64_t end)
{
	while (addr < end) {
		uint32_t level = 0;
		uint64_t *entry = find_entry(p, addr, &level);
		uint64_t stop = next_entry(addr, level + 1, end);

		/* The rest of this table, as far as it is leaves. */
		do {
			if (is_present(p->fmt, *entry))
				atomic_store_u64(entry, 0);
			addr = next_entry(addr, level, end);
			entry++;
		} while (addr < stop && !is_table(p->fmt, *entry, level));
	}
}

static bool table_empty(const struct ptab *p, hpa_t table)
{
	const uint64_t *entry = table_ptr(p, table);

	for (uint32_t i = 0; i < PTAB_ENTRIES; i++) {
		if (entry[i])
			return false;
	}
	return true;
}

/* Unlink and free the empty tables that entries of @level in [addr, end) point to. */
static void free_tables(struct ptab *p, uint64_t addr, uint64_t end, uint32_t level)
{
	while (addr < end) {
		uint32_t found = level;
		uint64_t *entry = find_entry(p, addr, &found);
		hpa_t table = table_pa(p->fmt, *entry);

		if (found == level && is_table(p->fmt, *entry, level) && table_empty(p, table)) {
			atomic_store_u64(entry, 0);
			p->mem->free(p->mem_arg, table);
		}
		addr = next_entry(addr, found, end);
	}
}

/* Bottom up, so that a table that has lost its last child goes too. */
static void free_empty(struct ptab *p, uint64_t addr, uint64_t end)
{
	for (uint32_t level = 1; level < p->levels; level++)
		free_tables(p, addr, end, level);
}

int ptab_unmap(struct ptab *p, uint64_t addr, uint64_t size, uint32_t flags)
{
	int err = check_range(p, addr, size);
	uint64_t end;

	if (err)
		return err;

	addr = decoded(p, addr);
	end = addr + size;
	err = cut(p, addr);
	if (!err && end < space_size(p))
		err = cut(p, end);
	if (err)
		return err;

	clear_leaves(p, addr, end);
	if (flags & PTAB_FREE)
		free_empty(p, addr, end);
	return 0;
}

/* --- Life --- */

int ptab_init(struct ptab *p, const struct ptab_format *fmt, uint8_t levels, uint8_t max_leaf,
	      const struct ptab_mem *mem, void *mem_arg)
{
	if (levels <= fmt->leaf_max || levels > PTAB_LEVELS_MAX || max_leaf > fmt->leaf_max)
		return -EINVAL;

	*p = (struct ptab){
		.fmt = fmt,
		.levels = levels,
		.max_leaf = max_leaf,
		.mem = mem,
		.mem_arg = mem_arg,
	};
	return mem->alloc(mem_arg, &p->root) ? -ENOMEM : 0;
}

void ptab_destroy(struct ptab *p)
{
	clear_leaves(p, 0, space_size(p));
	free_empty(p, 0, space_size(p));
	p->mem->free(p->mem_arg, p->root);
}

/* --- Looking --- */

int ptab_lookup(const struct ptab *p, uint64_t addr, struct ptab_leaf *out)
{
	uint32_t level = 0;
	uint64_t e;

	if (!range_decoded(p, addr, 1))
		return -ERANGE;

	e = atomic_load_u64(find_entry(p, addr, &level));
	*out = (struct ptab_leaf){.size = PTAB_SPAN(level), .level = (uint8_t)level};
	if (!is_present(p->fmt, e))
		return -ENOENT;
	out->pa = HPA(leaf_pa(p->fmt, e, level) | (addr & (PTAB_SPAN(level) - 1)));
	out->attr = leaf_attr(p->fmt, e, level);
	return 0;
}

uint32_t ptab_walk_path(const struct ptab *p, uint64_t addr, uint64_t entry[PTAB_LEVELS_MAX])
{
	hpa_t table = p->root;
	uint32_t n = 0;

	if (!range_decoded(p, addr, 1))
		return 0;
	for (uint32_t level = p->levels; level-- > 0;) {
		uint64_t e = atomic_load_u64(table_ptr(p, table) + index_of(addr, level));

		entry[n++] = e;
		if (!is_table(p->fmt, e, level))
			break;
		table = table_pa(p->fmt, e);
	}
	return n;
}
