/* SPDX-License-Identifier: BSD-2-Clause */
/* Words on the hypervisor's command line. */

#include "arch/options.h"
#include "lib/string.h"

static char line[OPTIONS_MAX];

void options_init(const char *cmdline)
{
	uint32_t n = 0;

	for (; n < OPTIONS_MAX - 1 && cmdline[n]; n++)
		line[n] = cmdline[n];
	line[n] = '\0';
}

/* The word that starts at or after *@at: its start and length, *@at moved behind it. */
static const char *word_next(const char **at, uint32_t *len)
{
	const char *p = *at, *start;

	while (*p == ' ' || *p == '\t')
		p++;
	for (start = p; *p && *p != ' ' && *p != '\t'; p++)
		;
	*at = p;
	*len = (uint32_t)(p - start);
	return *len ? start : NULL;
}

static void word_copy(char *to, uint32_t size, const char *from, uint32_t len)
{
	uint32_t n = len < size ? len : size - 1;

	memcpy(to, from, n);
	to[n] = '\0';
}

bool option_get(const char *name, char *value, uint32_t size)
{
	uint32_t want = (uint32_t)strlen(name), len;
	const char *at = line, *word;
	bool found = false;

	while ((word = word_next(&at, &len))) {
		if (len <= want || word[want] != '=' || memcmp(word, name, want))
			continue;
		word_copy(value, size, word + want + 1, len - want - 1);
		found = true;
	}
	return found;
}

static bool option_is(const char *name, const char *what)
{
	char value[8];

	return option_get(name, value, sizeof(value)) && !strcmp(value, what);
}

bool option_off(const char *name)
{
	return option_is(name, "off");
}

bool option_on(const char *name)
{
	return option_is(name, "on");
}

uint64_t option_number(const char *name, uint64_t other)
{
	char value[20];
	uint64_t n = 0;

	if (!option_get(name, value, sizeof(value)) || !value[0])
		return other;
	for (const char *p = value; *p; p++) {
		if (*p < '0' || *p > '9' || n > (UINT64_MAX - 9) / 10)
			return other;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	return n;
}
