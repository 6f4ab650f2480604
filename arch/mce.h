/* SPDX-License-Identifier: BSD-2-Clause */
/* Machine checks: what this CPU's banks say, and who can go on. SDM vol. 3, chapter "Machine-check architecture". */

#ifndef ARCH_MCE_H
#define ARCH_MCE_H

#include "lib/types.h"

/* Worst last. */
enum mce_end {
	MCE_GO_ON, /* corrected, or nobody has used what is lost */
	MCE_STOP,  /* whoever was interrupted cannot go on */
	MCE_CRASH, /* nothing that this CPU does is reliable any more */
};

/* On each CPU at its start: all banks report; what they hold from before is logged and dropped. */
INIT void mce_init(void);

/* What follows from this CPU's banks as they are. Any context, #MC handlers too. */
enum mce_end mce_judge(void);

/* One line for MCG_STATUS and for each bank that holds an error; @level as of log_write, and in its contexts. */
void mce_log(int level);

/* The errors were taken notice of, and the next machine check may come: until then it is a reset. */
void mce_clear(void);

#endif
