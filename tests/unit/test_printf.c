/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted text against the C library's, conversion by conversion, and its bounds. */
/* sources: lib/printf.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "lib/printf.h"

/* The same text and length as the C library, at every size of the buffer. */
#define SAME(...)                                                                 \
	do {                                                                      \
		char want[512], got[512];                                         \
		int len = snprintf(want, sizeof(want), __VA_ARGS__);              \
		for (size_t size = 0; size <= (size_t)len + 2; size++) {          \
			memset(got, '#', sizeof(got));                            \
			assert_int_equal(snprintf_(got, size, __VA_ARGS__), len); \
			check_cut(got, want, size, (size_t)len);                  \
		}                                                                 \
	} while (0)

static void check_cut(const char *got, const char *want, size_t size, size_t len)
{
	size_t kept = !size ? 0 : len < size ? len : size - 1;

	assert_memory_equal(got, want, kept);
	if (size) {
		assert_int_equal(got[kept], 0);
		kept++;
	}
	for (size_t i = kept; i < kept + 8; i++)
		assert_int_equal(got[i], '#'); /* nothing behind the end */
}

static void test_integers(void **state)
{
	static const long long values[] = {0,	1,	 -1,	  9,	     10,       -10,
					   255, INT_MAX, INT_MIN, LLONG_MAX, LLONG_MIN};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		long long v = values[i];

		SAME("%d %i %u %x %X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%ld %lu %lx", (long)v, (unsigned long)v, (unsigned long)v);
		SAME("%lld %llu %llX", v, (unsigned long long)v, (unsigned long long)v);
		SAME("%zu %zx", (size_t)v, (size_t)v);
		SAME("%hd %hu %hhd %hhu", (short)v, (unsigned short)v, (signed char)v,
		     (unsigned char)v);
		SAME("[%5d] [%-5d] [%05d] [%30lld] [%-30lld] [%030lld]", (int)v, (int)v, (int)v, v,
		     v, v);
		SAME("[%.3d] [%8.3d] [%-8.3d] [%.0d] [%.d]", (int)v, (int)v, (int)v, (int)v,
		     (int)v);
		SAME("[%016lx] [%.16lx] [%20.16lx]", (unsigned long)v, (unsigned long)v,
		     (unsigned long)v);
		SAME("%#x %#X %#lx %#llX %#hx %#zx", (unsigned)v, (unsigned)v, (unsigned long)v,
		     (unsigned long long)v, (unsigned short)v, (size_t)v);
		SAME("[%#24lx] [%-#24lx] [%#024lx] [%#.3x] [%#8.3X] [%#.0x]", (unsigned long)v,
		     (unsigned long)v, (unsigned long)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("[%*d] [%*d] [%.*d] [%.*d]", 7, (int)v, -7, (int)v, 4, (int)v, -4, (int)v);
	}
}

static void test_text(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%s", "");
	SAME("100%%");
	SAME("[%s] [%10s] [%-10s] [%.2s] [%10.2s] [%-10.2s]", "abc", "abc", "abc", "abc", "abc",
	     "abc");
	SAME("[%c] [%3c] [%-3c]", 'x', 'y', 'z');
	SAME("[%*s] [%-*s] [%.*s]", 6, "ab", 6, "ab", 1, "ab");
	SAME("%c%c", 0, 'a');
}

static void test_string_not_ended(void **state)
{
	const char two[2] = {'a', 'b'};

	(void)state;
	SAME("%.2s|%.*s", two, 1, two);
}

static void test_pointer(void **state)
{
	char buf[64];

	(void)state;
	assert_int_equal(snprintf_(buf, sizeof(buf), "%p %p", (void *)0xdeadbeef,
				   (void *)0xffff900000000000),
			 29);
	assert_string_equal(buf, "0xdeadbeef 0xffff900000000000");
	snprintf_(buf, sizeof(buf), "%p [%6p] [%-6p]", (void *)0, (void *)1, (void *)1);
	assert_string_equal(buf, "0x0 [   0x1] [0x1   ]");
}

/* Formats that the compiler would not let through. */
static int format(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf_(buf, size, fmt, args);
	va_end(args);
	return len;
}

static void test_odd_formats(void **state)
{
	char buf[64];

	(void)state;
	format(buf, sizeof(buf), "%s|%.2s", NULL, NULL);
	assert_string_equal(buf, "(null)|(n");
	format(buf, sizeof(buf), "%q %5y %");
	assert_string_equal(buf, "%q %5y %");
	format(buf, sizeof(buf), "%-08.3l");
	assert_string_equal(buf, "%-08.3l");
	format(buf, sizeof(buf), "%n %d", 5);
	assert_string_equal(buf, "%n 5");
}

/* Widths are bounded, so that no format takes for ever. */
static void test_huge_fields(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(format(buf, sizeof(buf), "%99999999999999999999d", 5), 1 << 16);
	assert_string_equal(buf, "       ");
	assert_int_equal(format(buf, sizeof(buf), "%.2147483647d", 5), 1 << 16);
	assert_string_equal(buf, "0000000");
	assert_int_equal(format(buf, sizeof(buf), "%*d", INT_MIN, 5), 1 << 16);
	assert_string_equal(buf, "5      ");
	assert_int_equal(format(buf, sizeof(buf), "%.*s", INT_MAX, "ab"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),	 cmocka_unit_test(test_text),
		cmocka_unit_test(test_string_not_ended), cmocka_unit_test(test_pointer),
		cmocka_unit_test(test_odd_formats),	 cmocka_unit_test(test_huge_fields),
	};

	return cmocka_run_group_tests_name("printf", tests, NULL, NULL);
}
