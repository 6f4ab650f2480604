/* SPDX-License-Identifier: BSD-2-Clause */
/* One processor sends the other NMIs of the machine, none of which may be lost. Service guest with two vCPUs. */

/*
 * count=N of them, by the image with hooks (tests/hooks), each when the one before has arrived. The receiver sleeps,
 * computes, or exits all the time.
 */

#include "../../tests/hooks/hooks.h"
#include "lib/acpi.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define SPREAD 97 /* so that they come at different places */

static volatile uint32_t came, done;
static volatile uint32_t arrived;
static uint32_t wanted, lost;
static uint64_t patience; /* TSC ticks */

static void on_nmi(struct trap_frame *f)
{
	(void)f;
	came++;
}

static void send(void)
{
	uint64_t result;

	if (cmdline_word("amd"))
		__asm__ volatile("vmmcall" : "=a"(result) : "a"((uint64_t)HOOK_NMI) : "memory");
	else
		__asm__ volatile("vmcall" : "=a"(result) : "a"((uint64_t)HOOK_NMI) : "memory");
}

static void sender(uint32_t number)
{
	(void)number;
	for (uint32_t n = 1; n <= wanted && !lost; n++) {
		uint64_t end = rdtsc() + patience;

		for (volatile uint32_t i = 0; i < n * SPREAD % 1009; i++)
			;
		send();
		while (came < n && !lost)
			lost = rdtsc() > end;
	}
	arrived = came;
	done = 1;
	/* It may have gone to sleep just before the last one came: that is this guest's own race. */
	for (;;) {
		for (volatile uint32_t i = 0; i < SPREAD * SPREAD; i++)
			;
		send();
	}
}

/* A third of them finds it asleep, with IF = 0. */
static void receive(void)
{
	while (!done) {
		switch (came % 3) {
		case 0:
			if (came < wanted)
				hlt();
			break;
		case 1:
			cpuid(0, 0);
			break;
		default:
			break;
		}
	}
}

uint32_t guest_main(void)
{
	uint32_t ids[2];

	wanted = (uint32_t)cmdline_number("count", 100);
	patience = cmdline_number("patience", 50000000);
	trap_handler(EXC_NMI, on_nmi);
	if (madt_cpus(ids, 2) != 2)
		return 2;
	smp_entry = sender;
	if (!smp_start(ids[1]))
		return 3;
	receive();
	print("nmistorm: %u sent, %u came, lost %u\n", wanted, arrived, lost);
	return arrived == wanted ? 0 : 1;
}
