/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted text into a buffer: one pass over the format, no state but the stack's. */

#include "lib/printf.h"
#include "lib/string.h"

#define DIGITS_MAX 20 /* of 2^64 - 1 in decimal */
#define FIELD_MAX \
	(1 << 16) /* widths and precisions above are cut: a bound for the time of one call */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, stored or not */
};

/* One conversion as the format asks for it. */
struct spec {
	bool left;
	bool zero;
	bool alternate; /* '#': 0x before a hexadecimal number that is not 0 */
	int width;
	int precision; /* -1: none given */
	int size;      /* of an integer argument, in bytes */
	char conversion;
};

static void put(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

/* Of @n characters, how many there is room for. */
static size_t fitting(const struct out *o, int n)
{
	size_t room = o->len < o->size ? o->size - o->len : 0;

	return (size_t)n < room ? (size_t)n : room;
}

static void put_many(struct out *o, char c, int n)
{
	if (n <= 0)
		return;
	memset(o->buf + o->len, c, fitting(o, n));
	o->len += (size_t)n;
}

static void put_chars(struct out *o, const char *s, int n)
{
	if (n <= 0)
		return;
	memcpy(o->buf + o->len, s, fitting(o, n));
	o->len += (size_t)n;
}

static void put_text(struct out *o, const struct spec *f, const char *s, int len)
{
	if (!f->left)
		put_many(o, ' ', f->width - len);
	put_chars(o, s, len);
	if (f->left)
		put_many(o, ' ', f->width - len);
}

static void put_string(struct out *o, const struct spec *f, const char *s)
{
	int len = 0;

	if (!s)
		s = "(null)";
	while (len < FIELD_MAX && (f->precision < 0 || len < f->precision) && s[len])
		len++;
	put_text(o, f, s, len);
}

/* Digits of @value at the end of @digits; returns how many. */
static int make_digits(char digits[DIGITS_MAX], uint64_t value, bool hex, bool upper)
{
	const char *set = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	int n = 0;

	while (value) {
		digits[DIGITS_MAX - ++n] = set[hex ? value % 16 : value % 10];
		value = hex ? value / 16 : value / 10;
	}
	return n;
}

static void put_number(struct out *o, const struct spec *f, uint64_t value, const char *prefix)
{
	const bool hex = f->conversion == 'x' || f->conversion == 'X' || f->conversion == 'p';
	const int prefix_len = (int)strlen(prefix);
	char digits[DIGITS_MAX];
	int n = make_digits(digits, value, hex, f->conversion == 'X');
	int zeros = (f->precision < 0 ? 1 : f->precision) - n;
	int pad;

	if (zeros < 0)
		zeros = 0;
	pad = f->width - prefix_len - zeros - n;
	if (f->zero && !f->left && f->precision < 0 && pad > 0) {
		zeros += pad;
		pad = 0;
	}

	if (!f->left)
		put_many(o, ' ', pad);
	put_chars(o, prefix, prefix_len);
	put_many(o, '0', zeros);
	put_chars(o, digits + DIGITS_MAX - n, n);
	if (f->left)
		put_many(o, ' ', pad);
}

static void put_unsigned(struct out *o, const struct spec *f, uint64_t value)
{
	const char *prefix = "";

	if (f->alternate && value && f->conversion != 'u')
		prefix = f->conversion == 'X' ? "0X" : "0x";
	put_number(o, f, value, prefix);
}

static void put_signed(struct out *o, const struct spec *f, int64_t value)
{
	if (value < 0)
		put_number(o, f, 0 - (uint64_t)value, "-");
	else
		put_number(o, f, (uint64_t)value, "");
}

/* A number in the format, bounded. */
static const char *parse_number(const char *p, int *out)
{
	int n = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (n < FIELD_MAX)
			n = n * 10 + (*p - '0');
	}
	*out = n < FIELD_MAX ? n : FIELD_MAX;
	return p;
}

