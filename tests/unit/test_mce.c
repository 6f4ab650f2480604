/* SPDX-License-Identifier: BSD-2-Clause */
/* What machine-check banks mean, what is said of them, and that they are cleared. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The processor is replaced by a table of answers: these headers are not read. */
#define ARCH_CPU_H
#define ARCH_PERCPU_H
#define ARCH_MSR_H
#include "lib/types.h"

#define MSR_MCG_CAP    0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL    0x17b
#define BANKS	       6

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct cpu {
	uint32_t index;
};

static struct {
	bool mca;
	uint64_t cap, status, ctl;
	uint64_t bank[BANKS][4];
} machine;
static char said[2048];

static struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
	(void)sub;
	assert_int_equal(leaf, 1);
	return (struct cpuid_regs){.edx = machine.mca ? BIT(14) : 0};
}

static struct cpu *this_cpu(void)
{
	static struct cpu cpu = {3};

	return &cpu;
}

static uint64_t *msr_at(uint32_t msr)
{
	uint32_t count = (uint32_t)machine.cap & 0xff;

	if (!machine.mca)
		return NULL;
	if (msr == MSR_MCG_CAP)
		return &machine.cap;
	if (msr == MSR_MCG_STATUS)
		return &machine.status;
	if (msr == MSR_MCG_CTL && machine.cap & BIT(8))
		return &machine.ctl;
	if (msr >= 0x400 && msr < 0x400 + 4 * (count < BANKS ? count : BANKS))
		return &machine.bank[(msr - 0x400) / 4][msr % 4];
	return NULL;
}

static int msr_read_safe(uint32_t msr, uint64_t *value)
{
	if (!msr_at(msr))
		return -1;
	*value = *msr_at(msr);
	return 0;
}

static int msr_write_safe(uint32_t msr, uint64_t value)
{
	if (!msr_at(msr))
		return -1;
	if (msr >= 0x400 && msr % 4 == 1)
		assert_int_equal(value, 0); /* all else is #GP */
	*msr_at(msr) = value;
	return 0;
}

#include "arch/log.h"

void log_write(int level, const char *fmt, ...)
{
	size_t at = strlen(said);
	va_list ap;

	at += (size_t)snprintf(said + at, sizeof(said) - at, "%d ", level);
	va_start(ap, fmt);
	at += (size_t)vsnprintf(said + at, sizeof(said) - at, fmt, ap);
	va_end(ap);
	snprintf(said + at, sizeof(said) - at, "\n");
}

#include "arch/mce.c"

#define UNCORRECTED (STATUS_VAL | STATUS_UC | STATUS_EN)
#define CAN_GO_ON   (BIT(2) | MCG_STATUS_RIPV)

static int fresh(void **state)
{
	(void)state;
	memset(&machine, 0, sizeof(machine));
	machine.mca = true;
	machine.cap = BANKS | MCG_CAP_SER | MCG_CAP_CTL;
	machine.status = CAN_GO_ON;
	said[0] = 0;
	return 0;
}

