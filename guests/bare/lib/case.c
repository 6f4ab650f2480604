/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of test cases. */

#include "lib/case.h"
#include "lib/guest.h"

#define DETAIL 160
#define NAMES  512

static char detail[DETAIL];
static uint32_t passed_count, failed_count, expected_count, bad_count;

bool case_fail(const char *fmt, ...)
{
	__builtin_va_list ap;

	if (detail[0])
		return false;
	__builtin_va_start(ap, fmt);
	vformat(detail, sizeof(detail), fmt, ap);
	__builtin_va_end(ap);
	return false;
}

/* cmdline_word's storage is the next call's too, so keep a copy of each list. */
static const char *list_of(const char *word, char *copy, bool *read)
{
	const char *list = *read ? NULL : cmdline_word(word);

	if (list)
		format(copy, NAMES, "%s", list);
	*read = true;
	return copy;
}

static bool failure_expected(const char *name)
{
	static char list[NAMES];
	static bool read;

	return list_has(list_of("xfail", list, &read), name);
}

bool case_wanted(const char *name)
{
	static char list[NAMES];
	static bool read;
	static char left_out[NAMES];
	static bool left_out_read;
	const char *only = list_of("only", list, &read);

	if (list_has(list_of("skip", left_out, &left_out_read), name)) {
		print("case %s: left out\n", name);
		return false;
	}
	return !*only || list_has(only, name);
}

void case_report(const char *name, bool passed)
{
	bool expected = failure_expected(name);

	if (passed && !expected) {
		passed_count++;
		print("case %s: pass\n", name);
	} else if (passed) {
		bad_count++;
		print("case %s: passes, though expected to fail\n", name);
	} else if (expected) {
		expected_count++;
		print("case %s: expected fail %s\n", name, detail);
	} else {
		failed_count++;
		bad_count++;
		print("case %s: fail %s\n", name, detail);
	}
	detail[0] = '\0';
}

void cases_run(const struct test_case *cases, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (case_wanted(cases[i].name))
			case_report(cases[i].name, cases[i].run());
	}
}

uint32_t cases_bad(void)
{
	print("cases: %u passed, %u failed, %u failed as expected\n", passed_count, failed_count,
	      expected_count);
	return bad_count;
}
