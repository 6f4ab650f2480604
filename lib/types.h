/* SPDX-License-Identifier: BSD-2-Clause */
/* Types and small macros that every other file may use. */

#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bulkhead/errno.h>

/*
 * Addresses in bytes, kept apart by the compiler: guest-physical, host-physical, guest-linear.
 * Make one with GPA(n), HPA(n), GVA(n); read it as a.v.
 */
typedef struct {
	uint64_t v;
} gpa_t;
typedef struct {
	uint64_t v;
} hpa_t;
typedef struct {
	uint64_t v;
} gva_t;

#define GPA(n) ((gpa_t){(n)})
#define HPA(n) ((hpa_t){(n)})
#define GVA(n) ((gva_t){(n)})

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define PAGE_SHIFT   12
#define PAGE_SIZE    UINT64_C(4096)
#define PAGE_MASK    (PAGE_SIZE - 1)
#define PAGE_SIZE_2M (2 * MIB)
#define PAGE_SIZE_1G (1 * GIB)

#define BIT(n)			      (UINT64_C(1) << (n))
#define BITS(hi, lo)		      ((UINT64_MAX >> (63 - (hi))) & (UINT64_MAX << (lo)))
#define ARRAY_SIZE(a)		      (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)		      (((x) + ((a)-1)) & ~((a)-1))
#define ALIGN_DOWN(x, a)	      ((x) & ~((a)-1))
#define IS_ALIGNED(x, a)	      (((x) & ((a)-1)) == 0)
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

#define PACKED	     __attribute__((packed))
#define ALIGNED(n)   __attribute__((aligned(n)))
#define NORETURN     __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
/* Code and data of start-up only; unmapped and freed after boot. Host tests build with both empty. */
#ifdef BULKHEAD_HOST
#define INIT
#define INITDATA
#define INITBSS
#else
#define INIT	 __attribute__((section(".init.text"), noinline))
/* A rare path, for which the ordinary one would save registers. */
#define NOINLINE __attribute__((noinline))
#define INITDATA __attribute__((section(".init.data")))
/* Zero at start and without bytes in the file; the comment sign hides the flags that the compiler adds. */
#define INITBSS	 __attribute__((section(".init.bss,\"aw\",@nobits#")))
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* True if [a, a+n) wraps around 2^64; then nothing may be done with the range. */
static inline bool range_wraps(uint64_t a, uint64_t n)
{
	uint64_t end;

	return __builtin_add_overflow(a, n, &end);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

#endif
