/* SPDX-License-Identifier: BSD-2-Clause */
/* Can this machine run this configuration? All of it is answered before anything starts. */

#ifndef VM_ADMIT_H
#define VM_ADMIT_H

#include "ept/frame.h"
#include "vm/config.h"

/* The least that a service guest with `memory = rest` must be left with, bytes. */
#define ADMIT_SERVICE_MIN (32 * MIB)

/* The least memory that firmware starts with, and the most that it takes of the addresses below 4 GiB, bytes. */
#define ADMIT_FIRMWARE_MIN (2 * MIB)
#define ADMIT_FIRMWARE_MAX (16 * MIB)

/* The least that windows and budgets must leave a service guest of each of its CPUs, percent. */
#define ADMIT_SERVICE_TIME 5

struct machine_module {
	const char *name;
	uint64_t size; /* bytes */
};

struct machine_function {
	uint16_t segment, bdf; /* bus 15:8, device 7:3, function 2:0 */
	bool bridge;
};

/* The machine, or what somebody at a desk says of one. */
struct machine {
	uint32_t cpus;			/* that run; the configuration's indexes are below it */
	uint64_t features;		/* REQUIRE_* bits that it has */
	const struct mem_range *ranges; /* clean memory map, as the firmware has it */
	uint32_t range_count;
	uint64_t
		occupied; /* bytes of RAM that no VM is built in: the hypervisor's image, the boot modules */
	const struct machine_module *modules; /* NULL: not known, not checked */
	uint32_t module_count;
	const struct machine_function *functions; /* of PCI; NULL: not known, not checked */
	uint32_t function_count;
	bool final; /* do not refuse what only this version does not do: for a look at what is to come */
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

/* The reservation of each vCPU of @vm on a CPU, ns: its own, or the service guest's least; 0: none. */
struct admit_budget {
	uint64_t budget, period;
};
struct admit_budget admit_budget(const struct config *c, const struct config_vm *vm, uint32_t cpu);

/*
 * Of all stretches of time on a CPU with windows and budgets, ns: the first in which more can become due than there is
 * at least (then it is refused); else that in which least is left. within 0: there is none; UINT64_MAX: too many.
 */
struct admit_tight {
	uint64_t within, demand, supply;
};
struct admit_tight admit_tightest(const struct config *c, uint32_t cpu);

/*
 * For time tables: vCPUs of @vm on a CPU; the share of it that budgets take, in units of 2^-30, rounded up; and
 * bytes of all shared regions together.
 */
uint32_t admit_vcpus_on(const struct config_vm *vm, uint32_t cpu);
uint64_t admit_reserved(const struct config *c, uint32_t cpu);
uint64_t admit_shared(const struct config *c);

/* Does boot module @name stay in memory, for a VM's next life or because it is firmware? */
bool admit_module_kept(const struct config *c, const char *name);

/* Index of the module of that name, or -1. */
int machine_module_find(const struct machine *m, const char *name);

#endif
