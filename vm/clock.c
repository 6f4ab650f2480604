/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst), as every Linux speaks it. */

#include "vm/clock.h"
#include "arch/cpu.h"
#include "arch/percpu.h"
#include "drivers/rtc.h"
#include "vm/gmem.h"

#define MSR_KVM_WALL_CLOCK 0x4b564d00
#define CLOCK_ENABLE	   BIT(0)
#define CLOCK_TSC_STABLE   1
#define CLOCK_PAUSED	   2 /* the guest was; it clears this when it has read it */
#define NS_PER_S	   1000000000ULL

/* ns = ((tsc - tsc_timestamp) << shift, or >> -shift) * mul >> 32, plus system_time */
struct clock_page {
	uint32_t version; /* odd while it is written */
	uint32_t pad0;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint8_t pad[2];
};
_Static_assert(sizeof(struct clock_page) == 32, "struct pvclock_vcpu_time_info");

struct wall_page {
	uint32_t version, sec, nsec;
};

static uint32_t clock_mul;
static int8_t clock_shift;
static uint64_t clock_tsc0;    /* host TSC of system time 0 */
static uint64_t clock_wall_ns; /* date at that time */

INIT void clock_init(void)
{
	uint64_t ticks_per_s = tsc_khz * 1000;

	/* Bring the rate to between 1 and 2 GHz, so that the 32-bit factor keeps its precision. */
	while (ticks_per_s > 2 * NS_PER_S) {
		ticks_per_s >>= 1;
		clock_shift--;
	}
	while (ticks_per_s <= NS_PER_S) {
		ticks_per_s <<= 1;
		clock_shift++;
	}
	clock_mul = (uint32_t)((NS_PER_S << 32) / ticks_per_s);
	clock_wall_ns = rtc_seconds() * NS_PER_S;
	clock_tsc0 = tsc_read();
}

uint64_t clock_wall(void)
{
	return clock_wall_ns / NS_PER_S + (tsc_read() - clock_tsc0) / (tsc_khz * 1000);
}

uint64_t clock_ns(uint64_t ticks)
{
	ticks = clock_shift < 0 ? ticks >> -clock_shift : ticks << clock_shift;
	return (uint64_t)((unsigned __int128)ticks * clock_mul >> 32);
}

/* Every vCPU's page has the same origin: all clocks of the machine agree. */
static int time_write(struct vcpu *v, uint64_t gpa)
{
	struct clock_page page = {
		.version = 2,
		.tsc_timestamp = clock_tsc0 + v->arch.tsc_offset,
		.mul = clock_mul,
		.shift = clock_shift,
		.flags = CLOCK_TSC_STABLE,
	};

	return guest_write(v->vm, gpa, &page, sizeof(page));
}

static int wall_write(struct vcpu *v, uint64_t gpa)
{
	struct wall_page page = {
		.version = 2,
		.sec = (uint32_t)(clock_wall_ns / NS_PER_S),
		.nsec = (uint32_t)(clock_wall_ns % NS_PER_S),
	};

	return guest_write(v->vm, gpa, &page, sizeof(page));
}

void clock_paused(struct vcpu *v)
{
	uint8_t flags = CLOCK_TSC_STABLE | CLOCK_PAUSED;
	uint64_t gpa = v->clock_msr & ~3ULL;

	/* It was memory when the guest named it; if it is no more, there is nobody to tell. */
	if (v->clock_msr & CLOCK_ENABLE)
		(void)guest_write(v->vm, gpa + offsetof(struct clock_page, flags), &flags,
				  sizeof(flags));
}

int clock_msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = msr == MSR_KVM_WALL_CLOCK ? v->wall_msr : v->clock_msr;
	return 0;
}

/* The address must be memory of this VM: a clock that nobody writes would be worse than a fault. */
int clock_msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	if (msr == MSR_KVM_WALL_CLOCK) {
		v->wall_msr = value;
		return wall_write(v, value & ~3ULL);
	}
	v->clock_msr = value;
	if (!(value & CLOCK_ENABLE))
		return 0;
	return time_write(v, value & ~3ULL);
}
