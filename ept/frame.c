/* SPDX-License-Identifier: BSD-2-Clause */
/* Who owns which physical memory: an array of blocks, sub-tables for the few that are shared. */

#include "ept/frame.h"
#include "lib/atomic.h"
#include "lib/lock.h"
#include "lib/string.h"

#define PER_BLOCK (FRAME_BLOCK / PAGE_SIZE)
#define SPLIT	  0x8000U /* in a block's word: the rest is the number of its sub-table */
#define SUBS_MAX  SPLIT
#define NO_SUB	  UINT32_MAX
#define LOW_END	  (4 * GIB) /* what devices of 32 bits can reach, kept for those who need it */
#define LOW_START (1 * MIB) /* below is for real-mode code */

struct sub_table {
	uint16_t owner
		[PER_BLOCK]; /* of one that is not in use, the first two words are the next's number */
};

/* Frames and blocks are numbered from address 0. */
static struct {
	struct lock lock; /* of all that changes; the pool's may not be acquired under it */
	uint64_t frames;  /* that the blocks have */
	uint16_t *block;
	struct sub_table *sub;
	uint32_t sub_count;
	uint32_t sub_free; /* how many are not in use */
	uint32_t sub_next; /* the first of these */
	uint32_t merges; /* counts sub-tables given back: a reader without the lock starts again */
	uint64_t total[OWNER_COUNT];
} ft;

/* --- Blocks and sub-tables; the lock is held unless said --- */

static uint64_t blocks_of(uint64_t bytes)
{
	return (bytes + FRAME_BLOCK - 1) / FRAME_BLOCK;
}

static bool is_split(uint16_t word)
{
	return word & SPLIT;
}

static struct sub_table *sub_of(uint16_t word)
{
	return &ft.sub[word & ~SPLIT];
}

static void set_block(uint64_t block, uint32_t word)
{
	__atomic_store_n(&ft.block[block], (uint16_t)word, __ATOMIC_RELEASE);
}

static void sub_release(uint32_t number)
{
	memcpy(ft.sub[number].owner, &ft.sub_next, sizeof(ft.sub_next));
	ft.sub_next = number;
	ft.sub_free++;
}

/* Frames [@first, @first + @n) of a sub-table become @owner's; frame_owner may be reading. */
static void sub_set(struct sub_table *s, uint32_t first, uint32_t n, uint16_t owner)
{
	for (uint32_t i = first; i < first + n; i++)
		__atomic_store_n(&s->owner[i], owner, __ATOMIC_RELAXED);
}

/* Give the block, which has one owner, a sub-table; the caller has seen that there is one. */
static void block_split(uint64_t block)
{
	uint32_t number = ft.sub_next;
	struct sub_table *s = &ft.sub[number];

	memcpy(&ft.sub_next, s->owner, sizeof(ft.sub_next));
	ft.sub_free--;
	sub_set(s, 0, PER_BLOCK, ft.block[block]);
	set_block(block, SPLIT | number);
}

/* Make the whole block @owner's. */
static void block_set(uint64_t block, uint16_t owner)
{
	uint16_t old = ft.block[block];

	set_block(block, owner);
	if (is_split(old)) {
		atomic_add_u32(&ft.merges, 1);
		sub_release(old & ~SPLIT);
	}
}

static bool sub_uniform(const struct sub_table *s)
{
	return !memcmp(&s->owner[0], &s->owner[1], sizeof(s->owner) - sizeof(s->owner[0]));
}

/* Frames [@first, @first + @n) of one block, and not all of them, become @owner's. */
static void block_set_part(uint64_t first, uint32_t n, uint16_t owner)
{
	uint64_t block = first / PER_BLOCK;
	struct sub_table *s;

	if (ft.block[block] == owner)
		return;
	if (!is_split(ft.block[block]))
		block_split(block);

	s = sub_of(ft.block[block]);
	sub_set(s, first % PER_BLOCK, n, owner);
	if (sub_uniform(s))
		block_set(block, owner);
}

static uint16_t owner_at(uint64_t frame)
{
	uint16_t word = ft.block[frame / PER_BLOCK];

	return is_split(word) ? sub_of(word)->owner[frame % PER_BLOCK] : word;
}

/* Frames from @frame to the end of its block, at most to @end. */
static uint32_t rest_of_block(uint64_t frame, uint64_t end)
{
	return (uint32_t)min_u64(PER_BLOCK - frame % PER_BLOCK, end - frame);
}

