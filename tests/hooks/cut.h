/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: what hooks.c calls of cut.c, and the reverse. */

#ifndef TESTS_HOOKS_CUT_H
#define TESTS_HOOKS_CUT_H

#include "lib/types.h"

struct vcpu;

int64_t hook_cut(struct vcpu *v, uint64_t call, uint64_t b, uint64_t c);

/* hooks.c: flip bits in the entry of the last level for @gpa. */
void hook_nested_flip(struct vcpu *v, uint64_t gpa, uint64_t bits);

#endif
