/* SPDX-License-Identifier: BSD-2-Clause */
/* The form of the decoder's tables; included by decode.c and decode_table.c alone. */

#ifndef VM_DECODE_TABLE_H
#define VM_DECODE_TABLE_H

#include "vm/decode.h"

enum insn_row_kind {
	ROW_NONE,   /* not covered */
	ROW_PREFIX, /* legacy prefix: flags are the INSN_* bits of insn.prefixes, op the segment */
	ROW_BAD,    /* #UD */
	ROW_INSN,   /* this is it */
	ROW_BY_REG, /* eight rows from insn_group[flags], chosen by ModRM.reg */
	ROW_BY_RM,  /* eight rows, chosen by ModRM.rm */
	ROW_BY_MOD, /* two rows: memory, register */
	ROW_BY_PREFIX, /* four rows: none, 66, F3, F2 */
};

/* Operand sizes: a number of bytes, or one of these that depend on mode and prefixes. */
enum insn_size {
	SZ_V = 32, /* the operand size */
	SZ_Z,	   /* the operand size, at most 4 */
	SZ_Y,	   /* 8 with REX.W, else 4 */
	SZ_S,	   /* of a stack slot: the operand size, 8 by default in 64-bit mode */
	SZ_N,	   /* 8 in 64-bit mode, else 4 */
	SZ_2Y,	   /* 16 with REX.W, else 8 */
};

enum insn_imm {
	IMM_NONE,
	IMM_B,	   /* byte, sign-extended */
	IMM_UB,	   /* byte, zero-extended */
	IMM_Z,	   /* 2 or 4 bytes by operand size, sign-extended */
	IMM_V,	   /* 2, 4 or 8 bytes */
	IMM_MOFFS, /* 2, 4 or 8 bytes by address size, into insn.disp */
	IMM_ONE,   /* no byte; the value 1 */
};

/* Row flags beyond INSN_* (decode.h), whose bits they do not share. */
#define ROW_LOCK	0x0100 /* LOCK is allowed when the destination is memory */
#define ROW_MEM_ONLY	0x0200 /* the register form is #UD */
#define ROW_MEM_COVERED 0x0400 /* the register form is another instruction, not covered */
#define ROW_NOT_64	0x0800 /* #UD in 64-bit mode */
#define ROW_ONLY_64	0x1000 /* another instruction, not covered, outside 64-bit mode */
#define ROW_REG_ALWAYS	0x2000 /* ModRM.mod is ignored: rm is a register (MOV CRn, DRn) */
#define ROW_OPCODE_REG	0x4000 /* rm is the low three bits of the opcode */
#define ROW_NO_ACCESS	0x8000 /* the memory operand is an address only, not accessed */
#define ROW_PUBLIC	0x003f /* those that go into insn.flags as they are */

struct insn_row {
	uint8_t kind; /* enum insn_row_kind */
	uint8_t op;   /* enum insn_op */
	uint8_t dst, src;
	uint8_t dst_size, src_size;
	uint8_t imm;	/* enum insn_imm */
	uint16_t flags; /* of ROW_INSN; else the first row in insn_group */
};

struct insn_sparse_row {
	uint8_t opcode;
	struct insn_row row;
};

#define INSN_MAP_0F38_COUNT 6

extern const struct insn_row insn_map_one[256];
extern const struct insn_row insn_map_0f[256];
extern const struct insn_sparse_row insn_map_0f38[INSN_MAP_0F38_COUNT];
extern const struct insn_row insn_group[];

#endif
