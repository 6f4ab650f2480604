/* SPDX-License-Identifier: BSD-2-Clause */
/* The page-table walker against a flat model and against a second reading of the manuals' formats. */
/* sources: lib/ptab.c lib/ptab_format.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/ptab_format.h"

/* --- Memory for tables: frames at made-up physical addresses, each watched --- */

#define ARENA_FRAMES 4096
#define ARENA_BASE   0x7f000000ULL

static struct {
	uint64_t *frame[ARENA_FRAMES];
	uint32_t used;
	uint32_t budget; /* allocations until the next one fails */
	void (*watch)(void);
} arena;

static int arena_alloc(void *arg, hpa_t *out)
{
	assert_ptr_equal(arg, &arena);
	if (arena.watch)
		arena.watch();
	if (!arena.budget)
		return -ENOMEM;
	arena.budget--;
	for (uint32_t i = 0; i < ARENA_FRAMES; i++) {
		if (!arena.frame[i]) {
			arena.frame[i] = calloc(PTAB_ENTRIES, sizeof(uint64_t));
			arena.used++;
			*out = HPA(ARENA_BASE + i * PAGE_SIZE);
			return 0;
		}
	}
	return -ENOMEM;
}

static uint64_t *arena_ptr(void *arg, hpa_t frame)
{
	uint64_t i = (frame.v - ARENA_BASE) / PAGE_SIZE;

	assert_ptr_equal(arg, &arena);
	assert_true(frame.v >= ARENA_BASE && i < ARENA_FRAMES && IS_ALIGNED(frame.v, PAGE_SIZE));
	assert_non_null(arena.frame[i]);
	return arena.frame[i];
}

static void arena_free(void *arg, hpa_t frame)
{
	free(arena_ptr(arg, frame));
	arena.frame[(frame.v - ARENA_BASE) / PAGE_SIZE] = NULL;
	arena.used--;
}

static const struct ptab_mem arena_mem = {arena_alloc, arena_free, arena_ptr};

static int setup(void **state)
{
	(void)state;
	arena.budget = UINT32_MAX;
	arena.watch = NULL;
	assert_int_equal(arena.used, 0);
	return 0;
}

/* --- The formats once more, read as the hardware reads them --- */

struct kind {
	const struct ptab_format *fmt;
	uint64_t attrs[4]; /* some to choose from */
};

static const struct kind kinds[] = {
	{&ptab_format_x86,
	 {PTE_P, PTE_P | PTE_W | PTE_NX, PTE_P | PTE_PAT | PTE_PWT, PTE_P | PTE_G | PTE_A}	  },
	{&ptab_format_npt,
	 {PTE_P | PTE_U, PTE_P | PTE_U | PTE_W | PTE_A | PTE_D, PTE_P | PTE_U | PTE_NX,
	  PTE_P | PTE_U | PTE_PAT}								},
	{&ptab_format_ept,
	 {EPT_R, EPT_R | EPT_W | 6 << 3, EPT_R | EPT_X | EPT_IPAT, EPT_R | EPT_W | EPT_X | 6 << 3}},
};

struct hit {
	uint64_t pa, attr, span;
};

static const struct hit no_hit;

static bool hw_present(const struct ptab_format *f, uint64_t e)
{
	return f == &ptab_format_ept ? (e & 7) != 0 : (e & 1) != 0;
}

static void hw_check_table(const struct ptab_format *f, uint64_t e)
{
	if (f == &ptab_format_ept) {
		assert_int_equal(e & 7, 7); /* all rights: the leaf decides */
		assert_int_equal(
			e & 0xf8,
			0); /* SDM table 28-3: bits 7:3 reserved in PML4 and directory entries */
	} else {
		assert_int_equal(e & 3, 3);
		assert_int_equal(!!(e & 4), f == &ptab_format_npt);
		assert_int_equal(e >> 63, 0);
	}
}

static struct hit hw_leaf(const struct ptab_format *f, uint64_t e, uint32_t level, uint64_t addr)
{
	uint64_t span = 1ULL << (12 + 9 * level);
	uint64_t low = level ? BITS(11, 0) & ~0x80ULL : BITS(11, 0);
	struct hit h = {.span = span};

