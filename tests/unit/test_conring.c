/* SPDX-License-Identifier: BSD-2-Clause */
/* Console rings: lines come out whole and tame, and what is lost is counted. */
/* sources: vm/conring.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/string.h"
#include "vm/conring.h"

static uint8_t bytes[CONRING_SIZE];

static struct conring fresh(void)
{
	memset(bytes, 0xaa, sizeof(bytes));
	return (struct conring){.bytes = bytes};
}

static void put(struct conring *r, const char *text)
{
	while (*text)
		conring_put(r, (uint8_t)*text++);
}

static void test_lines(void **state)
{
	struct conring r = fresh();
	char out[9];

	(void)state;
	assert_false(conring_line(&r, out, sizeof(out), true));
	put(&r, "one\r\ntw");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "one");
	assert_false(conring_line(&r, out, sizeof(out), false));
	assert_false(conring_line(&r, out, sizeof(out), false));
	put(&r, "o\n\nlonger than that\n");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "two");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "longer t");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "han that");
	put(&r, "open");
	assert_false(conring_line(&r, out, sizeof(out), false));
	assert_true(conring_line(&r, out, sizeof(out), true));
	assert_string_equal(out, "open");
	assert_false(conring_line(&r, out, sizeof(out), true));
}

static void test_tame(void **state)
{
	struct conring r = fresh();
	char out[32];
	uint8_t raw[8];

	(void)state;
	put(&r, "a\033[2Jb\tc\001\377d\n\033x");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "a.[2Jb c..d");
	assert_int_equal(conring_take(&r, raw, sizeof(raw)), 2);
	assert_int_equal(raw[0], 033);
}

static void test_lost(void **state)
{
	struct conring r = fresh();
	char out[16];

	(void)state;
	for (uint32_t i = 0; i < CONRING_SIZE; i++)
		conring_put(&r, 'x');
	assert_int_equal(conring_lost(&r), 0);
	put(&r, "\nend\n");
	assert_int_equal(conring_lost(&r), 5);
	assert_int_equal(conring_lost(&r), 0);
	assert_int_equal(conring_waiting(&r), CONRING_SIZE);
	for (uint32_t taken = 0; taken < CONRING_SIZE - 5;) {
		uint8_t chunk[100];

		taken += conring_take(&r, chunk, (uint32_t)min_u64(100, CONRING_SIZE - 5 - taken));
	}
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "");
	assert_true(conring_line(&r, out, sizeof(out), false));
	assert_string_equal(out, "end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_tame),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
