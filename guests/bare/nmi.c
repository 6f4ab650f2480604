/* SPDX-License-Identifier: BSD-2-Clause */
/* count=N times: waits for a byte on COM1, sleeps with IF = 0, so that only an NMI wakes it, and says so. Service guest. */

#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define COM1_DATA   0x3f8
#define COM1_STATUS 0x3fd
#define DATA_READY  BIT(0)

static volatile uint32_t came;

static void on_nmi(struct trap_frame *f)
{
	(void)f;
	came++;
}

uint32_t guest_main(void)
{
	uint32_t wanted = (uint32_t)cmdline_number("count", 1);

	trap_handler(EXC_NMI, on_nmi);
	for (uint32_t n = 1; n <= wanted; n++) {
		print("nmi: ready %u\n", n);
		while (!(in8(COM1_STATUS) & DATA_READY))
			pause();
		in8(COM1_DATA);
		while (came < n)
			hlt();
		print("nmi: awake %u\n", n);
	}
	return came == wanted ? 0 : 1;
}
