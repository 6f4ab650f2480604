/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts: handlers in C by vector, and instructions that may fault. */

#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include "lib/types.h"

/* As the stubs of start.asm leave it. */
struct trap_frame {
	uint64_t gpr[16]; /* by encoding number; RSP's place is filled in from rsp below */
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Changes to the frame are what the interrupted code goes on with. */
typedef void (*trap_fn)(struct trap_frame *f);

/* IDT and, on the boot vCPU, the TSS that ring 3 needs. */
void trap_init(void);
/* On another vCPU: load the same IDT. */
void trap_load(void);

/* NULL: an exception without fixup ends the guest with a report, an interrupt is counted and ended. */
void trap_handler(uint8_t vector, trap_fn fn);

/* Interrupts taken by vCPU and vector, all handlers alike. */
extern volatile uint32_t trap_count[GUEST_VCPUS][256];

/* The last exception that a FIXUP (lib/x86.h) or insn_run (lib/insn.h) caught on this vCPU. */
struct fault {
	uint8_t vector;
	uint32_t error;
	uint64_t rip;
};
extern struct fault last_fault[GUEST_VCPUS];

/* Stack of the handlers of @vector, 1 to 7 in the TSS; 0: the interrupted one. Boot vCPU only. */
void trap_stack(uint8_t vector, uint8_t ist, void *top);

/* Take @vector for an interrupt although it is the number of an exception: fn(NULL), no error code expected. */
void trap_raw(uint8_t vector, trap_fn fn);

/* Is there a gate for @vector? Without one its delivery faults. */
void trap_present(uint8_t vector, bool present);

#endif
