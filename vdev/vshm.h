/* SPDX-License-Identifier: BSD-2-Clause */
/* The PCI function by which a VM has a shared region and its peers' doorbells: registers as ivshmem's, revision 1. */

#ifndef VDEV_VSHM_H
#define VDEV_VSHM_H

#include "lib/types.h"

/*
 * The layout is QEMU's (docs/specs/ivshmem-spec): vendor 1af4, device 1110.
 *
 *   BAR 0  page of registers: 0 interrupt mask, 4 interrupt status (reading clears it), 8 own peer id,
 *          12 doorbell: peer id << 16 | vector
 *   BAR 1  page with the MSI-X table, the pending bits at 0x800
 *   BAR 2  the memory, 64 bits wide; there is none where the VM has no right to it
 *
 * Besides, a vendor-specific capability says which region this is: a byte of rights (enum vshm_rights), then the name.
 * A doorbell sets a pending bit of MSI-X, which goes as soon as nothing masks it; while MSI-X is off, it sets bit 0 of
 * the status, which asserts INTA unless the mask lacks it. So what a peer does can make one interrupt of each vector
 * wait, never more.
 *
 * Context: any CPU; the caller holds one lock around every call, also while the operations are called back.
 */

#define VSHM_ID	      0x11101af4U
#define VSHM_VECTORS  8
#define VSHM_NAME     32
#define VSHM_BARS     3
#define VSHM_MEMORY   2 /* BAR of the region */
#define VSHM_PAGE     4096
#define VSHM_BAR_OFF  (~0ULL)
#define VSHM_CAP_NAME 0x50 /* offset of the vendor-specific capability */

enum vshm_rights { VSHM_NONE, VSHM_RO, VSHM_RW };

struct vshm_ops {
	void (*message)(void *arg, uint64_t addr, uint32_t data);
	void (*line)(void *arg, bool level); /* of INTA; each call is a change */
};

/* What stays the same for good. */
struct vshm_config {
	char name[VSHM_NAME];
	enum vshm_rights rights;
	uint64_t size; /* of the region: a power of two, at least a page */
	uint16_t peer; /* its own id */
	bool multi;    /* function 0 of several */
	uint8_t irq;   /* that INTA is wired to; 0: it has no INTA */
	uint64_t base
		[VSHM_BARS]; /* where firmware has put the BARs; all 0: nowhere, it decodes nothing */
};

struct vshm_vector {
	uint64_t addr;
	uint32_t data;
	bool masked;
};

struct vshm {
	const struct vshm_ops *ops;
	void *arg;
	struct vshm_config cfg;
	uint16_t command, msix; /* the registers' bits that can be written */
	uint8_t int_line;
	bool asserted;
	uint32_t bar[4]; /* 2 and 3: both halves of the region's */
	uint32_t mask, status;
	uint32_t pending; /* bit n: vector n */
	struct vshm_vector vector[VSHM_VECTORS];
};

void vshm_init(struct vshm *s, const struct vshm_config *cfg, const struct vshm_ops *ops,
	       void *arg);

/* As firmware leaves it; pending doorbells are forgotten. */
void vshm_reset(struct vshm *s);

/* Configuration space. @size 1, 2, 4; what reaches out of one dword is not answered. */
uint32_t vshm_config_read(const struct vshm *s, uint32_t off, uint8_t size);
void vshm_config_write(struct vshm *s, uint32_t off, uint8_t size, uint32_t value);

/* Where BAR @n decodes now, a multiple of vshm_bar_size, or VSHM_BAR_OFF. */
uint64_t vshm_bar(const struct vshm *s, uint32_t n);
/* Bytes of BAR @n; 0: there is none. */
uint64_t vshm_bar_size(const struct vshm *s, uint32_t n);

/* Access to BAR 0 or 1, @off below VSHM_PAGE, @size 1, 2, 4, 8. A write may ring: true, and *@doorbell says whom. */
uint64_t vshm_read(struct vshm *s, uint32_t n, uint32_t off, uint8_t size);
bool vshm_write(struct vshm *s, uint32_t n, uint32_t off, uint8_t size, uint64_t value,
		uint32_t *doorbell);
#define VSHM_RING_PEER(doorbell)   ((doorbell) >> 16)
#define VSHM_RING_VECTOR(doorbell) ((doorbell)&0xffff)

/* A peer has rung. Vectors that the function has not are nobody's. */
void vshm_ring(struct vshm *s, uint32_t vector);

#endif
