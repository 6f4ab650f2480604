/* SPDX-License-Identifier: BSD-2-Clause */
/* Test only: what hooks.c calls of mce.c. */

#ifndef TESTS_HOOKS_MCE_H
#define TESTS_HOOKS_MCE_H

#include "lib/types.h"

struct vcpu;
struct vcpu_arch;

int64_t hook_mce(struct vcpu *v, uint64_t call, uint64_t b, uint64_t c);
/* True: this entry has failed. */
bool hook_mce_entry(struct vcpu_arch *v);

#endif
