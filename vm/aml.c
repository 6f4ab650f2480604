/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing AML. ACPI 6.5, 20.2 (byte code) and 6.4 (resource descriptors). */

#include "vm/aml.h"
#include "lib/string.h"

#define OP_NAME	     0x08
#define OP_BYTE	     0x0a
#define OP_WORD	     0x0b
#define OP_DWORD     0x0c
#define OP_STRING    0x0d
#define OP_QWORD     0x0e
#define OP_SCOPE     0x10
#define OP_BUFFER    0x11
#define OP_PACKAGE   0x12
#define OP_DUAL	     0x2e
#define OP_MULTI     0x2f
#define OP_EXT	     0x5b
#define OP_DEVICE    0x82 /* behind OP_EXT */
#define SEGMENT_SIZE 4

#define LENGTH_1_MAX 0x3fU /* of a package length in one byte; two bytes hold 12 bits */

#define RES_IRQ	       0x22
#define RES_IO	       0x47
#define RES_END	       0x79
#define RES_MEMORY32   0x86
#define RES_DWORD      0x87
#define RES_WORD       0x88
#define RES_IO_DECODE  0x01 /* all 16 bits */
#define RES_READ_WRITE 0x01
#define WINDOW_MEMORY  0
#define WINDOW_BUS     2
#define WINDOW_FIXED   0x0c /* both ends; passed on, not consumed */

void aml_byte(struct aml *a, uint8_t value)
{
	if (a->len < a->size)
		a->buf[a->len] = value;
	a->len++;
}

void aml_bytes(struct aml *a, const void *from, uint32_t len)
{
	const uint8_t *p = from;

	while (len--)
		aml_byte(a, *p++);
}

void aml_raw(struct aml *a, uint64_t value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		aml_byte(a, (uint8_t)(value >> 8 * i));
}

void aml_integer(struct aml *a, uint64_t value)
{
	static const struct {
		uint64_t max;
		uint8_t op, bytes;
	} forms[] = {
		{UINT8_MAX,  OP_BYTE,  1},
		{UINT16_MAX, OP_WORD,  2},
		{UINT32_MAX, OP_DWORD, 4},
		{UINT64_MAX, OP_QWORD, 8},
	};
	const uint32_t last = ARRAY_SIZE(forms) - 1;
	uint32_t i = 0;

	if (value <= 1) {
		aml_byte(a, (uint8_t)value); /* ZeroOp, OneOp */
		return;
	}
	while (i < last && value > forms[i].max)
		i++;
	aml_byte(a, forms[i].op);
	aml_raw(a, value, forms[i].bytes);
}

/* --- names --- */

static uint32_t segments(const char *path)
{
	uint32_t n = *path ? 1 : 0;

	for (; *path; path++)
		n += *path == '.';
	return n;
}

static void name_path(struct aml *a, const char *path)
{
	uint32_t n, len = 0;

	if (*path == '\\')
		aml_byte(a, (uint8_t)*path++);
	n = segments(path);
	if (!n)
		aml_byte(a, 0);
	else if (n == 2)
		aml_byte(a, OP_DUAL);
	else if (n > 2)
		aml_raw(a, OP_MULTI | n << 8, 2);
	for (; *path; path++) {
		if (*path != '.') {
			aml_byte(a, (uint8_t)*path);
			len++;
			continue;
		}
		for (; len % SEGMENT_SIZE; len++)
			aml_byte(a, '_');
	}
	for (; len % SEGMENT_SIZE; len++)
		aml_byte(a, '_');
}

static void name_begin(struct aml *a, const char *name)
{
	aml_byte(a, OP_NAME);
	name_path(a, name);
}

/* --- objects with a body --- */

uint32_t aml_begin_scope(struct aml *a, const char *path)
{
	uint32_t begin;

	aml_byte(a, OP_SCOPE);
	begin = a->len;
	name_path(a, path);
	return begin;
}

uint32_t aml_begin_device(struct aml *a, const char *name)
{
	uint32_t begin;

	aml_byte(a, OP_EXT);
	aml_byte(a, OP_DEVICE);
	begin = a->len;
	name_path(a, name);
	return begin;
}

/* Make room for the length in front of the body; the length counts its own bytes. */
void aml_end(struct aml *a, uint32_t begin)
{
	uint32_t body = a->len - begin, n = body + 1 <= LENGTH_1_MAX ? 1 : 2, length = body + n;

	a->len += n;
	if (a->len > a->size)
		return;
	memmove(a->buf + begin + n, a->buf + begin, body);
	if (n == 1) {
		a->buf[begin] = (uint8_t)length;
		return;
	}
	a->buf[begin] = (uint8_t)(1U << 6 | (length & 0xf));
	a->buf[begin + 1] = (uint8_t)(length >> 4);
}

