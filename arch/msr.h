/* SPDX-License-Identifier: BSD-2-Clause */
/* Model-specific registers: access, and the numbers that both vendors share. */

#ifndef ARCH_MSR_H
#define ARCH_MSR_H

#include "lib/types.h"

/* SDM vol. 4, 2.1; APM vol. 2, appendix A */
#define MSR_TSC		      0x00000010
#define MSR_APIC_BASE	      0x0000001b
#define MSR_FEATURE_CONTROL   0x0000003a
#define MSR_TSC_ADJUST	      0x0000003b
#define MSR_SPEC_CTRL	      0x00000048
#define MSR_PRED_CMD	      0x00000049
#define MSR_BIOS_SIGN_ID      0x0000008b
#define MSR_MTRR_CAP	      0x000000fe
#define MSR_ARCH_CAPABILITIES 0x0000010a
#define MSR_SYSENTER_CS	      0x00000174
#define MSR_SYSENTER_ESP      0x00000175
#define MSR_SYSENTER_EIP      0x00000176
#define MSR_MCG_CAP	      0x00000179
#define MSR_MCG_STATUS	      0x0000017a
#define MSR_MCG_CTL	      0x0000017b
#define MSR_MISC_ENABLE	      0x000001a0
#define MSR_DEBUGCTL	      0x000001d9
#define MSR_MTRR_PHYSBASE0    0x00000200
#define MSR_MTRR_FIX64K	      0x00000250
#define MSR_MTRR_FIX16K_80    0x00000258
#define MSR_MTRR_FIX16K_A0    0x00000259
#define MSR_MTRR_FIX4K_C0     0x00000268
#define MSR_PAT		      0x00000277
#define MSR_MTRR_DEF_TYPE     0x000002ff
#define MSR_TSC_DEADLINE      0x000006e0
#define MSR_X2APIC_BASE	      0x00000800
#define MSR_X2APIC_LAST	      0x000008ff
#define MSR_XSS		      0x00000da0
#define MSR_EFER	      0xc0000080
#define MSR_STAR	      0xc0000081
#define MSR_LSTAR	      0xc0000082
#define MSR_CSTAR	      0xc0000083
#define MSR_SFMASK	      0xc0000084
#define MSR_FS_BASE	      0xc0000100
#define MSR_GS_BASE	      0xc0000101
#define MSR_KERNEL_GS_BASE    0xc0000102
#define MSR_TSC_AUX	      0xc0000103

/* EFER (APM vol. 2, 3.1.7) */
#define EFER_SCE   BIT(0)
#define EFER_LME   BIT(8)
#define EFER_LMA   BIT(10)
#define EFER_NXE   BIT(11)
#define EFER_SVME  BIT(12)
#define EFER_LMSLE BIT(13)
#define EFER_FFXSR BIT(14)
#define EFER_TCE   BIT(15)

/* IA32_APIC_BASE (SDM vol. 3, 11.4.4) */
#define APIC_BASE_BSP	 BIT(8)
#define APIC_BASE_X2APIC BIT(10)
#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_ADDR	 BITS(51, 12)

#ifdef BULKHEAD_HOST

uint64_t msr_read(uint32_t msr);
void msr_write(uint32_t msr, uint64_t value);
int msr_read_safe(uint32_t msr, uint64_t *value);
int msr_write_safe(uint32_t msr, uint64_t value);

#else

/* For MSRs that this CPU is known to have; a #GP here is a crash. */
static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* For all others: 0, or -EIO where the CPU raised #GP (the trap handler's fixup table catches it). */
int msr_read_safe(uint32_t msr, uint64_t *value);
int msr_write_safe(uint32_t msr, uint64_t value);

#endif

#endif
