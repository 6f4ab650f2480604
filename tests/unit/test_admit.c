/* SPDX-License-Identifier: BSD-2-Clause */
/* Admission: a configuration that fits, and each conflict on its own and all together. */
/* sources: vm/admit.c vm/admit_time.c vm/admit_parts.c vm/config.c vm/config_keys.c vm/config_values.c lib/sha256.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "vm/admit.h"

static struct config config;
static char errors[8192];

static const struct mem_range ranges[] = {
	{.base = {0x1000},   .size = 0x9e000,   .type = MEM_RAM	   },
	{.base = {0x9f000},  .size = 0x61000,   .type = MEM_RESERVED},
	{.base = {0x100000}, .size = 255 * MIB, .type = MEM_RAM     },
	{.base = {4 * GIB},  .size = 64 * GIB,  .type = MEM_RESERVED},
};
static const struct machine_module modules[] = {
	{"linux",  8 * MIB	 },
	    {"initrd", 2 * MIB   },
	 {"empty",  0	    },
	       {"huge",	UINT64_MAX}
};
static struct machine machine;

static int digest(void *arg, uint32_t index, uint8_t out[SHA256_SIZE])
{
	(void)arg;
	memset(out, 0, SHA256_SIZE);
	out[0] = 0x11;
	return index == 1 ? -EIO : 0;
}

static void note(void *arg, const struct config_error *e)
{
	size_t used = strlen(errors);

	(void)arg;
	snprintf(errors + used, sizeof(errors) - used, "%u:%u:%s:%s\n", e->at.line, e->at.col,
		 e->word, e->text);
}

static int new_machine(void **state)
{
	(void)state;
	machine = (struct machine){.cpus = 4,
				   .features = REQUIRE_NESTED_PAGING | REQUIRE_SMEP,
				   .ranges = ranges,
				   .range_count = ARRAY_SIZE(ranges),
				   .modules = modules,
				   .module_count = ARRAY_SIZE(modules),
				   .digest = digest};
	return 0;
}

/* The errors of a text: "" where it is admitted. */
static const char *result(const char *text)
{
	struct config_report rep = {.error = note};
	int ret;

	errors[0] = '\0';
	if (config_parse(text, (uint32_t)strlen(text), &config, &rep))
		fail_msg("the test's text is bad: %s", errors);
	ret = admit(&config, &machine, &rep);
	assert_int_equal(ret, errors[0] ? -EINVAL : 0);
	return errors;
}

#define SERVICE \
	"[vm service]\nrole = service\ncpus = all\nmemory = rest\nkernel = linux\ninitrd = initrd\n"
#define GUEST "[vm g]\ncpus = 3\nmemory = 16M\nkernel = linux\n"

static void test_fits(void **state)
{
	(void)state;
	assert_string_equal(
		result("[system]\nrequire = nested-paging, smep\npower = service\n" SERVICE GUEST),
		"");
	assert_string_equal(result(GUEST "flat = 0x1000 long\ndebug-exit = 0xf4\n"), "");
}

static void test_system(void **state)
{
	(void)state;
	assert_string_equal(result(""), "0:0::there is no VM: a [vm NAME] section is needed\n");
	assert_string_equal(result("[system]\nrequire = iommu, x2apic\n" GUEST),
			    "2:11:iommu:required, but this machine has it not\n"
			    "2:11:x2apic:required, but this machine has it not\n");
	assert_string_equal(result("[system]\npower = x\n" GUEST),
			    "2:9:x:there is no VM of this name\n");
	assert_string_equal(result("[system]\npower = service\n" GUEST),
			    "2:9:service:there is no VM of this name\n");
}

