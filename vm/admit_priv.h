/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of admission: one in progress, and the rules that vm/admit.c calls. */

#ifndef VM_ADMIT_PRIV_H
#define VM_ADMIT_PRIV_H

#include "vm/admit.h"

/* An admission in progress. */
struct admission {
	const struct config *c;
	const struct machine *m;
	struct config_report *rep;
};

/* Report a conflict of @vm, at the value of its key. */
#define admit_complain(a, vm, at, ...) \
	config_error((a)->rep, at, (vm)->name, (uint32_t)__builtin_strlen((vm)->name), __VA_ARGS__)

/* --- vm/admit_time.c --- */
/* Windows lie in the frame and apart on every CPU; budgets fit into what the windows leave. */
void rule_time(struct admission *a);

/* --- vm/admit_parts.c --- */
/* Every device is there and given once; those that share a region agree on it. */
void rule_devices(struct admission *a);
void rule_shares(struct admission *a);

#endif
