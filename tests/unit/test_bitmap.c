/* SPDX-License-Identifier: BSD-2-Clause */
/* Bitmaps and the atomic bit operations against an array of bools. */
/* sources: */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/atomic.h"
#include "lib/bitmap.h"

#define BITS_MAX 200u

static uint64_t map[BITMAP_WORDS(BITS_MAX)];
static bool model[BITS_MAX];

static void change(void)
{
	uint32_t from = (uint32_t)rand() % BITS_MAX;
	uint32_t len = (uint32_t)rand() % (BITS_MAX - from + 1);
	bool on = rand() % 2;

	if (rand() % 2)
		len = len ? 1 : 0;
	if (len == 1 && on)
		bitmap_set(map, from);
	else if (len == 1)
		bitmap_clear(map, from);
	else if (on)
		bitmap_set_run(map, from, len);
	else
		bitmap_clear_run(map, from, len);
	for (uint32_t i = 0; i < len; i++)
		model[from + i] = on;
}

static uint32_t model_find(bool on, uint32_t bits, uint32_t from, uint32_t len)
{
	for (uint32_t at = from; at + len <= bits; at++) {
		uint32_t n = 0;

		while (n < len && model[at + n] == on)
			n++;
		if (n == len)
			return at;
	}
	return bits;
}

static void test_random(void **state)
{
	(void)state;
	srand(2);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t bits = 1 + (uint32_t)rand() % BITS_MAX;
		uint32_t from = (uint32_t)rand() % (BITS_MAX + 9);
		uint32_t len = 1 + (uint32_t)rand() % (rand() % 2 ? 4 : BITS_MAX);
		uint32_t at = (uint32_t)rand() % BITS_MAX;

		change();
		assert_int_equal(bitmap_test(map, at), model[at]);
		assert_int_equal(bitmap_find_set(map, bits, from), model_find(true, bits, from, 1));
		assert_int_equal(bitmap_find_zero(map, bits, from),
				 model_find(false, bits, from, 1));
		assert_int_equal(bitmap_find_first_zero(map, bits), model_find(false, bits, 0, 1));
		assert_int_equal(bitmap_find_zero_run(map, bits, from, len),
				 model_find(false, bits, from, len));
	}
}

static void test_for_each(void **state)
{
	uint32_t expected = 0;
	uint32_t n;

	(void)state;
	bitmap_for_each (n, map, BITS_MAX) {
		while (!model[expected])
			expected++;
		assert_int_equal(n, expected++);
	}
	while (expected < BITS_MAX)
		assert_false(model[expected++]);
}

static void test_ends(void **state)
{
	uint64_t two[2] = {~0ULL, ~0ULL};

	(void)state;
	assert_int_equal(BITMAP_WORDS(0), 0);
	assert_int_equal(BITMAP_WORDS(64), 1);
	assert_int_equal(BITMAP_WORDS(65), 2);
	assert_int_equal(bitmap_find_first_zero(two, 128), 128);
	assert_int_equal(bitmap_find_zero_run(two, 128, 0, UINT32_MAX), 128);
	two[1] = 0;
	assert_int_equal(bitmap_find_zero_run(two, 128, 0, 64), 64);
	assert_int_equal(bitmap_find_zero_run(two, 128, 0, 65), 128);
	assert_int_equal(bitmap_find_zero_run(two, 128, 64, UINT32_MAX), 128);
}

static void test_atomic(void **state)
{
	uint64_t bits[2] = {0, 0};
	uint32_t word = 5;
	bool flag = true;

	(void)state;
	assert_false(atomic_test_and_set_bit(bits, 127));
	assert_true(atomic_test_and_set_bit(bits, 127));
	assert_int_equal(bits[1], BIT(63));
	assert_true(atomic_test_and_clear_bit(bits, 127));
	assert_false(atomic_test_and_clear_bit(bits, 127));
	assert_int_equal(atomic_or_u32(&word, 2), 5);
	assert_int_equal(atomic_and_u32(&word, 6), 7);
	assert_int_equal(atomic_add_u32(&word, 4), 6);
	assert_false(atomic_cmpxchg_u32(&word, 9, 1));
	assert_true(atomic_cmpxchg_u32(&word, 10, 1));
	assert_int_equal(atomic_load_u32(&word), 1);
	assert_true(atomic_xchg_bool(&flag, false));
	assert_false(atomic_load_bool(&flag));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_for_each),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_atomic),
	};

	return cmocka_run_group_tests_name("bitmap", tests, NULL, NULL);
}
