/* SPDX-License-Identifier: BSD-2-Clause */
/* Bitmaps in arrays of 64-bit words. Not atomic: for that, lib/atomic.h. */

#ifndef LIB_BITMAP_H
#define LIB_BITMAP_H

#include "lib/types.h"

#define BITMAP_WORD_BITS 64U

/* Words that @bits bits need: uint64_t map[BITMAP_WORDS(n)]. */
#define BITMAP_WORDS(bits) (((bits) + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS)

static inline void bitmap_set(uint64_t *map, uint32_t n)
{
	map[n / BITMAP_WORD_BITS] |= BIT(n % BITMAP_WORD_BITS);
}

static inline void bitmap_clear(uint64_t *map, uint32_t n)
{
	map[n / BITMAP_WORD_BITS] &= ~BIT(n % BITMAP_WORD_BITS);
}

static inline bool bitmap_test(const uint64_t *map, uint32_t n)
{
	return map[n / BITMAP_WORD_BITS] >> (n % BITMAP_WORD_BITS) & 1;
}

/* First bit from @from on that is set once the word is xored with @invert; @bits if there is none. */
static inline uint32_t bitmap_scan(const uint64_t *map, uint32_t bits, uint32_t from,
				   uint64_t invert)
{
	uint32_t word = from / BITMAP_WORD_BITS;
	uint64_t w;

	if (from >= bits)
		return bits;
	w = (map[word] ^ invert) & (~0ULL << (from % BITMAP_WORD_BITS));
	while (!w) {
		if (++word >= BITMAP_WORDS(bits))
			return bits;
		w = map[word] ^ invert;
	}
	from = word * BITMAP_WORD_BITS + (uint32_t)__builtin_ctzll(w);
	return from < bits ? from : bits;
}

/* First set, or clear, bit of [@from, @bits); @bits if there is none. */
static inline uint32_t bitmap_find_set(const uint64_t *map, uint32_t bits, uint32_t from)
{
	return bitmap_scan(map, bits, from, 0);
}

static inline uint32_t bitmap_find_zero(const uint64_t *map, uint32_t bits, uint32_t from)
{
	return bitmap_scan(map, bits, from, ~0ULL);
}

static inline uint32_t bitmap_find_first_zero(const uint64_t *map, uint32_t bits)
{
	return bitmap_find_zero(map, bits, 0);
}

/* Start of the first run of @len clear bits in [@from, @bits); @bits if there is none. @len at least 1. */
static inline uint32_t bitmap_find_zero_run(const uint64_t *map, uint32_t bits, uint32_t from,
					    uint32_t len)
{
	uint32_t start = bitmap_find_zero(map, bits, from);

	while (start < bits && len <= bits - start) {
		uint32_t end = bitmap_find_set(map, start + len, start);

		if (end == start + len)
			return start;
		start = bitmap_find_zero(map, bits, end);
	}
	return bits;
}

/* Set, or clear, the bits of [@from, @from + @len). */
static inline void bitmap_set_run(uint64_t *map, uint32_t from, uint32_t len)
{
	for (; len; from++, len--)
		bitmap_set(map, from);
}

static inline void bitmap_clear_run(uint64_t *map, uint32_t from, uint32_t len)
{
	for (; len; from++, len--)
		bitmap_clear(map, from);
}

/* Visit each set bit, in ascending order, as @n (uint32_t). */
#define bitmap_for_each(n, map, bits)                           \
	for ((n) = bitmap_find_set(map, bits, 0); (n) < (bits); \
	     (n) = bitmap_find_set(map, bits, (n) + 1))

#endif
