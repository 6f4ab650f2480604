/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors the SVM backend refuses, and why: firmware that locked SVM is what no emulator has. */
/* sources: lib/printf.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "svm/vmcb.h"

/* The processor's instructions are replaced by a table of answers: these two headers are not read. */
#define ARCH_CPU_H
#define ARCH_MSR_H

#define MSR_EFER  0xc0000080U
#define EFER_SVME BIT(12)
#define SVM_BIT	  BIT(2)
#define NPT_BIT	  BIT(0)

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static struct {
	uint32_t max, features, asids, svm;
	bool has_vm_cr;
	uint64_t vm_cr;
} machine;

static struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = {0};

	assert_int_equal(subleaf, 0);
	if (leaf == 0x80000000)
		r.eax = machine.max;
	else if (leaf > machine.max)
		fail_msg("leaf %#x is read, the highest is %#x", leaf, machine.max);
	else if (leaf == 0x80000001)
		r.ecx = machine.features;
	else if (leaf == 0x8000000a)
		r = (struct cpuid_regs){.ebx = machine.asids, .edx = machine.svm};
	return r;
}

static int msr_read_safe(uint32_t msr, uint64_t *value)
{
	assert_int_equal(msr, MSR_VM_CR);
	*value = machine.vm_cr;
	return machine.has_vm_cr ? 0 : -1;
}

static uint64_t msr_read(uint32_t msr)
{
	fail_msg("MSR %#x is read without a net", msr);
	return 0;
}

static void msr_write(uint32_t msr, uint64_t value)
{
	(void)value;
	fail_msg("MSR %#x is written", msr);
}

#include "arch/options.h"

bool option_off(const char *name)
{
	(void)name;
	return false;
}

#include "svm/cpu.c"

const uint8_t svm_enter_clear[1], svm_enter_plain[1];

static int fresh(void **state)
{
	(void)state;
	machine.max = 0x8000001f;
	machine.features = SVM_BIT;
	machine.asids = 16;
	machine.svm = NPT_BIT;
	machine.has_vm_cr = true;
	machine.vm_cr = 0;
	return 0;
}

/* Refused, with a sentence that has all of @words. */
static void refused(const char *word, const char *other)
{
	const char *why = svm_probe();

	assert_non_null(why);
	assert_non_null(strstr(why, word));
	assert_non_null(strstr(why, other));
	assert_int_equal(why[strlen(why) - 1], '.');
}

static void a_whole_one_is_taken(void **state)
{
	(void)state;
	assert_null(svm_probe());
	assert_int_equal(svm_asids, 16);
	machine.vm_cr = VM_CR_LOCK; /* locked in the state that is wanted */
	assert_null(svm_probe());
	machine.has_vm_cr = false;
	machine.vm_cr = VM_CR_SVMDIS; /* what a failed read leaves does not count */
	assert_null(svm_probe());
}

static void without_svm(void **state)
{
	(void)state;
	machine.features = 0;
	refused("no SVM", "firmware's setup");
	fresh(NULL);
	machine.max = 0x80000001; /* no leaf that describes SVM */
	refused("no SVM", "firmware's setup");
	machine.max = 0;
	refused("no SVM", "firmware's setup");
}

static void without_nested_paging(void **state)
{
	(void)state;
	machine.svm = ~(uint32_t)NPT_BIT;
	refused("nested paging", "use one that has");
}

static void without_asids(void **state)
{
	(void)state;
	machine.asids = 1; /* 0 is the host's: none is left */
	refused("ASID", "use one that has");
	machine.asids = 2;
	assert_null(svm_probe());
}

static void switched_off(void **state)
{
	(void)state;
	machine.vm_cr = VM_CR_SVMDIS;
	refused("switched off", "firmware's setup");
}

static void locked(void **state)
{
	(void)state;
	machine.vm_cr = VM_CR_SVMDIS | VM_CR_LOCK;
	refused("locked", "enable SVM (AMD-V) in the firmware's setup");
}

static void other_processors_are_looked_at(void **state)
{
	hpa_t frame = {0x1000};

	(void)state;
	machine.features = 0;
	assert_non_null(svm_cpu_on(NULL, frame));
	fresh(NULL);
	machine.vm_cr = VM_CR_SVMDIS | VM_CR_LOCK;
	assert_non_null(svm_cpu_on(NULL, frame));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_one_is_taken, fresh),
		cmocka_unit_test_setup(without_svm, fresh),
		cmocka_unit_test_setup(without_nested_paging, fresh),
		cmocka_unit_test_setup(without_asids, fresh),
		cmocka_unit_test_setup(switched_off, fresh),
		cmocka_unit_test_setup(locked, fresh),
		cmocka_unit_test_setup(other_processors_are_looked_at, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
