/* SPDX-License-Identifier: BSD-2-Clause */
/* What a virtual device may ask of the VM that it is part of; all it knows of its VM. */

#ifndef VDEV_HOST_H
#define VDEV_HOST_H

#include "arch/vcpu.h"
#include "lib/timer.h"

/* Delivery modes of an interrupt message: ICR, RTE, MSI and LVT alike. SDM vol. 3, 11.5.1, 11.6.1. */
enum apic_mode {
	APIC_MODE_FIXED = 0,
	APIC_MODE_LOWEST = 1,
	APIC_MODE_SMI = 2,
	APIC_MODE_NMI = 4,
	APIC_MODE_INIT = 5,
	APIC_MODE_SIPI = 6,
	APIC_MODE_EXTINT = 7,
};

/* Destination shorthands, numbered as in ICR bits 19:18. */
enum apic_shorthand {
	APIC_TO_DEST = 0,
	APIC_TO_SELF = 1,
	APIC_TO_ALL = 2,
	APIC_TO_OTHERS = 3,
};

#define APIC_NO_SOURCE UINT32_MAX

/* An interrupt message on its way to the local APICs of one VM. */
struct apic_msg {
	uint32_t dest;	   /* APIC id, or logical destination */
	uint32_t source;   /* number of the sending vCPU; APIC_NO_SOURCE: a device */
	uint8_t vector;	   /* of a start-up IPI: the page */
	uint8_t mode;	   /* enum apic_mode */
	uint8_t shorthand; /* enum apic_shorthand; anything but APIC_TO_DEST needs a source */
	bool logical;
	bool dest8; /* the sender has 8 destination bits (xAPIC ICR, RTE, MSI): 0xff is everybody */
	bool level; /* level-triggered: its EOI is broadcast to the I/O APICs */
};

/* What init_sipi is asked to do to a vCPU. */
enum vdev_signal { VDEV_INIT, VDEV_SIPI, VDEV_NMI };

/*
 * All pointers must be set. Interrupts are off in all of them. "The chips' lock" is the one that the caller of
 * vioapic_*, vpic_* and vpit_* holds; functions called with it held must not take it.
 */
struct vdev_host {
	uint64_t tsc_khz; /* rate of now(); below 2^24 */

	/* Host TSC, the same on all CPUs. */
	uint64_t (*now)(void *vm);
	/*
	 * Call t->fn(t) at @deadline (host TSC) or as soon as possible after it, never from inside timer_set; an
	 * armed timer is moved. A vLAPIC's timer function must run on the CPU of its vCPU. No lock is held in t->fn.
	 */
	void (*timer_set)(void *vm, struct timer *t, uint64_t deadline);
	/* Harmless if not armed; t->fn may still come once if it was already due. */
	void (*timer_cancel)(void *vm, struct timer *t);
	/* The chips' lock; devices take it in timer functions only. */
	void (*chips_lock)(void *vm);
	void (*chips_unlock)(void *vm);

	/* Deliver a message: vlapic_route over the VM's vLAPICs. Called with or without the chips' lock. */
	void (*apic_msg)(void *vm, const struct apic_msg *msg);
	/* Something became pending in vCPU @vcpu's vLAPIC: wake it, or make it leave the guest. On any CPU. */
	void (*kick)(void *vm, uint32_t vcpu);
	/* @what: enum vdev_signal; @page of a start-up IPI. On any CPU. */
	void (*init_sipi)(void *vm, uint32_t vcpu, int what, uint8_t page);
	/* vCPU @vcpu's registers are in its page from now on, for the processor to use; no longer. On its own CPU. */
	void (*apic_virtual)(void *vm, uint32_t vcpu, bool on);
	/* A level-triggered vector was ended by a vCPU: take the chips' lock, call vioapic_eoi. Lock not held. */
	void (*eoi_broadcast)(void *vm, uint8_t vector);

	/* I/O APIC @ioapic (its number): RTE of @pin changed; read it with vioapic_rte. Chips' lock held. */
	void (*pin_changed)(void *vm, uint32_t ioapic, uint32_t pin);
	/* The guest ended a level interrupt of @pin: a passed-through pin is lowered and unmasked now. Chips' lock held. */
	void (*pin_eoi)(void *vm, uint32_t ioapic, uint32_t pin);
	/* The master 8259A's INT output changed: hand it to LINT0 (vlapic_lint). Chips' lock held. */
	void (*pic_output)(void *vm, bool level);
	/* Masks of both 8259As changed: bit n is IRQ n. Chips' lock held. */
	void (*pic_masked)(void *vm, uint16_t mask);
	/* IRQ @irq was ended at its 8259A. Chips' lock held. */
	void (*pic_eoi)(void *vm, uint32_t irq);
	/* OUT of the 8254's counter 0 changed: IRQ 0. Chips' lock held. */
	void (*pit_output)(void *vm, bool level);

	void (*log)(void *vm, const char *fmt, ...) PRINTF(2, 3);
};

/* No periodic timer of a guest's device is armed less than this ahead, so that a silly period cannot eat the CPU. */
#define VDEV_TIMER_FLOOR_NS 20000

#define NS_PER_MS 1000000ULL

/* floor(@n * @num / @den), exact; @den * @num must fit 64 bits, and so must the result. */
static inline uint64_t ratio_floor(uint64_t n, uint64_t num, uint64_t den)
{
	return n / den * num + n % den * num / den;
}

/* The same, rounded up. */
static inline uint64_t ratio_ceil(uint64_t n, uint64_t num, uint64_t den)
{
	return n / den * num + (n % den * num + den - 1) / den;
}

#endif