static void test_firmware(void **state)
{
	(void)state;
	assert_string_equal(result("[vm g]\ncpus = 0\nmemory = 16M\nfirmware = linux\n"), "");
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 16M\nfirmware = linux\nkernel = linux\n"), "");
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 1M\nfirmware = linux\nflat = 0x1000 long\n"),
		"5:8:g:firmware starts no flat binary\n"
		"3:10:g:firmware needs at least 2M of memory\n");
	assert_string_equal(
		result("[vm service]\nrole = service\ncpus = 0\nmemory = rest\nfirmware = linux\n"),
		"5:12:service:only isolated VMs can have firmware\n");
	assert_string_equal(result("[vm g]\ncpus = 0\nmemory = 16M\nfirmware = nosuch\n"),
			    "4:12:nosuch:the boot loader passed no module of this name\n");
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 16M\nfirmware = huge\n"),
		"4:12:huge:firmware is a multiple of 4K, and at most 16M\n"
		"3:10:g:too little memory: 18014398509481983 KiB are asked for, 245368 KiB are left\n");
	/* the firmware's own memory counts */
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 239M\nfirmware = linux\n"),
		"3:10:g:too little memory: 252928 KiB are asked for, 245368 KiB are left\n");
}

/* As many VMs as there can be, all but the last with 2 vCPUs on CPU 0. */
static const char *crowd(const char *last)
{
	static char text[CONFIG_VMS * 96];
	size_t used = 0;

	for (uint32_t i = 0; i < CONFIG_VMS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "[vm g%u]\ncpus = %s\nmemory = 8M\nkernel = linux\n", i,
					 i + 1 < CONFIG_VMS ? "0,0" : last);
	return text;
}

static void test_crowded(void **state)
{
	static const struct mem_range plenty = {.size = 64 * GIB, .type = MEM_RAM};

	(void)state;
	machine.ranges = &plenty;
	machine.range_count = 1;
	/* 386 timers: the slice's, the console's two, 4 of each of 64 VMs, and so those of 127 vCPUs */
	assert_string_equal(result(crowd("0")), "");
	assert_string_equal(
		result(crowd("0,1,0,2")),
		"254:8:g63:too many vCPUs on CPU 0: with 64 VM(s), one CPU runs at most 127\n");
}

static void test_roles(void **state)
{
	(void)state;
	assert_string_equal(result(GUEST GUEST), "5:5:g:a VM of this name is already in line 1\n");
	assert_string_equal(
		result(SERVICE
		       "[vm two]\nrole = service\ncpus = 0\nmemory = rest\nkernel = linux\n"),
		"8:8:two:there can be only one service guest\n");
	assert_string_equal(
		result("[vm s]\nrole = service\ncpus = 0\nmemory = 16M\nkernel = linux\n"),
		"4:10:s:a service guest's memory must be 'rest'\n");
	assert_string_equal(result("[vm g]\ncpus = 0\nmemory = rest\nkernel = linux\n"),
			    "3:10:g:only a service guest's memory can be 'rest'\n");
	assert_string_equal(result("[vm service]\ncpus = 0\nmemory = 16M\nkernel = linux\n"),
			    "1:5:service:only a service guest can have this name\n");
}

static void test_complete(void **state)
{
	(void)state;
	assert_string_equal(result("[vm g]\n"), "1:5:g:this VM has no 'cpus'\n"
						"1:5:g:this VM has no 'memory'\n"
						"1:5:g:this VM has no 'kernel'\n");
}

static void test_not_supported(void **state)
{
	(void)state;
	assert_string_equal(
		result(GUEST "window = 1ms at 0ms\ndonate = no\nreserve = 1ms every 2ms\n"
			     "device = pci 0:1.0\nshare = a 4K rw\nwatchdog = 1s\n"
			     "weight = 5\non-fault = restart\non-exit = restart\n"),
		"8:10::device is not supported by this version\n"
		"10:12::watchdog is not supported by this version\n"
		"5:10:g:windows need an invariant, synchronised TSC, which this machine has not\n"
		"5:10:g:windows need the length of a frame: [system] frame\n"
		"8:10:g:devices need an IOMMU, which this machine has not\n"
		"9:9:g:no other VM shares the region 'a'\n");
	assert_string_equal(result(SERVICE "on-fault = restart\non-exit = restart\n"), "");
}