static void judged(void **state)
{
	static const struct {
		bool ser;
		uint64_t mcg, bank;
		enum mce_end end;
	} rows[] = {
		{true,  CAN_GO_ON,			  0,				     MCE_GO_ON},
		{true,  BIT(2),		       0,				    MCE_STOP },
		{true,  CAN_GO_ON,			  STATUS_VAL | STATUS_EN,		  MCE_GO_ON},
		{true,  CAN_GO_ON,			  STATUS_UC | STATUS_EN | STATUS_PCC,   MCE_GO_ON},
		{true,  CAN_GO_ON,			  STATUS_VAL | STATUS_UC | STATUS_PCC,  MCE_GO_ON},
		{true,  CAN_GO_ON,			  UNCORRECTED | STATUS_PCC,		    MCE_CRASH},
		{true,  CAN_GO_ON,			  UNCORRECTED,			       MCE_GO_ON},
		{true,  CAN_GO_ON,			  UNCORRECTED | STATUS_S,		  MCE_GO_ON},
		{true,  CAN_GO_ON,			  UNCORRECTED | STATUS_S | STATUS_OVER, MCE_GO_ON},
		{true,  CAN_GO_ON,			  UNCORRECTED | STATUS_S | STATUS_AR,   MCE_GO_ON},
		{true,  CAN_GO_ON | MCG_STATUS_EIPV, UNCORRECTED | STATUS_S | STATUS_AR,	MCE_STOP },
		{true,  CAN_GO_ON | MCG_STATUS_EIPV,
		 UNCORRECTED | STATUS_S | STATUS_AR | STATUS_OVER,			   MCE_CRASH},
		{false, CAN_GO_ON,		   UNCORRECTED,				MCE_STOP },
		{false, CAN_GO_ON,		   UNCORRECTED | STATUS_PCC,	     MCE_CRASH},
	};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fresh(NULL);
		machine.cap = rows[i].ser ? machine.cap : BANKS;
		machine.status = rows[i].mcg;
		machine.bank[BANKS - 1][1] = rows[i].bank;
		if (mce_judge() != rows[i].end)
			fail_msg("row %u: %d", i, mce_judge());
	}
}

/* The worst of all banks counts. */
static void worst(void **state)
{
	(void)state;
	machine.bank[1][1] = UNCORRECTED | STATUS_PCC;
	machine.bank[2][1] = UNCORRECTED;
	assert_int_equal(mce_judge(), MCE_CRASH);
	machine.status = 0;
	machine.bank[1][1] = 0;
	assert_int_equal(mce_judge(), MCE_STOP);
}

/* Without banks nobody knows; a count that cannot be is cut. */
static void banks(void **state)
{
	(void)state;
	machine.mca = false;
	assert_int_equal(mce_judge(), MCE_STOP);
	mce_log(LOG_ERROR);
	assert_non_null(strstr(said, "MCG_STATUS 0, 0 banks"));
	mce_clear();
	fresh(NULL);
	machine.cap = 0xff;
	assert_int_equal(mce_judge(), MCE_GO_ON);
	mce_log(LOG_ERROR);
	assert_non_null(strstr(said, "32 banks"));
}

static void logged_and_cleared(void **state)
{
	(void)state;
	machine.bank[1][1] = UNCORRECTED | STATUS_ADDRV;
	machine.bank[1][2] = 0x1234000;
	machine.bank[1][3] = 0x77;
	machine.bank[4][1] = STATUS_VAL | STATUS_MISCV;
	machine.bank[4][2] = 0x88;
	machine.bank[4][3] = 0x86;
	machine.bank[5][1] = STATUS_UC;
	mce_log(LOG_ERROR);
	assert_string_equal(said,
			    "2 CPU 3: machine check, MCG_STATUS 0x5, 6 banks\n"
			    "2 CPU 3: bank 1: STATUS 0xb400000000000000, ADDR 0x1234000, MISC 0\n"
			    "2 CPU 3: bank 4: STATUS 0x8800000000000000, ADDR 0, MISC 0x86\n");
	mce_clear();
	assert_int_equal(machine.status, 0);
	for (uint32_t i = 0; i < BANKS - 1; i++)
		assert_int_equal(machine.bank[i][1], 0);
}

/* All banks report; what is left of the time before is said. */
static void start(void **state)
{
	(void)state;
	machine.status = 0;
	mce_init();
	assert_true(machine.ctl == UINT64_MAX && machine.bank[BANKS - 1][0] == UINT64_MAX);
	assert_string_equal(said, "");
	machine.bank[2][1] = UNCORRECTED;
	mce_init();
	assert_non_null(strstr(said, "3 CPU 3: bank 2: STATUS 0xb000000000000000"));
	assert_int_equal(machine.bank[2][1], 0);
	machine.cap = BANKS;
	machine.ctl = 0;
	mce_init();
	assert_int_equal(machine.ctl, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(judged, fresh),
		cmocka_unit_test_setup(worst, fresh),
		cmocka_unit_test_setup(banks, fresh),
		cmocka_unit_test_setup(logged_and_cleared, fresh),
		cmocka_unit_test_setup(start, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
