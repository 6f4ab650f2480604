/* SPDX-License-Identifier: BSD-2-Clause */
/* Admission: each rule is one function that reports what breaks it; all rules are tried. */

#include "vm/admit_priv.h"
#include "lib/string.h"
#include "sched/timer.h"

static void complain(struct admission *a, struct config_pos at, const char *word, const char *text)
{
	config_error(a->rep, at, word, (uint32_t)strlen(word), "%s", text);
}

int machine_module_find(const struct machine *m, const char *name)
{
	uint32_t i;

	for (i = 0; i < m->module_count; i++) {
		if (!strcmp(m->modules[i].name, name))
			return (int)i;
	}
	return -1;
}

/* Keys that the format has and this version does not act on: to ignore them would be to break a promise. */
static void rule_supported(struct admission *a, const struct config_vm *vm)
{
	static const enum config_vm_key unsupported[] = {VM_DEVICE, VM_WATCHDOG, VM_PORT};
	const char *name;
	uint32_t i;

	if (a->m->final)
		return;
	for (i = 0; i < ARRAY_SIZE(unsupported); i++) {
		name = config_vm_key_name(unsupported[i]);
		if (config_vm_has(vm, unsupported[i]))
			config_error(a->rep, vm->at[unsupported[i]], NULL, 0,
				     "%s is not supported by this version", name);
	}
}

static void rule_complete(struct admission *a, const struct config_vm *vm)
{
	static const enum config_vm_key needed[] = {VM_CPUS, VM_MEMORY, VM_KERNEL};
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (needed[i] == VM_KERNEL && config_vm_has(vm, VM_FIRMWARE))
			continue; /* it finds something to boot, or says that there is nothing */
		if (!config_vm_has(vm, needed[i]))
			config_error(a->rep, vm->name_at, vm->name, (uint32_t)strlen(vm->name),
				     "this VM has no '%s'", config_vm_key_name(needed[i]));
	}
}

static void rule_name_unique(struct admission *a, uint32_t index)
{
	const struct config_vm *vm = &a->c->vms[index];
	uint32_t i;

	for (i = 0; i < index; i++) {
		if (strcmp(a->c->vms[i].name, vm->name))
			continue;
		config_error(a->rep, vm->name_at, vm->name, (uint32_t)strlen(vm->name),
			     "a VM of this name is already in line %u", a->c->vms[i].name_at.line);
		return;
	}
}

static void rule_role(struct admission *a, uint32_t index)
{
	const struct config_vm *vm = &a->c->vms[index];

	if (vm->role == ROLE_SERVICE) {
		if (config_service_vm(a->c) != (int)index)
			complain(a, vm->at[VM_ROLE], vm->name,
				 "there can be only one service guest");
		if (config_vm_has(vm, VM_MEMORY) && !vm->memory_rest)
			complain(a, vm->at[VM_MEMORY], vm->name,
				 "a service guest's memory must be 'rest'");
		return;
	}
	if (vm->memory_rest)
		complain(a, vm->at[VM_MEMORY], vm->name,
			 "only a service guest's memory can be 'rest'");
	if (!strcmp(vm->name, "service"))
		complain(a, vm->name_at, vm->name, "only a service guest can have this name");
}

static void rule_cpus(struct admission *a, const struct config_vm *vm)
{
	uint32_t i;

	for (i = 0; i < CONFIG_CPUS; i++) {
		if (!(vm->cpus[i / 64] & BIT(i % 64)) || i < a->m->cpus)
			continue;
		config_error(a->rep, vm->at[VM_CPUS], vm->name, (uint32_t)strlen(vm->name),
			     "there is no CPU %u, this machine runs %u (0 to %u)", i, a->m->cpus,
			     a->m->cpus ? a->m->cpus - 1 : 0);
	}
}

