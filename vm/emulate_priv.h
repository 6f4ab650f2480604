/* SPDX-License-Identifier: BSD-2-Clause */
/* What the emulator's files share; included by emulate*.c alone. */

#ifndef VM_EMULATE_PRIV_H
#define VM_EMULATE_PRIV_H

#include "arch/cpu.h"
#include "vm/emulate.h"

/* Status flags beside RFLAGS_CF (SDM vol. 1, 3.4.3.1) */
#define RFLAGS_PF     BIT(2)
#define RFLAGS_AF     BIT(4)
#define RFLAGS_ZF     BIT(6)
#define RFLAGS_SF     BIT(7)
#define RFLAGS_OF     BIT(11)
#define RFLAGS_STATUS (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

/* How often a locked instruction tries again before it leaves the retry to the guest. */
#define EMU_LOCK_TRIES 8

/* One instruction under way. */
struct emu {
	const struct emu_ops *ops;
	void *ctx;
	struct emu_cpu *cpu;
	const struct insn *i;
	uint64_t rflags;  /* to be written back when the instruction is done */
	gva_t mem;	  /* the memory operand, once emu_address has been called */
	uint8_t segments; /* bit n: segment[n] has been fetched */
	struct segment segment[SEG_GS + 1];
};

/* Result of an ALU function: computes from @a and @b of @size bytes, updates e->rflags. */
typedef uint64_t (*emu_alu_fn)(struct emu *e, uint64_t a, uint64_t b, uint32_t size);
typedef enum emu_result (*emu_handler)(struct emu *e);

static inline uint64_t size_mask(uint32_t size)
{
	return ~0ULL >> (64 - 8 * size);
}

static inline uint64_t size_sign(uint32_t size)
{
	return 1ULL << (8 * size - 1);
}

/* --- emulate_mem.c: registers, addresses, operands --- */

uint64_t emu_reg_read(const struct emu *e, uint32_t n, uint32_t size);
/* 4 bytes clear the upper half, 1 and 2 bytes keep the rest (SDM vol. 1, 3.4.1.1). */
void emu_reg_write(struct emu *e, uint32_t n, uint32_t size, uint64_t value);

/* Queue @vector; error code 0 where the mode has one. Returns EMU_FAULT. */
enum emu_result emu_fault(struct emu *e, enum exception vector, bool has_error);

/* Check @size bytes at @seg:@offset for reading, or for writing, and give their linear address. */
enum emu_result emu_linear(struct emu *e, enum seg_reg seg, uint64_t offset, uint32_t size,
			   bool write, gva_t *out);
/* Set e->mem to the memory operand, moved by @displacement bytes, checked for @size bytes. */
enum emu_result emu_address(struct emu *e, int64_t displacement, uint32_t size, bool write);
/* Is an operand of @kind in memory in this instruction? */
bool emu_in_memory(const struct emu *e, uint8_t kind);
/* Read an operand of any kind but XMM, string and system registers, zero-extended. */
enum emu_result emu_read(struct emu *e, uint8_t kind, uint32_t size, uint64_t *value);
enum emu_result emu_write(struct emu *e, uint8_t kind, uint32_t size, uint64_t value);
/*
 * destination = fn(destination, @b), locked if the instruction is; without a write if it only reads. @displacement moves a
 * memory operand. @old gets the destination's old value. Nothing is changed unless the result is EMU_DONE.
 */
enum emu_result emu_modify(struct emu *e, int64_t displacement, emu_alu_fn fn, uint64_t b,
			   bool locked, uint64_t *old);

/* Width in bytes of the stack pointer that PUSH and POP use. */
uint32_t emu_stack_width(struct emu *e);

/* --- emulate_alu.c: arithmetic and its flags --- */

/* The function of an operation that has one, else NULL. */
emu_alu_fn emu_alu(uint8_t op);
/* CMP's flags: of @a - @b. */
uint64_t emu_alu_cmp(struct emu *e, uint64_t a, uint64_t b, uint32_t size);
/* Does the condition of CMOVcc, SETcc hold (low four bits of the opcode; SDM vol. 2, B.1.4.7)? */
bool emu_condition(const struct emu *e, uint8_t code);

/* --- emulate_string.c, emulate_sse.c: handlers --- */

enum emu_result emu_string(struct emu *e);
enum emu_result emu_sse(struct emu *e);

#endif
