/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends in the way how=WORD, on vCPU on=N: exit (with value=N), nowhere, reset, triple. */

#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/x86.h"

#define NOWHERE	    0x90000000UL
#define RESET_PORT  0xcf9
#define RESET_VALUE 6

static void triple(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} PACKED none = {0, 0};

	__asm__ volatile("lidt %0; ud2" : : "m"(none));
}

static void end(uint32_t number)
{
	const char *how = cmdline_word("how");

	(void)number;
	if (!how || list_has("exit", how))
		guest_exit((uint32_t)cmdline_number("value", 0));
	if (list_has("nowhere", how))
		((void (*)(void))NOWHERE)();
	if (list_has("reset", how))
		out8(RESET_PORT, RESET_VALUE);
	if (list_has("triple", how))
		triple();
	guest_exit(255);
}

uint32_t guest_main(void)
{
	apic_enable();
	smp_entry = end;
	if (!cmdline_number("on", 0))
		end(0);
	if (!smp_start(1))
		return 254;
	sti();
	for (;;)
		hlt();
}
