/* SPDX-License-Identifier: BSD-2-Clause */
/* Physical interrupts: (CPU, vector) pairs and who gets them. */

#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include "lib/types.h"

/* Vectors 32-47 are where the masked 8259s would deliver; then devices; then our own at the highest priority. */
#define VECTOR_PIC	  0x20
#define VECTOR_DEVICE	  0x30
#define VECTOR_DEVICE_END 0xf0
#define VECTOR_TIMER	  0xf0
#define VECTOR_IPI	  0xf1
#define VECTOR_ERROR	  0xfe
#define VECTOR_SPURIOUS	  0xff

struct cpu;

/*
 * Something that interrupts. @fn runs on the CPU that the vector belongs to, in the hypervisor, interrupts off,
 * before the LAPIC's EOI. It must be short and bounded.
 */
struct irq_source {
	void (*fn)(struct irq_source *source);
	struct cpu *cpu; /* whose vector it has now, NULL: none */
	uint8_t vector;
};

/* Give @source a vector on @cpu. 0, -EBUSY (it has one), -ENOSPC (all of the CPU's vectors are taken). */
int irq_bind(struct irq_source *source, struct cpu *cpu);

/* Take its vector back. The caller has made sure that the device will not use it again; what is on its way is lost. */
void irq_unbind(struct irq_source *source);

/* An interrupt came, on this CPU. Unknown ones are counted, acknowledged and forgotten. */
void irq_dispatch(uint8_t vector);

/* Handlers of our own vectors; set at boot. */
extern void (*irq_timer_fn)(void);
/* Interrupts at vectors that nobody has had; at vectors that had been given back. */
extern uint64_t irq_unclaimed, irq_stale;

#endif