	h.attr = e & (low | BIT(63));
	h.pa = e & BITS(51, 12);
	if (level && f != &ptab_format_ept && (e & BIT(12))) {
		h.attr |= 0x80;
		h.pa &= ~BIT(12);
	}
	assert_int_equal(h.pa & (span - 1), 0); /* reserved bits of a large leaf */
	h.pa |= addr & (span - 1);
	return h;
}

static struct hit hw_walk(const struct ptab *p, uint64_t addr)
{
	hpa_t table = p->root;

	for (uint32_t level = p->levels; level-- > 0;) {
		uint64_t e = arena_ptr(&arena, table)[addr >> (12 + 9 * level) & 511];

		if (!hw_present(p->fmt, e)) {
			assert_int_equal(e, 0);
			return (struct hit){.span = 1ULL << (12 + 9 * level)};
		}
		if (!level || (e & 0x80)) {
			assert_true(level <= 2);
			return hw_leaf(p->fmt, e, level, addr);
		}
		hw_check_table(p->fmt, e);
		table = HPA(e & BITS(51, 12));
	}
	return no_hit;
}

/* --- The model: what each page of a window translates to --- */

#define WINDOW_PAGES (3u * 512 * 512 / 2) /* 1.5 GiB, across a 512 GiB boundary */

static struct {
	struct ptab p;
	uint64_t base;
	struct {
		uint64_t pa, attr;
	} page[WINDOW_PAGES];
} m;

static void model_init(const struct kind *k, uint8_t max_leaf, uint64_t base)
{
	memset(&m, 0, sizeof(m));
	m.base = base;
	arena.budget = UINT32_MAX;
	assert_int_equal(ptab_init(&m.p, k->fmt, 4, max_leaf, &arena_mem, &arena), 0);
}

static void model_set(uint64_t addr, uint64_t pa, uint64_t size, uint64_t attr)
{
	uint64_t first = (addr - m.base) / PAGE_SIZE;

	for (uint64_t i = 0; i < size / PAGE_SIZE; i++) {
		m.page[first + i].pa = attr ? pa + i * PAGE_SIZE : 0;
		m.page[first + i].attr = attr;
	}
}

static void check_page(uint64_t i)
{
	uint64_t addr = m.base + i * PAGE_SIZE;
	struct hit h = hw_walk(&m.p, addr);
	struct ptab_leaf leaf;
	int err = ptab_lookup(&m.p, addr + 5, &leaf);

	assert_int_equal(h.attr, m.page[i].attr);
	assert_int_equal(h.pa, m.page[i].pa);
	assert_int_equal(err, h.attr ? 0 : -ENOENT);
	assert_int_equal(leaf.size, h.span);
	assert_int_equal(leaf.attr, h.attr);
	assert_int_equal(leaf.pa.v, h.attr ? h.pa + 5 : 0);
	assert_true(h.attr == 0 || h.span <= PTAB_SPAN(m.p.max_leaf));
}

/* All pages, each entry of the tree once. */
static void check_all(void)
{
	uint64_t i = 0;

	while (i < WINDOW_PAGES) {
		uint64_t addr = m.base + i * PAGE_SIZE;
		struct hit h = hw_walk(&m.p, addr);
		uint64_t n = (h.span - (addr & (h.span - 1))) / PAGE_SIZE;

		for (uint64_t k = 0; k < n && i < WINDOW_PAGES; k++, i++) {
			if (m.page[i].attr != h.attr ||
			    (h.attr && m.page[i].pa != h.pa + k * PAGE_SIZE))
				fail_msg("page %#lx: model %#lx %#lx, table %#lx", (unsigned long)i,
					 (unsigned long)m.page[i].pa, (unsigned long)m.page[i].attr,
					 (unsigned long)(h.pa + k * PAGE_SIZE));
		}
	}
}

static uint64_t rnd_state = 88172645463325252ULL;

static uint64_t rnd(uint64_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % n;
}

struct op {
	uint64_t addr, pa, size, attr; /* attr 0: unmap */
};

/* Ranges of all sizes, often aligned to large pages, often congruent. */
static struct op random_op(const struct kind *k)
{
	static const uint64_t grains[] = {1, 1, 8, 512, 512, 512 * 512};
	uint64_t grain = grains[rnd(ARRAY_SIZE(grains))];
	uint64_t first = rnd(WINDOW_PAGES / grain) * grain;
	uint64_t pages = (1 + rnd(3)) * grain + (rnd(4) ? 0 : rnd(600));
	struct op op;

