/* SPDX-License-Identifier: BSD-2-Clause */
/* A region shared with other VMs, and doorbells (docs/configuration.md, "Shared regions"). */

#ifndef GUEST_SHM_H
#define GUEST_SHM_H

#include "lib/types.h"

#define SHM_PCI_ID  0x1af41110U
#define SHM_VECTORS 8

/* Indexes of 32-bit registers in BAR 0 */
enum { SHM_MASK, SHM_STATUS, SHM_POSITION, SHM_DOORBELL };

struct shm {
	uint16_t bdf;
	volatile uint32_t *regs;
	volatile uint32_t *table; /* MSI-X: address low and high, data, control of each vector */
	volatile uint8_t *memory; /* NULL: this VM sees none */
	uint64_t size;
	uint32_t peer;	/* this VM's own id */
	uint8_t rights; /* 0 none, 1 read, 2 read and write */
	char name[32];
};

/* The region called @name, or with NULL the first one. False: there is none. */
bool shm_open(struct shm *s, const char *name);
/* Doorbell @n arrives as interrupt @vector at this vCPU from now on; MSI-X is on. */
void shm_vector(struct shm *s, uint32_t n, uint8_t vector);
/* Ring doorbell @n of @peer. */
void shm_ring(const struct shm *s, uint32_t peer, uint32_t n);

#endif
