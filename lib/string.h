/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory and strings, with the C library's names and meaning; host builds use the host's own. */

#ifndef LIB_STRING_H
#define LIB_STRING_H

#include "lib/types.h"

/* Host builds have these functions beside the C library's, for the unit test. */
#ifdef BULKHEAD_HOST
#include <string.h>
#define STRING_FN(name) lib_##name
#else
#define STRING_FN(name) name
#endif

void *STRING_FN(memcpy)(void *restrict dst, const void *restrict src, size_t n);
void *STRING_FN(memmove)(void *dst, const void *src, size_t n);
void *STRING_FN(memset)(void *dst, int value, size_t n);
int STRING_FN(memcmp)(const void *a, const void *b, size_t n);
size_t STRING_FN(strlen)(const char *s);
int STRING_FN(strcmp)(const char *a, const char *b);
int STRING_FN(strncmp)(const char *a, const char *b, size_t n);

/*
 * Copy @src, cut to @size - 1 characters, and end it with a zero byte; @size 0 writes nothing.
 * Returns the length of @src: what is not smaller than @size was cut.
 */
size_t lib_strlcpy(char *dst, const char *src, size_t size);
#define strlcpy lib_strlcpy

/* Let the compiler expand small ones in place, which -ffreestanding alone would forbid. */
#if !defined(BULKHEAD_HOST) && !defined(STRING_IMPLEMENTATION)
#define memcpy	__builtin_memcpy
#define memmove __builtin_memmove
#define memset	__builtin_memset
#define memcmp	__builtin_memcmp
#define strlen	__builtin_strlen
#define strcmp	__builtin_strcmp
#endif

#endif