/* Every timer that could be armed on a CPU must find room there. */
static void rule_timers(struct admission *a)
{
	uint32_t most = TIMERS_MAX - TIMERS_CPU - TIMERS_VM * a->c->vm_count;

	for (uint32_t cpu = 0; cpu < a->m->cpus; cpu++) {
		uint32_t sum = 0;

		for (uint32_t i = 0; i < a->c->vm_count; i++) {
			const struct config_vm *vm = &a->c->vms[i];
			uint32_t n = admit_vcpus_on(vm, cpu);

			if (sum <= most && sum + n > most)
				config_error(
					a->rep, vm->at[VM_CPUS], vm->name,
					(uint32_t)strlen(vm->name),
					"too many vCPUs on CPU %u: with %u VM(s), one CPU runs at most %u",
					cpu, a->c->vm_count, most);
			sum += n;
		}
	}
}

_Static_assert(TIMERS_MAX > TIMERS_CPU + TIMERS_VM * CONFIG_VMS, "every CPU can run a vCPU");

/* Check one module and add its size to @sum (saturating). */
static void rule_image(struct admission *a, const struct config_image *image, uint64_t *sum)
{
	uint8_t digest[SHA256_SIZE];
	int index;

	if (!image->name[0] || !a->m->modules)
		return;
	index = machine_module_find(a->m, image->name);
	if (index < 0) {
		complain(a, image->at, image->name,
			 "the boot loader passed no module of this name");
		return;
	}
	if (!a->m->modules[index].size)
		complain(a, image->at, image->name, "this module is empty");
	if (__builtin_add_overflow(*sum, a->m->modules[index].size, sum))
		*sum = UINT64_MAX;
	if (!image->pinned || !a->m->digest)
		return;
	if (a->m->digest(a->m->arg, (uint32_t)index, digest) < 0)
		complain(a, image->at, image->name, "this module cannot be read for its SHA-256");
	else if (memcmp(digest, image->sha256, SHA256_SIZE))
		complain(a, image->at, image->name,
			 "this module's SHA-256 is not the one given here");
}

static void rule_images(struct admission *a, const struct config_vm *vm)
{
	uint64_t sum = 0;
	uint32_t i;

	rule_image(a, &vm->kernel, &sum);
	rule_image(a, &vm->initrd, &sum);
	for (i = 0; i < vm->module_count; i++)
		rule_image(a, &vm->modules[i], &sum);
	if (!vm->memory_rest && vm->memory && sum > vm->memory)
		complain(a, vm->at[VM_MEMORY], vm->name,
			 "the images of this VM are larger than its memory");
}

/* Bytes of @vm's firmware, which it has beside its memory; 0: none, or not known. */
static uint64_t firmware_size(const struct admission *a, const struct config_vm *vm)
{
	int index = a->m->modules ? machine_module_find(a->m, vm->firmware.name) : -1;

	return index < 0 ? 0 : a->m->modules[index].size;
}

static void rule_firmware(struct admission *a, const struct config_vm *vm)
{
	uint64_t size = firmware_size(a, vm), sum = 0;

	if (!config_vm_has(vm, VM_FIRMWARE))
		return;
	rule_image(a, &vm->firmware, &sum);
	if (vm->role == ROLE_SERVICE)
		complain(a, vm->firmware.at, vm->name, "only isolated VMs can have firmware");
	if (config_vm_has(vm, VM_FLAT))
		complain(a, vm->at[VM_FLAT], vm->name, "firmware starts no flat binary");
	if (vm->memory && vm->memory < ADMIT_FIRMWARE_MIN)
		complain(a, vm->at[VM_MEMORY], vm->name, "firmware needs at least 2M of memory");
	if (!IS_ALIGNED(size, PAGE_SIZE) || size > ADMIT_FIRMWARE_MAX)
		complain(a, vm->firmware.at, vm->firmware.name,
			 "firmware is a multiple of 4K, and at most 16M");
}

bool admit_module_kept(const struct config *c, const char *name)
{
	for (uint32_t i = 0; i < c->vm_count; i++) {
		const struct config_vm *vm = &c->vms[i];
		bool uses = !strcmp(vm->kernel.name, name) || !strcmp(vm->initrd.name, name);

		for (uint32_t k = 0; k < vm->module_count; k++)
			uses |= !strcmp(vm->modules[k].name, name);
		if (uses && (config_restarts(c, vm) || config_vm_has(vm, VM_FIRMWARE)))
			return true;
	}
	return false;
}

