/* SPDX-License-Identifier: BSD-2-Clause */
/* Atomic access to words that several CPUs share. */

#ifndef LIB_ATOMIC_H
#define LIB_ATOMIC_H

#include "lib/types.h"

/*
 * For each of uint32_t (_u32), uint64_t (_u64) and bool (_bool; no arithmetic):
 *
 *   atomic_load        what was stored; nothing later moves before it (acquire)
 *   atomic_load_relaxed  the same without any order: flags that are looked at again
 *   atomic_store       nothing earlier moves behind it (release)
 *   atomic_xchg        store, return what was there (full order, as all that follow)
 *   atomic_cmpxchg     store @value if @old is there; true if it was
 *   atomic_or, atomic_and, atomic_add   change; return what was there before
 */
#define ATOMIC_ACCESS(suffix, type)                                                         \
	static inline type atomic_load_##suffix(const type *p)                              \
	{                                                                                   \
		return __atomic_load_n(p, __ATOMIC_ACQUIRE);                                \
	}                                                                                   \
	static inline type atomic_load_relaxed_##suffix(const type *p)                      \
	{                                                                                   \
		return __atomic_load_n(p, __ATOMIC_RELAXED);                                \
	}                                                                                   \
	static inline void atomic_store_##suffix(type *p, type value)                       \
	{                                                                                   \
		__atomic_store_n(p, value, __ATOMIC_RELEASE);                               \
	}                                                                                   \
	static inline type atomic_xchg_##suffix(type *p, type value)                        \
	{                                                                                   \
		return __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST);                     \
	}                                                                                   \
	static inline bool atomic_cmpxchg_##suffix(type *p, type old, type value)           \
	{                                                                                   \
		return __atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_SEQ_CST, \
						   __ATOMIC_SEQ_CST);                       \
	}

#define ATOMIC_ARITHMETIC(suffix, type)                               \
	static inline type atomic_or_##suffix(type *p, type bits)     \
	{                                                             \
		return __atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST);  \
	}                                                             \
	static inline type atomic_and_##suffix(type *p, type bits)    \
	{                                                             \
		return __atomic_fetch_and(p, bits, __ATOMIC_SEQ_CST); \
	}                                                             \
	static inline type atomic_add_##suffix(type *p, type n)       \
	{                                                             \
		return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST);    \
	}

ATOMIC_ACCESS(u32, uint32_t)
ATOMIC_ACCESS(u64, uint64_t)
ATOMIC_ACCESS(bool, bool)
ATOMIC_ARITHMETIC(u32, uint32_t)
ATOMIC_ARITHMETIC(u64, uint64_t)

/* Set, or clear, bit @n of a bitmap of 64-bit words; true if it was set before. */
static inline bool atomic_test_and_set_bit(uint64_t *map, uint32_t n)
{
	return atomic_or_u64(&map[n / 64], BIT(n % 64)) & BIT(n % 64);
}

static inline bool atomic_test_and_clear_bit(uint64_t *map, uint32_t n)
{
	return atomic_and_u64(&map[n / 64], ~BIT(n % 64)) & BIT(n % 64);
}

/* Order everything before against everything behind, stores against later loads included. */
static inline void atomic_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif
