/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the two halves of the configuration parser: config.c cuts lines, config_keys.c knows each key's value. */

#ifndef VM_CONFIG_PRIV_H
#define VM_CONFIG_PRIV_H

#include "vm/config.h"

/* A piece of the text: @len bytes at @s, of which the first stands at @at. Not ended by a NUL. */
struct span {
	const char *s;
	uint32_t len;
	struct config_pos at;
};

/* What a key's parser is given. Exactly one of @c (in [system]) and @vm is what it fills in; the other is NULL. */
struct key_target {
	struct config *c;
	struct config_vm *vm;
	struct config_report *rep;
};

/* A key: fills in its part of the target from @value (never empty), or reports what is wrong. */
struct config_key {
	const char *name;
	void (*parse)(struct key_target *t, struct span value);
};

extern const struct config_key config_system_keys[SYS_KEYS];
extern const struct config_key config_vm_keys[VM_KEYS];

/* Report an error about @word. */
#define span_error(rep, word, ...) config_error(rep, (word).at, (word).s, (word).len, __VA_ARGS__)

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* @s without its first @n (at most s.len) bytes, and without blanks at both ends. */
struct span span_skip(struct span s, uint32_t n);
struct span span_trim(struct span s);

/* Take the first word (up to a blank) off @rest; an empty span when there is none. */
struct span span_word(struct span *rest);

/* Is @s exactly the string @text? */
bool span_is(struct span s, const char *text);

/* Copy @s as a name (letters, digits, '_', '-', '.') of less than @size bytes, or report and return false. */
bool span_name(struct config_report *rep, struct span s, char *to, uint32_t size);

#endif
