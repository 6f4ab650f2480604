/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical local APIC, in xAPIC or x2APIC mode; its timer. */

#include "arch/lapic.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/msr.h"
#include "arch/paging.h"

/* Register offsets of the page; the x2APIC MSR is 0x800 + offset / 16. SDM vol. 3, table 11-1. */
#define APIC_ID		 0x020
#define APIC_TPR	 0x080
#define APIC_EOI	 0x0b0
#define APIC_LDR	 0x0d0
#define APIC_SVR	 0x0f0
#define APIC_ESR	 0x280
#define APIC_LVT_CMCI	 0x2f0
#define APIC_ICR	 0x300
#define APIC_ICR_HIGH	 0x310
#define APIC_LVT_TIMER	 0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF	 0x340
#define APIC_LVT_LINT0	 0x350
#define APIC_LVT_LINT1	 0x360
#define APIC_LVT_ERROR	 0x370
#define APIC_VERSION	 0x030
#define APIC_TIMER_INIT	 0x380
#define APIC_TIMER_NOW	 0x390
#define APIC_TIMER_DIV	 0x3e0

#define SVR_ENABLE	 0x100
#define LVT_MASKED	 0x10000
#define LVT_DELIVERY_NMI 0x400
#define LVT_TSC_DEADLINE 0x40000
#define TIMER_DIV_1	 0xb
#define ICR_FIXED	 0x0000
#define ICR_NMI		 0x0400
#define ICR_INIT	 0x0500
#define ICR_STARTUP	 0x0600
#define ICR_PENDING	 0x1000
#define ICR_ASSERT	 0x4000
#define ICR_OTHERS	 0xc0000
#define ICR_SPINS	 100000
#define TICKS_MAX \
	BIT(31) /* its product with tick_mul fits 64 bits even where the timer is the faster */
#define CPUID1_ECX_X2APIC   BIT(21)
#define CPUID1_ECX_DEADLINE BIT(24)

static volatile uint32_t *page;
static bool x2apic, deadline_mode;
/* timer ticks = TSC ticks * tick_mul >> 32 */
static uint64_t tick_mul;

static inline uint32_t reg_read(uint32_t reg)
{
	if (x2apic)
		return (uint32_t)msr_read(MSR_X2APIC_BASE + reg / 16);
	return page[reg / 4];
}

static inline void reg_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		msr_write(MSR_X2APIC_BASE + reg / 16, value);
	else
		page[reg / 4] = value;
}

int lapic_init(hpa_t base)
{
	uint32_t features = cpuid(1, 0).ecx;

	x2apic = features & CPUID1_ECX_X2APIC;
	deadline_mode = features & CPUID1_ECX_DEADLINE;
	if (x2apic)
		return 0;
	page = mmio_map(base, PAGE_SIZE);
	return page ? 0 : -ENOMEM;
}

void lapic_enable(void)
{
	static const uint16_t lvts[] = {APIC_LVT_TIMER, APIC_LVT_LINT0, APIC_LVT_LINT1,
					APIC_LVT_ERROR, APIC_LVT_PERF,	APIC_LVT_THERMAL};
	uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;
	uint32_t highest;

	msr_write(MSR_APIC_BASE, base);
	if (x2apic)
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	highest = reg_read(APIC_VERSION) >> 16 & 0xff;
	reg_write(APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
	for (uint32_t i = 0; i < ARRAY_SIZE(lvts) && i <= highest; i++)
		reg_write(lvts[i], LVT_MASKED);
	reg_write(APIC_TPR, 0);
	reg_write(APIC_ESR, 0);
	reg_write(APIC_LVT_ERROR, VECTOR_ERROR);
	/* An NMI button or watchdog stays audible: it becomes a flag that the run loop sees. */
	reg_write(APIC_LVT_LINT1, LVT_DELIVERY_NMI);
	reg_write(APIC_TIMER_DIV, TIMER_DIV_1);
}

uint32_t lapic_id(void)
{
	uint32_t id = reg_read(APIC_ID);

	return x2apic ? id : id >> 24;
}

bool lapic_is_x2apic(void)
{
	return x2apic;
}

void lapic_eoi(void)
{
	reg_write(APIC_EOI, 0);
}

static void icr_write(uint32_t apic_id, uint32_t command)
{
	if (x2apic) {
		__asm__ volatile("mfence; lfence" : : : "memory"); /* SDM vol. 3, 11.12.3 */
		msr_write(MSR_X2APIC_BASE + APIC_ICR / 16, (uint64_t)apic_id << 32 | command);
		return;
	}
	for (uint32_t i = 0; i < ICR_SPINS && page[APIC_ICR / 4] & ICR_PENDING; i++)
		cpu_pause();
	page[APIC_ICR_HIGH / 4] = apic_id << 24;
	page[APIC_ICR / 4] = command;
}

void lapic_ipi(uint32_t apic_id, uint8_t vector)
{
	icr_write(apic_id, ICR_FIXED | ICR_ASSERT | vector);
}

void lapic_nmi(uint32_t apic_id)
{
	icr_write(apic_id, ICR_NMI | ICR_ASSERT);
}

void lapic_nmi_others(void)
{
	if (x2apic || page)
		icr_write(0, ICR_NMI | ICR_ASSERT | ICR_OTHERS);
}

void lapic_init_ipi(uint32_t apic_id)
{
	icr_write(apic_id, ICR_INIT | ICR_ASSERT);
}

void lapic_startup_ipi(uint32_t apic_id, uint8_t start_page)
{
	icr_write(apic_id, ICR_STARTUP | ICR_ASSERT | start_page);
}

void lapic_timer_free_run(void)
{
	reg_write(APIC_LVT_TIMER, LVT_MASKED);
	reg_write(APIC_TIMER_INIT, UINT32_MAX);
}

uint64_t lapic_timer_elapsed(void)
{
	return UINT32_MAX - reg_read(APIC_TIMER_NOW);
}

void lapic_timer_rates(uint64_t timer_khz, uint64_t tsc_khz)
{
	tick_mul = (timer_khz << 32) / tsc_khz;
}

void lapic_timer_arm(uint64_t tsc)
{
	uint64_t now, ticks;

	if (deadline_mode) {
		reg_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* the LVT write must be there before the deadline: SDM vol. 3, 11.5.4.1 */
		__asm__ volatile("mfence" : : : "memory");
		msr_write(MSR_TSC_DEADLINE, tsc ? tsc : 1);
		return;
	}
	now = tsc_read();
	ticks = tsc > now ? tsc - now : 1;
	/* Far deadlines fire early, at the counter's range, and are armed again by the timer heap. */
	ticks = min_u64(ticks, TICKS_MAX) * tick_mul >> 32;
	reg_write(APIC_LVT_TIMER, VECTOR_TIMER);
	reg_write(APIC_TIMER_INIT, (uint32_t)min_u64(max_u64(ticks + 1, 1), UINT32_MAX));
}

void lapic_timer_stop(void)
{
	if (deadline_mode)
		msr_write(MSR_TSC_DEADLINE, 0);
	else
		reg_write(APIC_TIMER_INIT, 0);
}
