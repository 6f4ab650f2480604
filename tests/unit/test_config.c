/* SPDX-License-Identifier: BSD-2-Clause */
/* The configuration parser: every key's value, every error with its line, column and word, hostile texts. */
/* sources: vm/config.c vm/config_keys.c vm/config_values.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/config.h"

static struct config config;
static char errors[65536];
static uint32_t reported;

static void note(void *arg, const struct config_error *e)
{
	size_t used = strlen(errors);

	assert_ptr_equal(arg, &config);
	assert_true(strlen(e->text) > 0);
	snprintf(errors + used, sizeof(errors) - used, "%u:%u:%s:%s\n", e->at.line, e->at.col,
		 e->word, e->text);
	reported++;
}

/* Parse a copy of exactly that size, so that the sanitizer sees a read past its end. */
static int parse_bytes(const char *text, size_t len)
{
	struct config_report rep = {.error = note, .arg = &config};
	char *copy = malloc(len ? len : 1);
	int ret;

	memcpy(copy, text, len);
	errors[0] = '\0';
	reported = 0;
	memset(&config, 0xa5, sizeof(config));
	ret = config_parse(copy, (uint32_t)len, &config, &rep);
	free(copy);
	assert_int_equal(ret, rep.count ? -EINVAL : 0);
	assert_int_equal(reported, rep.count < 20 ? rep.count : 20);
	return ret;
}

static void good(const char *text)
{
	if (parse_bytes(text, strlen(text)))
		fail_msg("%s", errors);
}

/* Exactly these errors, in order: "line:col:word:" and some words of the sentence, one per line. */
static void bad(const char *text, const char *want)
{
	char got[sizeof(errors)], *line = got;
	const char *p = want;
	size_t len;

	parse_bytes(text, strlen(text));
	strcpy(got, errors);
	while (*p) {
		const char *end = strchr(p, '\n');
		char expected[256], *words, *nl = strchr(line, '\n');

		len = end ? (size_t)(end - p) : strlen(p);
		memcpy(expected, p, len);
		expected[len] = '\0';
		words = strrchr(expected, ':') + 1;
		if (!nl)
			fail_msg("'%s' was not reported; only:\n%s", expected, errors);
		*nl = '\0';
		if (strncmp(line, expected, (size_t)(words - expected)) || !strstr(line, words))
			fail_msg("wanted '%s', got '%s'", expected, line);
		line = nl + 1;
		p += len + (end ? 1 : 0);
	}
	if (*line)
		fail_msg("not expected: %s", line);
}

static void test_design_example(void **state)
{
	const struct config_vm *vm;

	(void)state;
	good("[system]\n"
	     "frame    = 10ms              # the major frame of the time windows\n"
	     "reserve  = 16M\n"
	     "power    = service\n"
	     "require  = nested-paging, invariant-tsc\n"
	     "\n"
	     "[vm service]\n"
	     "role     = service\n"
	     "cpus     = 0-1\n"
	     "memory   = rest\n"
	     "kernel   = linux\n"
	     "initrd   = initrd\n"
	     "cmdline  = console=ttyS0\n"
	     "\n"
	     "[vm control]\n"
	     "cpus     = 2\n"
	     "memory   = 32M\n"
	     "kernel   = control.elf sha256:00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\n"
	     "modules  = env, b\n"
	     "window   = 2ms at 0ms\n"
	     "on-fault = restart           # restart | stop\n"
	     "on-exit  = stop\n"
	     "debug-exit = 0xf4\n"
	     "device   = pci 00:04.0\n"
	     "share    = telemetry 64K rw\n");
	assert_int_equal(config.frame, 10000000);
	assert_int_equal(config.reserve, 16 * MIB);
	assert_int_equal(config.require, REQUIRE_NESTED_PAGING | REQUIRE_INVARIANT_TSC);
	assert_string_equal(config.power, "service");
	assert_int_equal(config_power_vm(&config), 0);
	assert_int_equal(config_service_vm(&config), 0);
	assert_int_equal(config.vm_count, 2);

	vm = &config.vms[0];
	assert_int_equal(vm->role, ROLE_SERVICE);
	assert_true(vm->memory_rest);
	assert_int_equal(vm->vcpu_count, 2);
	assert_int_equal(vm->cpus[0], 3);
	assert_string_equal(vm->cmdline, "console=ttyS0");
	assert_int_equal(vm->at[VM_CMDLINE].line, 13);
	assert_int_equal(vm->at[VM_CMDLINE].col, 12);
	assert_false(config_vm_has(vm, VM_WINDOW));

	vm = &config.vms[1];
	assert_string_equal(vm->name, "control");
	assert_int_equal(vm->name_at.line, 15);
	assert_int_equal(vm->name_at.col, 5);
	assert_int_equal(vm->role, ROLE_ISOLATED);
	assert_int_equal(vm->memory, 32 * MIB);
	assert_string_equal(vm->kernel.name, "control.elf");
	assert_true(vm->kernel.pinned);
	assert_int_equal(vm->kernel.sha256[1], 0x11);
	assert_int_equal(vm->kernel.sha256[15], 0xff);
	assert_int_equal(vm->module_count, 2);
	assert_string_equal(vm->modules[1].name, "b");
	assert_int_equal(vm->modules[1].at.col, 17);
	assert_int_equal(vm->window_count, 1);
	assert_int_equal(vm->windows[0].length, 2000000);
	assert_int_equal(vm->on_fault, FAULT_RESTART);
	assert_int_equal(vm->debug_exit, 0xf4);
	assert_true(config_vm_has(vm, VM_DEBUG_EXIT));
	assert_int_equal(vm->device_count, 1);
	assert_int_equal(vm->devices[0].dev, 4);
	assert_int_equal(vm->share_count, 1);
	assert_string_equal(vm->shares[0].name, "telemetry");
	assert_int_equal(vm->shares[0].size, 64 * KIB);
	assert_int_equal(vm->shares[0].rights, SHARE_RW);
	assert_int_equal(vm->weight, CONFIG_WEIGHT);
}

