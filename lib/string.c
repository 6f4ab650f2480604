/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and strings; eight bytes per step, because steps are what a bound counts. */

#define STRING_IMPLEMENTATION
#include "lib/string.h"

#define WORD sizeof(uint64_t)

/* A word at any address, of whatever type is stored there. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

void *STRING_FN(memcpy)(void *restrict dst, const void *restrict src, size_t n)
{
	void *d = dst;
	size_t words = n / WORD;
	size_t tail = n % WORD;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(tail) : : "memory");
	return dst;
}

void *STRING_FN(memset)(void *dst, int value, size_t n)
{
	const uint64_t pattern = (uint8_t)value * 0x0101010101010101ULL;
	void *d = dst;
	size_t words = n / WORD;
	size_t tail = n % WORD;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(tail) : "a"(pattern) : "memory");
	return dst;
}

/* Upwards wherever that is right. Downwards without the direction flag: an NMI's handler expects it clear. */
void *STRING_FN(memmove)(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n)
		return STRING_FN(memcpy)(dst, src, n);

	for (; n >= WORD; n -= WORD)
		*(word_t *)(d + n - WORD) = *(const word_t *)(s + n - WORD);
	while (n--)
		*(volatile char *)(d + n) = s[n];
	return dst;
}

int STRING_FN(memcmp)(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a;
	const uint8_t *y = b;

	while (n >= WORD && *(const word_t *)x == *(const word_t *)y) {
		x += WORD;
		y += WORD;
		n -= WORD;
	}
	for (; n; x++, y++, n--) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

size_t STRING_FN(strlen)(const char *s)
{
	const volatile char *end = s; /* volatile: or the loop may be made a call of strlen */

	while (*end)
		end++;
	return (size_t)(end - s);
}

int STRING_FN(strcmp)(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (uint8_t)*a - (uint8_t)*b;
}

int STRING_FN(strncmp)(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b) {
		a++;
		b++;
		n--;
	}
	return n ? (uint8_t)*a - (uint8_t)*b : 0;
}

size_t lib_strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = STRING_FN(strlen)(src);
	size_t n = len < size ? len : size - 1;

	if (!size)
		return len;
	STRING_FN(memcpy)(dst, src, n);
	dst[n] = '\0';
	return len;
}