static uint64_t machine_ram(const struct machine *m)
{
	uint64_t ram = 0;
	uint32_t i;

	for (i = 0; i < m->range_count; i++) {
		if (m->ranges[i].type == MEM_RAM &&
		    __builtin_add_overflow(ram, m->ranges[i].size, &ram))
			return UINT64_MAX;
	}
	return ram;
}

/* The reserve, then the VMs in order: the first that does not fit is named, and so is every other one. */
static void rule_memory(struct admission *a)
{
	uint64_t left = machine_ram(a->m), size;
	const struct config_vm *vm;
	uint32_t i;
	int service = config_service_vm(a->c);

	if (a->c->reserve > left) {
		config_error(
			a->rep, a->c->at[SYS_RESERVE], NULL, 0,
			"too little memory: the hypervisor's reserve is %llu KiB, the machine has %llu KiB",
			(unsigned long long)(a->c->reserve / KIB),
			(unsigned long long)(left / KIB));
		return;
	}
	left -= a->c->reserve;
	left -= min_u64(left, a->m->occupied);
	if (admit_shared(a->c) > left)
		config_error(
			a->rep, (struct config_pos){0, 0}, NULL, 0,
			"too little memory: the shared regions have %llu KiB, %llu KiB are left",
			(unsigned long long)(admit_shared(a->c) / KIB),
			(unsigned long long)(left / KIB));
	else
		left -= admit_shared(a->c);
	for (i = 0; i < a->c->vm_count; i++) {
		vm = &a->c->vms[i];
		if (vm->memory_rest)
			continue;
		if (__builtin_add_overflow(vm->memory, firmware_size(a, vm), &size))
			size = UINT64_MAX;
		if (size > left)
			config_error(
				a->rep, vm->at[VM_MEMORY], vm->name, (uint32_t)strlen(vm->name),
				"too little memory: %llu KiB are asked for, %llu KiB are left",
				(unsigned long long)(size / KIB), (unsigned long long)(left / KIB));
		else
			left -= size;
	}
	if (service < 0 || !a->c->vms[service].memory_rest || left >= ADMIT_SERVICE_MIN)
		return;
	vm = &a->c->vms[service];
	config_error(
		a->rep, vm->at[VM_MEMORY], vm->name, (uint32_t)strlen(vm->name),
		"too little memory: %llu KiB are left for the service guest, it needs %llu KiB",
		(unsigned long long)(left / KIB), (unsigned long long)(ADMIT_SERVICE_MIN / KIB));
}

static void rule_require(struct admission *a)
{
	uint64_t missing = a->c->require & ~a->m->features, bit;

	for (; missing; missing &= ~bit) {
		bit = missing & -missing;
		complain(a, a->c->at[SYS_REQUIRE], config_require_name(bit),
			 "required, but this machine has it not");
	}
}

static void rule_power(struct admission *a)
{
	if (config_power_vm(a->c) == -ENOENT)
		complain(a, a->c->at[SYS_POWER], a->c->power, "there is no VM of this name");
}

int admit(const struct config *c, const struct machine *m, struct config_report *rep)
{
	struct admission a = {.c = c, .m = m, .rep = rep};
	uint32_t before = rep->count, i;

	if (!c->vm_count)
		config_error(rep, (struct config_pos){0, 0}, NULL, 0,
			     "there is no VM: a [vm NAME] section is needed");
	rule_require(&a);
	rule_power(&a);
	for (i = 0; i < c->vm_count; i++) {
		rule_name_unique(&a, i);
		rule_role(&a, i);
		rule_complete(&a, &c->vms[i]);
		rule_supported(&a, &c->vms[i]);
		rule_cpus(&a, &c->vms[i]);
		rule_images(&a, &c->vms[i]);
		rule_firmware(&a, &c->vms[i]);
	}
	rule_timers(&a);
	rule_time(&a);
	rule_devices(&a);
	rule_shares(&a);
	rule_memory(&a);
	return rep->count == before ? 0 : -EINVAL;
}