static void test_defaults(void **state)
{
	(void)state;
	good("");
	assert_int_equal(config.vm_count, 0);
	assert_int_equal(config.reserve, CONFIG_RESERVE);
	assert_int_equal(config.on_refusal, REFUSAL_HALT);
	assert_int_equal(config.on_end, END_HALT);
	assert_int_equal(config_power_vm(&config), -1);
	good("[system]\npower = none\n");
	assert_int_equal(config_power_vm(&config), -1);
	good("[system]\npower = nobody\n");
	assert_int_equal(config_power_vm(&config), -ENOENT);
	good("[system]\npower = service\n[vm linux]\nrole = service\n");
	assert_int_equal(config_power_vm(&config), 0);
}

/* CR LF, no newline at the end, tabs, comments, a byte order mark. */
static void test_line_forms(void **state)
{
	(void)state;
	good("\xef\xbb\xbf# a comment\r\n[vm a]\r\n\tcmdline\t=\ta b#c  # d\r\n#\r\n\r\nweight=7");
	assert_string_equal(config.vms[0].cmdline, "a b#c");
	assert_int_equal(config.vms[0].weight, 7);
	good("[vm a]\ncmdline = x=\"1 2\" y=\xc3\xa4");
	assert_string_equal(config.vms[0].cmdline, "x=\"1 2\" y=\xc3\xa4");
	bad("\r\n\r", "");
}

static void test_cpus(void **state)
{
	(void)state;
	good("[vm a]\ncpus = 0,0\n");
	assert_int_equal(config.vms[0].vcpu_count, 2);
	assert_int_equal(config_vcpu_cpu(&config.vms[0], 1), 0);
	good("[vm a]\ncpus = 0-1, 3\n");
	assert_int_equal(config_vcpus(&config.vms[0], 64), 3);
	assert_int_equal(config_vcpu_cpu(&config.vms[0], 2), 3);
	assert_int_equal(config.vms[0].cpus[0], 0xb);
	good("[vm a]\ncpus = all\n");
	assert_int_equal(config_vcpus(&config.vms[0], 64), 64);
	assert_int_equal(config_vcpu_cpu(&config.vms[0], 5), 5);
	good("[vm a]\ncpus = 192-255\n");
	assert_int_equal(config.vms[0].vcpu_count, 64);
	assert_int_equal(config.vms[0].cpus[3], ~0ULL);
	bad("[vm a]\ncpus = 0-63,7\n", "2:13:7:more than 64 vCPUs");
	bad("[vm a]\ncpus = 0-64\n", "2:8:0-64:more than 64 vCPUs");
	bad("[vm a]\ncpus = 3-1\n", "2:8:3-1:backwards");
	bad("[vm a]\ncpus = 0,,1\n", "2:10::not a number");
	bad("[vm a]\ncpus = 0-\n", "2:10::not a number");
	bad("[vm a]\ncpus = 256\n", "2:8:256:out of range");
	bad("[vm a]\ncpus = 1 2\n", "2:8:1 2:not a number");
	bad("[vm a]\ncpus = -1\n", "2:8::not a number");
	bad("[vm a]\ncpus = 18446744073709551616\n", "2:8:18446744073709551616:out of range");
}

