/* SPDX-License-Identifier: BSD-2-Clause */
/* NMIs of the machine at each instruction where one could be slept over, or entered over; by the image with hooks. */

#include "../../tests/hooks/hooks.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define ASLEEP	 1
#define PATIENCE 20000000 /* TSC ticks without an exit; afterwards any exit brings what was lost */

static volatile uint32_t came;

static void on_nmi(struct trap_frame *f)
{
	(void)f;
	came++;
}

static uint64_t arm(uint64_t place)
{
	uint64_t result;

	if (cmdline_word("amd"))
		__asm__ volatile("vmmcall"
				 : "=a"(result)
				 : "a"((uint64_t)HOOK_RACE), "b"(place)
				 : "memory");
	else
		__asm__ volatile("vmcall"
				 : "=a"(result)
				 : "a"((uint64_t)HOOK_RACE), "b"(place)
				 : "memory");
	return result;
}

uint32_t guest_main(void)
{
	uint32_t places = 0, bad = 0;

	trap_handler(EXC_NMI, on_nmi);
	cli();
	for (;; places++) {
		uint64_t kind = arm(places), start = rdtsc();

		if (!kind)
			break;
		if (kind == ASLEEP)
			hlt();
		while (came != places + 1 && rdtsc() - start < PATIENCE)
			;
		if (came != places + 1) {
			print("race: place %u: %u NMIs\n", places, came);
			bad++;
			break;
		}
	}
	print("race: %u places, %u NMIs\n", places, came);
	return bad || !places;
}
