/* SPDX-License-Identifier: BSD-2-Clause */
/* Several vCPUs: all are started, share one sum between them, and the result must be right. */

#include "guest.h"

#define NUMBERS 10000000UL

static uint32_t count; /* of vCPUs; 0: not known yet */
static uint64_t sum;   /* of all numbers below NUMBERS */
static uint32_t finished;

/* Its share: every count-th number, from its own on. */
static void add(uint32_t number)
{
	uint64_t part = 0;

	while (!__atomic_load_n(&count, __ATOMIC_ACQUIRE))
		pause();
	for (uint64_t i = number; i < NUMBERS; i += count)
		part += i;
	print("smp: vCPU %u, APIC id %u: its part is %lu\n", number, apic_id(), part);
	__atomic_fetch_add(&sum, part, __ATOMIC_RELAXED);
	__atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
}

int guest_main(void)
{
	bool right;

	__atomic_store_n(&count, vcpus_start(add), __ATOMIC_RELEASE);
	add(0);
	while (__atomic_load_n(&finished, __ATOMIC_ACQUIRE) < count)
		pause();
	right = sum == NUMBERS * (NUMBERS - 1) / 2;
	print("smp: %u vCPUs, the sum is %lu: %s\n", count, sum, right ? "right" : "WRONG");
	return !right || count != option("cpus", count);
}
