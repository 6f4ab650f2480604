/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame pool: quotas, contiguous runs, zeroing, and what may not be freed. */
/* sources: arch/pool.c lib/lock.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/pool.h"

#define FRAMES 256u
#define BASE   (7 * GIB)

static uint8_t *memory;
static struct quota q;

static int setup(void **state)
{
	(void)state;
	memory = aligned_alloc(PAGE_SIZE, FRAMES * PAGE_SIZE);
	memset(memory, 0xee, FRAMES * PAGE_SIZE);
	pool_va_offset = (uint64_t)(uintptr_t)memory - BASE;
	q = (struct quota){.max = FRAMES};
	assert_int_equal(pool_init(HPA(BASE), FRAMES * PAGE_SIZE), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(memory);
	return 0;
}

static void test_init(void **state)
{
	(void)state;
	assert_int_equal(pool_total(), FRAMES);
	assert_int_equal(pool_used(), 1);
	assert_int_equal(pool_base().v, BASE);
	assert_int_equal(pool_quota_hv.max, FRAMES);
	assert_int_equal(pool_init(HPA(BASE + 1), FRAMES * PAGE_SIZE), -EINVAL);
	assert_int_equal(pool_init(HPA(BASE), PAGE_SIZE + 1), -EINVAL);
	assert_int_equal(pool_init(HPA(BASE), PAGE_SIZE), -EINVAL);
	assert_int_equal(pool_init(HPA(BASE), 8 * GIB), -EINVAL);
	assert_int_equal(pool_init(HPA(0 - PAGE_SIZE), 4 * PAGE_SIZE), -EINVAL);
}

static void test_alloc(void **state)
{
	hpa_t pa, pb;
	uint8_t *a = pool_alloc(&q, 1, &pa);
	uint8_t *b = pool_alloc(&q, 3, &pb);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal(q.used, 4);
	assert_int_equal(pool_used(), 5);
	assert_ptr_equal(pool_va(pa), a);
	assert_int_equal(pool_pa(b).v, pb.v);
	assert_true(IS_ALIGNED(pa.v, PAGE_SIZE));
	for (uint64_t i = 0; i < 3 * PAGE_SIZE; i++)
		assert_int_equal(b[i], 0);
	memset(b, 0x55, 3 * PAGE_SIZE);
	assert_int_equal(pool_free(&q, b, 3), 0);
	b = pool_alloc(&q, 2, NULL);
	for (uint64_t i = 0; i < 2 * PAGE_SIZE; i++)
		assert_int_equal(b[i], 0); /* nobody sees what was there */
	assert_null(pool_alloc(&q, 0, NULL));
}

static void test_quota(void **state)
{
	void *va;

	(void)state;
	q.max = 3;
	va = pool_alloc(&q, 2, NULL);
	assert_non_null(va);
	assert_null(pool_alloc(&q, 2, NULL));
	assert_non_null(pool_alloc(&q, 1, NULL));
	assert_null(pool_alloc(&q, 1, NULL));
	assert_null(pool_alloc(&q, UINT32_MAX, NULL));
	assert_int_equal(q.used, 3);
	assert_int_equal(pool_free(&q, va, 2), 0);
	assert_int_equal(q.used, 1);
	assert_non_null(pool_alloc(&q, 1, NULL));
	q.max = UINT32_MAX;
	assert_null(pool_alloc(&q, FRAMES, NULL)); /* the pool's own end */
	assert_int_equal(q.used, 2);
}

static void test_bad_free(void **state)
{
	uint8_t *a = pool_alloc(&q, 2, NULL);
	uint8_t *b = pool_alloc(&q, 1, NULL);
	struct quota other = {.max = 9, .used = 0};
	int local;

	(void)state;
	assert_int_equal(pool_free(&q, a, 0), -EINVAL);
	assert_int_equal(pool_free(&q, a + 8, 1), -EINVAL);
	assert_int_equal(pool_free(&q, &local, 1), -EINVAL);
	assert_int_equal(pool_free(&q, NULL, 1), -EINVAL);
	assert_int_equal(pool_free(&q, memory, 1), -EINVAL); /* the bitmap */
	assert_int_equal(pool_free(&q, memory - PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(pool_free(&q, memory + FRAMES * PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(pool_free(&q, a, FRAMES), -EINVAL);
	assert_int_equal(pool_free(&q, a, UINT32_MAX), -EINVAL);
	assert_int_equal(pool_free(&other, a, 2), -EINVAL); /* not charged there */
	assert_int_equal(pool_free(&q, a, 2), 0);
	assert_int_equal(pool_free(&q, a, 2), -EINVAL);		    /* twice */
	assert_int_equal(pool_free(&q, a + PAGE_SIZE, 2), -EINVAL); /* the first of them is free */
	assert_int_equal(pool_free(&q, b, 1), 0);
	assert_int_equal(pool_used(), 1);
	assert_int_equal(q.used, 0);
}

/* Random runs against a list of what is allocated; nothing overlaps, everything comes back. */
static void test_random(void **state)
{
	static struct {
		uint8_t *va;
		uint32_t n;
	} held[FRAMES];
	uint8_t owner[FRAMES] = {0};
	uint32_t count = 0;
	uint32_t frames = 0;

	(void)state;
	srand(1);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t n = rand() % 4 ? 1 : 1 + (uint32_t)rand() % 20;
		uint8_t *va = rand() % 2 ? pool_alloc(&q, n, NULL) : NULL;

		if (va) {
			for (uint32_t k = 0; k < n; k++)
				assert_int_equal(owner[(uint64_t)(va - memory) / PAGE_SIZE + k]++,
						 0);
			held[count].va = va;
			held[count++].n = n;
			frames += n;
		} else if (count) {
			uint32_t victim = (uint32_t)rand() % count;

			memset(&owner[(uint64_t)(held[victim].va - memory) / PAGE_SIZE], 0,
			       held[victim].n);
			assert_int_equal(pool_free(&q, held[victim].va, held[victim].n), 0);
			frames -= held[victim].n;
			held[victim] = held[--count];
		}
		assert_int_equal(q.used, frames);
		assert_int_equal(pool_used(), frames + 1);
	}
	while (pool_alloc(&q, 1, NULL))
		frames++;
	assert_int_equal(frames, FRAMES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_init, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alloc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_free, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
