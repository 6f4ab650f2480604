/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting other vCPUs. SDM vol. 3, 8.4.4. */

#include "lib/smp.h"
#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define LOW_END	     0xa0000UL
#define INIT_WAIT    10000000UL /* ticks; nothing here depends on their length */
#define START_ROUNDS 20000000U

extern uint8_t ap_trampoline[], ap_trampoline_end[];

void (*smp_entry)(uint32_t number);
static uint32_t running = 1;

void ap_start(uint32_t number);

void ap_start(uint32_t number)
{
	trap_load();
	__atomic_fetch_add(&running, 1, __ATOMIC_SEQ_CST);
	smp_entry(number);
	for (;;)
		hlt();
}

uint32_t smp_running(void)
{
	return __atomic_load_n(&running, __ATOMIC_SEQ_CST);
}

/* The highest page of RAM below 640 KiB that holds nothing of ours. */
static uint64_t trampoline_place(void)
{
	for (uint64_t at = LOW_END - PAGE_SIZE; at >= PAGE_SIZE; at -= PAGE_SIZE) {
		if (memmap_is_ram(at, PAGE_SIZE) && at > (uint64_t)start_info + PAGE_SIZE)
			return at;
	}
	for (uint64_t at = LOW_END - PAGE_SIZE; at >= PAGE_SIZE; at -= PAGE_SIZE) {
		if (memmap_is_ram(at, PAGE_SIZE) && at + PAGE_SIZE <= (uint64_t)start_info)
			return at;
	}
	return 0;
}

/* Interrupts are let in: Bochs never leaves a guest that keeps them out, and the other vCPU may need this CPU. */
static void wait_a_moment(void)
{
	sti();
	pause();
	cli();
}

static void wait_ticks(uint64_t ticks)
{
	uint64_t end = rdtsc() + ticks;

	while (rdtsc() < end)
		wait_a_moment();
}

bool smp_start(uint32_t id)
{
	static uint64_t page;
	uint32_t before = smp_running();

	if (!page) {
		page = trampoline_place();
		if (!page)
			return false;
		memcpy((void *)page, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	}
	apic_ipi(id, ICR_INIT | ICR_ASSERT);
	wait_ticks(INIT_WAIT);
	apic_ipi(id, ICR_STARTUP | ICR_ASSERT | (uint32_t)(page / PAGE_SIZE));
	for (uint32_t i = 0; i < START_ROUNDS; i++) {
		if (smp_running() != before)
			return true;
		wait_a_moment();
	}
	return false;
}
