/* SPDX-License-Identifier: BSD-2-Clause */
/* Each configuration key's value: how it is written, and where in the record it goes. */

#include "vm/config_priv.h"
#include "lib/string.h"

#define FRAME_MIN	  (100 * NS_PER_US)
#define FRAME_MAX	  (10 * NS_PER_S)
#define REFUSAL_DELAY_MAX (3600 * NS_PER_S)
#define RESERVE_MIN	  (1 * MIB)
#define PORT_MAX	  0xffff
#define REAL_MODE_LIMIT	  0x100000 /* a segment's base is 16 bits shifted by 4 */
#define REAL_MODE_ALIGN	  16
#define LOW_LIMIT	  (4 * GIB)
#define PCI_DEV_MAX	  31
#define PCI_FN_MAX	  7
#define SHA256_PREFIX	  "sha256:"

static const struct choice require_words[] = {
	{"nested-paging", REQUIRE_NESTED_PAGING},
	{"iommu",	  REQUIRE_IOMMU	       },
	{"intremap",	     REQUIRE_INTREMAP     },
	{"invariant-tsc", REQUIRE_INVARIANT_TSC},
	{"x2apic",	   REQUIRE_X2APIC	 },
	{"smep",		 REQUIRE_SMEP	     },
	{"smap",		 REQUIRE_SMAP	     },
};

const char *config_require_name(uint64_t bit)
{
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(require_words); i++) {
		if (require_words[i].value == bit)
			return require_words[i].word;
	}
	return NULL;
}

static void choice_value(struct key_target *t, struct span value, const struct choice *choices,
			 size_t n, uint32_t *out, const char *allowed)
{
	if (!value_choose(value, choices, n, out))
		span_error(t->rep, value, "not one of: %s", allowed);
}

/* --- [system] --- */

static void sys_frame(struct key_target *t, struct span value)
{
	uint64_t ns;

	if (value_duration(t->rep, value, FRAME_MIN, FRAME_MAX, &ns))
		t->c->frame = ns;
}

static void sys_reserve(struct key_target *t, struct span value)
{
	uint64_t bytes;

	if (!value_size(t->rep, value, &bytes))
		return;
	if (bytes < RESERVE_MIN)
		span_error(t->rep, value, "the hypervisor needs a reserve of at least 1M");
	else
		t->c->reserve = bytes;
}

static void sys_power(struct key_target *t, struct span value)
{
	if (span_is(value, "none"))
		return;
	if (!span_name(t->rep, value, t->c->power, sizeof(t->c->power)))
		t->c->power[0] = '\0';
}

static void sys_require(struct key_target *t, struct span value)
{
	bool more = true;
	struct span item;
	uint32_t bit;

	while (value_item(&value, &more, &item)) {
		if (value_choose(item, require_words, ARRAY_SIZE(require_words), &bit))
			t->c->require |= bit;
		else
			span_error(
				t->rep, item,
				"not one of: nested-paging, iommu, intremap, invariant-tsc, x2apic, smep, smap");
	}
}

static void sys_on_refusal(struct key_target *t, struct span value)
{
	struct span rest = value, word = span_word(&rest);
	uint64_t ns;

	if (span_is(word, "halt")) {
		value_at_end(t->rep, rest);
		return;
	}
	if (!span_is(word, "reboot")) {
		span_error(t->rep, word, "not one of: halt, reboot after DURATION");
		return;
	}
	word = span_word(&rest);
	if (!span_is(word, "after") || !rest.len) {
		span_error(t->rep, value, "expected: reboot after DURATION");
		return;
	}
	if (!value_duration(t->rep, rest, 0, REFUSAL_DELAY_MAX, &ns))
		return;
	t->c->on_refusal = REFUSAL_REBOOT;
	t->c->refusal_delay = ns;
}

static void sys_on_end(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"halt",	 END_HALT	 },
		    {"poweroff", END_POWEROFF},
		{"reboot",   END_REBOOT  }
	      };
	uint32_t v = END_HALT;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "halt, poweroff, reboot");
	t->c->on_end = v;
}

static void yes_or_no(struct key_target *t, struct span value, bool *out)
{
	static const struct choice words[] = {
		{"no",  false},
		       {"yes", true }
	    };
	uint32_t v = false;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "yes, no");
	*out = v;
}

static void sys_prompt(struct key_target *t, struct span value)
{
	yes_or_no(t, value, &t->c->prompt);
}

/* --- [vm] --- */

static void vm_role(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"isolated", ROLE_ISOLATED},
		     {"service",	 ROLE_SERVICE }
	      };
	uint32_t v = ROLE_ISOLATED;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "isolated, service");
	t->vm->role = v;
}

