/* SPDX-License-Identifier: BSD-2-Clause */
/* Never idle: sums over all of a buffer that it writes anew each time, and every one must be right. */

#include "guest.h"

#define NS_PER_S 1000000000UL
#define WORDS	 (1U << 18) /* 2 MiB */
#define STEP	 0x9e3779b97f4a7c15UL

static uint64_t words[WORDS];

/* Fill with multiples of STEP from @seed on, and add them up. */
static bool round_is_right(uint64_t seed)
{
	uint64_t sum = 0, wanted;

	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = seed + i * STEP;
	__asm__ volatile("" : : : "memory"); /* the sum is of what memory holds */
	for (uint64_t i = 0; i < WORDS; i++)
		sum += words[i];
	wanted = WORDS * seed + STEP * ((uint64_t)WORDS * (WORDS - 1) / 2);
	return sum == wanted;
}

int guest_main(void)
{
	uint64_t every = option("every", 10) * NS_PER_S, reports = option("reports", 0);
	uint64_t next = now() + every, rounds = 0, wrong = 0;

	print("load: sums over %lu KiB\n", sizeof(words) / 1024);
	for (uint64_t done = 0; !reports || done < reports;) {
		wrong += !round_is_right(rounds++);
		if (now() < next)
			continue;
		next += every;
		print("load: %lu rounds, %lu wrong\n", rounds, wrong);
		done++;
	}
	return wrong != 0;
}
