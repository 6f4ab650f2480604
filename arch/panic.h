/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own faults: the crash record. Nothing that a guest, a device or a firmware table does may lead here. */

#ifndef ARCH_PANIC_H
#define ARCH_PANIC_H

#include "lib/types.h"

struct trap_frame;

/* Write what is known to the log, synchronously, stop the other CPUs, and halt. Any context. */
NORETURN void panic(const char *fmt, ...) PRINTF(1, 2);
/* Has some CPU crashed? The others then stop at the NMI that it sends. */
bool panic_in_progress(void);
NORETURN void crash_trap(const struct trap_frame *f);

/* An invariant of ours; stays in release builds. */
#define ASSERT(cond)                                                \
	do {                                                        \
		if (unlikely(!(cond)))                              \
			panic("%s:%d: " #cond, __FILE__, __LINE__); \
	} while (0)

/* A machine check came while a guest ran, and is worse than that guest's end. */
NORETURN void crash_machine_check(void);

#endif
