/* SPDX-License-Identifier: BSD-2-Clause */
/* Words on the hypervisor's command line: NAME=VALUE. */

#ifndef ARCH_OPTIONS_H
#define ARCH_OPTIONS_H

#include "lib/types.h"

#define OPTIONS_MAX 512

/* Keep a copy of @cmdline, at most OPTIONS_MAX - 1 bytes of it. Boot CPU, once. */
void options_init(const char *cmdline);

/* Copy the value of the last word NAME=VALUE to @value (always terminated); false if there is none. */
bool option_get(const char *name, char *value, uint32_t size);

/* Is NAME=off there? */
bool option_off(const char *name);
bool option_on(const char *name);

/* NAME's value as a decimal number, or @other where absent or malformed. */
uint64_t option_number(const char *name, uint64_t other);

#endif
