/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual clock with its memory: an MC146818 (Motorola's data sheet), with a century as PCs have it. */

#ifndef VDEV_VRTC_H
#define VDEV_VRTC_H

#include "vdev/host.h"

#define VRTC_BYTES 128

/*
 * Time is kept as seconds since 1970 that go on with the host's TSC; the registers are made of it when they are read.
 * The time of day has no zone: it is what the guest has set, at first the machine's.
 * Everything here: any CPU, with the chips' lock (host.h) held.
 */
struct vrtc {
	const struct vdev_host *host;
	void *vm;
	void (*irq)(void *vm, bool level); /* at changes only; the chips' lock is held */
	struct timer timer;
	uint64_t seconds; /* at TSC @origin, which a second begins at */
	uint64_t origin;
	uint64_t seen;	 /* the second up to which UF and AF are up to date */
	uint64_t period; /* the same for PF, in periods since @origin */
	uint8_t index;
	uint8_t flags; /* register C without IRQF */
	bool level;
	uint8_t ram[VRTC_BYTES]; /* alarms, settings, memory; the time while SET holds it */
};

/* @seconds: the time now, in seconds since 1970. Boot. */
void vrtc_init(struct vrtc *r, const struct vdev_host *host, void *vm,
	       void (*irq)(void *vm, bool level), uint64_t seconds);
/* The RESET pin: interrupts are off; the time and the memory stay. */
void vrtc_reset(struct vrtc *r);
/* Cancel the timer, before the VM goes away. */
void vrtc_stop(struct vrtc *r);

/* Ports 0x70 (@data false: the index; reads give ones) and 0x71. */
uint8_t vrtc_read(struct vrtc *r, bool data);
void vrtc_write(struct vrtc *r, bool data, uint8_t value);

#endif
