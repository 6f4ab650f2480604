/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and strings against the C library's, at every alignment and length that matters. */
/* sources: lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "lib/string.h"

#define SIZE 96u

static uint8_t want[SIZE], got[SIZE];

static void fill(void)
{
	for (uint32_t i = 0; i < SIZE; i++)
		want[i] = got[i] = (uint8_t)rand();
}

static void check(void)
{
	assert_memory_equal(want, got, SIZE);
}

static void test_copy(void **state)
{
	uint8_t src[SIZE];

	(void)state;
	for (uint32_t i = 0; i < SIZE; i++)
		src[i] = (uint8_t)rand();
	for (uint32_t to = 0; to < 9; to++) {
		for (uint32_t from = 0; from < 9; from++) {
			for (uint32_t n = 0; n < SIZE - 9; n++) {
				fill();
				memcpy(want + to, src + from, n);
				assert_ptr_equal(lib_memcpy(got + to, src + from, n), got + to);
				check();
			}
		}
	}
}

static void test_move(void **state)
{
	(void)state;
	for (uint32_t to = 0; to < 40; to++) {
		for (uint32_t from = 0; from < 40; from++) {
			for (uint32_t n = 0; n < SIZE - 40; n++) {
				fill();
				memmove(want + to, want + from, n);
				assert_ptr_equal(lib_memmove(got + to, got + from, n), got + to);
				check();
			}
		}
	}
}

static void test_set(void **state)
{
	(void)state;
	for (uint32_t to = 0; to < 9; to++) {
		for (uint32_t n = 0; n < SIZE - 9; n++) {
			fill();
			memset(want + to, 0x1a5, n);
			assert_ptr_equal(lib_memset(got + to, 0x1a5, n), got + to);
			check();
		}
	}
}

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void test_compare(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 40; n++) {
		fill();
		assert_int_equal(lib_memcmp(want + 1, got + 1, n), 0);
		for (uint32_t i = 0; i < n; i++) {
			fill();
			got[1 + i] ^= (uint8_t)(1 + rand() % 255);
			assert_int_equal(sign(lib_memcmp(want + 1, got + 1, n)),
					 sign(memcmp(want + 1, got + 1, n)));
			assert_int_equal(sign(lib_memcmp(got + 1, want + 1, n)),
					 sign(memcmp(got + 1, want + 1, n)));
		}
	}
}

static void test_strings(void **state)
{
	static const char *const s[] = {"", "a", "b", "ab", "abc", "abd", "\xff", "a\xff", "a\x7f"};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(s); i++) {
		assert_int_equal(lib_strlen(s[i]), strlen(s[i]));
		for (uint32_t k = 0; k < ARRAY_SIZE(s); k++) {
			assert_int_equal(sign(lib_strcmp(s[i], s[k])), sign(strcmp(s[i], s[k])));
			for (uint32_t n = 0; n < 5; n++)
				assert_int_equal(sign(lib_strncmp(s[i], s[k], n)),
						 sign(strncmp(s[i], s[k], n)));
		}
	}
}

static void test_strlcpy(void **state)
{
	char buf[8] = "#######";

	(void)state;
	assert_int_equal(strlcpy(buf, "abc", 0), 3);
	assert_int_equal(buf[0], '#');
	assert_int_equal(strlcpy(buf, "abc", 1), 3);
	assert_string_equal(buf, "");
	assert_int_equal(strlcpy(buf, "abc", 3), 3);
	assert_string_equal(buf, "ab");
	assert_int_equal(strlcpy(buf, "abc", 4), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(strlcpy(buf, "", sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(buf[4], '#');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),	cmocka_unit_test(test_move),
		cmocka_unit_test(test_set),	cmocka_unit_test(test_compare),
		cmocka_unit_test(test_strings), cmocka_unit_test(test_strlcpy),
	};

	return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