/* One vCPU on each CPU from @first to @last. */
static bool cpus_add(struct key_target *t, struct span item, uint64_t first, uint64_t last)
{
	uint64_t cpu;

	for (cpu = first; cpu <= last; cpu++) {
		if (t->vm->vcpu_count == CONFIG_VCPUS) {
			span_error(t->rep, item, "more than %u vCPUs", CONFIG_VCPUS);
			return false;
		}
		t->vm->cpus[cpu / 64] |= BIT(cpu % 64);
		t->vm->vcpu_cpu[t->vm->vcpu_count++] = (uint8_t)cpu;
	}
	return true;
}

static bool cpus_item(struct key_target *t, struct span item)
{
	struct span first = item, last;
	uint64_t from, to;
	uint32_t n = 0;

	while (n < item.len && item.s[n] != '-')
		n++;
	first.len = n;
	if (!value_number(t->rep, span_trim(first), 0, CONFIG_CPUS - 1, &from))
		return false;
	if (n == item.len)
		return cpus_add(t, item, from, from);
	last = span_trim(span_skip(item, n + 1));
	if (!value_number(t->rep, last, 0, CONFIG_CPUS - 1, &to))
		return false;
	if (to < from) {
		span_error(t->rep, item, "this range of CPUs runs backwards");
		return false;
	}
	return cpus_add(t, item, from, to);
}

static void vm_cpus(struct key_target *t, struct span value)
{
	bool more = true;
	struct span item;

	if (span_is(value, "all")) {
		t->vm->cpus_all = true;
		return;
	}
	while (value_item(&value, &more, &item)) {
		if (!cpus_item(t, item))
			return;
	}
}

static void vm_memory(struct key_target *t, struct span value)
{
	uint64_t bytes;

	if (span_is(value, "rest")) {
		t->vm->memory_rest = true;
		return;
	}
	if (!value_size(t->rep, value, &bytes))
		return;
	if (!IS_ALIGNED(bytes, PAGE_SIZE))
		span_error(t->rep, value, "memory comes in multiples of 4K");
	else
		t->vm->memory = bytes;
}

static bool image_pin(struct config_report *rep, struct span word, struct config_image *image)
{
	uint32_t prefix = (uint32_t)strlen(SHA256_PREFIX), i, high, low;
	struct span hex;

	if (word.len < prefix || memcmp(word.s, SHA256_PREFIX, prefix)) {
		span_error(rep, word,
			   "unexpected after a module's name; only sha256:DIGEST can follow");
		return false;
	}
	hex = span_skip(word, prefix);
	if (hex.len != 2 * SHA256_SIZE) {
		span_error(rep, word, "a SHA-256 digest has %u hexadecimal digits, this one has %u",
			   2 * SHA256_SIZE, hex.len);
		return false;
	}
	for (i = 0; i < SHA256_SIZE; i++) {
		high = value_digit(hex.s[2 * i]);
		low = value_digit(hex.s[2 * i + 1]);
		if (high >= HEX || low >= HEX) {
			span_error(rep, word, "this digest is not hexadecimal");
			return false;
		}
		image->sha256[i] = (uint8_t)(high << 4 | low);
	}
	image->pinned = true;
	return true;
}

/* `NAME` or `NAME sha256:DIGEST`. On an error @image stays empty. */
static bool image_value(struct key_target *t, struct span value, struct config_image *image)
{
	struct span rest = value, name = span_word(&rest), pin = span_word(&rest);
	struct config_image got = {.at = name.at};
	uint32_t i;

	if (!name.len) {
		span_error(t->rep, value, "a module's name is missing");
		return false;
	}
	if (name.len >= sizeof(got.name)) {
		span_error(t->rep, name, "a module's name of %u characters; at most %u are allowed",
			   name.len, CONFIG_MODULE_NAME - 1);
		return false;
	}
	for (i = 0; i < name.len; i++) {
		if (name.s[i] == ',') {
			span_error(t->rep, name, "only one module can be given here");
			return false;
		}
	}
	memcpy(got.name, name.s, name.len);
	if (pin.len && !image_pin(t->rep, pin, &got))
		return false;
	if (!value_at_end(t->rep, rest))
		return false;
	*image = got;
	return true;
}

static void vm_kernel(struct key_target *t, struct span value)
{
	image_value(t, value, &t->vm->kernel);
}

static void vm_firmware(struct key_target *t, struct span value)
{
	image_value(t, value, &t->vm->firmware);
}

static void vm_initrd(struct key_target *t, struct span value)
{
	image_value(t, value, &t->vm->initrd);
}

static void vm_modules(struct key_target *t, struct span value)
{
	bool more = true;
	struct span item;

	while (value_item(&value, &more, &item)) {
		if (t->vm->module_count == CONFIG_MODULES) {
			span_error(t->rep, item, "more than %u modules", CONFIG_MODULES);
			return;
		}
		if (image_value(t, item, &t->vm->modules[t->vm->module_count]))
			t->vm->module_count++;
	}
}