/* Do all frames of [@first, @end) belong to @owner? */
static bool range_is(uint64_t first, uint64_t end, uint16_t owner)
{
	while (first < end) {
		uint16_t word = ft.block[first / PER_BLOCK];
		uint32_t n = rest_of_block(first, end);

		if (!is_split(word) && word != owner)
			return false;
		for (uint32_t i = 0; is_split(word) && i < n; i++) {
			if (sub_of(word)->owner[first % PER_BLOCK + i] != owner)
				return false;
		}
		first += n;
	}
	return true;
}

/* Would giving [@first, @end), which is in the block of @first alone, split it? */
static uint32_t needs_sub(uint64_t first, uint64_t end, uint16_t owner)
{
	uint16_t word = ft.block[first / PER_BLOCK];

	return end - first < PER_BLOCK && !is_split(word) && word != owner;
}

/* How many sub-tables range_set needs: for the first block and the last, at most. */
static uint32_t range_needs(uint64_t first, uint64_t end, uint16_t owner)
{
	uint64_t second = first + rest_of_block(first, end);
	uint64_t last = max_u64(second, ALIGN_DOWN(end, PER_BLOCK));

	return needs_sub(first, second, owner) + (last < end ? needs_sub(last, end, owner) : 0);
}

/* Make [@first, @end) @owner's, whosever it was; totals apart. -ENOSPC, and nothing has changed. */
static int range_set(uint64_t first, uint64_t end, uint16_t owner)
{
	if (range_needs(first, end, owner) > ft.sub_free)
		return -ENOSPC;

	while (first < end) {
		uint32_t n = rest_of_block(first, end);

		if (n == PER_BLOCK)
			block_set(first / PER_BLOCK, owner);
		else
			block_set_part(first, n, owner);
		first += n;
	}
	return 0;
}

static void total_move(uint16_t from, uint16_t to, uint64_t frames)
{
	atomic_add_u64(&ft.total[from], 0 - frames);
	atomic_add_u64(&ft.total[to], frames);
}

/* --- Runs --- */

/* The first frame behind @frame, at most @end, that has another owner. */
static uint64_t run_end(uint64_t frame, uint64_t end)
{
	const uint16_t owner = owner_at(frame);

	while (frame < end && owner_at(frame) == owner)
		frame += is_split(ft.block[frame / PER_BLOCK]) ? 1 : rest_of_block(frame, end);
	return frame;
}

/* The first frame of the run that @frame - 1 is in, at least @start. */
static uint64_t run_start(uint64_t frame, uint64_t start)
{
	const uint16_t owner = owner_at(frame - 1);

	while (frame > start && owner_at(frame - 1) == owner) {
		if (is_split(ft.block[(frame - 1) / PER_BLOCK]))
			frame--;
		else
			frame = max_u64(ALIGN_DOWN(frame - 1, PER_BLOCK), start);
	}
	return frame;
}

/* --- The table --- */

static uint64_t end_of(const struct mem_range *r)
{
	return r->base.v + r->size;
}

static uint64_t ram_end(const struct mem_range *map, uint32_t n)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (map[i].type == MEM_RAM)
			end = max_u64(end, end_of(&map[i]));
	}
	return end;
}

/* Bytes of the block array, such that sub-tables can follow it. */
static uint64_t block_bytes(uint64_t blocks)
{
	return ALIGN_UP(blocks * sizeof(uint16_t), sizeof(uint64_t));
}

uint64_t frame_table_bytes(const struct mem_range *map, uint32_t n)
{
	uint64_t subs = FRAME_SPARES;

	for (uint32_t i = 0; i < n; i++) {
		subs += IS_ALIGNED(map[i].base.v, FRAME_BLOCK) ? 0 : 1;
		subs += IS_ALIGNED(end_of(&map[i]), FRAME_BLOCK) ? 0 : 1;
	}
	return block_bytes(blocks_of(ram_end(map, n))) +
	       min_u64(subs, SUBS_MAX) * sizeof(struct sub_table);
}

static bool map_is_clean(const struct mem_range *map, uint32_t n)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!map[i].size || !IS_ALIGNED(map[i].base.v | map[i].size, PAGE_SIZE))
			return false;
		if (map[i].base.v < at || range_wraps(map[i].base.v, map[i].size))
			return false;
		at = end_of(&map[i]);
	}
	return ram_end(map, n) != 0;
}

static int range_init(const struct mem_range *r)
{
	uint64_t first = r->base.v / PAGE_SIZE;
	uint64_t end = min_u64(end_of(r) / PAGE_SIZE, ft.frames);
	uint16_t owner = r->type == MEM_RAM ? OWNER_FREE : OWNER_RESERVED;

	if (first >= end)
		return 0;
	total_move(OWNER_NONE, owner, end - first);
	return range_set(first, end, owner);
}

