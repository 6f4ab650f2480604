/* SPDX-License-Identifier: BSD-2-Clause */
/* Ticket locks: the wait. */

#include "lib/lock.h"

/* Ends after as many critical sections as tickets were drawn before, each of them bounded. */
void lock_wait(struct lock *l, uint32_t ticket)
{
	while (atomic_load_u32(&l->serving) != ticket)
		__builtin_ia32_pause();
}