static void vm_cmdline(struct key_target *t, struct span value)
{
	if (value.len >= sizeof(t->vm->cmdline)) {
		span_error(t->rep, value, "a command line of %u characters; at most %u are allowed",
			   value.len, CONFIG_CMDLINE - 1);
		return;
	}
	memcpy(t->vm->cmdline, value.s, value.len);
	t->vm->cmdline[value.len] = '\0';
}

static void vm_on_fault(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"stop",	 FAULT_STOP   },
		      {"restart", FAULT_RESTART}
	};
	uint32_t v = FAULT_STOP;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "restart, stop");
	t->vm->on_fault = v;
}

static void vm_on_exit(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"stop",	 VM_EXIT_STOP    },
		{"restart",  VM_EXIT_RESTART },
		{"poweroff", VM_EXIT_POWEROFF}
	      };
	uint32_t v = VM_EXIT_STOP;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "stop, restart, poweroff");
	t->vm->on_exit = v;
}

static void vm_debug_exit(struct key_target *t, struct span value)
{
	uint64_t port;

	if (value_number(t->rep, value, 0, PORT_MAX, &port))
		t->vm->debug_exit = (uint16_t)port;
}

static void vm_flat(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"real",	 FLAT_REAL	  },
		     {"protected", FLAT_PROTECTED},
		    {"long",	     FLAT_LONG     }
	       };
	struct span rest = value, address = span_word(&rest);
	uint64_t base;
	uint32_t mode = FLAT_NONE;

	if (!value_number(t->rep, address, 0, LOW_LIMIT - 1, &base))
		return;
	if (!rest.len) {
		span_error(t->rep, value,
			   "expected: ADDRESS real, ADDRESS protected or ADDRESS long");
		return;
	}
	choice_value(t, rest, words, ARRAY_SIZE(words), &mode, "real, protected, long");
	if (mode == FLAT_REAL && (base >= REAL_MODE_LIMIT || !IS_ALIGNED(base, REAL_MODE_ALIGN))) {
		span_error(t->rep, address,
			   "a real mode image starts below 1M, at a multiple of 16");
		return;
	}
	t->vm->flat = mode;
	t->vm->flat_base = base;
}

static void vm_window(struct key_target *t, struct span value)
{
	struct config_window *w;
	bool more = true;
	struct span item;

	while (value_item(&value, &more, &item)) {
		if (t->vm->window_count == CONFIG_WINDOWS) {
			span_error(t->rep, item, "more than %u windows", CONFIG_WINDOWS);
			return;
		}
		w = &t->vm->windows[t->vm->window_count];
		w->at = item.at;
		if (!value_duration_pair(t->rep, item, "at", &w->length, &w->start))
			return;
		if (!w->length) {
			span_error(t->rep, item, "a window of no length");
			return;
		}
		t->vm->window_count++;
	}
}

static void vm_donate(struct key_target *t, struct span value)
{
	yes_or_no(t, value, &t->vm->donate);
}

static void vm_reserve(struct key_target *t, struct span value)
{
	uint64_t budget, period;

	if (!value_duration_pair(t->rep, value, "every", &budget, &period))
		return;
	if (!budget || budget > period) {
		span_error(t->rep, value, "the budget must be more than 0 and at most the period");
		return;
	}
	t->vm->budget = budget;
	t->vm->period = period;
}

static void vm_weight(struct key_target *t, struct span value)
{
	uint64_t weight;

	if (value_number(t->rep, value, 1, CONFIG_WEIGHT_MAX, &weight))
		t->vm->weight = (uint32_t)weight;
}

/* Take a hexadecimal number up to @max and the character @end behind it (0: the end of the word). */
static bool pci_part(struct span *s, uint32_t max, char end, uint32_t *out)
{
	uint64_t v;

	if (value_digits(s, HEX, &v) || v > max)
		return false;
	*out = (uint32_t)v;
	if (!end)
		return !s->len;
	if (!s->len || s->s[0] != end)
		return false;
	*s = span_skip(*s, 1);
	return true;
}

/* [SSSS:]BB:DD.F */
static bool pci_address(struct span word, struct config_device *d)
{
	uint32_t segment = 0, bus, dev, fn, colons = 0, i;

	for (i = 0; i < word.len; i++)
		colons += word.s[i] == ':';
	if (colons == 2 && !pci_part(&word, UINT16_MAX, ':', &segment))
		return false;
	if (!pci_part(&word, UINT8_MAX, ':', &bus) || !pci_part(&word, PCI_DEV_MAX, '.', &dev) ||
	    !pci_part(&word, PCI_FN_MAX, 0, &fn))
		return false;
	d->segment = (uint16_t)segment;
	d->bus = (uint8_t)bus;
	d->dev = (uint8_t)dev;
	d->fn = (uint8_t)fn;
	return true;
}