int frame_init(const struct mem_range *map, uint32_t n, void *table, uint64_t bytes)
{
	uint64_t blocks;
	int err = 0;

	if (!map_is_clean(map, n))
		return -EINVAL;
	blocks = blocks_of(ram_end(map, n));
	if (bytes < block_bytes(blocks))
		return -ENOSPC;

	memset(&ft, 0, sizeof(ft));
	memset(table, 0, block_bytes(blocks));
	ft.frames = blocks * PER_BLOCK;
	ft.block = table;
	ft.sub = (struct sub_table *)((char *)table + block_bytes(blocks));
	ft.sub_count = (uint32_t)min_u64((bytes - block_bytes(blocks)) / sizeof(struct sub_table),
					 SUBS_MAX);
	ft.sub_next = NO_SUB;
	for (uint32_t i = ft.sub_count; i-- > 0;)
		sub_release(i);

	ft.total[OWNER_NONE] = ft.frames;
	for (uint32_t i = 0; !err && i < n; i++)
		err = range_init(&map[i]);
	return err;
}

/* --- Owners --- */

static bool is_owner(uint16_t owner)
{
	return owner > OWNER_NONE && owner < OWNER_COUNT;
}

/* frame_give, with the lock held and the arguments checked. */
static int give(uint64_t first, uint64_t end, uint16_t from, uint16_t to)
{
	int err;

	if (!range_is(first, end, from))
		return -EBUSY;
	err = range_set(first, end, to);
	if (!err)
		total_move(from, to, end - first);
	return err;
}

int frame_give(hpa_t base, uint64_t size, uint16_t from, uint16_t to)
{
	const uint64_t first = base.v / PAGE_SIZE;
	int err;

	if (!size || !IS_ALIGNED(base.v | size, PAGE_SIZE) || !is_owner(from) || !is_owner(to))
		return -EINVAL;
	if (first >= ft.frames || size / PAGE_SIZE > ft.frames - first)
		return -ERANGE;

	lock_acquire(&ft.lock);
	err = give(first, first + size / PAGE_SIZE, from, to);
	lock_release(&ft.lock);
	return err;
}

int frame_claim(hpa_t base, uint64_t size, uint16_t owner)
{
	return frame_give(base, size, OWNER_FREE, owner);
}

/* A sub-table may be given back, and be filled for another block, between the two loads: then once more. */
uint16_t frame_owner(hpa_t pa)
{
	const uint64_t frame = pa.v / PAGE_SIZE;
	uint32_t merges;
	uint16_t owner;

	if (frame >= ft.frames)
		return OWNER_NONE;
	do {
		merges = atomic_load_u32(&ft.merges);
		owner = __atomic_load_n(&ft.block[frame / PER_BLOCK], __ATOMIC_ACQUIRE);
		if (is_split(owner))
			owner = __atomic_load_n(&sub_of(owner)->owner[frame % PER_BLOCK],
						__ATOMIC_ACQUIRE);
	} while (unlikely(merges != atomic_load_relaxed_u32(&ft.merges)));
	return owner;
}

uint64_t frame_total(uint16_t owner)
{
	return owner < OWNER_COUNT ? atomic_load_u64(&ft.total[owner]) * PAGE_SIZE : 0;
}

/* --- Finding free memory; numbers of frames --- */

static bool find_low(uint64_t frames, uint64_t align, uint64_t at, uint64_t max, uint64_t *out)
{
	while (at < max) {
		uint64_t end = run_end(at, max);
		uint64_t start = ALIGN_UP(at, align);

		if (owner_at(at) == OWNER_FREE && start < end && frames <= end - start) {
			*out = start;
			return true;
		}
		at = end;
	}
	return false;
}

static bool find_high(uint64_t frames, uint64_t align, uint64_t min, uint64_t at, uint64_t *out)
{
	while (at > min) {
		uint64_t start = run_start(at, min);

		if (owner_at(start) == OWNER_FREE && frames <= at - start &&
		    ALIGN_DOWN(at - frames, align) >= start) {
			*out = ALIGN_DOWN(at - frames, align);
			return true;
		}
		at = start;
	}
	return false;
}

int frame_find(uint64_t size, uint64_t align, uint64_t min, uint64_t max, bool from_top, hpa_t *out)
{
	const uint64_t frames = size / PAGE_SIZE;
	const uint64_t first = min / PAGE_SIZE + (min % PAGE_SIZE ? 1 : 0);
	const uint64_t end = min_u64(max / PAGE_SIZE, ft.frames);
	uint64_t at = 0;
	bool found;

	if (!size || !IS_ALIGNED(size, PAGE_SIZE) || align < PAGE_SIZE || (align & (align - 1)))
		return -EINVAL;

	lock_acquire(&ft.lock);
	if (from_top)
		found = find_high(frames, align / PAGE_SIZE, first, end, &at);
	else
		found = find_low(frames, align / PAGE_SIZE, first, end, &at);
	lock_release(&ft.lock);
	if (!found)
		return -ENOMEM;
	*out = HPA(at * PAGE_SIZE);
	return 0;
}

