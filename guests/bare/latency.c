/* SPDX-License-Identifier: BSD-2-Clause */
/* A periodic job that sleeps in between: how late it wakes, as a histogram now and then, and how often not at all. */

#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR	  0x40
#define NS_PER_S  1000000000UL
#define NS_PER_US 1000UL
#define BUCKETS	  20 /* below 1 us, below 2, below 4, …; the last one: all the rest */

static volatile uint64_t came; /* ns */
static uint64_t buckets[BUCKETS];

static void on_timer(struct trap_frame *f)
{
	(void)f;
	came = clock_ns();
	apic_eoi();
}

static void sleep_until(uint64_t ns)
{
	uint64_t now = clock_ns(), wait = ns > now ? ns - now : 0;

	came = 0;
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ticks(wait) + 1);
	while (!came) {
		sti_hlt();
		cli();
	}
}

static uint32_t bucket_of(uint64_t ns)
{
	uint32_t n = 0;

	for (uint64_t us = ns / NS_PER_US; us && n < BUCKETS - 1; us >>= 1)
		n++;
	return n;
}

static void report(uint64_t wakes, uint64_t missed, uint64_t worst)
{
	print("latency: %lu wake-ups, %lu missed, worst %lu us;", wakes, missed, worst / NS_PER_US);
	for (uint32_t i = 0; i < BUCKETS; i++) {
		if (buckets[i])
			print(" <%u us: %lu", 1U << i, buckets[i]);
	}
	print("\n");
}

uint32_t guest_main(void)
{
	uint64_t period = cmdline_number("period", 10) * NS_PER_S / 1000;
	uint64_t every = cmdline_number("every", 1000), reports = cmdline_number("reports", 0);
	uint64_t next, worst = 0, wakes = 0, missed = 0;

	if (!clock_start())
		return 255;
	trap_handler(VECTOR, on_timer);
	apic_enable();
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	print("latency: a wake-up every %lu us\n", period / NS_PER_US);
	next = clock_ns();
	for (uint64_t done = 0; !reports || done < reports;) {
		uint64_t late, now = clock_ns();
		uint64_t behind =
			now > next ? (now - next) / period : 0; /* periods that are over already */

		missed += behind;
		next += (behind + 1) * period;
		sleep_until(next);
		late = came > next ? came - next : 0;
		worst = late > worst ? late : worst;
		buckets[bucket_of(late)]++;
		if (++wakes % every)
			continue;
		report(wakes, missed, worst);
		done++;
	}
	return 0;
}
