/* SPDX-License-Identifier: BSD-2-Clause */
/* The processor's instructions as functions, and its bits by name. SDM vol. 2 to 4. */

#ifndef GUEST_X86_H
#define GUEST_X86_H

#include "lib/types.h"

#define SEL_CODE64   0x08
#define SEL_DATA     0x10
#define SEL_CODE32   0x18
#define SEL_USER64   0x2b
#define SEL_USERDATA 0x33
#define SEL_USER32   0x3b
#define SEL_CODE16   0x40
#define SEL_TSS	     0x48

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

#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PAE	       BIT(5)
#define CR4_PGE	       BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_LA57       BIT(12)
#define CR4_VMXE       BIT(13)
#define CR4_FSGSBASE   BIT(16)
#define CR4_PCIDE      BIT(17)
#define CR4_OSXSAVE    BIT(18)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_CF    BIT(0)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_RF    BIT(16)
#define RFLAGS_AC    BIT(18)
#define RFLAGS_ARITH 0x8d5ULL /* CF, PF, AF, ZF, SF, OF */
#define RFLAGS_IOPL3 0x3000ULL

#define DR6_BS BIT(14)
#define DR6_B0 BIT(0)

enum { EXC_DE, EXC_DB, EXC_NMI, EXC_BP, EXC_OF, EXC_BR, EXC_UD, EXC_NM, EXC_DF };
enum { EXC_TS = 10, EXC_NP, EXC_SS, EXC_GP, EXC_PF, EXC_MF = 16, EXC_AC, EXC_MC, EXC_XM };

#define MSR_TSC		 0x10
#define MSR_APIC_BASE	 0x1b
#define MSR_SYSENTER_CS	 0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_PAT		 0x277
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC	 0x800
#define MSR_EFER	 0xc0000080
#define MSR_STAR	 0xc0000081
#define MSR_LSTAR	 0xc0000082
#define MSR_CSTAR	 0xc0000083
#define MSR_SFMASK	 0xc0000084
#define MSR_FS_BASE	 0xc0000100
#define MSR_GS_BASE	 0xc0000101
#define MSR_KERNEL_GS	 0xc0000102
#define MSR_TSC_AUX	 0xc0000103
#define MSR_KVM_CLOCK	 0x4b564d01

#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(sub));
	return r;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* One row of .fixup: a fault at the first address goes on at the second, and its vector is kept (lib/trap.h). */
#define FIXUP(at, to) ".pushsection .fixup, \"a\"\n\t.quad " at ", " to "\n\t.popsection\n\t"

/* False: it raised an exception. */
static inline bool rdmsr_safe(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0, done = 0;

	__asm__ volatile("1: rdmsr\n\t"
			 "mov $1, %2\n\t"
			 "2:\n\t" FIXUP("1b", "2b")
			 : "+a"(low), "=d"(high), "+r"(done)
			 : "c"(msr));
	*value = (uint64_t)high << 32 | low;
	return done;
}

static inline bool wrmsr_safe(uint32_t msr, uint64_t value)
{
	uint32_t done = 0;

	__asm__ volatile("1: wrmsr\n\t"
			 "mov $1, %0\n\t"
			 "2:\n\t" FIXUP("1b", "2b")
			 : "+r"(done)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
	return done;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

#define CR_ACCESSORS(n)                                                        \
	static inline uint64_t read_cr##n(void)                                \
	{                                                                      \
		uint64_t v;                                                    \
                                                                               \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                      \
	}                                                                      \
	static inline void write_cr##n(uint64_t v)                             \
	{                                                                      \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");     \
	}

CR_ACCESSORS(0)
CR_ACCESSORS(2)
CR_ACCESSORS(3)
CR_ACCESSORS(4)
CR_ACCESSORS(8)

#define DR_ACCESSORS(n)                                                        \
	static inline uint64_t read_dr##n(void)                                \
	{                                                                      \
		uint64_t v;                                                    \
                                                                               \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(v) : : "memory"); \
		return v;                                                      \
	}                                                                      \
	static inline void write_dr##n(uint64_t v)                             \
	{                                                                      \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(v) : "memory");     \
	}

DR_ACCESSORS(0)
DR_ACCESSORS(1)
DR_ACCESSORS(2)
DR_ACCESSORS(3)
DR_ACCESSORS(6)
DR_ACCESSORS(7)

static inline void cli(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void sti(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void sti_hlt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline void hlt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void invlpg(const void *p)
{
	__asm__ volatile("invlpg (%0)" : : "r"(p) : "memory");
}

/* KVM's convention: number in RAX, result in RAX. AMD's instruction, or Intel's. */
static inline int64_t vmmcall(uint64_t number)
{
	int64_t r;

	__asm__ volatile("vmmcall" : "=a"(r) : "a"(number) : "memory");
	return r;
}

static inline int64_t vmcall(uint64_t number)
{
	int64_t r;

	__asm__ volatile("vmcall" : "=a"(r) : "a"(number) : "memory");
	return r;
}

#endif
