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

#define NS_PER_US 1000ULL
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S  (1000 * NS_PER_MS)
#define HEX	  16

/* One of several words that a value can be. */
struct choice {
	const char *word;
	uint32_t value;
};

/* @s without its first @n (at most s.len) bytes, and without blanks at both ends. */
struct span span_skip(struct span s, uint32_t n);
struct span span_trim(struct span s);

/* Take the first word (up to a blank) off @rest; an empty span when there is none. */
struct span span_word(struct span *rest);

/* Is @s exactly the string @text? */
bool span_is(struct span s, const char *text);

/* Copy @s as a name (letters, digits, '_', '-', '.') of less than @size bytes, or report and return false. */
bool span_name(struct config_report *rep, struct span s, char *to, uint32_t size);

/* --- values: true where @out was set; where a report is given, false means that it was told --- */

/* Find @word among @n choices. */
bool value_choose(struct span word, const struct choice *choices, size_t n, uint32_t *out);

/* A hexadecimal digit's value, or HEX where it is none. */
uint32_t value_digit(char c);

/* Take digits of @base (at most 16) off the front of @s. 0, -EINVAL (none there), -ERANGE (more than 64 bits). */
int value_digits(struct span *s, uint32_t base, uint64_t *out);

/* The whole @word as a number (decimal, or hexadecimal with 0x) from @min to @max. */
bool value_number(struct config_report *rep, struct span word, uint64_t min, uint64_t max,
		  uint64_t *out);

/* The whole @word as bytes, with K, M, G or T; never 0. */
bool value_size(struct config_report *rep, struct span word, uint64_t *out);

/* The whole @value as a duration from @min to @max ns; or `DURATION @between DURATION`. */
bool value_duration(struct config_report *rep, struct span value, uint64_t min, uint64_t max,
		    uint64_t *out);
bool value_duration_pair(struct config_report *rep, struct span value, const char *between,
			 uint64_t *first, uint64_t *second);

/* Nothing may be left in @rest. */
bool value_at_end(struct config_report *rep, struct span rest);

/*
 * Take the next item of a comma-separated list off @rest. @more starts as true; false is returned after the last.
 * Empty items are given out too.
 */
bool value_item(struct span *rest, bool *more, struct span *item);

#endif
