/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a configuration: no access outside, errors with a place in the text, records within their bounds. */
/* sources: vm/config.c vm/config_keys.c vm/config_values.c vm/admit.c vm/admit_time.c vm/admit_parts.c lib/sha256.c lib/printf.c lib/string.c */

#include <stdlib.h>
#include <string.h>
#include "vm/admit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void on_error(void *arg, const struct config_error *e)
{
	const size_t *size = arg;

	check(e->text[0] && strlen(e->text) < 1024 && strlen(e->word) < 64);
	check(e->at.col <= *size + 1 && e->at.line <= *size + 1);
	for (const char *p = e->word; *p; p++)
		check(*p >= ' ' && *p <= '~');
}

static void check_vm(const struct config_vm *vm)
{
	check(vm->vcpu_count <= CONFIG_VCPUS && vm->module_count <= CONFIG_MODULES);
	check(vm->window_count <= CONFIG_WINDOWS && vm->device_count <= CONFIG_DEVICES);
	check(vm->share_count <= CONFIG_SHARES && vm->weight && vm->weight <= CONFIG_WEIGHT_MAX);
	check(memchr(vm->name, 0, sizeof(vm->name)) && memchr(vm->cmdline, 0, sizeof(vm->cmdline)));
	check(memchr(vm->kernel.name, 0, sizeof(vm->kernel.name)) != NULL);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		check((vm->cpus[vm->vcpu_cpu[i] / 64] & BIT(vm->vcpu_cpu[i] % 64)) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mem_range ranges[] = {
		{.base = {0}, .size = 256 * MIB, .type = MEM_RAM}
	 };
	static const struct machine_module modules[] = {
		{"linux", 8 * MIB}
	  };
	static struct config config;
	struct config_report rep = {.error = on_error, .arg = &size, .max = 1000};
	struct machine machine = {.cpus = 4,
				  .features = UINT64_MAX,
				  .final = true,
				  .ranges = ranges,
				  .range_count = ARRAY_SIZE(ranges),
				  .modules = modules,
				  .module_count = ARRAY_SIZE(modules)};
	int ret;

	if (size > UINT32_MAX)
		return 0;
	ret = config_parse((const char *)data, (uint32_t)size, &config, &rep);
	check((ret == 0) == (rep.count == 0));
	check(config.vm_count <= CONFIG_VMS);
	for (uint32_t i = 0; i < config.vm_count; i++)
		check_vm(&config.vms[i]);
	check(config_power_vm(&config) < (int)config.vm_count);
	admit(&config, &machine, &rep);
	return 0;
}
