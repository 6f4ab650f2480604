/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: what hooks.c calls of race.c. */

#ifndef TESTS_HOOKS_RACE_H
#define TESTS_HOOKS_RACE_H

#include "lib/types.h"

struct vcpu;

int64_t hook_race(struct vcpu *v, uint64_t place);
/* Just before an entry. */
void hook_race_enter(void);

#endif
