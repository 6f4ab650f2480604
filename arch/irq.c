/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts: allocation of (CPU, vector) pairs, and dispatch. */

#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/lock.h"

void (*irq_timer_fn)(void);
uint64_t irq_unclaimed, irq_stale;

static struct lock bind_lock = LOCK_INIT;

static void stale_fire(struct irq_source *source)
{
	(void)source;
	__atomic_fetch_add(&irq_stale, 1, __ATOMIC_RELAXED);
}

/* Has each vector that was given back: a message may have been on its way. */
static struct irq_source stale = {.fn = stale_fire};

int irq_bind(struct irq_source *source, struct cpu *cpu)
{
	int err = -ENOSPC;

	if (source->cpu)
		return -EBUSY;
	lock_acquire(&bind_lock);
	for (uint32_t v = VECTOR_DEVICE; v < VECTOR_DEVICE_END; v++) {
		if (cpu->irq[v] && cpu->irq[v] != &stale)
			continue;
		source->cpu = cpu;
		source->vector = (uint8_t)v;
		__atomic_store_n(&cpu->irq[v], source, __ATOMIC_RELEASE);
		err = 0;
		break;
	}
	lock_release(&bind_lock);
	return err;
}

void irq_unbind(struct irq_source *source)
{
	lock_acquire(&bind_lock);
	if (source->cpu)
		__atomic_store_n(&source->cpu->irq[source->vector], &stale, __ATOMIC_RELEASE);
	source->cpu = NULL;
	lock_release(&bind_lock);
}

void irq_dispatch(uint8_t vector)
{
	struct cpu *cpu = this_cpu();
	struct irq_source *source;

	if (vector >= VECTOR_SPURIOUS)
		return; /* wants no EOI: SDM vol. 3, 10.9 */
	if (vector < VECTOR_DEVICE) {
		__atomic_fetch_add(&irq_unclaimed, 1, __ATOMIC_RELAXED);
		return; /* a spurious one of the masked 8259s: the LAPIC knows nothing of it */
	}
	cpu->irq_count++;
	source = __atomic_load_n(&cpu->irq[vector], __ATOMIC_ACQUIRE);
	if (source)
		source->fn(source); /* masks a level-triggered pin, and so comes before the EOI */
	else if (vector < VECTOR_DEVICE_END)
		__atomic_fetch_add(&irq_unclaimed, 1, __ATOMIC_RELAXED);
	lapic_eoi();
	if (vector == VECTOR_TIMER)
		irq_timer_fn();
	/* VECTOR_IPI: its work is in cpu->requests; to have left the guest is all it is for. */
}
