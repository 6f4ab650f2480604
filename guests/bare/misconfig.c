/* SPDX-License-Identifier: BSD-2-Clause */
/* Has an entry of its own nested table spoiled by the image with hooks (tests/hooks), bits=N, and touches what it maps. */

#include "../../tests/hooks/hooks.h"
#include "lib/guest.h"
#include "lib/x86.h"

#define FAR 0xc00000UL /* RAM that nothing else is in */

uint32_t guest_main(void)
{
	uint64_t bits = cmdline_number("bits", 1);
	volatile uint64_t *word = (volatile uint64_t *)FAR;
	uint64_t result;

	*word = 1;
	print("misconfig: touched before\n");
	if (cmdline_word("amd"))
		__asm__ volatile("vmmcall"
				 : "=a"(result)
				 : "a"((uint64_t)HOOK_NESTED), "b"(FAR), "c"(bits)
				 : "memory");
	else
		__asm__ volatile("vmcall"
				 : "=a"(result)
				 : "a"((uint64_t)HOOK_NESTED), "b"(FAR), "c"(bits)
				 : "memory");
	print("misconfig: spoiled, %lx\n", result);
	*word = 2;
	print("misconfig: still here\n");
	return 1;
}
