/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted output on COM1. */

#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/x86.h"

#define COM1	 0x3f8
#define LSR	 5
#define LSR_THRE 0x20
#define LINE	 256

struct out {
	char *buf;
	size_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_number(struct out *o, uint64_t v, uint32_t base, uint32_t width, char fill,
		       bool minus)
{
	char digits[24];
	uint32_t n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (minus && fill == '0')
		put(o, '-');
	for (uint32_t i = n + minus; i < width; i++)
		put(o, fill);
	if (minus && fill != '0')
		put(o, '-');
	while (n)
		put(o, digits[--n]);
}

static void put_string(struct out *o, const char *s, uint32_t width)
{
	size_t len = strlen(s);

	while (*s)
		put(o, *s++);
	for (; len < width; len++)
		put(o, ' ');
}

/* The part of vformat that knows about types: @c is the conversion. */
static void put_argument(struct out *o, char c, bool is_long, uint32_t width, char fill,
			 __builtin_va_list *ap)
{
	if (c == 's') {
		put_string(o, __builtin_va_arg(*ap, const char *), width);
	} else if (c == 'c') {
		put(o, (char)__builtin_va_arg(*ap, int));
	} else if (c == 'd') {
		int64_t v = is_long ? __builtin_va_arg(*ap, int64_t) : __builtin_va_arg(*ap, int);

		put_number(o, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, width, fill, v < 0);
	} else {
		uint64_t v = is_long || c == 'p' ? __builtin_va_arg(*ap, uint64_t)
						 : __builtin_va_arg(*ap, unsigned int);

		put_number(o, v, c == 'u' ? 10 : 16, width, fill, false);
	}
}

int vformat(char *buf, size_t size, const char *fmt, __builtin_va_list args)
{
	struct out o = {.buf = buf, .size = size};
	__builtin_va_list ap;

	__builtin_va_copy(ap, args);
	for (; *fmt; fmt++) {
		bool is_long = false;
		uint32_t width = 0;
		char fill = ' ';

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == '0') {
			fill = '0';
			fmt++;
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (uint32_t)(*fmt - '0');
		for (; *fmt == 'l'; fmt++)
			is_long = true;
		if (*fmt == '%')
			put(&o, '%');
		else
			put_argument(&o, *fmt, is_long, width, fill, &ap);
	}
	__builtin_va_end(ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int format(char *buf, size_t size, const char *fmt, ...)
{
	__builtin_va_list ap;
	int n;

	__builtin_va_start(ap, fmt);
	n = vformat(buf, size, fmt, ap);
	__builtin_va_end(ap);
	return n;
}

static void print_char(char c)
{
	if (c == '\n')
		print_char('\r');
	while (!(in8(COM1 + LSR) &
		 LSR_THRE)) /* no PAUSE: where one thread is all processors it costs 100 ms */
		;
	out8(COM1, (uint8_t)c);
}

void print(const char *fmt, ...)
{
	static uint32_t lock;
	char line[LINE];
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	vformat(line, sizeof(line), fmt, ap);
	__builtin_va_end(ap);
	spin_lock(&lock);
	for (const char *p = line; *p; p++)
		print_char(*p);
	spin_unlock(&lock);
}
