/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes typed at the prompt: lines stay bounded and printable, and each is a command or has an answer. */
/* sources: vm/prompt_line.c lib/printf.c lib/string.c */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include "lib/string.h"
#include "vm/prompt_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool right)
{
	if (!right)
		abort();
}

static void line_check(char *text)
{
	struct command_line c;

	for (uint32_t i = 0; text[i]; i++)
		check(i < LINE_TEXT - 1 && text[i] >= ' ' && text[i] <= '~');
	command_parse(text, &c);
	check(c.command < COMMAND_COUNT || (c.command == COMMAND_WRONG && c.error[0]));
	check(strlen(c.error) < sizeof(c.error));
	check(!c.word || (c.word > text && c.word < text + LINE_TEXT && *c.word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char echo[LINE_ECHO];
	struct line l = {0};

	for (size_t i = 0; i < size; i++) {
		bool done;

		check(line_key(&l, data[i], echo, &done) <= LINE_ECHO);
		check(l.len < LINE_TEXT);
		if (done)
			line_check(l.text);
	}
	return 0;
}
