/* SPDX-License-Identifier: BSD-2-Clause */
/* Test cases: named functions, their results one line each, and the number that decides the exit value. */

#ifndef GUEST_CASE_H
#define GUEST_CASE_H

#include "lib/types.h"

struct test_case {
	const char *name;
	bool (*run)(void); /* true: passed; false: after case_fail */
};

/* Say what was wrong; the first call of a case counts. Always false, so that it can be returned. */
bool case_fail(const char *fmt, ...) PRINTF(1, 2);

/*
 * Print one line for case @name: "case NAME: pass", "case NAME: fail DETAIL". A case named in the word xfail= of the
 * command line is expected to fail: "case NAME: expected fail DETAIL", and if it passes that is an error.
 */
void case_report(const char *name, bool passed);

/* Is the case to be run? Not if it is named in skip= on the command line; with only=NAME,… only those are. */
bool case_wanted(const char *name);

void cases_run(const struct test_case *cases, uint32_t count);

/* Cases whose result was not the expected one, for the exit value; prints the sums. */
uint32_t cases_bad(void);

/* Fail unless @a equals @b; names the expression and both values. */
#define CHECK_EQ(a, b)                                                                          \
	do {                                                                                    \
		uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);                                \
		if (a_ != b_)                                                                   \
			return case_fail("%s is %lx, not %lx (line %d)", #a, a_, b_, __LINE__); \
	} while (0)
#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition))                                                    \
			return case_fail("not: %s (line %d)", #condition, __LINE__); \
	} while (0)

#endif
