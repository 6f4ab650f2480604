/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration text as a record of fixed size; docs/configuration.md is its reference. */

#ifndef VM_CONFIG_H
#define VM_CONFIG_H

#include "lib/sha256.h"
#include "lib/types.h"

#define CONFIG_VMS	   64
#define CONFIG_CPUS	   256	/* indexes in MADT order */
#define CONFIG_VCPUS	   64	/* of one VM */
#define CONFIG_NAME	   32	/* of a VM or a region, with its NUL */
#define CONFIG_MODULE_NAME 64	/* with its NUL */
#define CONFIG_CMDLINE	   2048 /* with its NUL */
#define CONFIG_MODULES	   16
#define CONFIG_WINDOWS	   8
#define CONFIG_DEVICES	   16
#define CONFIG_SHARES	   8
#define CONFIG_SHARE_MAX   (128 * MIB) /* bytes of all regions that a VM sees */
#define CONFIG_WEIGHT_MAX  10000
#define CONFIG_WEIGHT	   100	      /* where none is given */
#define CONFIG_RESERVE	   (16 * MIB) /* where none is given */

/* Line and column count from 1; line 0 means "not given". */
struct config_pos {
	uint32_t line, col;
};

/* Keys of [system] and of [vm], for config_*.at[]. */
enum config_system_key {
	SYS_FRAME,
	SYS_RESERVE,
	SYS_POWER,
	SYS_REQUIRE,
	SYS_ON_REFUSAL,
	SYS_ON_END,
	SYS_PROMPT,
	SYS_KEYS,
};
enum config_vm_key {
	VM_ROLE,
	VM_CPUS,
	VM_MEMORY,
	VM_KERNEL,
	VM_FIRMWARE,
	VM_INITRD,
	VM_MODULES,
	VM_CMDLINE,
	VM_ON_FAULT,
	VM_ON_EXIT,
	VM_DEBUG_EXIT,
	VM_FLAT,
	VM_WINDOW,
	VM_DONATE,
	VM_RESERVE,
	VM_WEIGHT,
	VM_DEVICE,
	VM_SHARE,
	VM_WATCHDOG,
	VM_PORT,
	VM_KEYS,
};

/* [system] require: what the machine must have */
#define REQUIRE_NESTED_PAGING BIT(0)
#define REQUIRE_IOMMU	      BIT(1)
#define REQUIRE_INTREMAP      BIT(2)
#define REQUIRE_INVARIANT_TSC BIT(3)
#define REQUIRE_X2APIC	      BIT(4)
#define REQUIRE_SMEP	      BIT(5)
#define REQUIRE_SMAP	      BIT(6)

enum config_role { ROLE_ISOLATED, ROLE_SERVICE };
enum config_on_refusal { REFUSAL_HALT, REFUSAL_REBOOT };
enum config_on_end { END_HALT, END_POWEROFF, END_REBOOT };
enum config_on_fault { FAULT_STOP, FAULT_RESTART };
enum config_on_exit { VM_EXIT_STOP, VM_EXIT_RESTART, VM_EXIT_POWEROFF };
enum config_flat { FLAT_NONE, FLAT_REAL, FLAT_PROTECTED, FLAT_LONG };

/* A boot module by its name, and the content it must have. */
struct config_image {
	char name[CONFIG_MODULE_NAME]; /* "": not given */
	bool pinned;
	uint8_t sha256[SHA256_SIZE];
	struct config_pos at;
};

struct config_window {
	uint64_t length, start; /* ns */
	struct config_pos at;
};

struct config_device {
	uint16_t segment;
	uint8_t bus, dev, fn;
	struct config_pos at;
};

/* What a VM may do with a region; all may ring the others. */
enum config_rights { SHARE_NONE, SHARE_RO, SHARE_RW };

struct config_share {
	char name[CONFIG_NAME];
	uint64_t size; /* bytes */
	enum config_rights rights;
	struct config_pos at;
};

