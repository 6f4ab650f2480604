/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processors the VMX backend refuses, by which name, and what it leaves out where a control is not offered. */
/* sources: lib/printf.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* The processor's instructions are replaced by tables of answers: these headers' functions are not used. */
#define cpuid	       cpuid_of_the_host
#define msr_read       msr_read_of_the_host
#define msr_write      msr_write_of_the_host
#define msr_read_safe  msr_read_safe_of_the_host
#define msr_write_safe msr_write_safe_of_the_host
#include "arch/cpu.h"
#include "arch/msr.h"
#undef cpuid
#undef msr_read
#undef msr_write
#undef msr_read_safe
#undef msr_write_safe
#include "vmx/vmx.h"

#define MSRS 32

static struct {
	bool vmx, has_feature_control;
	uint64_t feature_control;
	uint32_t written;
	struct {
		uint32_t msr;
		uint64_t value;
	} msr[MSRS];
} machine;

static struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid_regs r = {0};

	(void)sub;
	if (leaf == 0)
		r.eax = 0x16;
	else if (leaf == 1)
		r.ecx = machine.vmx ? (uint32_t)CPUID_1_ECX_VMX : 0;
	else if (leaf == 0x80000001)
		r.edx = BIT(29) | BIT(20) | BIT(11);
	else if (leaf == 0x80000008)
		r.eax = 40;
	return r;
}

static uint64_t *msr_at(uint32_t msr)
{
	uint32_t i = 0;

	while (i < MSRS - 1 && machine.msr[i].msr && machine.msr[i].msr != msr)
		i++;
	machine.msr[i].msr = msr;
	return &machine.msr[i].value;
}

static uint64_t msr_read(uint32_t msr)
{
	return *msr_at(msr);
}

static int msr_read_safe(uint32_t msr, uint64_t *value)
{
	assert_int_equal(msr, MSR_FEATURE_CONTROL);
	*value = machine.feature_control;
	return machine.has_feature_control ? 0 : -1;
}

static int msr_write_safe(uint32_t msr, uint64_t value)
{
	assert_int_equal(msr, MSR_FEATURE_CONTROL);
	machine.feature_control = value;
	machine.written++;
	return 0;
}

#include "arch/options.h"

bool option_off(const char *name)
{
	(void)name;
	return false;
}

bool option_on(const char *name)
{
	(void)name;
	return false;
}

void vmx_vcpu_put(struct vcpu_arch *v)
{
	(void)v;
	fail_msg("a vCPU is put");
}

void vmx_quirks_find(void)
{
	fail_msg("quirks are looked for");
}

#include "vmx/controls.c"
#include "vmx/cpu.c"

struct vmx_limits vmx_limits;
const uint8_t vmx_exit_clear[1], vmx_exit_plain[1];

/* All of a table's controls may be set; those of the architecture's default 1 class must (A.3). */
#define OFFER(list) (offer((list), ARRAY_SIZE(list)))

static uint64_t offer(const struct control *list, uint32_t n)
{
	uint64_t may = 0;

	for (uint32_t i = 0; i < n; i++)
		may |= list[i].bit;
	return may << 32;
}

static int fresh(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.vmx = true;
	machine.has_feature_control = true;
	machine.feature_control = 5;
	*msr_at(MSR_VMX_BASIC) = VMX_BASIC_TRUE_CTLS | 0x12;
	*msr_at(MSR_VMX_MISC) = VMX_MISC_STORE_LMA;
	*msr_at(MSR_VMX_TRUE_PIN) = OFFER(pin_controls);
	*msr_at(MSR_VMX_TRUE_PROC) = OFFER(proc_controls) | (PROC_INTR_WINDOW | PROC_NMI_WINDOW)
								    << 32;
	*msr_at(MSR_VMX_PROC2) = OFFER(proc2_controls);
	*msr_at(MSR_VMX_TRUE_EXIT) = OFFER(exit_controls);
	*msr_at(MSR_VMX_TRUE_ENTRY) = OFFER(entry_controls);
	*msr_at(MSR_VMX_EPT_VPID_CAP) = EPT_CAP_WALK_4 | EPT_CAP_WB | EPT_CAP_INVEPT |
					EPT_CAP_INVEPT_ALL | EPT_CAP_INVVPID | EPT_CAP_INVVPID_ALL;
	*msr_at(MSR_VMX_CR0_FIXED0) = CR0_PE | CR0_PG | CR0_NE;
	*msr_at(MSR_VMX_CR0_FIXED1) = 0xffffffff;
	*msr_at(MSR_VMX_CR4_FIXED0) = CR4_VMXE;
	*msr_at(MSR_VMX_CR4_FIXED1) = 0x3fffff;
	return 0;
}

static void refused(const char *word)
{
	const char *why = vmx_probe();

	if (!why || !strstr(why, word) || why[strlen(why) - 1] != '.')
		fail_msg("'%s' without '%s'", why ? why : "taken", word);
}

static void a_whole_one_is_taken(void **state)
{
	(void)state;
	assert_null(vmx_probe());
	assert_int_equal(vmx_ctl.revision, 0x12);
	assert_true(vmx_ctl.proc2 & PROC2_VPID);
	assert_int_equal(vmx_ctl.cr0_fixed0, CR0_NE); /* unrestricted: PE and PG are free */
	assert_non_null(strstr(vmx_features(), "VPID on"));
	assert_null(strstr(vmx_features(), "A/D"));
	*msr_at(MSR_VMX_EPT_VPID_CAP) |= EPT_CAP_AD;
	assert_null(vmx_probe());
	assert_non_null(strstr(vmx_features(), "EPT with A/D"));
	machine.vmx = false;
	refused("no VT-x");
}

