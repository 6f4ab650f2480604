/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction emulator: runs one decoded instruction whose operand the hardware could not reach. */

#ifndef VM_EMULATE_H
#define VM_EMULATE_H

#include "arch/vcpu.h"
#include "lib/types.h"
#include "vm/decode.h"

/* What emulate and its callbacks return. */
enum emu_result {
	EMU_DONE, /* callback: it is done. emulate: registers, flags and RIP are those after the instruction */
	EMU_AGAIN, /* callback: not now; the instruction is abandoned. emulate: RIP stays, state is consistent, re-enter */
	EMU_FAULT, /* an exception has been handed to ops->fault; RIP stays */
	EMU_STOP, /* not covered, or a callback's failure: report the instruction and stop the VM */
};

/* Flags of memory callbacks. */
#define EMU_MEM_WRITE \
	1 /* the address will be written too: fault as a write would (read-modify-write, check) */
#define EMU_MEM_STACK 2 /* an implicit stack access (PUSH, POP) */

/*
 * What the emulator needs of its caller. Memory is named by linear address: segmentation, canonical form and alignment
 * have been checked, paging has not. An access has 1, 2, 4, 8 or 16 bytes and may cross a page, then the callback
 * must check both pages before it changes either. A callback that returns EMU_FAULT has called its own fault path
 * already (#PF with CR2). Results other than EMU_DONE are handed on.
 */
struct emu_ops {
	struct segment (*get_seg)(void *ctx, enum seg_reg seg);
	enum emu_result (*mem_read)(void *ctx, gva_t gva, uint32_t size, void *buf, uint32_t flags);
	enum emu_result (*mem_write)(void *ctx, gva_t gva, uint32_t size, const void *buf,
				     uint32_t flags);
	/*
	 * Locked: if memory holds @expected, store @desired, in one atomic step. EMU_AGAIN: it holds something else.
	 * On a device it is a plain write of @desired: the emulator has read @expected just before.
	 */
	enum emu_result (*mem_cmpxchg)(void *ctx, gva_t gva, uint32_t size, const void *expected,
				       const void *desired);
	/* Would a write of @size bytes be allowed? Faults like one, and has no effect; called before port input. */
	enum emu_result (*mem_check)(void *ctx, gva_t gva, uint32_t size);
	/*
	 * One element of INS, OUTS: @size is 1, 2, 4. May be NULL: EMU_STOP. The I/O permission bitmap has been checked by
	 * the processor before the exit (SDM vol. 3, 26.1.1; APM vol. 2, 15.10.2).
	 */
	enum emu_result (*io_in)(void *ctx, uint16_t port, uint32_t size, uint32_t *value);
	enum emu_result (*io_out)(void *ctx, uint16_t port, uint32_t size, uint32_t value);
	/* XMM0-15 of the guest, 16 bytes. May be NULL: EMU_STOP for SSE moves. */
	void (*xmm_read)(void *ctx, uint32_t n, void *buf);
	void (*xmm_write)(void *ctx, uint32_t n, const void *buf);
	/* Queue an exception for the guest. @has_error is false in real mode. */
	void (*fault)(void *ctx, uint8_t vector, bool has_error, uint32_t error);
};

struct emu_cpu {
	uint64_t *gpr; /* GPR_COUNT of them, RSP included */
	uint64_t *rip;
	uint64_t *rflags;
	uint64_t cr0, cr4;
	uint8_t cpl;
	uint32_t max_iterations; /* of a repeated string instruction per call; at least 1 */
	/* Result, with EMU_DONE or EMU_AGAIN: TF was set, a #DB (DR6.BS) is due now (SDM vol. 3, 17.3.1.4). */
	bool single_step;
};

/*
 * Run @i, which was decoded at CPU's CS:RIP in the mode of its code segment. On the CPU that the vCPU is loaded on; every
 * path is bounded, string instructions by max_iterations.
 *
 * EMU_DONE: all is written back; RF is cleared; the caller ends the interrupt shadow.
 * EMU_AGAIN: a string instruction has iterations left (they are counted off in its registers, RF is set so that an
 * instruction breakpoint does not hit again; SDM vol. 3, 17.3.1.1), a callback said so, or locked memory kept changing.
 * EMU_FAULT: nothing has changed, except the finished iterations of a string instruction.
 * EMU_STOP: as EMU_FAULT, without an exception.
 *
 * RIP after the instruction is cut to 32 bits outside 64-bit mode. It is not cut to 16 in 16-bit code: as on the
 * processor, a fetch beyond the limit faults.
 * Flags that the manuals leave undefined: tests/unit/test_emulate.c holds the table.
 */
enum emu_result emulate(const struct emu_ops *ops, void *ctx, struct emu_cpu *cpu,
			const struct insn *i);

#endif