	if (pages > WINDOW_PAGES - first)
		pages = WINDOW_PAGES - first;
	op.addr = m.base + first * PAGE_SIZE;
	op.size = pages * PAGE_SIZE;
	op.pa = rnd(3) ? 64 * GIB + first * PAGE_SIZE : rnd(1 << 24) * PAGE_SIZE;
	op.attr = rnd(3) ? k->attrs[rnd(4)] : 0;
	return op;
}

static int apply(const struct op *op, uint32_t flags)
{
	if (op->attr)
		return ptab_map(&m.p, op->addr, HPA(op->pa), op->size, op->attr);
	return ptab_unmap(&m.p, op->addr, op->size, flags);
}

static void watch_unchanged(void)
{
	for (int i = 0; i < 4; i++)
		check_page(rnd(WINDOW_PAGES));
}

static void random_run(const struct kind *k, uint8_t max_leaf, uint64_t base, uint32_t ops)
{
	model_init(k, max_leaf, base);
	arena.watch = watch_unchanged; /* whenever a table is asked for, all is as before */
	for (uint32_t n = 0; n < ops; n++) {
		struct op op = random_op(k);
		uint64_t first = (op.addr - m.base) / PAGE_SIZE;

		assert_int_equal(apply(&op, rnd(2) ? PTAB_FREE : 0), 0);
		model_set(op.addr, op.pa, op.size, op.attr);
		check_page(first);
		check_page(first + op.size / PAGE_SIZE - 1);
		if (first)
			check_page(first - 1);
		if (first + op.size / PAGE_SIZE < WINDOW_PAGES)
			check_page(first + op.size / PAGE_SIZE);
		if (n % 16 == 0)
			check_all();
	}
	check_all();
	arena.watch = NULL;
	ptab_destroy(&m.p);
	assert_int_equal(arena.used, 0);
}

static void test_random(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		for (uint8_t leaf = PTAB_4K; leaf <= PTAB_1G; leaf++)
			random_run(&kinds[k], leaf, 512 * GIB - GIB, leaf == PTAB_4K ? 40 : 250);
	}
	random_run(&kinds[0], PTAB_2M, 0xffff900000000000ULL, 100);
	random_run(&kinds[1], PTAB_1G, 0, 100);
}

/* Every allocation of every operation fails once: nothing changes, and the operation then succeeds. */
static void test_enomem(void **state)
{
	(void)state;
	for (uint32_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		model_init(&kinds[k], PTAB_1G, 512 * GIB - GIB);
		for (uint32_t n = 0; n < 60; n++) {
			struct op op = random_op(&kinds[k]);
			uint32_t allowed = 0;

			/* Tables that a failed attempt has made stay, so each attempt fails at its first. */
			do {
				arena.budget = allowed ? 1 : 0;
				allowed++;
				assert_true(allowed < 2000);
				check_page(rnd(WINDOW_PAGES));
			} while (apply(&op, 0) == -ENOMEM);
			model_set(op.addr, op.pa, op.size, op.attr);
			if (n % 8 == 0)
				check_all();
		}
		check_all();
		ptab_destroy(&m.p);
		assert_int_equal(arena.used, 0);
	}
}

/* Failing at the n-th allocation from the same start, for each n, leaves every page as it was. */
static void test_enomem_each(void **state)
{
	const struct kind *k = &kinds[2];
	const uint64_t base = 512 * GIB - GIB;
	const struct op ops[] = {
		{base + PAGE_SIZE,	   5 * GIB,	    GIB + 4 * MIB, EPT_R	},
		{base + PAGE_SIZE,	   0,	      GIB,	   0	    },
		{base + GIB - PAGE_SIZE, 7 * PAGE_SIZE, 3 * PAGE_SIZE, EPT_R | EPT_W},
	};

	(void)state;
	for (uint32_t o = 0; o < ARRAY_SIZE(ops); o++) {
		int err = -ENOMEM;

		for (uint32_t n = 0; err; n++) {
			model_init(k, PTAB_1G, base);
			assert_int_equal(
				ptab_map(&m.p, base, HPA(8 * GIB), GIB + GIB / 2, 7 | 6 << 3), 0);
			model_set(base, 8 * GIB, GIB + GIB / 2, 7 | 6 << 3);
			arena.budget = n;
			err = apply(&ops[o], 0);
			arena.budget = UINT32_MAX;
			if (!err)
				model_set(ops[o].addr, ops[o].pa, ops[o].size, ops[o].attr);
			else
				assert_int_equal(err, -ENOMEM);
			check_all();
			ptab_destroy(&m.p);
			assert_int_equal(arena.used, 0);
		}
	}
	arena.budget = 0;
	assert_int_equal(ptab_init(&m.p, k->fmt, 4, PTAB_1G, &arena_mem, &arena), -ENOMEM);
}