static void vm_device(struct key_target *t, struct span value)
{
	struct span item, rest, word;
	struct config_device *d;
	bool more = true;

	while (value_item(&value, &more, &item)) {
		if (t->vm->device_count == CONFIG_DEVICES) {
			span_error(t->rep, item, "more than %u devices", CONFIG_DEVICES);
			return;
		}
		d = &t->vm->devices[t->vm->device_count];
		d->at = item.at;
		rest = item;
		word = span_word(&rest);
		if (!span_is(word, "pci") || !pci_address(rest, d))
			span_error(t->rep, item,
				   "expected: pci [SEGMENT:]BUS:DEVICE.FUNCTION, in hexadecimal");
		else
			t->vm->device_count++;
	}
}

static bool share_item(struct key_target *t, struct span item, struct config_share *share)
{
	static const struct choice words[] = {
		{"none", SHARE_NONE},
		{"ro",   SHARE_RO  },
		{"rw",   SHARE_RW  },
	};
	struct span rest = item, name = span_word(&rest), bytes = span_word(&rest);
	uint32_t rights = SHARE_NONE;

	share->at = item.at;
	if (!rest.len || !value_choose(rest, words, ARRAY_SIZE(words), &rights)) {
		span_error(t->rep, item, "expected: NAME SIZE rw, NAME SIZE ro or NAME SIZE none");
		return false;
	}
	share->rights = rights;
	return span_name(t->rep, name, share->name, sizeof(share->name)) &&
	       value_size(t->rep, bytes, &share->size);
}

static void vm_share(struct key_target *t, struct span value)
{
	bool more = true;
	struct span item;

	while (value_item(&value, &more, &item)) {
		if (t->vm->share_count == CONFIG_SHARES) {
			span_error(t->rep, item, "more than %u shared regions", CONFIG_SHARES);
			return;
		}
		if (share_item(t, item, &t->vm->shares[t->vm->share_count]))
			t->vm->share_count++;
	}
}

static void vm_watchdog(struct key_target *t, struct span value)
{
	uint64_t ns;

	if (value_duration(t->rep, value, NS_PER_MS, 3600 * NS_PER_S, &ns))
		t->vm->watchdog = ns;
}

static void vm_port(struct key_target *t, struct span value)
{
	static const struct choice words[] = {
		{"com1", 1},
		     {"com2", 2},
		  {"com3", 3},
		       {"com4", 4}
	  };
	uint32_t v = 0;

	choice_value(t, value, words, ARRAY_SIZE(words), &v, "com1, com2, com3, com4");
	t->vm->port = (uint8_t)v;
}

const struct config_key config_system_keys[SYS_KEYS] = {
	[SYS_FRAME] = {"frame",	sys_frame	 },
	[SYS_RESERVE] = {"reserve",    sys_reserve   },
	[SYS_POWER] = {"power",	sys_power	 },
	[SYS_REQUIRE] = {"require",    sys_require   },
	[SYS_ON_REFUSAL] = {"on-refusal", sys_on_refusal},
	[SYS_ON_END] = {"on-end",	  sys_on_end    },
	[SYS_PROMPT] = {"prompt",	  sys_prompt    },
};

const struct config_key config_vm_keys[VM_KEYS] = {
	[VM_ROLE] = {"role",	     vm_role	    },
	[VM_CPUS] = {"cpus",	     vm_cpus	    },
	[VM_MEMORY] = {"memory",	 vm_memory	  },
	[VM_KERNEL] = {"kernel",	 vm_kernel	  },
	[VM_FIRMWARE] = {"firmware",   vm_firmware	},
	[VM_INITRD] = {"initrd",	 vm_initrd	  },
	[VM_MODULES] = {"modules",	   vm_modules   },
	[VM_CMDLINE] = {"cmdline",	   vm_cmdline   },
	[VM_ON_FAULT] = {"on-fault",   vm_on_fault	},
	[VM_ON_EXIT] = {"on-exit",	   vm_on_exit   },
	[VM_DEBUG_EXIT] = {"debug-exit", vm_debug_exit},
	[VM_FLAT] = {"flat",	     vm_flat	    },
	[VM_WINDOW] = {"window",	 vm_window	  },
	[VM_DONATE] = {"donate",	 vm_donate	  },
	[VM_RESERVE] = {"reserve",	   vm_reserve   },
	[VM_WEIGHT] = {"weight",	 vm_weight	  },
	[VM_DEVICE] = {"device",	 vm_device	  },
	[VM_SHARE] = {"share",      vm_share     },
	[VM_WATCHDOG] = {"watchdog",   vm_watchdog	},
	[VM_PORT] = {"port",	     vm_port	    },
};
