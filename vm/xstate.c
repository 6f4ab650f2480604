/* SPDX-License-Identifier: BSD-2-Clause */
/* x87, SSE, AVX and further extended state. SDM vol. 1, chapter 13. */

#include "vm/xstate.h"
#include "arch/cpu.h"
#include "arch/msr.h"
#include "lib/string.h"

#define XCR0_OFFERED		(XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU)
#define CPUID1_ECX_XSAVE	BIT(26)
#define CPUID_EXT_RDTSCP	BIT(27)
#define FCW_RESET		0x037f /* after FNINIT; INIT and reset leave 0x40, which FXRSTOR cannot tell */
#define MXCSR_RESET		0x1f80
#define XSAVE_LEGACY_AND_HEADER 576
#define FIRST_EXTENDED		2 /* x87 and SSE are in the legacy part */
#define FXAREA_FCW		0
#define FXAREA_MXCSR		24

static uint64_t components;
static uint32_t area_size = 512;
static bool has_tsc_aux;

/* The standard form's size (SDM vol. 1, 13.4.3): the end of the last component; the processor's own sum may count more. */
uint32_t xstate_size(uint64_t mask)
{
	uint32_t size = XSAVE_LEGACY_AND_HEADER;

	for (uint32_t i = FIRST_EXTENDED; i < 63; i++) {
		struct cpuid_regs r;

		if (!(mask & components & BIT(i)))
			continue;
		r = cpuid(0xd, i);
		size = (uint32_t)max_u64(size, (uint64_t)r.eax + r.ebx);
	}
	return size;
}

void xstate_init(void)
{
	has_tsc_aux = cpuid(0x80000001, 0).edx & CPUID_EXT_RDTSCP;
	if (!(cpuid(1, 0).ecx & CPUID1_ECX_XSAVE))
		return;
	components = cpuid(0xd, 0).eax & XCR0_OFFERED;
	xstate_enable();
	xcr0_write(components);
	area_size = (uint32_t)max_u64(cpuid(0xd, 0).ebx, xstate_size(components));
	xcr0_write(XCR0_X87);
}

void xstate_enable(void)
{
	cr4_write(cr4_read() | CR4_OSFXSR | CR4_OSXMMEXCPT | (components ? CR4_OSXSAVE : 0));
	cr0_write((cr0_read() & ~(CR0_TS | CR0_EM)) | CR0_MP | CR0_NE);
}

uint64_t xstate_components(void)
{
	return components;
}

uint32_t xstate_frames(void)
{
	return (uint32_t)((area_size + PAGE_SIZE - 1) / PAGE_SIZE);
}

void xstate_reset(struct vcpu *v)
{
	uint8_t *area = v->xstate;

	memset(area, 0, xstate_frames() * PAGE_SIZE);
	*(uint16_t *)(area + FXAREA_FCW) = FCW_RESET;
	*(uint32_t *)(area + FXAREA_MXCSR) = MXCSR_RESET;
	/* XSTATE_BV = 0 would load the initial state of everything, MXCSR apart, which XRSTOR takes from the area. */
	v->xcr0 = XCR0_X87;
}

void xstate_save(struct vcpu *v)
{
	if (has_tsc_aux)
		v->tsc_aux = msr_read(MSR_TSC_AUX);
	if (!components) {
		__asm__ volatile("fxsave64 (%0)" : : "r"(v->xstate) : "memory");
		return;
	}
	/* Read it back from the CPU: not every machine lets us intercept XSETBV. */
	v->xcr0 = xcr0_read();
	xcr0_write(components);
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(v->xstate), "a"((uint32_t)components),
			   "d"((uint32_t)(components >> 32))
			 : "memory");
}

void xstate_load(struct vcpu *v)
{
	if (has_tsc_aux)
		msr_write(MSR_TSC_AUX, v->tsc_aux);
	if (!components) {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(v->xstate) : "memory");
		return;
	}
	xcr0_write(components);
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(v->xstate), "a"((uint32_t)components),
			   "d"((uint32_t)(components >> 32))
			 : "memory");
	xcr0_write(v->xcr0);
}

bool xcr0_valid(uint64_t value)
{
	uint64_t avx512 = value & XCR0_AVX512;

	if (!(value & XCR0_X87) || value & ~components)
		return false;
	if (value & XCR0_AVX && !(value & XCR0_SSE))
		return false;
	return !avx512 || (avx512 == XCR0_AVX512 && value & XCR0_AVX);
}
