/* SPDX-License-Identifier: BSD-2-Clause */
/* Can this machine run this configuration? All of it is answered before anything starts. */

#ifndef VM_ADMIT_H
#define VM_ADMIT_H

#include "ept/frame.h"
#include "vm/config.h"

/* The least that a service guest with `memory = rest` must be left with, bytes. */
#define ADMIT_SERVICE_MIN (32 * MIB)

struct machine_module {
	const char *name;
	uint64_t size; /* bytes */
};

/* The machine, or what somebody at a desk says of one. */
struct machine {
	uint32_t cpus;	   /* that run; the configuration's indexes are below it */
	uint64_t features; /* REQUIRE_* bits that it has */
	const struct mem_range *
		ranges; /* clean memory map; RAM that the hypervisor's image and modules occupy is not RAM */
	uint32_t range_count;
	const struct machine_module *modules;
	uint32_t module_count;
	/* Hash module @index for `sha256:` pins, 0 or negative. NULL: pins are not checked here. */
	int (*digest)(void *arg, uint32_t index, uint8_t out[SHA256_SIZE]);
	void *arg;
};

/*
 * Report every conflict in @c and between @c and @m. @c must come from a config_parse that returned 0 (other
 * records are safe to pass, but their reports mislead).
 * Returns 0 if nothing was reported, else -EINVAL.
 */
int admit(const struct config *c, const struct machine *m, struct config_report *rep);

/* Index of the module of that name, or -1. */
int machine_module_find(const struct machine *m, const char *name);

#endif
