/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: the form of lines, forged ones, the ring's wrap, sinks and their levels, crash mode. */
/* sources: arch/log.c lib/lock.c lib/printf.c */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/log.h"

static char got[64 * 1024];
static uint32_t got_len, crash_lines;

static void take(const char *text, uint32_t len)
{
	assert_true(len <= LOG_LINE_MAX);
	assert_true(got_len + len < sizeof(got));
	memcpy(got + got_len, text, len);
	got_len += len;
	got[got_len] = 0;
}

static void crash_take(const char *text, uint32_t len)
{
	(void)text;
	(void)len;
	crash_lines++;
}

static struct log_sink sink = {.write = take, .level = LOG_INFO};

static int fresh(void **state)
{
	(void)state;
	log_sink_add(&sink);
	got_len = 0;
	got[0] = 0;
	return 0;
}

static int done(void **state)
{
	(void)state;
	log_sink_remove(&sink);
	return 0;
}

static void lines_have_their_form(void **state)
{
	(void)state;
	log_info("%s has %u CPUs", "it", 4);
	assert_string_equal(got, "bulkhead: [    0.000000] info: it has 4 CPUs\n");
	got_len = 0;
	log_warn("x");
	log_error("x");
	log_refused("x");
	log_fatal("x");
	log_debug("x");
	assert_string_equal(got, "bulkhead: [    0.000000] warning: x\n"
				 "bulkhead: [    0.000000] error: x\n"
				 "bulkhead: [    0.000000] refused: x\n"
				 "bulkhead: [    0.000000] fatal: x\n");
}

static void texts_are_made_harmless(void **state)
{
	(void)state;
	log_info("%s", "a\nbulkhead: b\x1b[2J\r\x7f\xc3\xa4");
	assert_string_equal(got, "bulkhead: [    0.000000] info: "
				 "a\\x0abulkhead: b\\x1b[2J\\x0d\\x7f\\xc3\\xa4\n");
}

static void long_texts_are_cut(void **state)
{
	char text[1000];

	(void)state;
	for (uint32_t n = 0; n < 600; n++) {
		char fill = n % 2 ? 'x' : '\t';

		memset(text, fill, n);
		text[n] = 0;
		got_len = 0;
		log_info("%s", text);
		assert_true(got_len <= LOG_LINE_MAX);
		assert_int_equal(got[got_len - 1], '\n');
		assert_int_equal(strcmp(got + got_len - 4, "...\n") == 0,
				 n > (fill == 'x' ? 221 : 55));
	}
}

static void stamps_follow_the_clock(void **state)
{
	unsigned seconds, us;

	(void)state;
	log_clock(1, 0); /* a thousand ticks a second: a large number */
	log_info("x");
	log_clock(0, 0);
	assert_int_equal(sscanf(got, "bulkhead: [%u.%6u] info: x\n", &seconds, &us), 2);
	assert_true(seconds > 0);
	assert_true(us < 1000000);
}

static void the_ring_keeps_the_last(void **state)
{
	static char ring[LOG_RING_SIZE + LOG_LINE_MAX];
	uint64_t pos = 0;
	uint32_t n = 0, piece;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		got_len = 0;
		log_info("line %u", i);
	}
	do {
		piece = log_line(&pos, ring + n);
		n += piece;
	} while (piece && n <= LOG_RING_SIZE);
	assert_true(n <= LOG_RING_SIZE && n > LOG_RING_SIZE - LOG_LINE_MAX);
	ring[n] = 0;
	assert_int_equal(strncmp(ring, "bulkhead: [", 11), 0);
	assert_non_null(strstr(ring, "line 999\n"));
	assert_int_equal(log_line(&pos, ring), 0);
	log_debug("even this");
	n = log_line(&pos, ring);
	ring[n] = 0;
	assert_string_equal(ring, "bulkhead: [    0.000000] debug: even this\n");
}

static void a_late_sink_gets_what_was(void **state)
{
	struct log_sink late = {.write = take, .level = LOG_WARN};

	(void)state;
	log_warn("late ] debug: one");
	log_info("late two");
	log_sink_remove(&sink);
	log_sink_remove(&sink);
	got_len = 0;
	log_sink_add(&late);
	assert_non_null(strstr(got, "warning: late ] debug: one\n"));
	assert_null(strstr(got, "late two"));
	log_info("late three");
	assert_null(strstr(got, "late three"));
	log_sink_remove(&late);
	log_warn("late four");
	assert_null(strstr(got, "late four"));
}

static uint32_t notified;

static void note(void)
{
	notified++;
}