/* Locked off is a refusal; locked on and unlocked are not; the MSR need not be there. */
static void feature_control(void **state)
{
	(void)state;
	machine.feature_control = FEATURE_CONTROL_LOCK;
	refused("switched VT-x off and locked it; enable VT-x");
	machine.feature_control = FEATURE_CONTROL_LOCK | BIT(1); /* inside SMX only */
	refused("locked it");
	machine.feature_control = 0;
	assert_null(vmx_probe());
	machine.has_feature_control = false;
	machine.feature_control = FEATURE_CONTROL_LOCK;
	assert_null(vmx_probe());
}

/* Unlocked: what VMXON wants is set, the rest kept, and locked. Locked: nobody writes. */
static void feature_control_is_locked(void **state)
{
	(void)state;
	machine.feature_control = BIT(20);
	feature_control_set();
	assert_int_equal(machine.feature_control,
			 BIT(20) | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE);
	assert_int_equal(machine.written, 1);
	feature_control_set();
	assert_int_equal(machine.written, 1);
	machine.has_feature_control = false;
	machine.feature_control = 0;
	feature_control_set();
	assert_int_equal(machine.written, 1);
}

static const struct {
	const struct control *list;
	uint32_t n, msr;
} tables[] = {
	{pin_controls,   ARRAY_SIZE(pin_controls),	 MSR_VMX_TRUE_PIN	 },
	{proc_controls,	ARRAY_SIZE(proc_controls),  MSR_VMX_TRUE_PROC },
	{proc2_controls, ARRAY_SIZE(proc2_controls), MSR_VMX_PROC2	  },
	{exit_controls,	ARRAY_SIZE(exit_controls),  MSR_VMX_TRUE_EXIT },
	{entry_controls, ARRAY_SIZE(entry_controls), MSR_VMX_TRUE_ENTRY},
};

static uint32_t chosen(uint32_t msr)
{
	switch (msr) {
	case MSR_VMX_TRUE_PIN:
		return vmx_ctl.pin;
	case MSR_VMX_TRUE_PROC:
		return vmx_ctl.proc;
	case MSR_VMX_PROC2:
		return vmx_ctl.proc2;
	case MSR_VMX_TRUE_EXIT:
		return vmx_ctl.exit;
	default:
		return vmx_ctl.entry;
	}
}

/* Every control in turn is not offered, or cannot be cleared. */
static void each_control(void **state)
{
	for (uint32_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (uint32_t i = 0; i < tables[t].n; i++) {
			const struct control *c = &tables[t].list[i];
			uint64_t *cap;

			fresh(state);
			cap = msr_at(tables[t].msr);
			if (c->wish == AVOID) {
				*cap |= c->bit;
				refused(c->name);
				continue;
			}
			*cap &= ~(c->bit << 32);
			if (c->wish == NEED) {
				refused(c->name);
				continue;
			}
			assert_null(vmx_probe());
			assert_false(chosen(tables[t].msr) & c->bit);
		}
	}
}

/* What must be one is set, whether it has a name here or not. */
static void default_ones(void **state)
{
	(void)state;
	*msr_at(MSR_VMX_TRUE_PIN) |= 0x16 | 0x16ULL << 32;
	assert_null(vmx_probe());
	assert_int_equal(vmx_ctl.pin & 0x16, 0x16);
}

static void windows(void **state)
{
	(void)state;
	*msr_at(MSR_VMX_TRUE_PROC) &= ~(PROC_INTR_WINDOW << 32);
	refused("interrupt-window exiting");
	fresh(NULL);
	*msr_at(MSR_VMX_TRUE_PROC) &= ~(PROC_NMI_WINDOW << 32);
	refused("NMI-window exiting");
}

static void ept(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(ept_needs); i++) {
		fresh(NULL);
		*msr_at(MSR_VMX_EPT_VPID_CAP) &= ~ept_needs[i].bit;
		refused(ept_needs[i].name);
	}
	fresh(NULL);
	*msr_at(MSR_VMX_EPT_VPID_CAP) &= ~EPT_CAP_INVVPID_ALL;
	assert_null(vmx_probe());
	assert_false(vmx_ctl.proc2 & PROC2_VPID);
	assert_non_null(strstr(vmx_features(), "VPID off"));
	fresh(NULL);
	*msr_at(MSR_VMX_MISC) = 0;
	refused("EFER.LMA");
}

/* Page sizes and flags of nested tables are EPT's, not those of the processor's own tables. */
static void nested(void **state)
{
	const struct nested_caps *caps = &vmx_nested_caps;

	(void)state;
	assert_null(vmx_probe());
	assert_false(caps->large_2m || caps->large_1g || caps->ad);
	*msr_at(MSR_VMX_EPT_VPID_CAP) |= EPT_CAP_2M | EPT_CAP_1G | EPT_CAP_AD;
	assert_null(vmx_probe());
	assert_true(caps->large_2m && caps->large_1g && caps->ad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_one_is_taken, fresh),
		cmocka_unit_test_setup(feature_control, fresh),
		cmocka_unit_test_setup(feature_control_is_locked, fresh),
		cmocka_unit_test_setup(each_control, fresh),
		cmocka_unit_test_setup(default_ones, fresh),
		cmocka_unit_test_setup(windows, fresh),
		cmocka_unit_test_setup(ept, fresh),
		cmocka_unit_test_setup(nested, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