static void test_sizes(void **state)
{
	(void)state;
	good("[vm a]\nmemory = 4096\n");
	assert_int_equal(config.vms[0].memory, 4096);
	good("[vm a]\nmemory = 0x10K\n");
	assert_int_equal(config.vms[0].memory, 16384);
	good("[vm a]\nmemory = 3T\n");
	assert_int_equal(config.vms[0].memory, 3 * 1024 * GIB);
	bad("[vm a]\nmemory = 16777216T\n", "2:10:16777216T:64 bits");
	bad("[vm a]\nmemory = 17179869184G\n", "2:10:17179869184G:64 bits");
	bad("[vm a]\nmemory = 99999999999999999999\n", "2:10:99999999999999999999:64 bits");
	bad("[vm a]\nmemory = 32m\n", "2:10:32m:not a size");
	bad("[vm a]\nmemory = 32MB\n", "2:10:32MB:not a size");
	bad("[vm a]\nmemory = M\n", "2:10:M:not a size");
	bad("[vm a]\nmemory = 0x\n", "2:10:0x:not a size");
	bad("[vm a]\nmemory = -1\n", "2:10:-1:not a size");
	bad("[vm a]\nmemory = 0\n", "2:10:0:size of 0");
	bad("[vm a]\nmemory = 4097\n", "2:10:4097:multiples of 4K");
	bad("[system]\nreserve = 4K\n", "2:11:4K:at least 1M");
}

static void test_durations(void **state)
{
	(void)state;
	good("[system]\nframe = 10 ms\n");
	assert_int_equal(config.frame, 10000000);
	good("[system]\nframe = 150us\n");
	assert_int_equal(config.frame, 150000);
	good("[system]\nframe = 1s\non-refusal = reboot after 10 s\non-end = poweroff");
	assert_int_equal(config.on_refusal, REFUSAL_REBOOT);
	assert_int_equal(config.refusal_delay, 10000000000);
	assert_int_equal(config.on_end, END_POWEROFF);
	assert_false(config.prompt);
	good("[system]\nprompt = yes\n");
	assert_true(config.prompt);
	good("[system]\nprompt = no\n");
	assert_false(config.prompt);
	bad("[system]\nprompt = maybe\n", "2:10:maybe:not one of");
	bad("[system]\nframe = 10\n", "2:9:10:not a duration");
	bad("[system]\nframe = ms\n", "2:9:ms:not a duration");
	bad("[system]\nframe = 10min\n", "2:9:10min:not a duration");
	bad("[system]\nframe = 10ms ms\n", "2:14:ms:unexpected");
	bad("[system]\nframe = 99us\n", "2:9:99us:out of range");
	bad("[system]\nframe = 18446744074s\n", "2:9:18446744074s:64 bits");
	bad("[system]\non-refusal = reboot\n", "2:14:reboot:expected");
	bad("[system]\non-refusal = reboot after\n", "2:14:reboot after:expected");
	bad("[system]\non-refusal = reboot after 2h\n", "2:27:2h:not a duration");
	bad("[system]\non-refusal = panic\n", "2:14:panic:not one of");
	bad("[system]\non-refusal = halt now\n", "2:19:now:unexpected");
	bad("[system]\non-end = sleep\n", "2:10:sleep:not one of");
}

static void test_images(void **state)
{
	char text[256] = "[vm a]\nkernel = ";

	(void)state;
	bad("[vm a]\nkernel = a b\n", "2:12:b:only sha256");
	bad("[vm a]\nkernel = a sha256:12\n", "2:12:sha256:12:this one has 2");
	bad("[vm a]\nkernel = a sha256:x0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
	    "2:12:sha256:x0112233445566778899aabbccddeeff001122334...:not hexadecimal");
	bad("[vm a]\nkernel = a, b\n", "2:10:a,:only one module");
	bad("[vm a]\nmodules = a,,b\n", "2:13::name is missing");
	bad("[vm a]\nmodules = 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17\n",
	    "2:50:17:more than 16 modules");
	memset(text + strlen(text), 'n', 64);
	bad(text, "2:10:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...:64 characters");
	assert_string_equal(config.vms[0].kernel.name, "");
}

