/* SPDX-License-Identifier: BSD-2-Clause */
/* How configuration values are written: words, numbers, sizes, durations, comma-separated lists. */

#include "vm/config_priv.h"

#define DECIMAL 10

/* Find @word among @n choices; false where it is none of them. */
bool value_choose(struct span word, const struct choice *choices, size_t n, uint32_t *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (span_is(word, choices[i].word)) {
			*out = choices[i].value;
			return true;
		}
	}
	return false;
}

/* Value of a digit, or a number above every base. */
uint32_t value_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint32_t)(c - 'a') + DECIMAL;
	if (c >= 'A' && c <= 'F')
		return (uint32_t)(c - 'A') + DECIMAL;
	return HEX;
}

/* Take digits of @base off the front of @s. -EINVAL: none there; -ERANGE: more than 64 bits. */
int value_digits(struct span *s, uint32_t base, uint64_t *out)
{
	uint64_t v = 0;
	uint32_t n = 0;

	for (; n < s->len && value_digit(s->s[n]) < base; n++) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)value_digit(s->s[n]), &v))
			return -ERANGE;
	}
	if (!n)
		return -EINVAL;
	*s = span_skip(*s, n);
	*out = v;
	return 0;
}

/* Likewise a decimal number, or a hexadecimal one after 0x. */
static int number_take(struct span *s, uint64_t *out)
{
	if (s->len > 2 && s->s[0] == '0' && (s->s[1] == 'x' || s->s[1] == 'X')) {
		*s = span_skip(*s, 2);
		return value_digits(s, HEX, out);
	}
	return value_digits(s, DECIMAL, out);
}

/* @word as a number from @min to @max, or report. */
bool value_number(struct config_report *rep, struct span word, uint64_t min, uint64_t max,
		  uint64_t *out)
{
	struct span rest = word;
	int err = number_take(&rest, out);

	if (err == -EINVAL || (!err && rest.len)) {
		span_error(rep, word, "not a number (decimal, or hexadecimal with 0x)");
		return false;
	}
	if (err || *out < min || *out > max) {
		span_error(rep, word, "out of range: from %llu to %llu is allowed",
			   (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	return true;
}

/* @word as bytes with K, M, G or T, or report. Never 0. */
bool value_size(struct config_report *rep, struct span word, uint64_t *out)
{
	static const struct choice units[] = {
		{"",  0 },
		 {"K", 10},
		    {"M", 20},
		       {"G", 30},
		  {"T", 40}
	   };
	struct span rest = word;
	uint64_t n = 0;
	uint32_t shift;
	int err = number_take(&rest, &n);

	if (err == -EINVAL || (!err && !value_choose(rest, units, ARRAY_SIZE(units), &shift))) {
		span_error(rep, word,
			   "not a size (a number, then K, M, G, T or nothing for bytes)");
		return false;
	}
	if (err || n > UINT64_MAX >> shift) {
		span_error(rep, word, "this size does not fit into 64 bits");
		return false;
	}
	if (!n) {
		span_error(rep, word, "a size of 0");
		return false;
	}
	*out = n << shift;
	return true;
}

/* Take a duration (`10ms`, or `10 ms`) off @rest as ns, or report. */
static bool value_duration_take(struct config_report *rep, struct span *rest, uint64_t *out)
{
	static const struct choice units[] = {
		{"ns", 1	},
		   {"us", NS_PER_US},
		      {"ms", NS_PER_MS},
		 {"s",  NS_PER_S }
	};
	struct span word = span_word(rest), unit = word;
	uint64_t n = 0;
	uint32_t ns;
	int err = number_take(&unit, &n);

	if (!err && !unit.len)
		unit = span_word(rest);
	if (err == -EINVAL || (!err && !value_choose(unit, units, ARRAY_SIZE(units), &ns))) {
		span_error(rep, word, "not a duration (a number, then ns, us, ms or s)");
		return false;
	}
	if (err || __builtin_mul_overflow(n, (uint64_t)ns, out)) {
		span_error(rep, word, "this duration does not fit into 64 bits of nanoseconds");
		return false;
	}
	return true;
}

/* The value has ended: anything left is an error. */
bool value_at_end(struct config_report *rep, struct span rest)
{
	if (!rest.len)
		return true;
	span_error(rep, rest, "unexpected after the value");
	return false;
}

/* @value as one duration from @min to @max, or report. */
bool value_duration(struct config_report *rep, struct span value, uint64_t min, uint64_t max,
		    uint64_t *out)
{
	struct span rest = value;

	if (!value_duration_take(rep, &rest, out) || !value_at_end(rep, rest))
		return false;
	if (*out < min || *out > max) {
		span_error(rep, value, "out of range: from %lluus to %lluus is allowed",
			   (unsigned long long)(min / NS_PER_US),
			   (unsigned long long)(max / NS_PER_US));
		return false;
	}
	return true;
}

/* @value as `DURATION @between DURATION`, for windows and reservations. */
bool value_duration_pair(struct config_report *rep, struct span value, const char *between,
			 uint64_t *first, uint64_t *second)
{
	struct span rest = value, word;

	if (!value_duration_take(rep, &rest, first))
		return false;
	word = span_word(&rest);
	if (!span_is(word, between)) {
		span_error(rep, word.len ? word : value, "expected DURATION %s DURATION", between);
		return false;
	}
	if (!rest.len) {
		span_error(rep, word, "a duration is missing after this word");
		return false;
	}
	return value_duration_take(rep, &rest, second) && value_at_end(rep, rest);
}

/* Take the next item of a comma-separated list. False: no more. Empty items are given out, for the caller to report. */
bool value_item(struct span *rest, bool *more, struct span *item)
{
	uint32_t n = 0;

	if (!*more)
		return false;
	while (n < rest->len && rest->s[n] != ',')
		n++;
	*item = *rest;
	item->len = n;
	*item = span_trim(*item);
	*more = n < rest->len;
	*rest = span_skip(*rest, *more ? n + 1 : n);
	return true;
}