static void a_reader_takes_line_by_line(void **state)
{
	char line[LOG_LINE_MAX];
	struct log_reader r;
	uint32_t n, lost;

	(void)state;
	log_notify(note, &r);
	assert_false(log_waiting(&r));
	assert_int_equal(log_next(&r, LOG_INFO, line, &lost), 0);
	log_info("one");
	log_debug("not this");
	log_warn("two");
	assert_int_equal(notified, 3);
	assert_true(log_waiting(&r));
	n = log_next(&r, LOG_INFO, line, &lost);
	assert_memory_equal(line, "bulkhead: [    0.000000] info: one\n", n);
	n = log_next(&r, LOG_INFO, line, &lost);
	assert_memory_equal(line, "bulkhead: [    0.000000] warning: two\n", n);
	assert_int_equal(lost, 0);
	assert_false(log_waiting(&r));
	for (uint32_t i = 0; i < LOG_SKIP_MAX; i++)
		log_debug("x");
	log_info("behind them");
	assert_int_equal(log_next(&r, LOG_INFO, line, &lost), 0);
	assert_true(log_waiting(&r));
	n = log_next(&r, LOG_INFO, line, &lost);
	assert_memory_equal(line, "bulkhead: [    0.000000] info: behind them\n", n);
	log_notify(NULL, &r);
}

/* What a burst pushes out of the ring is counted, and the kept lines among it come all the same, in order. */
static void kept_lines_outlive_the_ring(void **state)
{
	static struct log_kept kept[3];
	char line[LOG_LINE_MAX], want[64];
	uint32_t n, lost, seen = 0, gone = 0, found = 0;
	struct log_reader r;

	(void)state;
	log_notify(NULL, &r);
	for (uint32_t i = 0; i < 2000; i++) {
		if (i % 500 == 100 && i < 1500)
			log_keep(&kept[i / 500], LOG_ERROR, "kept %u", i);
		else
			log_info("line %u", i);
		got_len = 0;
	}
	while ((n = log_next(&r, LOG_INFO, line, &lost))) {
		seen++;
		gone += lost;
		assert_true(n < sizeof(line));
		line[n] = 0;
		snprintf(want, sizeof(want), "error: kept %u\n", 500 * found + 100);
		found += strstr(line, want) != NULL;
	}
	assert_int_equal(found, 3);
	assert_int_equal(seen + gone, 2000);
	/* One that was seen is not told again, and a holder has the last line only. */
	log_keep(&kept[0], LOG_ERROR, "first");
	n = log_next(&r, LOG_INFO, line, &lost);
	assert_int_equal(n, 38);
	log_keep(&kept[0], LOG_ERROR, "second");
	log_keep(&kept[0], LOG_ERROR, "third");
	for (uint32_t i = 0; i < 1000; i++) {
		log_info("line %u", i);
		got_len = 0;
	}
	n = log_next(&r, LOG_INFO, line, &lost);
	assert_int_equal(lost, 1);
	assert_memory_equal(line, "bulkhead: [    0.000000] error: third\n", n);
}

static void *write_many(void *arg)
{
	for (uint32_t i = 0; i < 200; i++)
		log_info("%s%03u.", (const char *)arg, i);
	return NULL;
}

static void lines_of_cpus_do_not_mix(void **state)
{
	pthread_t threads[2];
	uint32_t lines = 0;

	(void)state;
	pthread_create(&threads[0], NULL, write_many, "first ");
	pthread_create(&threads[1], NULL, write_many, "second ");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		assert_int_equal(strncmp(line, "bulkhead: [    0.000000] info: ", 31), 0);
		assert_int_equal(line[strlen(line) - 1], '.');
	}
	assert_int_equal(lines, 400);
}

static void crash_mode_is_synchronous(void **state)
{
	struct log_sink crash = {.write = take, .crash_write = crash_take, .level = LOG_DEBUG};

	(void)state;
	log_sink_add(&crash);
	got_len = 0;
	got[0] = 0;
	log_debug("before");
	assert_int_equal(crash_lines, 0);
	assert_non_null(strstr(got, "before"));
	log_crash_mode();
	log_debug("after");
	assert_int_equal(crash_lines, 1);
	assert_null(strstr(got, "after"));
	log_sink_remove(&crash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_have_their_form, fresh, done),
		cmocka_unit_test_setup_teardown(texts_are_made_harmless, fresh, done),
		cmocka_unit_test_setup_teardown(long_texts_are_cut, fresh, done),
		cmocka_unit_test_setup_teardown(stamps_follow_the_clock, fresh, done),
		cmocka_unit_test_setup_teardown(the_ring_keeps_the_last, fresh, done),
		cmocka_unit_test_setup_teardown(a_late_sink_gets_what_was, fresh, done),
		cmocka_unit_test_setup_teardown(a_reader_takes_line_by_line, fresh, done),
		cmocka_unit_test_setup_teardown(kept_lines_outlive_the_ring, fresh, done),
		cmocka_unit_test_setup_teardown(lines_of_cpus_do_not_mix, fresh, done),
		cmocka_unit_test_setup_teardown(crash_mode_is_synchronous, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