static void test_flat_and_ports(void **state)
{
	(void)state;
	good("[vm a]\nflat = 0x100000 long\n");
	assert_int_equal(config.vms[0].flat, FLAT_LONG);
	assert_int_equal(config.vms[0].flat_base, 0x100000);
	good("[vm a]\nflat = 0x7c00 real\n");
	bad("[vm a]\nflat = 0x100000 real\n", "2:8:0x100000:below 1M");
	bad("[vm a]\nflat = 1 real\n", "2:8:1:below 1M");
	bad("[vm a]\nflat = 0x100000\n", "2:8:0x100000:expected");
	bad("[vm a]\nflat = 0x100000000 long\n", "2:8:0x100000000:out of range");
	bad("[vm a]\nflat = 0x1000 virtual\n", "2:15:virtual:not one of");
	bad("[vm a]\ndebug-exit = 0x10000\n", "2:14:0x10000:out of range");
	bad("[vm a]\ndebug-exit = f4\n", "2:14:f4:not a number");
}

static void test_later_keys(void **state)
{
	(void)state;
	good("[vm a]\nwindow = 2ms at 0ms, 500 us at 5 ms\ndonate = yes\nreserve = 1ms every 10ms\n"
	     "watchdog = 5s\ndevice = pci 0001:0a:1f.7, pci 00:00.0\nshare = a 4K ro, b 1M rw\nweight = 10000\n");
	assert_int_equal(config.vms[0].window_count, 2);
	assert_int_equal(config.vms[0].windows[1].length, 500000);
	assert_int_equal(config.vms[0].windows[1].start, 5000000);
	assert_true(config.vms[0].donate);
	assert_int_equal(config.vms[0].budget, 1000000);
	assert_int_equal(config.vms[0].period, 10000000);
	assert_int_equal(config.vms[0].watchdog, 5000000000);
	assert_int_equal(config.vms[0].device_count, 2);
	assert_int_equal(config.vms[0].devices[0].segment, 1);
	assert_int_equal(config.vms[0].devices[0].bus, 0xa);
	assert_int_equal(config.vms[0].devices[0].dev, 31);
	assert_int_equal(config.vms[0].devices[0].fn, 7);
	assert_int_equal(config.vms[0].shares[0].rights, SHARE_RO);
	bad("[vm a]\nwindow = 2ms\n", "2:10:2ms:expected DURATION at");
	bad("[vm a]\nwindow = 2ms at\n", "2:14:at:missing after");
	bad("[vm a]\nwindow = 0ms at 0ms\n", "2:10:0ms at 0ms:no length");
	bad("[vm a]\nwindow = 1ms at 0ms x\n", "2:21:x:unexpected");
	bad("[vm a]\nreserve = 2ms every 1ms\n", "2:11:2ms every 1ms:at most the period");
	bad("[vm a]\ndevice = pci 00:20.0\n", "2:10:pci 00:20.0:expected");
	bad("[vm a]\ndevice = pci 00:1f.8\n", "2:10:pci 00:1f.8:expected");
	bad("[vm a]\ndevice = usb 1\n", "2:10:usb 1:expected");
	bad("[vm a]\nshare = a 4K\n", "2:9:a 4K:expected");
	bad("[vm a]\nshare = a 4X rw\n", "2:11:4X:not a size");
	bad("[vm a]\nshare = a! 4K rw\n", "2:9:a!:letters");
	bad("[vm a]\nweight = 0\n", "2:10:0:out of range");
	bad("[vm a]\ndonate = maybe\n", "2:10:maybe:not one of");
}

/* All of them are told in one run. */
static void test_every_error(void **state)
{
	(void)state;
	bad("early = 1\n"
	    "[system]\n"
	    "colour = red\n"
	    "frame\n"
	    "frame = 1ms\n"
	    "frame = 2ms\n"
	    "reserve =   # nothing\n"
	    "= x\n"
	    "[network]\n"
	    "ignored = here\n"
	    "[vm]\n"
	    "role = boss\n"
	    "[vm a b]\n"
	    "[vm none]\n"
	    "[system]\n"
	    "[vm open\n"
	    "[vm ok]\n"
	    "role = service service\n",
	    "1:1:early:before the first section\n"
	    "3:1:colour:unknown key\n"
	    "4:1:frame:neither\n"
	    "6:1:frame:already in line 5\n"
	    "7:1:reserve:no value\n"
	    "8:1:= x:missing\n"
	    "9:1:[network]:unknown section\n"
	    "11:4::name is missing\n"
	    "12:8:boss:not one of\n"
	    "13:5:a b:letters\n"
	    "14:5:none:no VM can have this name\n"
	    "15:1:[system]:already in line 2\n"
	    "16:1:[vm open:must end\n"
	    "18:8:service service:not one of");
	assert_int_equal(config.vm_count, 2);
	assert_string_equal(config.vms[1].name, "ok");
}