static const char *parse_size(const char *p, struct spec *f)
{
	f->size = sizeof(int);
	if (p[0] == 'z') {
		f->size = sizeof(size_t);
		return p + 1;
	}
	if (p[0] == 'l') {
		f->size = sizeof(long);
		return p[1] == 'l' ? p + 2 : p + 1;
	}
	if (p[0] == 'h') {
		f->size = p[1] == 'h' ? sizeof(char) : sizeof(short);
		return p[1] == 'h' ? p + 2 : p + 1;
	}
	return p;
}

static void set_width(struct spec *f, int width)
{
	f->left |= width < 0;
	if (width < 0)
		width = width < -FIELD_MAX ? FIELD_MAX : -width;
	f->width = width < FIELD_MAX ? width : FIELD_MAX;
}

static void set_precision(struct spec *f, int precision)
{
	f->precision = precision < 0 ? -1 : precision < FIELD_MAX ? precision : FIELD_MAX;
}

/* va_list behind a pointer, so that helpers can take arguments from it. */
struct args {
	va_list list;
};

/* Parse what follows a percent sign; returns where the conversion character is. */
static const char *parse_spec(const char *p, struct spec *f, struct args *args)
{
	int n;

	*f = (struct spec){.precision = -1};
	for (; *p == '-' || *p == '0' || *p == '#'; p++) {
		f->left |= *p == '-';
		f->zero |= *p == '0';
		f->alternate |= *p == '#';
	}
	if (*p == '*') {
		set_width(f, va_arg(args->list, int));
		p++;
	} else {
		p = parse_number(p, &n);
		set_width(f, n);
	}
	if (*p == '.') {
		p++;
		if (*p == '*') {
			set_precision(f, va_arg(args->list, int));
			p++;
		} else {
			p = parse_number(p, &n);
			set_precision(f, n);
		}
	}
	p = parse_size(p, f);
	f->conversion = *p;
	return p;
}

static int64_t arg_signed(const struct spec *f, struct args *args)
{
	if (f->size == sizeof(long))
		return va_arg(args->list, long);
	if (f->size == sizeof(short))
		return (short)va_arg(args->list, int);
	if (f->size == sizeof(char))
		return (signed char)va_arg(args->list, int);
	return va_arg(args->list, int);
}

static uint64_t arg_unsigned(const struct spec *f, struct args *args)
{
	if (f->size == sizeof(long))
		return va_arg(args->list, unsigned long);
	if (f->size == sizeof(short))
		return (unsigned short)va_arg(args->list, unsigned int);
	if (f->size == sizeof(char))
		return (unsigned char)va_arg(args->list, unsigned int);
	return va_arg(args->list, unsigned int);
}

/* Print one conversion; false if it is none that we know. */
static bool convert(struct out *o, const struct spec *f, struct args *args)
{
	char c;

	switch (f->conversion) {
	case 'd':
	case 'i':
		put_signed(o, f, arg_signed(f, args));
		return true;
	case 'u':
	case 'x':
	case 'X':
		put_unsigned(o, f, arg_unsigned(f, args));
		return true;
	case 'p':
		put_number(o, f, (uintptr_t)va_arg(args->list, void *), "0x");
		return true;
	case 's':
		put_string(o, f, va_arg(args->list, const char *));
		return true;
	case 'c':
		c = (char)va_arg(args->list, int);
		put_text(o, f, &c, 1);
		return true;
	case '%':
		put(o, '%');
		return true;
	default:
		return false;
	}
}

int vsnprintf_(char *buf, size_t size, const char *fmt, va_list args)
{
	struct out o = {.buf = buf, .size = size};
	struct args a;
	struct spec f;

	va_copy(a.list, args);
	while (*fmt) {
		const char *start = fmt;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &f, &a);
		if (*fmt)
			fmt++;
		if (!convert(&o, &f, &a))
			put_chars(&o, start, (int)(fmt - start));
	}
	va_end(a.list);

	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return (int)o.len;
}

int snprintf_(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf_(buf, size, fmt, args);
	va_end(args);
	return len;
}
