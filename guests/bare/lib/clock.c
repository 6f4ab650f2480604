/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading KVM's paravirtual clock. */

#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/x86.h"

#define FLAG_PAUSED 2 /* PVCLOCK_GUEST_STOPPED */

struct clock_page {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad[2];
};

static volatile struct clock_page pages[GUEST_VCPUS] ALIGNED(64);

bool clock_start(void)
{
	return wrmsr_safe(MSR_KVM_CLOCK, (uint64_t)&pages[vcpu_number()] | 1);
}

static uint64_t scaled(uint64_t ticks, uint32_t mul, int8_t shift)
{
	uint64_t low, high;

	ticks = shift < 0 ? ticks >> -shift : ticks << shift;
	__asm__("mulq %3" : "=a"(low), "=d"(high) : "0"(ticks), "rm"((uint64_t)mul));
	return low >> 32 | high << 32;
}

uint64_t clock_ns(void)
{
	volatile struct clock_page *p = &pages[vcpu_number()];
	uint64_t ns;
	uint32_t version;

	do {
		do
			version = p->version;
		while (version & 1);
		__asm__ volatile("lfence" : : : "memory");
		ns = p->system_time + scaled(rdtsc() - p->tsc_timestamp, p->mul, p->shift);
	} while (p->version != version);
	return ns;
}

bool clock_was_paused(void)
{
	volatile struct clock_page *p = &pages[vcpu_number()];
	bool paused = p->flags & FLAG_PAUSED;

	if (paused)
		p->flags &= (uint8_t)~FLAG_PAUSED;
	return paused;
}

uint64_t clock_ticks(uint64_t ns)
{
	volatile struct clock_page *p = &pages[vcpu_number()];
	uint64_t per_2_32 = scaled(1ULL << 32, p->mul, p->shift); /* ns of 2^32 ticks */

	return (ns << 16) / (per_2_32 >> 16);
}
