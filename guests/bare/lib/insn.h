/* SPDX-License-Identifier: BSD-2-Clause */
/* One instruction under test: bytes in, registers in, registers and exception out. */

#ifndef GUEST_INSN_H
#define GUEST_INSN_H

#include "lib/trap.h"

/* The first fields are in the order that insn.asm and an IRETQ want. */
struct insn_regs {
	uint64_t gpr[16];
	uint64_t rip, cs, rflags, rsp, ss;
	/* out */
	uint64_t vector, error;
	uint64_t length; /* RIP at the exception minus the instruction's address */
	bool done;	 /* it was executed, and RIP was exactly behind it */
};

#define INSN_BUFFER 8192 /* two pages, so that an instruction can cross from one to the other */
extern uint8_t insn_buffer[INSN_BUFFER];

/* Registers with a different value each, ring 0, 64-bit, interrupts off, a stack of its own. */
void insn_init(struct insn_regs *r);

/*
 * Execute @len bytes of @code placed at @offset of insn_buffer, with INT3 behind it; the boot vCPU only. @r is then as
 * at the first exception: INT3's (vector 3, done) or another. Interrupts are handled and return to the instruction.
 */
void insn_run_at(struct insn_regs *r, const uint8_t *code, uint32_t len, uint32_t offset);
void insn_run(struct insn_regs *r, const uint8_t *code, uint32_t len);

/*
 * Compare with what insn_init and the caller chose, @before: every register whose bit is not in @changed, and RFLAGS
 * (RF apart) where bit 16 is not. Returns the bits of those that differ.
 */
uint32_t insn_differs(const struct insn_regs *before, const struct insn_regs *after,
		      uint32_t changed);
#define CHANGES(reg)  (1U << (reg))
#define CHANGES_FLAGS (1U << 16)

/* For trap.c: was this exception the end of an instruction under test? */
bool insn_trap(struct trap_frame *f);

#endif
