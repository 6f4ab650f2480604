/* SPDX-License-Identifier: BSD-2-Clause */
/* The prompt's line editor and its commands: every key, every wrong word. */
/* sources: vm/prompt_line.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/string.h"
#include "vm/prompt_line.h"

static struct line line;
static char shown[4096];
static uint32_t shown_len, lines;

/* Type @keys; what they echo is in shown. */
static void type(const char *keys, uint32_t count)
{
	char echo[LINE_ECHO];

	for (uint32_t i = 0; i < count; i++) {
		bool done;
		uint32_t n = line_key(&line, (uint8_t)keys[i], echo, &done);

		assert_true(n <= LINE_ECHO);
		assert_true(shown_len + n < sizeof(shown));
		memcpy(shown + shown_len, echo, n);
		shown_len += n;
		lines += done;
	}
	shown[shown_len] = '\0';
}

static int fresh(void **state)
{
	(void)state;
	memset(&line, 0, sizeof(line));
	shown_len = 0;
	lines = 0;
	return 0;
}

static void typed(const char *keys, const char *text, const char *echo)
{
	fresh(NULL);
	type(keys, (uint32_t)strlen(keys));
	assert_int_equal(lines, 1);
	assert_string_equal(line.text, text);
	assert_string_equal(shown, echo);
}

static void keys_edit_the_line(void **state)
{
	(void)state;
	typed("vms\r", "vms", "vms\r\n");
	typed("vms\n", "vms", "vms\r\n");
	typed("vmx\bs\r", "vms", "vmx\b\x1b[Ks\r\n");
	typed("vmx\x7fs\r", "vms", "vmx\b\x1b[Ks\r\n");
	typed("\b\b\x7f\r", "", "\r\n");
	typed("ab\x15"
	      "c\r",
	      "c", "ab\b\b\x1b[Kc\r\n");
	typed("stop one\x03", "", "stop one^C\r\n");
	typed("\tv\x01\x80\xff\r", "v", "v\r\n");
}

static void a_return_and_a_newline_are_one_key(void **state)
{
	(void)state;
	type("a\r\nb\r\n\n", 7);
	assert_int_equal(lines, 3);
	assert_string_equal(shown, "a\r\nb\r\n\r\n");
}

static void key_sequences_do_nothing(void **state)
{
	(void)state;
	typed("a\x1b[A\x1b[1;5Cb\x1bOPc\x1bxd\x1b\x1b[De\r", "abcde", "abcde\r\n");
	/* One that is not finished ends with the key that cannot belong to it. */
	typed("a\x1b[\rb\r", "ab", "ab\r\n");
}

static void a_line_is_bounded(void **state)
{
	char keys[LINE_TEXT + 50];

	(void)state;
	memset(keys, 'x', sizeof(keys));
	type(keys, sizeof(keys));
	assert_int_equal(line.len, LINE_TEXT - 1);
	assert_int_equal(shown[LINE_TEXT - 2], 'x');
	assert_int_equal(shown[LINE_TEXT - 1], '\a');
	type("\x15", 1);
	assert_int_equal(line.len, 0);
	type(keys, sizeof(keys));
	type("\r", 1);
	assert_int_equal(strlen(line.text), LINE_TEXT - 1);
}

static void parsed(const char *text, enum command command, const char *word, const char *error)
{
	struct command_line c;
	char copy[LINE_TEXT];

	strlcpy(copy, text, sizeof(copy));
	command_parse(copy, &c);
	assert_int_equal(c.command, command);
	assert_string_equal(c.error, error);
	if (command == COMMAND_WRONG)
		return;
	assert_int_equal(c.word != NULL, word != NULL);
	if (word)
		assert_string_equal(c.word, word);
}

static void commands_are_understood(void **state)
{
	(void)state;
	parsed("", COMMAND_NONE, NULL, "");
	parsed("    ", COMMAND_NONE, NULL, "");
	parsed("help", COMMAND_HELP, NULL, "");
	parsed("  vms  ", COMMAND_VMS, NULL, "");
	parsed("cpus", COMMAND_CPUS, NULL, "");
	parsed("stat  one ", COMMAND_STAT, "one", "");
	parsed("mem", COMMAND_MEM, NULL, "");
	parsed("log", COMMAND_LOG, NULL, "");
	parsed("log one", COMMAND_LOG, "one", "");
	parsed("pause one", COMMAND_PAUSE, "one", "");
	parsed("resume one", COMMAND_RESUME, "one", "");
	parsed("restart one", COMMAND_RESTART, "one", "");
	parsed("stop one", COMMAND_STOP, "one", "");
	parsed("dump one", COMMAND_DUMP, "one", "");
	parsed("report", COMMAND_REPORT, NULL, "");
	parsed("timing on", COMMAND_TIMING, "on", "");
	parsed("timing off", COMMAND_TIMING, "off", "");
}

static void wrong_words_have_an_answer(void **state)
{
	(void)state;
	parsed("vm", COMMAND_WRONG, NULL, "'vm' is not a command; help lists them");
	parsed("VMS", COMMAND_WRONG, NULL, "'VMS' is not a command; help lists them");
	parsed("vmss one", COMMAND_WRONG, NULL, "'vmss' is not a command; help lists them");
	parsed("vms one", COMMAND_WRONG, NULL, "vms takes no word; 'one' is one too many");
	parsed("stat", COMMAND_WRONG, NULL, "stat needs the name of a VM; vms lists them");
	parsed("pause  ", COMMAND_WRONG, NULL, "pause needs the name of a VM; vms lists them");
	parsed("stop one two", COMMAND_WRONG, NULL, "stop: one word too many: two");
	parsed("timing", COMMAND_WRONG, NULL, "timing needs 'on' or 'off'");
	parsed("timing maybe", COMMAND_WRONG, NULL, "timing needs 'on' or 'off'");
	/* The longest line there is, as one word. */
	parsed("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
	       COMMAND_WRONG, NULL,
	       "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' is not a command; help lists them");
}

static void help_knows_every_command(void **state)
{
	(void)state;
	for (uint32_t i = COMMAND_HELP; i < COMMAND_COUNT; i++) {
		struct command_line c;
		char name[LINE_TEXT];

		strlcpy(name, command_help((enum command)i), sizeof(name));
		*strchr(name, ' ') = '\0';
		command_parse(name, &c);
		assert_true(c.command == i || strstr(c.error, " needs "));
	}
	assert_null(command_help(COMMAND_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keys_edit_the_line, fresh),
		cmocka_unit_test_setup(a_return_and_a_newline_are_one_key, fresh),
		cmocka_unit_test_setup(key_sequences_do_nothing, fresh),
		cmocka_unit_test_setup(a_line_is_bounded, fresh),
		cmocka_unit_test_setup(commands_are_understood, fresh),
		cmocka_unit_test_setup(wrong_words_have_an_answer, fresh),
		cmocka_unit_test_setup(help_knows_every_command, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