struct config_vm {
	char name[CONFIG_NAME];
	struct config_pos name_at;
	struct config_pos at[VM_KEYS]; /* of each key's value; line 0: the key was not given */
	enum config_role role;
	bool cpus_all;			 /* one vCPU on every CPU; then the next three are empty */
	uint64_t cpus[CONFIG_CPUS / 64]; /* bit n: CPU n runs at least one vCPU */
	uint32_t vcpu_count;
	uint8_t vcpu_cpu[CONFIG_VCPUS]; /* vCPU i runs on this CPU */
	bool memory_rest;
	uint64_t memory; /* bytes, where not memory_rest */
	struct config_image kernel, initrd, firmware;
	struct config_image modules[CONFIG_MODULES];
	uint32_t module_count;
	char cmdline[CONFIG_CMDLINE];
	enum config_on_fault on_fault;
	enum config_on_exit on_exit;
	uint16_t debug_exit; /* port; at[VM_DEBUG_EXIT].line != 0 where given */
	enum config_flat flat;
	uint64_t flat_base; /* guest-physical */
	struct config_window windows[CONFIG_WINDOWS];
	uint32_t window_count;
	bool donate;
	uint64_t budget, period; /* ns; 0: no reservation */
	uint32_t weight;
	struct config_device devices[CONFIG_DEVICES];
	uint32_t device_count;
	struct config_share shares[CONFIG_SHARES];
	uint32_t share_count;
	uint64_t watchdog; /* ns; 0: none */
	uint8_t port;	   /* of the machine's serial ports, 1 for COM1; 0: none */
};

struct config {
	struct config_pos at[SYS_KEYS];
	uint64_t frame;		 /* ns; 0: not given */
	uint64_t reserve;	 /* bytes */
	char power[CONFIG_NAME]; /* "": none; use config_power_vm */
	uint64_t require;	 /* REQUIRE_* */
	enum config_on_refusal on_refusal;
	uint64_t refusal_delay; /* ns */
	enum config_on_end on_end;
	bool prompt;
	uint32_t vm_count;
	struct config_vm
		vms[CONFIG_VMS]; /* the first vm_count are valid, the rest is not even cleared */
};

/* One thing that is wrong. Strings live until the callback returns. */
struct config_error {
	struct config_pos at; /* line 0: of the text as a whole */
	const char *word; /* the offending word, cut and made printable; "" where there is none */
	const char *text; /* a sentence without capital and full stop */
};

/* Where errors go. Set error, arg and max (0: 20); count is then how many there were, reported or not. */
struct config_report {
	void (*error)(void *arg, const struct config_error *e);
	void *arg;
	uint32_t max;
	uint32_t count;
};

/*
 * Parse @len bytes of @text (any bytes; no NUL at the end needed) into @out. Every error is reported, the first
 * @rep->max of them through the callback. Nothing is allocated; time is linear in @len (times the bounds above).
 * @out is always valid to look at: what was wrong has its default, so that on_refusal can be obeyed.
 * Returns 0, or -EINVAL if anything was reported.
 */
int config_parse(const char *text, uint32_t len, struct config *out, struct config_report *rep);

/* Report one error; also used by vm/admit. @word may be NULL. */
void config_error(struct config_report *rep, struct config_pos at, const char *word,
		  uint32_t word_len, const char *fmt, ...) PRINTF(5, 6);

/* Was the key given? */
static inline bool config_vm_has(const struct config_vm *vm, enum config_vm_key key)
{
	return vm->at[key].line != 0;
}

/* Can @vm, one of @c's, ever be restarted? */
static inline bool config_restarts(const struct config *c, const struct config_vm *vm)
{
	return vm->on_fault == FAULT_RESTART || vm->on_exit == VM_EXIT_RESTART ||
	       (c->prompt && vm->role == ROLE_ISOLATED);
}

/* How many vCPUs has @vm on a machine of @cpus CPUs, and on which CPU is its vCPU @i? */
static inline uint32_t config_vcpus(const struct config_vm *vm, uint32_t cpus)
{
	return vm->cpus_all ? cpus : vm->vcpu_count;
}

static inline uint32_t config_vcpu_cpu(const struct config_vm *vm, uint32_t i)
{
	return vm->cpus_all ? i : vm->vcpu_cpu[i];
}

/* Index of the VM that may switch the machine off; -1: none may; -ENOENT: no such VM (admission refuses that). */
int config_power_vm(const struct config *c);

/* The index of the service guest, or -1. */
int config_service_vm(const struct config *c);

/* A key's name as written, for messages. */
const char *config_vm_key_name(enum config_vm_key key);

/* The word of one REQUIRE_* bit, or NULL. */
const char *config_require_name(uint64_t bit);

#endif
