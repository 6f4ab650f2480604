/* SPDX-License-Identifier: BSD-2-Clause */
/* Other vCPUs: locks, and starting them by INIT and start-up IPIs. */

#ifndef GUEST_SMP_H
#define GUEST_SMP_H

#include "lib/types.h"

static inline void spin_lock(uint32_t *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(lock, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
	}
}

static inline void spin_unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* What each started vCPU runs; IDT loaded, interrupts off. When it returns the vCPU halts. Set before starting. */
extern void (*smp_entry)(uint32_t number);

/*
 * Start the vCPU with APIC id @id: INIT, then start-up IPI. False if it has not reached smp_entry within some seconds,
 * or if there is no RAM for the trampoline below 640 KiB.
 */
bool smp_start(uint32_t id);

/* vCPUs that have reached smp_entry, the boot one included. */
uint32_t smp_running(void);

#endif
