/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that switch the machine off, put it to sleep or reset it: a guest's accesses become requests. */

#ifndef VDEV_VPOWER_H
#define VDEV_VPOWER_H

#include "lib/types.h"

/*
 * The guest keeps the registers' harmless bits (SCI_EN, statuses, keyboard commands): those accesses are passed to
 * the hardware. What would switch off or reset the machine is not: it becomes a request, which the configuration
 * grants, or which stops or restarts that guest only. Sleep states are refused: a machine that wakes is outside VMX
 * or SVM, in firmware's hands.
 *
 * Not seen here: reset registers in memory or in PCI configuration space, the sleep control register of
 * hardware-reduced ACPI, and watchdogs other than Intel's TCO (AMD's in memory, a Super I/O's behind 0x2e).
 *
 * Context: any CPU; the caller lets one access in at a time (the VM's lock for these ports). The operations are
 * called back under it.
 */

#define VPOWER_SLEEP_STATES 6 /* S0 to S5 */
#define VPOWER_UNKNOWN	    0xff
#define VPOWER_REGS_MAX	    10

enum power_request {
	POWER_OFF,
	POWER_RESET,
	POWER_SLEEP_REFUSED, /* for the log; the guest goes on */
};

struct vpower_ops {
	/* The guest asks for @what by means of @how (static text). Must return; the guest may be gone afterwards. */
	void (*request)(void *arg, enum power_request what, const char *how);
	/*
	 * Physical port access, @size 1, 2, 4, naturally aligned. Also called for the part of an access that reaches
	 * out of the ports listed by vpower_ports: where another virtual device lives there, it is its own.
	 */
	uint32_t (*pass_read)(void *arg, uint16_t port, uint8_t size);
	void (*pass_write)(void *arg, uint16_t port, uint8_t size, uint32_t value);
};

/* From the FADT and the DSDT's _Sx packages (ACPI 6.4, 4.8.3, 5.2.9, 7.4.2). A port of 0: there is none. */
struct vpower_config {
	uint16_t pm1a_control, pm1b_control;
	uint16_t pm1a_status; /* PM1a event block; its first half is the status register */
	uint8_t slp_typ_a[VPOWER_SLEEP_STATES],
		slp_typ_b[VPOWER_SLEEP_STATES]; /* or VPOWER_UNKNOWN */
	uint16_t reset_port;			/* RESET_REG in I/O space */
	uint8_t reset_value;
	uint16_t tco_base; /* Intel's TCO registers: PMBASE + 0x60 on ICH9 */
	/*
	 * After a refused sleep, let WAK_STS read as set until the guest clears it: an operating system spins on it
	 * with interrupts off, and then takes the refusal for a very short sleep. Without it, it hangs there.
	 */
	bool fake_wake;
};

enum vpower_kind {
	VPOWER_PM1A_CONTROL,
	VPOWER_PM1B_CONTROL,
	VPOWER_PM1_STATUS,
	VPOWER_TCO1_CONTROL,
	VPOWER_RESET_REG,
	VPOWER_RESET_CONTROL, /* 0xcf9 */
	VPOWER_PORT92,
	VPOWER_KBD_DATA,
	VPOWER_KBD_COMMAND,
};

struct vpower_reg {
	uint16_t port;
	uint8_t len; /* bytes */
	uint8_t kind;
};

struct vpower {
	const struct vpower_ops *ops;
	void *arg;
	struct vpower_config config;
	struct vpower_reg regs[VPOWER_REGS_MAX];
	uint32_t reg_count;
	bool woken;	       /* WAK_STS shows as set */
	bool refused_s4;       /* the last sleep asked for, and not acknowledged since */
	bool output_port_next; /* the next byte to port 0x60 is the 8042's output port */
	uint8_t reset_control; /* shadow of 0xcf9 */
};

/* Copies @config; halts the TCO timer if there is one. Boot. */
void vpower_init(struct vpower *p, const struct vpower_ops *ops, void *arg,
		 const struct vpower_config *config);

/* The guest has restarted. */
void vpower_reset(struct vpower *p);

/* The @index-th range of ports to be intercepted; false: no more. */
bool vpower_ports(const struct vpower *p, uint32_t index, uint16_t *port, uint16_t *count);

/* Does an access touch one of these ports? Such accesses must come here even if they start below. */
bool vpower_covers(const struct vpower *p, uint16_t port, uint8_t size);

/* The guest's access, @size 1, 2, 4, any alignment. */
uint32_t vpower_read(struct vpower *p, uint16_t port, uint8_t size);
void vpower_write(struct vpower *p, uint16_t port, uint8_t size, uint32_t value);

#endif
