/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 8254 interval timer, and port 0x61 beside it. */

#ifndef VDEV_VPIT_H
#define VDEV_VPIT_H

#include "vdev/host.h"

#define VPIT_PORT 0x40 /* to 0x43 */
#define VPIT_NMI_PORT \
	0x61 /* NMI status and control: gate and output of counter 2, speaker, refresh */
#define VPIT_HZ 1193182ULL

/*
 * One counter. Time is counted in its input clocks since @start, exactly (no sum of rounded periods); @origin is the
 * clock at which the current count began, the first clock after the write that loaded it.
 */
struct vpit_counter {
	uint64_t start;	  /* host TSC of clock 0 */
	uint64_t origin;  /* clock */
	int64_t frozen;	  /* clocks that were counted when counting stopped */
	uint32_t count;	  /* the initial count in force, 1 to 65536; 0: none yet */
	uint32_t next;	  /* waits for the end of a period, or for a trigger; 0: none */
	uint64_t next_at; /* clock at which it takes force (modes 2 and 3) */
	uint8_t mode;	  /* 0 to 5 */
	uint8_t access;	  /* 1 low byte, 2 high byte, 3 low then high */
	uint8_t low;	  /* first byte of a write of two */
	bool bcd;
	bool write_high, read_high; /* the second byte is next */
	bool gate;
	bool counting;	 /* false: waits for a count, a second byte or a trigger */
	uint8_t latched; /* bytes of the latched count that are still to be read */
	bool status_latched;
	uint8_t status;
	uint16_t latch;
};

/* Everything here: any CPU, with the chips' lock (host.h) held. Counter 0's OUT is host->pit_output. */
struct vpit {
	const struct vdev_host *host;
	void *vm;
	struct timer timer;
	uint64_t edge; /* clock of counter 0 at which the timer is due: its OUT rises; 0: never */
	bool output;
	uint8_t control; /* port 0x61, writable bits */
	struct vpit_counter counter[3];
};

/* Counter 0's OUT is high from the start, without a call. */
void vpit_init(struct vpit *p, const struct vdev_host *host, void *vm);
void vpit_reset(struct vpit *p);
/* Cancel the timer, before the VM goes away. */
void vpit_stop(struct vpit *p);

/* Ports VPIT_PORT to VPIT_PORT + 3, VPIT_NMI_PORT; one byte. */
uint8_t vpit_read(struct vpit *p, uint16_t port);
void vpit_write(struct vpit *p, uint16_t port, uint8_t value);

#endif
