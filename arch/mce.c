/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks: what this CPU's banks say, and who can go on. SDM vol. 3, chapter "Machine-check architecture". */

#include "arch/mce.h"
#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "arch/percpu.h"

#define CPUID_1_EDX_MCA BIT(14)
#define BANKS_MAX	32 /* further ones have no MSRs at these numbers */

#define MCG_CAP_COUNT	0xff
#define MCG_CAP_CTL	BIT(8)
#define MCG_CAP_SER	BIT(24) /* banks say in S and AR what has to be done (Intel) */
#define MCG_STATUS_RIPV BIT(0)	/* what was interrupted can go on */
#define MCG_STATUS_EIPV BIT(1)	/* it is what the error belongs to */

#define MC_CTL(bank)	(0x400 + 4 * (bank))
#define MC_STATUS(bank) (0x401 + 4 * (bank))
#define MC_ADDR(bank)	(0x402 + 4 * (bank))
#define MC_MISC(bank)	(0x403 + 4 * (bank))

#define STATUS_VAL   BIT(63)
#define STATUS_OVER  BIT(62)
#define STATUS_UC    BIT(61) /* not corrected */
#define STATUS_EN    BIT(60) /* it may have raised the exception */
#define STATUS_MISCV BIT(59)
#define STATUS_ADDRV BIT(58)
#define STATUS_PCC   BIT(57) /* the processor's context is corrupt */
#define STATUS_S     BIT(56)
#define STATUS_AR    BIT(55)

/* Zero where there is no such MSR. */
static uint64_t msr_or_zero(uint32_t msr)
{
	uint64_t value;

	return msr_read_safe(msr, &value) ? 0 : value;
}

static uint64_t capability(void)
{
	return cpuid(1, 0).edx & CPUID_1_EDX_MCA ? msr_or_zero(MSR_MCG_CAP) : 0;
}

static uint32_t bank_count(uint64_t cap)
{
	return (uint32_t)min_u64(cap & MCG_CAP_COUNT, BANKS_MAX);
}

/* The tables of "Machine-check error handling" there; without S and AR (AMD) each uncorrected error asks for action. */
static enum mce_end bank_judge(uint64_t cap, uint64_t mcg, uint64_t status)
{
	const uint64_t counts = STATUS_VAL | STATUS_UC | STATUS_EN;

	if ((status & counts) != counts)
		return MCE_GO_ON;
	if (status & STATUS_PCC)
		return MCE_CRASH;
	if (!(cap & MCG_CAP_SER))
		return MCE_STOP;
	if (!(status & STATUS_S) || !(status & STATUS_AR))
		return MCE_GO_ON;
	if (status & STATUS_OVER)
		return MCE_CRASH;
	/* Processors that are only told of another's error have RIPV alone. */
	return mcg & MCG_STATUS_EIPV ? MCE_STOP : MCE_GO_ON;
}

enum mce_end mce_judge(void)
{
	uint64_t cap = capability(), mcg = cap ? msr_or_zero(MSR_MCG_STATUS) : 0;
	enum mce_end worst = mcg & MCG_STATUS_RIPV ? MCE_GO_ON : MCE_STOP;

	for (uint32_t i = 0; i < bank_count(cap); i++) {
		enum mce_end end = bank_judge(cap, mcg, msr_or_zero(MC_STATUS(i)));

		worst = end > worst ? end : worst;
	}
	return worst;
}

void mce_log(int level)
{
	uint64_t cap = capability();

	log_write(level, "CPU %u: machine check, MCG_STATUS %#lx, %u banks", this_cpu()->index,
		  cap ? msr_or_zero(MSR_MCG_STATUS) : 0, bank_count(cap));
	for (uint32_t i = 0; i < bank_count(cap); i++) {
		uint64_t status = msr_or_zero(MC_STATUS(i));

		if (status & STATUS_VAL)
			log_write(level, "CPU %u: bank %u: STATUS %#lx, ADDR %#lx, MISC %#lx",
				  this_cpu()->index, i, status,
				  status & STATUS_ADDRV ? msr_or_zero(MC_ADDR(i)) : 0,
				  status & STATUS_MISCV ? msr_or_zero(MC_MISC(i)) : 0);
	}
}

void mce_clear(void)
{
	uint64_t cap = capability();

	for (uint32_t i = 0; i < bank_count(cap); i++) {
		if (msr_or_zero(MC_STATUS(i)) & STATUS_VAL)
			msr_write_safe(MC_STATUS(i), 0);
	}
	if (cap)
		msr_write_safe(MSR_MCG_STATUS, 0); /* MCIP, last */
}

INIT void mce_init(void)
{
	uint64_t cap = capability();
	bool left = false;

	if (cap & MCG_CAP_CTL)
		msr_write_safe(MSR_MCG_CTL, UINT64_MAX);
	for (uint32_t i = 0; i < bank_count(cap); i++) {
		msr_write_safe(MC_CTL(i), UINT64_MAX);
		left |= msr_or_zero(MC_STATUS(i)) >> 63;
	}
	if (left)
		mce_log(LOG_WARN);
	mce_clear();
}