/* --- RAM for a VM --- */

/* Where pieces come from, best first. */
static const struct place {
	uint64_t min, max, align; /* bytes */
} places[] = {
	{LOW_END,	  UINT64_MAX, PAGE_SIZE_1G},
	     {LOW_END,   UINT64_MAX, PAGE_SIZE_2M},
	{LOW_START, LOW_END,    PAGE_SIZE_1G},
	     {LOW_START, LOW_END,	  PAGE_SIZE_2M},
	{LOW_END,	  UINT64_MAX, PAGE_SIZE   },
	     {LOW_START, LOW_END,	  PAGE_SIZE   },
};

struct extent {
	uint64_t first, frames;
};

/* Is a run of @a frames a better source for @want frames than one of @b? The tightest that has all, else the largest. */
static bool better(uint64_t a, uint64_t b, uint64_t want)
{
	if (a >= want)
		return b < want || a < b;
	return a > b;
}

/* The best source for @want frames in @place: the run from its first aligned frame on; none is 0 frames. */
static struct extent best_run(const struct place *place, uint64_t want)
{
	const uint64_t align = place->align / PAGE_SIZE;
	const uint64_t max = min_u64(place->max / PAGE_SIZE, ft.frames);
	struct extent best = {0, 0};
	uint64_t at = place->min / PAGE_SIZE;

	while (at < max) {
		uint64_t end = run_end(at, max);
		uint64_t start = ALIGN_UP(at, align);

		if (owner_at(at) == OWNER_FREE && start < end && end - start >= align &&
		    better(end - start, best.frames, want))
			best = (struct extent){start, end - start};
		at = end;
	}
	return best;
}

/* The best piece for @want frames, or for as many as there are. Small ones from the end, to keep large pages whole. */
static struct extent best_piece(uint64_t want)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(places); i++) {
		const uint64_t align = places[i].align / PAGE_SIZE;
		struct extent run = {0, 0};
		uint64_t take;

		if (want >= align)
			run = best_run(&places[i], want);
		if (!run.frames)
			continue;
		take = run.frames >= want ? want : ALIGN_DOWN(run.frames, align);
		if (places[i].align < PAGE_SIZE_1G)
			run.first = ALIGN_DOWN(run.first + run.frames - take, align);
		run.frames = take;
		return run;
	}
	return (struct extent){0, 0};
}

/* Take the next piece, at most @want frames, for @owner; the frames taken, or negative. */
static int64_t take_piece(uint64_t want, uint16_t owner, struct mem_range *out)
{
	struct extent e = best_piece(want);
	int err;

	if (!e.frames)
		return -ENOMEM;
	err = give(e.first, e.first + e.frames, OWNER_FREE, owner);
	if (err)
		return err;
	*out = (struct mem_range){HPA(e.first * PAGE_SIZE), e.frames * PAGE_SIZE, MEM_RAM};
	return (int64_t)e.frames;
}

int frame_alloc_ram(uint64_t size, uint16_t owner, struct mem_range *out, uint32_t max, uint32_t *n)
{
	uint64_t want = size / PAGE_SIZE;
	int64_t got = 0;

	*n = 0;
	if (!size || !IS_ALIGNED(size, PAGE_SIZE) || !is_owner(owner) || owner == OWNER_FREE)
		return -EINVAL;

	lock_acquire(&ft.lock);
	while (want && got >= 0) {
		got = *n < max ? take_piece(want, owner, &out[*n]) : -ENOSPC;
		if (got > 0) {
			want -= (uint64_t)got;
			++*n;
		}
	}
	/* Giving back what was just taken merges; it needs no sub-table. */
	while (got < 0 && *n) {
		const struct mem_range *r = &out[--*n];

		give(r->base.v / PAGE_SIZE, end_of(r) / PAGE_SIZE, owner, OWNER_FREE);
	}
	lock_release(&ft.lock);
	return got < 0 ? (int)got : 0;
}

int frame_for_each(frame_run_fn fn, void *arg)
{
	uint64_t at = 0;
	int err = 0;

	while (!err && at < ft.frames) {
		uint16_t owner;
		uint64_t end;

		lock_acquire(&ft.lock);
		owner = owner_at(at);
		end = run_end(at, ft.frames);
		lock_release(&ft.lock);
		err = fn(arg, HPA(at * PAGE_SIZE), (end - at) * PAGE_SIZE, owner);
		at = end;
	}
	return err;
}