static void test_largest_pages(void **state)
{
	const uint64_t tib = 1024 * GIB;
	struct ptab_leaf leaf;
	struct ptab p;

	(void)state;
	assert_int_equal(ptab_init(&p, &ptab_format_npt, 4, PTAB_1G, &arena_mem, &arena), 0);
	assert_int_equal(ptab_map(&p, 0, HPA(0), tib, PTE_P | PTE_U | PTE_W), 0);
	assert_int_equal(arena.used, 1 + 2); /* the root and two directories of 512 GiB */
	assert_int_equal(ptab_lookup(&p, tib - 1, &leaf), 0);
	assert_int_equal(leaf.pa.v, tib - 1);
	assert_int_equal(leaf.size, GIB);
	assert_int_equal(leaf.level, PTAB_1G);
	assert_int_equal(ptab_lookup(&p, tib, &leaf), -ENOENT);
	assert_int_equal(leaf.size, 512 * GIB);

	/* One page out of the middle, and its way back. */
	assert_int_equal(ptab_unmap(&p, 5 * GIB + 2 * MIB + PAGE_SIZE, PAGE_SIZE, 0), 0);
	assert_int_equal(arena.used, 1 + 2 + 2);
	assert_int_equal(ptab_lookup(&p, 5 * GIB + 2 * MIB + PAGE_SIZE, &leaf), -ENOENT);
	assert_int_equal(leaf.size, PAGE_SIZE);
	assert_int_equal(ptab_lookup(&p, 5 * GIB, &leaf), 0);
	assert_int_equal(leaf.size, PAGE_SIZE_2M);
	/* Where tables are they stay, and are filled. */
	assert_int_equal(ptab_map(&p, 5 * GIB, HPA(5 * GIB), GIB, PTE_P | PTE_U), 0);
	assert_int_equal(arena.used, 1 + 2 + 2);
	assert_int_equal(ptab_lookup(&p, 5 * GIB + 2 * MIB + PAGE_SIZE, &leaf), 0);
	assert_int_equal(leaf.attr, PTE_P | PTE_U);
	/* Once they have been freed, the largest page fits again. */
	assert_int_equal(ptab_unmap(&p, 5 * GIB, GIB, PTAB_FREE), 0);
	assert_int_equal(arena.used, 1 + 2);
	assert_int_equal(ptab_map(&p, 5 * GIB, HPA(5 * GIB), GIB, PTE_P | PTE_U), 0);
	assert_int_equal(ptab_lookup(&p, 5 * GIB, &leaf), 0);
	assert_int_equal(leaf.size, GIB);
	ptab_destroy(&p);

	/* 1 TiB again, in pages of 2 MiB. */
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 4, PTAB_2M, &arena_mem, &arena), 0);
	assert_int_equal(ptab_map(&p, tib, HPA(2 * tib), tib, EPT_R), 0);
	assert_int_equal(arena.used, 1 + 2 + 1024);
	assert_int_equal(ptab_lookup(&p, tib + 700 * GIB + 12345, &leaf), 0);
	assert_int_equal(leaf.pa.v, 2 * tib + 700 * GIB + 12345);
	assert_int_equal(leaf.size, PAGE_SIZE_2M);
	assert_int_equal(ptab_unmap(&p, tib, tib, PTAB_FREE), 0);
	assert_int_equal(arena.used, 1);
	ptab_destroy(&p);
}

