/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatted text into a buffer. */

#ifndef LIB_PRINTF_H
#define LIB_PRINTF_H

#include <stdarg.h>
#include "lib/types.h"

/*
 * What of the C library's snprintf the hypervisor needs:
 *
 *   %[-][0][#][width][.precision][hh|h|l|ll|z]conversion
 *
 * with d, i, u, x, X, c, s, p (as 0x and hexadecimal digits) and %%; flags in any order; width and precision as
 * numbers or *. # puts 0x (0X) before hexadecimal digits, not before zero. A precision is for strings (most
 * characters) and integers (fewest digits). Anything else is printed as it stands.
 * The text is cut to @size - 1 characters and always ended with a zero byte, unless @size is 0.
 * Returns the length that the whole text has, without the zero. A NULL string prints as (null). Any context.
 */
int vsnprintf_(char *buf, size_t size, const char *fmt, va_list args) PRINTF(3, 0);
int snprintf_(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);

#endif
