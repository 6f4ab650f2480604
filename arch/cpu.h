/* SPDX-License-Identifier: BSD-2-Clause */
/* Processor instructions that C has no words for, and the bits of control registers. */

#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include "lib/types.h"

/* CR0 (SDM vol. 3, 2.5; APM vol. 2, 3.1.1) */
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

/* CR4 (SDM vol. 3, 2.5; APM vol. 2, 3.1.3) */
#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_SMXE       BIT(14)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)
#define CR4_PKE	       BIT(22)
#define CR4_CET	       BIT(23)
#define CR4_PKS	       BIT(24)

/* RFLAGS (SDM vol. 1, 3.4.3) */
#define RFLAGS_CF    BIT(0)
#define RFLAGS_FIXED BIT(1) /* reads as one always */
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_VM    BIT(17)
#define RFLAGS_AC    BIT(18)

/* XCR0 components (SDM vol. 1, 13.1) */
#define XCR0_X87    BIT(0)
#define XCR0_SSE    BIT(1)
#define XCR0_AVX    BIT(2)
#define XCR0_BNDREG BIT(3)
#define XCR0_BNDCSR BIT(4)
#define XCR0_AVX512 BITS(7, 5)
#define XCR0_PKRU   BIT(9)

/* Exception vectors (SDM vol. 3, 6.3.1) */
enum exception {
	EXC_DE = 0,
	EXC_DB = 1,
	EXC_NMI = 2,
	EXC_BP = 3,
	EXC_OF = 4,
	EXC_BR = 5,
	EXC_UD = 6,
	EXC_NM = 7,
	EXC_DF = 8,
	EXC_TS = 10,
	EXC_NP = 11,
	EXC_SS = 12,
	EXC_GP = 13,
	EXC_PF = 14,
	EXC_MF = 16,
	EXC_AC = 17,
	EXC_MC = 18,
	EXC_XM = 19,
	EXC_VE = 20,
	EXC_CP = 21,
};

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(sub));
	return r;
}

static inline uint64_t tsc_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

#define CR_ACCESS(n)                                                               \
	static inline uint64_t cr##n##_read(void)                                  \
	{                                                                          \
		uint64_t value;                                                    \
                                                                                   \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value) : : "memory"); \
		return value;                                                      \
	}                                                                          \
	static inline void cr##n##_write(uint64_t value)                           \
	{                                                                          \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");     \
	}
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)

#define DR_ACCESS(n)                                                  \
	static inline uint64_t dr##n##_read(void)                     \
	{                                                             \
		uint64_t value;                                       \
                                                                      \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(value)); \
		return value;                                         \
	}                                                             \
	static inline void dr##n##_write(uint64_t value)              \
	{                                                             \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(value));   \
	}
DR_ACCESS(0)
DR_ACCESS(1)
DR_ACCESS(2)
DR_ACCESS(3)
DR_ACCESS(6)
DR_ACCESS(7)

/* XCR0; CR4.OSXSAVE must be set. */
static inline uint64_t xcr0_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (uint64_t)hi << 32 | lo;
}

static inline void xcr0_write(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* Interrupts are off everywhere in the hypervisor except inside these two. */

/* Take what interrupts are pending, then go on with interrupts off. */
static inline void irq_take_pending(void)
{
	__asm__ volatile("sti; nop; cli" : : : "memory");
}

/*
 * Sleep until an interrupt, take it, go on with interrupts off. No interrupt is slept over: STI's shadow covers HLT.
 * An NMI's request may be: where that matters, cpu_sleep (arch/trap.h) is to be used.
 */
static inline void irq_wait(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* The end of this CPU: an NMI wakes it, and it halts again. */
static inline NORETURN void cpu_halt_forever(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

static inline void tlb_flush_page(const void *va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

#endif