static void test_arguments(void **state)
{
	const uint64_t top = 1ULL << 48;
	struct ptab_leaf leaf;
	struct ptab p;

	(void)state;
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 4, 3, &arena_mem, &arena), -EINVAL);
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 6, 2, &arena_mem, &arena), -EINVAL);
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 2, 2, &arena_mem, &arena), -EINVAL);
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 4, 2, &arena_mem, &arena), 0);

	assert_int_equal(ptab_map(&p, 0, HPA(0), 0, EPT_R), -EINVAL);
	assert_int_equal(ptab_map(&p, 1, HPA(0), PAGE_SIZE, EPT_R), -EINVAL);
	assert_int_equal(ptab_map(&p, 0, HPA(1), PAGE_SIZE, EPT_R), -EINVAL);
	assert_int_equal(ptab_map(&p, 0, HPA(0), PAGE_SIZE + 1, EPT_R), -EINVAL);
	assert_int_equal(ptab_map(&p, 0, HPA(0), PAGE_SIZE, EPT_IPAT), -EINVAL);
	assert_int_equal(ptab_map(&p, 0, HPA(0), PAGE_SIZE, EPT_R | EPT_PS), -EINVAL);
	assert_int_equal(ptab_map(&p, 0, HPA(0), PAGE_SIZE, EPT_R | BIT(52)), -EINVAL);
	assert_int_equal(ptab_map(&p, top, HPA(0), PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, top - PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, PAGE_SIZE, HPA(0), 0 - PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, 0 - PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, 0, HPA(BIT(52)), PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, 0, HPA(BIT(52) - PAGE_SIZE), 2 * PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_map(&p, 0, HPA(0 - PAGE_SIZE), 2 * PAGE_SIZE, EPT_R), -ERANGE);
	assert_int_equal(ptab_unmap(&p, top, PAGE_SIZE, 0), -ERANGE);
	assert_int_equal(ptab_unmap(&p, 5, PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(ptab_unmap(&p, 0, 0, 0), -EINVAL);
	assert_int_equal(ptab_lookup(&p, top, &leaf), -ERANGE);
	assert_int_equal(arena.used, 1);

	assert_int_equal(ptab_map(&p, top - PAGE_SIZE, HPA(BIT(52) - PAGE_SIZE), PAGE_SIZE, EPT_R),
			 0);
	assert_int_equal(ptab_lookup(&p, top - 1, &leaf), 0);
	assert_int_equal(leaf.pa.v, BIT(52) - 1);
	assert_int_equal(ptab_unmap(&p, 0, top, PTAB_FREE), 0);
	assert_int_equal(arena.used, 1);
	ptab_destroy(&p);
}

static void test_canonical(void **state)
{
	const uint64_t half = 1ULL << 47;
	struct ptab_leaf leaf;
	struct ptab p;

	(void)state;
	assert_int_equal(ptab_init(&p, &ptab_format_x86, 4, 2, &arena_mem, &arena), 0);
	assert_int_equal(ptab_map(&p, half, HPA(0), PAGE_SIZE, PTE_P), -ERANGE);
	assert_int_equal(ptab_map(&p, half - PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, PTE_P), -ERANGE);
	assert_int_equal(ptab_map(&p, 0 - half - PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, PTE_P), -ERANGE);
	assert_int_equal(ptab_map(&p, 0 - PAGE_SIZE, HPA(0), 2 * PAGE_SIZE, PTE_P), -ERANGE);
	assert_int_equal(ptab_map(&p, 0, HPA(0), PAGE_SIZE, PTE_P | PTE_U), -EINVAL);
	assert_int_equal(ptab_map(&p, half - PAGE_SIZE, HPA(0x1000), PAGE_SIZE, PTE_P), 0);
	assert_int_equal(ptab_map(&p, 0 - half, HPA(0x2000), PAGE_SIZE, PTE_P), 0);
	assert_int_equal(ptab_map(&p, 0 - PAGE_SIZE, HPA(0x3000), PAGE_SIZE, PTE_P), 0);
	assert_int_equal(ptab_lookup(&p, half - 1, &leaf), 0);
	assert_int_equal(leaf.pa.v, 0x1fff);
	assert_int_equal(ptab_lookup(&p, 0 - half, &leaf), 0);
	assert_int_equal(leaf.pa.v, 0x2000);
	assert_int_equal(ptab_lookup(&p, UINT64_MAX, &leaf), 0);
	assert_int_equal(leaf.pa.v, 0x3fff);
	assert_int_equal(ptab_lookup(&p, half, &leaf), -ERANGE);
	assert_int_equal(ptab_unmap(&p, 0 - half, half, PTAB_FREE), 0);
	assert_int_equal(ptab_lookup(&p, UINT64_MAX, &leaf), -ENOENT);
	ptab_destroy(&p);
	assert_int_equal(arena.used, 0);
}

static struct ptab *racing;
static uint64_t racing_addr;

/* The processor writes to the page while its large leaf is being split. */
static void set_dirty(void)
{
	uint64_t path[PTAB_LEVELS_MAX];
	uint32_t n = ptab_walk_path(racing, racing_addr, path);
	hpa_t table = HPA(path[n - 2] & PTE_ADDR);

	arena.watch = NULL;
	arena_ptr(&arena, table)[racing_addr >> (12 + 9 * (4 - n)) & 511] |= PTE_D;
}

static void test_split_keeps_hardware_bits(void **state)
{
	struct ptab_leaf leaf;
	struct ptab p;

	(void)state;
	assert_int_equal(ptab_init(&p, &ptab_format_npt, 4, 2, &arena_mem, &arena), 0);
	assert_int_equal(ptab_map(&p, 0, HPA(0), GIB, PTE_P | PTE_U | PTE_W), 0);
	racing = &p;
	racing_addr = 4 * MIB;
	arena.watch = set_dirty;
	assert_int_equal(ptab_unmap(&p, 0, PAGE_SIZE, 0), 0);
	assert_int_equal(ptab_lookup(&p, 4 * MIB, &leaf), 0);
	assert_int_equal(leaf.attr, PTE_P | PTE_U | PTE_W | PTE_D);
	arena.watch = NULL;
	ptab_destroy(&p);
}

static void test_path(void **state)
{
	uint64_t path[PTAB_LEVELS_MAX];
	struct ptab p;

	(void)state;
	assert_int_equal(ptab_init(&p, &ptab_format_ept, 4, 2, &arena_mem, &arena), 0);
	assert_int_equal(ptab_walk_path(&p, 0, path), 1);
	assert_int_equal(path[0], 0);
	assert_int_equal(ptab_walk_path(&p, BIT(48), path), 0);
	assert_int_equal(ptab_map(&p, 2 * MIB, HPA(6 * MIB), 2 * MIB, EPT_R | EPT_X), 0);
	assert_int_equal(ptab_walk_path(&p, 3 * MIB, path), 3);
	assert_int_equal(path[2], 6 * MIB | EPT_R | EPT_X | EPT_PS);
	assert_int_equal(ptab_walk_path(&p, 0, path), 3);
	assert_int_equal(path[2], 0);
	assert_int_equal(ptab_map(&p, 0, HPA(0x5000), PAGE_SIZE, EPT_R), 0);
	assert_int_equal(ptab_walk_path(&p, 0xfff, path), 4);
	assert_int_equal(path[3], 0x5000 | EPT_R);
	ptab_destroy(&p);
}

/* Three and five levels: what IOMMUs will ask for. */
static void test_other_depths(void **state)
{
	struct ptab_leaf leaf;
	struct ptab p;

	(void)state;
	for (uint8_t levels = 3; levels <= 5; levels++) {
		uint64_t space = PTAB_SPAN(levels);

		assert_int_equal(ptab_init(&p, &ptab_format_ept, levels, 1, &arena_mem, &arena), 0);
		assert_int_equal(ptab_map(&p, space - 3 * MIB, HPA(3 * MIB), 3 * MIB, EPT_R), 0);
		assert_int_equal(ptab_map(&p, space, HPA(0), PAGE_SIZE, EPT_R), -ERANGE);
		assert_int_equal(ptab_lookup(&p, space - 1, &leaf), 0);
		assert_int_equal(leaf.pa.v, 6 * MIB - 1);
		assert_int_equal(leaf.size, PAGE_SIZE_2M);
		assert_int_equal(ptab_lookup(&p, space - 3 * MIB, &leaf), 0);
		assert_int_equal(leaf.size, PAGE_SIZE);
		ptab_destroy(&p);
		assert_int_equal(arena.used, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_arguments, setup),
		cmocka_unit_test_setup(test_canonical, setup),
		cmocka_unit_test_setup(test_largest_pages, setup),
		cmocka_unit_test_setup(test_path, setup),
		cmocka_unit_test_setup(test_other_depths, setup),
		cmocka_unit_test_setup(test_split_keeps_hardware_bits, setup),
		cmocka_unit_test_setup(test_enomem_each, setup),
		cmocka_unit_test_setup(test_enomem, setup),
		cmocka_unit_test_setup(test_random, setup),
	};

	return cmocka_run_group_tests_name("ptab", tests, NULL, NULL);
}