static void test_cpus(void **state)
{
	(void)state;
	assert_string_equal(result("[vm g]\ncpus = 0,4-5\nmemory = 16M\nkernel = linux\n"),
			    "2:8:g:there is no CPU 4, this machine runs 4 (0 to 3)\n"
			    "2:8:g:there is no CPU 5, this machine runs 4 (0 to 3)\n");
}

static void test_images(void **state)
{
	(void)state;
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 16M\nkernel = linus\ninitrd = empty\nmodules = linux, x\n"),
		"4:10:linus:the boot loader passed no module of this name\n"
		"5:10:empty:this module is empty\n"
		"6:18:x:the boot loader passed no module of this name\n");
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 9M\nkernel = linux\nmodules = initrd\n"),
		"3:10:g:the images of this VM are larger than its memory\n");
	assert_string_equal(
		result("[vm g]\ncpus = 0\nmemory = 9M\nkernel = linux\nmodules = huge\n"),
		"3:10:g:the images of this VM are larger than its memory\n");
}

#define ZEROES_62 "00000000000000000000000000000000000000000000000000000000000000"

static void test_pins(void **state)
{
	(void)state;
	assert_string_equal(
		result("[vm g]\ncpus=0\nmemory = 16M\nkernel = linux sha256:11" ZEROES_62 "\n"),
		"");
	assert_string_equal(
		result("[vm g]\ncpus=0\nmemory = 16M\nkernel = linux sha256:12" ZEROES_62 "\n"),
		"4:10:linux:this module's SHA-256 is not the one given here\n");
	assert_string_equal(
		result("[vm g]\ncpus=0\nmemory = 16M\nkernel = linux\ninitrd = initrd sha256:11" ZEROES_62
		       "\n"),
		"5:10:initrd:this module cannot be read for its SHA-256\n");
	machine.digest = NULL;
	assert_string_equal(
		result("[vm g]\ncpus=0\nmemory = 16M\nkernel = linux sha256:12" ZEROES_62 "\n"),
		"");
}

static void test_memory(void **state)
{
	(void)state;
	/* 158 pages below 1 MiB and 255 MiB above it, 16 MiB of them the hypervisor's. */
	assert_string_equal(result("[vm a]\ncpus = 0\nmemory = 239M\nkernel = linux\n"), "");
	assert_string_equal(
		result("[vm a]\ncpus = 0\nmemory = 240M\nkernel = linux\n"),
		"3:10:a:too little memory: 245760 KiB are asked for, 245368 KiB are left\n");
	assert_string_equal(
		result("[vm a]\ncpus = 0\nmemory = 200M\nkernel = linux\n"
		       "[vm b]\ncpus = 0\nmemory = 40M\nkernel = linux\n"
		       "[vm c]\ncpus = 0\nmemory = 16777215T\nkernel = linux\n"),
		"7:10:b:too little memory: 40960 KiB are asked for, 40568 KiB are left\n"
		"11:10:c:too little memory: 18014397435740160 KiB are asked for, 40568 KiB are left\n");
	assert_string_equal(
		result("[system]\nreserve = 256M\n" GUEST),
		"2:11::too little memory: the hypervisor's reserve is 262144 KiB, the machine has 261752 "
		"KiB\n");
	assert_string_equal(
		result(SERVICE "[vm b]\ncpus = 0\nmemory = 220M\nkernel = linux\n"),
		"4:10:service:too little memory: 20088 KiB are left for the service guest, it needs 32768 "
		"KiB\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_firmware, new_machine),
		cmocka_unit_test_setup(test_fits, new_machine),
		cmocka_unit_test_setup(test_system, new_machine),
		cmocka_unit_test_setup(test_crowded, new_machine),
		cmocka_unit_test_setup(test_roles, new_machine),
		cmocka_unit_test_setup(test_complete, new_machine),
		cmocka_unit_test_setup(test_not_supported, new_machine),
		cmocka_unit_test_setup(test_cpus, new_machine),
		cmocka_unit_test_setup(test_images, new_machine),
		cmocka_unit_test_setup(test_pins, new_machine),
		cmocka_unit_test_setup(test_memory, new_machine),
	};

	return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