/* --- names with a value --- */

void aml_name_integer(struct aml *a, const char *name, uint64_t value)
{
	name_begin(a, name);
	aml_integer(a, value);
}

void aml_name_string(struct aml *a, const char *name, const char *value)
{
	name_begin(a, name);
	aml_byte(a, OP_STRING);
	aml_bytes(a, value, (uint32_t)strlen(value) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits each, four hexadecimal digits, most significant byte first. ACPI 6.5, 19.3.4. */
void aml_name_eisaid(struct aml *a, const char *name, const char *id)
{
	uint32_t value = 0;

	for (uint32_t i = 0; i < 3; i++)
		value = value << 5 | (uint32_t)(id[i] - '@');
	for (uint32_t i = 3; i < 7; i++)
		value = value << 4 | hex_digit(id[i]);
	name_begin(a, name);
	aml_integer(a, __builtin_bswap32(value));
}

static uint32_t begin_package(struct aml *a, uint8_t count)
{
	uint32_t begin;

	aml_byte(a, OP_PACKAGE);
	begin = a->len;
	aml_byte(a, count);
	return begin;
}

void aml_name_package(struct aml *a, const char *name, const uint8_t *values, uint8_t count)
{
	uint32_t begin;

	name_begin(a, name);
	begin = begin_package(a, count);
	for (uint32_t i = 0; i < count; i++)
		aml_integer(a, values[i]);
	aml_end(a, begin);
}

void aml_name_route(struct aml *a, uint8_t device, uint8_t pin, uint32_t gsi)
{
	uint32_t lines, line;

	name_begin(a, "_PRT");
	lines = begin_package(a, 1);
	line = begin_package(a, 4);
	aml_integer(a, (uint32_t)device << 16 | UINT16_MAX);
	aml_integer(a, pin);
	aml_integer(a, 0); /* no link device: wired */
	aml_integer(a, gsi);
	aml_end(a, line);
	aml_end(a, lines);
}

/* --- resources --- */

/* The buffer's own size stands in front of its bytes as an integer: of one byte here, patched at the end. */
uint32_t aml_begin_resources(struct aml *a)
{
	uint32_t begin;

	name_begin(a, "_CRS");
	aml_byte(a, OP_BUFFER);
	begin = a->len;
	aml_integer(a, UINT8_MAX);
	return begin;
}

void aml_end_resources(struct aml *a, uint32_t begin)
{
	aml_raw(a, RES_END, 2); /* a checksum of 0: none */
	if (begin + 2 <= a->size)
		a->buf[begin + 1] = (uint8_t)(a->len - begin - 2);
	aml_end(a, begin);
}

void aml_io(struct aml *a, uint16_t first, uint8_t count)
{
	aml_raw(a, RES_IO | RES_IO_DECODE << 8, 2);
	aml_raw(a, first, 2);
	aml_raw(a, first, 2);
	aml_raw(a, 1 | (uint32_t)count << 8, 2); /* aligned to anything */
}

void aml_irq(struct aml *a, uint32_t irq)
{
	aml_byte(a, RES_IRQ);
	aml_raw(a, BIT(irq), 2);
}

void aml_memory_fixed(struct aml *a, uint32_t base, uint32_t size)
{
	aml_byte(a, RES_MEMORY32);
	aml_raw(a, 9, 2);
	aml_byte(a, RES_READ_WRITE);
	aml_raw(a, base, 4);
	aml_raw(a, size, 4);
}

/* Address space descriptors: granularity, first, last, translation, length; @n bytes each. */
static void window(struct aml *a, uint8_t tag, uint8_t kind, uint8_t flags, uint64_t first,
		   uint64_t last, uint32_t n)
{
	aml_byte(a, tag);
	aml_raw(a, 3 + 5 * n, 2);
	aml_byte(a, kind);
	aml_byte(a, WINDOW_FIXED);
	aml_byte(a, flags);
	aml_raw(a, 0, n);
	aml_raw(a, first, n);
	aml_raw(a, last, n);
	aml_raw(a, 0, n);
	aml_raw(a, last - first + 1, n);
}

void aml_window_bus(struct aml *a, uint16_t first, uint16_t last)
{
	window(a, RES_WORD, WINDOW_BUS, 0, first, last, 2);
}

void aml_window_memory(struct aml *a, uint32_t first, uint32_t last)
{
	window(a, RES_DWORD, WINDOW_MEMORY, RES_READ_WRITE, first, last, 4);
}
