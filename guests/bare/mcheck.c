/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks by the image with hooks (tests/hooks): root, exit or entry says where, corrected … corrupt which ones. */

#include "../../tests/hooks/hooks.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define RIPV BIT(0)
#define EIPV BIT(1)
#define MCIP BIT(2)

#define CORRECTED   (BIT(63) | BIT(60) | BIT(59) | BIT(58)) /* VAL, EN, MISCV, ADDRV */
#define UNCORRECTED (CORRECTED | BIT(61))
#define PCC	    BIT(57)
#define S	    BIT(56)
#define AR	    BIT(55)

static const struct {
	const char *name;
	uint64_t mcg, status;
} kinds[] = {
	{"corrected", MCIP | RIPV,	   CORRECTED	    },
	{"deferred",  MCIP | RIPV,	  UNCORRECTED | S	 },
	{"another",   MCIP | RIPV,	 UNCORRECTED | S | AR},
	{"consumed",  MCIP | RIPV | EIPV, UNCORRECTED | S | AR},
	{"lost",	 MCIP,	       UNCORRECTED | S     },
	{"corrupt",   MCIP | RIPV,	 UNCORRECTED | PCC	  },
};

static uint64_t hook(uint64_t call, uint64_t b, uint64_t c)
{
	uint64_t result;

	if (cmdline_word("amd"))
		__asm__ volatile("vmmcall" : "=a"(result) : "a"(call), "b"(b), "c"(c) : "memory");
	else
		__asm__ volatile("vmcall" : "=a"(result) : "a"(call), "b"(b), "c"(c) : "memory");
	return result;
}

static void on_mc(struct trap_frame *f)
{
	(void)f;
	print("mcheck: the guest was given it\n");
}

uint32_t guest_main(void)
{
	uint64_t where = cmdline_word("root")	 ? HOOK_MCE_ROOT
			 : cmdline_word("entry") ? HOOK_MCE_ENTRY
						 : HOOK_MCE_EXIT;
	uint64_t left = 0;

	trap_handler(EXC_MC, on_mc);
	for (uint32_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!cmdline_word(kinds[i].name))
			continue;
		print("mcheck: %s\n", kinds[i].name);
		hook(HOOK_MCE, kinds[i].mcg, kinds[i].status);
		hook(where, 0, 0);
		cpuid(0, 0);
		left |= hook(HOOK_MCE_LEFT, 0, 0);
		print("mcheck: goes on, left %lx\n", left);
	}
	return left ? 1 : 0;
}
