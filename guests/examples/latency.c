/* SPDX-License-Identifier: BSD-2-Clause */
/* A periodic job that sleeps in between: how late it wakes, as a histogram now and then, and how often not at all. */

#include "guest.h"

#define NS_PER_MS 1000000UL
#define NS_PER_US 1000UL
#define BUCKETS	  20 /* below 1 us, below 2, below 4, …; the last one: all the rest */

static uint64_t buckets[BUCKETS];

static void count(uint64_t ns)
{
	uint32_t n = 0;

	for (uint64_t us = ns / NS_PER_US; us && n < BUCKETS - 1; us >>= 1)
		n++;
	buckets[n]++;
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

int guest_main(void)
{
	uint64_t period = option("period", 10) * NS_PER_MS; /* ms */
	uint64_t every = option("every", 1000), reports = option("reports", 0);
	uint64_t next = now(), worst = 0, wakes = 0, missed = 0;

	print("latency: a wake-up every %lu us\n", period / NS_PER_US);
	for (uint64_t done = 0; !reports || done < reports;) {
		uint64_t behind = (now() - next) / period; /* periods that are over already */
		uint64_t late;

		missed += behind;
		next += (behind + 1) * period;
		sleep_until(next);
		late = now() - next;
		worst = late > worst ? late : worst;
		count(late);
		if (++wakes % every)
			continue;
		report(wakes, missed, worst);
		done++;
	}
	return 0;
}