static void test_error_limit(void **state)
{
	struct config_report rep = {.error = note, .arg = &config, .max = 3};
	char text[1000] = "";

	(void)state;
	for (int i = 0; i < 50; i++)
		strcat(text, "x = y\n");
	errors[0] = '\0';
	reported = 0;
	assert_int_equal(config_parse(text, (uint32_t)strlen(text), &config, &rep), -EINVAL);
	assert_int_equal(reported, 3);
	assert_int_equal(rep.count, 50);
	rep = (struct config_report){.error = NULL};
	assert_int_equal(config_parse(text, (uint32_t)strlen(text), &config, &rep), -EINVAL);
}

static void test_hostile_bytes(void **state)
{
	static const char nul[] = "[vm a]\nweight = 1\0\nweight = 2\n\0";
	char *big = malloc(1 << 20);

	(void)state;
	assert_int_equal(parse_bytes(nul, sizeof(nul) - 1), -EINVAL);
	assert_non_null(strstr(errors, "2:11:?:a control character (code 0)"));
	assert_non_null(strstr(errors, "4:1:?:a control character"));
	assert_int_equal(config.vms[0].weight, 2);

	memset(big, 'a', 1 << 20);
	assert_int_equal(parse_bytes(big, 1 << 20), -EINVAL);
	assert_int_equal(reported, 1);
	memset(big, 0, 1 << 20);
	assert_int_equal(parse_bytes(big, 1 << 20), -EINVAL);
	memset(big, '\n', 1 << 20);
	assert_int_equal(parse_bytes(big, 1 << 20), 0);
	memset(big, '#', 1 << 20);
	assert_int_equal(parse_bytes(big, 1 << 20), 0);
	memset(big, ',', 1 << 20);
	memcpy(big, "[vm a]\ncpus = ", 14);
	assert_int_equal(parse_bytes(big, 1 << 20), -EINVAL);
	memset(big, 'x', 1 << 20);
	memcpy(big, "[vm a]\ncmdline = ", 17);
	assert_int_equal(parse_bytes(big, 17 + CONFIG_CMDLINE - 1), 0);
	assert_int_equal(strlen(config.vms[0].cmdline), CONFIG_CMDLINE - 1);
	assert_int_equal(parse_bytes(big, 17 + CONFIG_CMDLINE), -EINVAL);
	assert_int_equal(parse_bytes(big, 1 << 20), -EINVAL);
	free(big);
}

static void test_too_many_vms(void **state)
{
	char text[4096] = "", line[32];

	(void)state;
	for (int i = 0; i <= CONFIG_VMS; i++) {
		snprintf(line, sizeof(line), "[vm v%d]\nweight = 3\n", i);
		strcat(text, line);
	}
	bad(text, "129:5:v64:more than 64 VMs");
	assert_int_equal(config.vm_count, CONFIG_VMS);
	assert_int_equal(config.vms[63].weight, 3);
}

/* Every prefix of a text, and every byte of it replaced: an answer, and no read outside. */
static void test_every_byte(void **state)
{
	static const char text[] =
		"[system]\nframe = 10ms\nreserve=2M\nrequire = iommu,smep\non-refusal = reboot after "
		"1s\n[vm a]\nrole=service\ncpus=0-1,3\nkernel = k sha256:0\nflat = 0x10 real\nwindow = "
		"1ms at 2ms,\ndevice = pci 0:0.0\nshare = a 4K rw\n";
	static const char values[] = {'\0', '\n', ' ', ',', '=', '[',
				      ']',  '#',  '-', '9', 'x', '\xff'};
	char copy[sizeof(text)];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++)
		parse_bytes(text, len);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		for (size_t v = 0; v < sizeof(values); v++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = values[v];
			parse_bytes(copy, sizeof(text) - 1);
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(config_require_name(REQUIRE_INTREMAP), "intremap");
	assert_null(config_require_name(BIT(63)));
	assert_string_equal(config_vm_key_name(VM_WATCHDOG), "watchdog");
	for (int i = 0; i < VM_KEYS; i++)
		assert_non_null(config_vm_key_name((enum config_vm_key)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_design_example), cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_line_forms),     cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_sizes),	       cmocka_unit_test(test_durations),
		cmocka_unit_test(test_images),	       cmocka_unit_test(test_flat_and_ports),
		cmocka_unit_test(test_later_keys),     cmocka_unit_test(test_every_error),
		cmocka_unit_test(test_error_limit),    cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_too_many_vms),   cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
