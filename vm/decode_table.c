/* SPDX-License-Identifier: BSD-2-Clause */
/* The decoder's tables: SDM vol. 2, appendix A (opcode maps) and APM vol. 3, appendix A, covered rows only. */

#include "vm/decode_table.h"

/* Short names for this file's columns. */
#define M      INSN_MODRM
#define RD     INSN_READS
#define WR     INSN_WRITES
#define RW     (INSN_READS | INSN_WRITES)
#define RMW    (M | RW | ROW_LOCK)
#define STRING INSN_STRING
#define STACK  INSN_STACK

/* clang-format off */
#define INSN(op, dst, dst_size, src, src_size, imm, flags) \
	{ROW_INSN, OP_##op, OPND_##dst, OPND_##src, dst_size, src_size, IMM_##imm, flags}
/* No operands that the emulator would need: only the length and the name count. */
#define BARE(op)                  INSN(op, NONE, 0, NONE, 0, NONE, 0)
#define BARE_IMM(op)              INSN(op, NONE, 0, IMM, 1, UB, 0)
/* The same, chosen by its whole ModRM byte. */
#define BARE_RM(op)               INSN(op, NONE, 0, NONE, 0, NONE, M | ROW_NO_ACCESS)
#define PLAIN_RM(op, size, flags) INSN(op, RM, size, NONE, 0, NONE, M | (flags))
#define PREFIX(bit)               {.kind = ROW_PREFIX, .flags = (bit)}
#define SEGMENT(seg)              {.kind = ROW_PREFIX, .op = (seg), .flags = INSN_SEG}
#define BAD                       {.kind = ROW_BAD}
#define NONE_                     {.kind = ROW_NONE}
#define BY_REG(g)                 {.kind = ROW_BY_REG, .flags = GROUP_##g}
#define BY_RM(g)                  {.kind = ROW_BY_RM, .flags = GROUP_##g}
#define BY_MOD(g)                 {.kind = ROW_BY_MOD, .flags = GROUP_##g}
#define BY_PREFIX(g)              {.kind = ROW_BY_PREFIX, .flags = GROUP_##g}

/* Variadic because a row holds commas. */
#define TWO(...)     __VA_ARGS__, __VA_ARGS__
#define FOUR(...)    TWO(__VA_ARGS__), TWO(__VA_ARGS__)
#define EIGHT(...)   FOUR(__VA_ARGS__), FOUR(__VA_ARGS__)
#define SIXTEEN(...) EIGHT(__VA_ARGS__), EIGHT(__VA_ARGS__)
/* clang-format on */

/* First rows of the groups. ModRM.reg and .rm groups take 8 rows, prefix groups 4, mod groups 2. */
enum {
	GROUP_1_BYTE = 0,
	GROUP_1_FULL = GROUP_1_BYTE + 8,
	GROUP_1_BYTE_82 = GROUP_1_FULL + 8,
	GROUP_1_SIGNED = GROUP_1_BYTE_82 + 8,
	GROUP_1A = GROUP_1_SIGNED + 8,
	GROUP_2_BYTE_IMM = GROUP_1A + 8,
	GROUP_2_FULL_IMM = GROUP_2_BYTE_IMM + 8,
	GROUP_2_BYTE_ONE = GROUP_2_FULL_IMM + 8,
	GROUP_2_FULL_ONE = GROUP_2_BYTE_ONE + 8,
	GROUP_2_BYTE_CL = GROUP_2_FULL_ONE + 8,
	GROUP_2_FULL_CL = GROUP_2_BYTE_CL + 8,
	GROUP_3_BYTE = GROUP_2_FULL_CL + 8,
	GROUP_3_FULL = GROUP_3_BYTE + 8,
	GROUP_4 = GROUP_3_FULL + 8,
	GROUP_5 = GROUP_4 + 8,
	GROUP_6 = GROUP_5 + 8,
	GROUP_7 = GROUP_6 + 8,
	GROUP_7_MEM = GROUP_7 + 2,
	GROUP_7_REG = GROUP_7_MEM + 8,
	GROUP_7_REG0 = GROUP_7_REG + 8,
	GROUP_7_REG1 = GROUP_7_REG0 + 8,
	GROUP_7_REG2 = GROUP_7_REG1 + 8,
	GROUP_7_REG3 = GROUP_7_REG2 + 8,
	GROUP_7_REG7 = GROUP_7_REG3 + 8,
	GROUP_8 = GROUP_7_REG7 + 8,
	GROUP_9 = GROUP_8 + 8,
	GROUP_9_MEM = GROUP_9 + 2,
	GROUP_9_REG = GROUP_9_MEM + 8,
	GROUP_9_MEM6 = GROUP_9_REG + 8,
	GROUP_9_MEM7 = GROUP_9_MEM6 + 4,
	GROUP_9_REG6 = GROUP_9_MEM7 + 4,
	GROUP_9_REG7 = GROUP_9_REG6 + 4,
	GROUP_11_BYTE = GROUP_9_REG7 + 4,
	GROUP_11_FULL = GROUP_11_BYTE + 8,
	GROUP_15 = GROUP_11_FULL + 8,
	GROUP_15_MEM = GROUP_15 + 2,
	GROUP_15_MEM7 = GROUP_15_MEM + 8,
	GROUP_16 = GROUP_15_MEM7 + 4,
	GROUP_16_MEM = GROUP_16 + 2,
	GROUP_P = GROUP_16_MEM + 8,
	GROUP_P_MEM = GROUP_P + 2,
	GROUP_90 = GROUP_P_MEM + 8,
	GROUP_0F09 = GROUP_90 + 4,
	GROUP_0F10 = GROUP_0F09 + 4,
	GROUP_0F11 = GROUP_0F10 + 4,
	GROUP_0F12 = GROUP_0F11 + 4,
	GROUP_0F13 = GROUP_0F12 + 4,
	GROUP_0F16 = GROUP_0F13 + 4,
	GROUP_0F17 = GROUP_0F16 + 4,
	GROUP_0F28 = GROUP_0F17 + 4,
	GROUP_0F29 = GROUP_0F28 + 4,
	GROUP_0F2B = GROUP_0F29 + 4,
	GROUP_0F6E = GROUP_0F2B + 4,
	GROUP_0F6F = GROUP_0F6E + 4,
	GROUP_0F78 = GROUP_0F6F + 4,
	GROUP_0F79 = GROUP_0F78 + 4,
	GROUP_0F7E = GROUP_0F79 + 4,
	GROUP_0F7F = GROUP_0F7E + 4,
	GROUP_0FC3 = GROUP_0F7F + 4,
	GROUP_0FD6 = GROUP_0FC3 + 4,
	GROUP_0FE7 = GROUP_0FD6 + 4,
	GROUP_0FF0 = GROUP_0FE7 + 4,
	GROUP_0F382A = GROUP_0FF0 + 4,
	GROUP_0F3880 = GROUP_0F382A + 4,
	GROUP_0F3881 = GROUP_0F3880 + 4,
	GROUP_0F3882 = GROUP_0F3881 + 4,
	GROUP_0F38F0 = GROUP_0F3882 + 4,
	GROUP_0F38F1 = GROUP_0F38F0 + 4,
	GROUP_END = GROUP_0F38F1 + 4,
};

/* clang-format off */
/* The six encodings of an ALU instruction. */
#define ALU(op, rw) \
	INSN(op, RM, 1, REG, 1, NONE, rw), INSN(op, RM, SZ_V, REG, SZ_V, NONE, rw), \
	INSN(op, REG, 1, RM, 1, NONE, (rw) & ~ROW_LOCK), \
	INSN(op, REG, SZ_V, RM, SZ_V, NONE, (rw) & ~ROW_LOCK), \
	INSN(op, ACC, 1, IMM, 1, B, (rw) & RW), INSN(op, ACC, SZ_V, IMM, SZ_V, Z, (rw) & RW)
/* clang-format on */

#define PUSH_REG INSN(PUSH, NONE, 0, RM, SZ_S, NONE, STACK | ROW_OPCODE_REG)
#define POP_REG	 INSN(POP, RM, SZ_S, NONE, 0, NONE, WR | STACK | ROW_OPCODE_REG)
#define INC_REG	 INSN(INC, RM, SZ_V, NONE, 0, NONE, RW | ROW_OPCODE_REG | ROW_NOT_64)
#define DEC_REG	 INSN(DEC, RM, SZ_V, NONE, 0, NONE, RW | ROW_OPCODE_REG | ROW_NOT_64)
#define MOV_BYTE INSN(MOV, RM, 1, IMM, 1, B, WR | ROW_OPCODE_REG)
#define MOV_FULL INSN(MOV, RM, SZ_V, IMM, SZ_V, V, WR | ROW_OPCODE_REG)

const struct insn_row insn_map_one[256] = {
	/* clang-format off */
	[0x00] = ALU(ADD, RMW), [0x08] = ALU(OR, RMW), [0x10] = ALU(ADC, RMW), [0x18] = ALU(SBB, RMW),
	[0x20] = ALU(AND, RMW), [0x28] = ALU(SUB, RMW), [0x30] = ALU(XOR, RMW), [0x38] = ALU(CMP, M | RD),
	[0x26] = SEGMENT(SEG_ES), [0x2e] = SEGMENT(SEG_CS), [0x36] = SEGMENT(SEG_SS), [0x3e] = SEGMENT(SEG_DS),
	[0x64] = SEGMENT(SEG_FS), SEGMENT(SEG_GS), PREFIX(INSN_OPSIZE), PREFIX(INSN_ADDRSIZE),
	[0xf0] = PREFIX(INSN_LOCK), [0xf2] = PREFIX(INSN_REPNE), PREFIX(INSN_REP),
	[0x40] = EIGHT(INC_REG), EIGHT(DEC_REG),
	[0x50] = EIGHT(PUSH_REG), EIGHT(POP_REG),
	[0x63] = INSN(MOVSX, REG, SZ_V, RM, SZ_Z, NONE, M | WR | ROW_ONLY_64),
	[0x68] = INSN(PUSH, NONE, 0, IMM, SZ_S, Z, STACK),
	[0x6a] = INSN(PUSH, NONE, 0, IMM, SZ_S, B, STACK),
	[0x6c] = INSN(INS, DI, 1, DX, 2, NONE, WR | STRING),
	[0x6d] = INSN(INS, DI, SZ_Z, DX, 2, NONE, WR | STRING),
	[0x6e] = INSN(OUTS, DX, 2, SI, 1, NONE, STRING),
	[0x6f] = INSN(OUTS, DX, 2, SI, SZ_Z, NONE, STRING),
	[0x80] = BY_REG(1_BYTE), BY_REG(1_FULL), BY_REG(1_BYTE_82), BY_REG(1_SIGNED),
	[0x84] = INSN(TEST, RM, 1, REG, 1, NONE, M | RD),
	[0x85] = INSN(TEST, RM, SZ_V, REG, SZ_V, NONE, M | RD),
	[0x86] = INSN(XCHG, RM, 1, REG, 1, NONE, RMW),
	[0x87] = INSN(XCHG, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0x88] = INSN(MOV, RM, 1, REG, 1, NONE, M | WR),
	[0x89] = INSN(MOV, RM, SZ_V, REG, SZ_V, NONE, M | WR),
	[0x8a] = INSN(MOV, REG, 1, RM, 1, NONE, M | WR),
	[0x8b] = INSN(MOV, REG, SZ_V, RM, SZ_V, NONE, M | WR),
	[0x8c] = INSN(MOV_SREG, RM, SZ_V, SREG, 2, NONE, M | WR),
	[0x8e] = INSN(MOV_SREG, SREG, 2, RM, 2, NONE, M | WR),
	[0x8f] = BY_REG(1A),
	[0x90] = BY_PREFIX(90),
	[0x9c] = INSN(PUSHF, NONE, 0, NONE, 0, NONE, STACK),
	[0x9d] = INSN(POPF, NONE, 0, NONE, 0, NONE, STACK),
	[0xa0] = INSN(MOV, ACC, 1, MOFFS, 1, MOFFS, WR),
	[0xa1] = INSN(MOV, ACC, SZ_V, MOFFS, SZ_V, MOFFS, WR),
	[0xa2] = INSN(MOV, MOFFS, 1, ACC, 1, MOFFS, WR),
	[0xa3] = INSN(MOV, MOFFS, SZ_V, ACC, SZ_V, MOFFS, WR),
	[0xa4] = INSN(MOVS, DI, 1, SI, 1, NONE, WR | STRING),
	[0xa5] = INSN(MOVS, DI, SZ_V, SI, SZ_V, NONE, WR | STRING),
	[0xa6] = INSN(CMPS, SI, 1, DI, 1, NONE, RD | STRING),
	[0xa7] = INSN(CMPS, SI, SZ_V, DI, SZ_V, NONE, RD | STRING),
	[0xa8] = INSN(TEST, ACC, 1, IMM, 1, B, RD),
	[0xa9] = INSN(TEST, ACC, SZ_V, IMM, SZ_V, Z, RD),
	[0xaa] = INSN(STOS, DI, 1, ACC, 1, NONE, WR | STRING),
	[0xab] = INSN(STOS, DI, SZ_V, ACC, SZ_V, NONE, WR | STRING),
	[0xac] = INSN(LODS, ACC, 1, SI, 1, NONE, WR | STRING),
	[0xad] = INSN(LODS, ACC, SZ_V, SI, SZ_V, NONE, WR | STRING),
	[0xae] = INSN(SCAS, ACC, 1, DI, 1, NONE, RD | STRING),
	[0xaf] = INSN(SCAS, ACC, SZ_V, DI, SZ_V, NONE, RD | STRING),
	[0xb0] = EIGHT(MOV_BYTE), EIGHT(MOV_FULL),
	[0xc0] = BY_REG(2_BYTE_IMM), BY_REG(2_FULL_IMM),
	[0xc6] = BY_REG(11_BYTE), BY_REG(11_FULL),
	[0xcc] = BARE(INT3), BARE_IMM(INT), INSN(INTO, NONE, 0, NONE, 0, NONE, ROW_NOT_64), BARE(IRET),
	[0xd0] = BY_REG(2_BYTE_ONE), BY_REG(2_FULL_ONE), BY_REG(2_BYTE_CL), BY_REG(2_FULL_CL),
	[0xe4] = INSN(IN, ACC, 1, IMM, 1, UB, WR), INSN(IN, ACC, SZ_Z, IMM, 1, UB, WR),
	[0xe6] = INSN(OUT, IMM, 1, ACC, 1, UB, 0), INSN(OUT, IMM, 1, ACC, SZ_Z, UB, 0),
	[0xec] = INSN(IN, ACC, 1, DX, 2, NONE, WR), INSN(IN, ACC, SZ_Z, DX, 2, NONE, WR),
	[0xee] = INSN(OUT, DX, 2, ACC, 1, NONE, 0), INSN(OUT, DX, 2, ACC, SZ_Z, NONE, 0),
	[0xf1] = BARE(INT1),
	[0xf4] = BARE(HLT),
	[0xf6] = BY_REG(3_BYTE), BY_REG(3_FULL),
	[0xfa] = BARE(CLI), BARE(STI),
	[0xfe] = BY_REG(4), BY_REG(5),
	/* clang-format on */
};

#define CMOV  INSN(CMOV, REG, SZ_V, RM, SZ_V, NONE, M | WR)
#define SETCC INSN(SETCC, RM, 1, NONE, 0, NONE, M | WR)
#define HINT  INSN(NOP, RM, 1, NONE, 0, NONE, M | ROW_NO_ACCESS)

const struct insn_row insn_map_0f[256] = {
	/* clang-format off */
	[0x00] = BY_REG(6),
	[0x01] = BY_MOD(7),
	[0x06] = BARE(CLTS),
	[0x08] = BARE(INVD),
	[0x09] = BY_PREFIX(0F09),
	[0x0d] = BY_MOD(P),
	[0x10] = BY_PREFIX(0F10), BY_PREFIX(0F11), BY_PREFIX(0F12), BY_PREFIX(0F13),
	[0x16] = BY_PREFIX(0F16), BY_PREFIX(0F17), BY_MOD(16),
	[0x1f] = HINT,
	[0x20] = INSN(MOV_CR, RM, SZ_N, CR, SZ_N, NONE, M | WR | ROW_REG_ALWAYS | ROW_LOCK),
	[0x21] = INSN(MOV_DR, RM, SZ_N, DR, SZ_N, NONE, M | WR | ROW_REG_ALWAYS),
	[0x22] = INSN(MOV_CR, CR, SZ_N, RM, SZ_N, NONE, M | WR | ROW_REG_ALWAYS | ROW_LOCK),
	[0x23] = INSN(MOV_DR, DR, SZ_N, RM, SZ_N, NONE, M | WR | ROW_REG_ALWAYS),
	[0x28] = BY_PREFIX(0F28), BY_PREFIX(0F29),
	[0x2b] = BY_PREFIX(0F2B),
	[0x30] = BARE(WRMSR), BARE(RDTSC), BARE(RDMSR), BARE(RDPMC),
	[0x40] = SIXTEEN(CMOV),
	[0x6e] = BY_PREFIX(0F6E), BY_PREFIX(0F6F),
	[0x78] = BY_PREFIX(0F78), BY_PREFIX(0F79),
	[0x7e] = BY_PREFIX(0F7E), BY_PREFIX(0F7F),
	[0x90] = SIXTEEN(SETCC),
	[0xa2] = BARE(CPUID),
	[0xa3] = INSN(BT, RM, SZ_V, REG, SZ_V, NONE, M | RD),
	[0xaa] = BARE(RSM),
	[0xab] = INSN(BTS, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0xae] = BY_MOD(15),
	[0xb0] = INSN(CMPXCHG, RM, 1, REG, 1, NONE, RMW),
	[0xb1] = INSN(CMPXCHG, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0xb3] = INSN(BTR, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0xb6] = INSN(MOVZX, REG, SZ_V, RM, 1, NONE, M | WR),
	[0xb7] = INSN(MOVZX, REG, SZ_V, RM, 2, NONE, M | WR),
	[0xba] = BY_REG(8),
	[0xbb] = INSN(BTC, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0xbe] = INSN(MOVSX, REG, SZ_V, RM, 1, NONE, M | WR),
	[0xbf] = INSN(MOVSX, REG, SZ_V, RM, 2, NONE, M | WR),
	[0xc0] = INSN(XADD, RM, 1, REG, 1, NONE, RMW),
	[0xc1] = INSN(XADD, RM, SZ_V, REG, SZ_V, NONE, RMW),
	[0xc3] = BY_PREFIX(0FC3),
	[0xc7] = BY_MOD(9),
	[0xd6] = BY_PREFIX(0FD6),
	[0xe7] = BY_PREFIX(0FE7),
	[0xf0] = BY_PREFIX(0FF0),
	/* clang-format on */
};

const struct insn_sparse_row insn_map_0f38[INSN_MAP_0F38_COUNT] = {
	{0x2a, BY_PREFIX(0F382A)},
	   {0x80, BY_PREFIX(0F3880)},
	      {0x81, BY_PREFIX(0F3881)},
	{0x82, BY_PREFIX(0F3882)},
	   {0xf0, BY_PREFIX(0F38F0)},
	      {0xf1, BY_PREFIX(0F38F1)},
};

/* The eight ALU instructions, the shifts, by ModRM.reg. */
#define ALU_GROUP(size, imm, lock)                                 \
	INSN(ADD, RM, size, IMM, size, imm, RMW | (lock)),         \
		INSN(OR, RM, size, IMM, size, imm, RMW | (lock)),  \
		INSN(ADC, RM, size, IMM, size, imm, RMW | (lock)), \
		INSN(SBB, RM, size, IMM, size, imm, RMW | (lock)), \
		INSN(AND, RM, size, IMM, size, imm, RMW | (lock)), \
		INSN(SUB, RM, size, IMM, size, imm, RMW | (lock)), \
		INSN(XOR, RM, size, IMM, size, imm, RMW | (lock)), \
		INSN(CMP, RM, size, IMM, size, imm, M | RD | (lock))
#define SHIFT_GROUP(size, src, imm)                                                         \
	INSN(ROL, RM, size, src, 1, imm, M | RW), INSN(ROR, RM, size, src, 1, imm, M | RW), \
		INSN(RCL, RM, size, src, 1, imm, M | RW),                                   \
		INSN(RCR, RM, size, src, 1, imm, M | RW),                                   \
		INSN(SHL, RM, size, src, 1, imm, M | RW),                                   \
		INSN(SHR, RM, size, src, 1, imm, M | RW),                                   \
		INSN(SAL, RM, size, src, 1, imm, M | RW), INSN(SAR, RM, size, src, 1, imm, M | RW)

/* SSE: memory operand of @size bytes. ALIGNED ones fault when it isn't. */
#define XLOAD(size, flags)  INSN(XLOAD, XMM, 16, XRM, size, NONE, M | WR | (flags))
#define XSTORE(size, flags) INSN(XSTORE, XRM, size, XMM, 16, NONE, M | WR | (flags))
#define XMEM(op, size)	    INSN(op, XMM, 16, XRM, size, NONE, M | WR | ROW_MEM_COVERED)
#define ALIGNED_	    INSN_ALIGNED
#define MEM		    ROW_MEM_ONLY

const struct insn_row insn_group[] = {
	/* clang-format off */
	[GROUP_1_BYTE] = ALU_GROUP(1, B, 0),
	[GROUP_1_FULL] = ALU_GROUP(SZ_V, Z, 0),
	[GROUP_1_BYTE_82] = ALU_GROUP(1, B, ROW_NOT_64),
	[GROUP_1_SIGNED] = ALU_GROUP(SZ_V, B, 0),
	[GROUP_1A] = INSN(POP, RM, SZ_S, NONE, 0, NONE, M | WR | STACK),
	[GROUP_2_BYTE_IMM] = SHIFT_GROUP(1, IMM, UB),
	[GROUP_2_FULL_IMM] = SHIFT_GROUP(SZ_V, IMM, UB),
	[GROUP_2_BYTE_ONE] = SHIFT_GROUP(1, IMM, ONE),
	[GROUP_2_FULL_ONE] = SHIFT_GROUP(SZ_V, IMM, ONE),
	[GROUP_2_BYTE_CL] = SHIFT_GROUP(1, CL, NONE),
	[GROUP_2_FULL_CL] = SHIFT_GROUP(SZ_V, CL, NONE),
	[GROUP_3_BYTE] = INSN(TEST, RM, 1, IMM, 1, B, M | RD), INSN(TEST, RM, 1, IMM, 1, B, M | RD),
		INSN(NOT, RM, 1, NONE, 0, NONE, RMW), INSN(NEG, RM, 1, NONE, 0, NONE, RMW),
	[GROUP_3_FULL] = INSN(TEST, RM, SZ_V, IMM, SZ_V, Z, M | RD),
		INSN(TEST, RM, SZ_V, IMM, SZ_V, Z, M | RD),
		INSN(NOT, RM, SZ_V, NONE, 0, NONE, RMW), INSN(NEG, RM, SZ_V, NONE, 0, NONE, RMW),
	[GROUP_4] = INSN(INC, RM, 1, NONE, 0, NONE, RMW), INSN(DEC, RM, 1, NONE, 0, NONE, RMW),
		BAD, BAD, BAD, BAD, BAD, BAD,
	[GROUP_5] = INSN(INC, RM, SZ_V, NONE, 0, NONE, RMW), INSN(DEC, RM, SZ_V, NONE, 0, NONE, RMW),
		NONE_, NONE_, NONE_, NONE_, INSN(PUSH, NONE, 0, RM, SZ_S, NONE, M | STACK), BAD,
	[GROUP_6] = PLAIN_RM(SLDT, 2, WR), PLAIN_RM(STR, 2, WR), PLAIN_RM(LLDT, 2, RD),
		PLAIN_RM(LTR, 2, RD), PLAIN_RM(VERR, 2, RD), PLAIN_RM(VERW, 2, RD), NONE_, NONE_,

	[GROUP_7] = BY_REG(7_MEM), BY_REG(7_REG),
	[GROUP_7_MEM] = PLAIN_RM(SGDT, 0, WR), PLAIN_RM(SIDT, 0, WR), PLAIN_RM(LGDT, 0, RD),
		PLAIN_RM(LIDT, 0, RD), PLAIN_RM(SMSW, 2, WR), NONE_, PLAIN_RM(LMSW, 2, RD),
		PLAIN_RM(INVLPG, 0, ROW_NO_ACCESS),
	[GROUP_7_REG] = BY_RM(7_REG0), BY_RM(7_REG1), BY_RM(7_REG2), BY_RM(7_REG3),
		PLAIN_RM(SMSW, SZ_V, WR), NONE_, PLAIN_RM(LMSW, 2, RD), BY_RM(7_REG7),
	[GROUP_7_REG0 + 1] = BARE_RM(VMCALL), BARE_RM(VMLAUNCH), BARE_RM(VMRESUME), BARE_RM(VMXOFF),
	[GROUP_7_REG1] = BARE_RM(MONITOR), BARE_RM(MWAIT), BARE_RM(CLAC), BARE_RM(STAC),
	[GROUP_7_REG2] = BARE_RM(XGETBV), BARE_RM(XSETBV), NONE_, NONE_, BARE_RM(VMFUNC),
	[GROUP_7_REG3] = BARE_RM(VMRUN), BARE_RM(VMMCALL), BARE_RM(VMLOAD), BARE_RM(VMSAVE),
		BARE_RM(STGI), BARE_RM(CLGI), BARE_RM(SKINIT), BARE_RM(INVLPGA),
	[GROUP_7_REG7] = INSN(SWAPGS, NONE, 0, NONE, 0, NONE, M | ROW_NO_ACCESS | ROW_ONLY_64), BARE_RM(RDTSCP),
		BARE_RM(MONITORX), BARE_RM(MWAITX), BARE_RM(CLZERO), BARE_RM(RDPRU),

	[GROUP_8] = BAD, BAD, BAD, BAD, INSN(BT, RM, SZ_V, IMM, 1, UB, M | RD),
		INSN(BTS, RM, SZ_V, IMM, 1, UB, RMW), INSN(BTR, RM, SZ_V, IMM, 1, UB, RMW),
		INSN(BTC, RM, SZ_V, IMM, 1, UB, RMW),
	[GROUP_9] = BY_REG(9_MEM), BY_REG(9_REG),
	[GROUP_9_MEM + 1] = INSN(CMPXCHG8B, RM, SZ_2Y, NONE, 0, NONE, RMW),
	[GROUP_9_MEM + 6] = BY_PREFIX(9_MEM6), BY_PREFIX(9_MEM7),
	[GROUP_9_REG + 6] = BY_PREFIX(9_REG6), BY_PREFIX(9_REG7),
	[GROUP_9_MEM6] = PLAIN_RM(VMPTRLD, 8, RD), PLAIN_RM(VMCLEAR, 8, RD), PLAIN_RM(VMXON, 8, RD), NONE_,
	[GROUP_9_MEM7] = PLAIN_RM(VMPTRST, 8, WR), NONE_, NONE_, NONE_,
	[GROUP_9_REG6] = PLAIN_RM(RDRAND, SZ_V, WR), PLAIN_RM(RDRAND, SZ_V, WR), NONE_, NONE_,
	[GROUP_9_REG7] = PLAIN_RM(RDSEED, SZ_V, WR), PLAIN_RM(RDSEED, SZ_V, WR), NONE_, NONE_,
	[GROUP_11_BYTE] = INSN(MOV, RM, 1, IMM, 1, B, M | WR), BAD, BAD, BAD, BAD, BAD, BAD, NONE_,
	[GROUP_11_FULL] = INSN(MOV, RM, SZ_V, IMM, SZ_V, Z, M | WR), BAD, BAD, BAD, BAD, BAD, BAD, NONE_,
	[GROUP_15] = BY_REG(15_MEM), NONE_,
	[GROUP_15_MEM + 7] = BY_PREFIX(15_MEM7),
	[GROUP_15_MEM7] = HINT, HINT, NONE_, NONE_, /* CLFLUSH, CLFLUSHOPT */
	[GROUP_16] = BY_REG(16_MEM), NONE_,
	[GROUP_16_MEM] = HINT, HINT, HINT, HINT, NONE_, NONE_, NONE_, NONE_, /* PREFETCHh */
	[GROUP_P] = BY_REG(P_MEM), NONE_,
	[GROUP_P_MEM] = HINT, HINT, HINT, NONE_, NONE_, NONE_, NONE_, NONE_, /* PREFETCH, W, WT1 */

	/* none, 66, F3, F2 */
	[GROUP_90] = BARE(NOP), BARE(NOP), BARE(PAUSE), BARE(NOP),
	[GROUP_0F09] = BARE(WBINVD), BARE(WBINVD), BARE(WBNOINVD), BARE(WBINVD),
	[GROUP_0F10] = XLOAD(16, 0), XLOAD(16, 0), XMEM(XLOAD, 4), XMEM(XLOAD, 8),
	[GROUP_0F11] = XSTORE(16, 0), XSTORE(16, 0), XSTORE(4, ROW_MEM_COVERED), XSTORE(8, ROW_MEM_COVERED),
	[GROUP_0F12] = XMEM(XMERGE_LOW, 8), XMEM(XMERGE_LOW, 8), NONE_, NONE_,
	[GROUP_0F13] = XSTORE(8, MEM), XSTORE(8, MEM), NONE_, NONE_,
	[GROUP_0F16] = XMEM(XMERGE_HIGH, 8), XMEM(XMERGE_HIGH, 8), NONE_, NONE_,
	[GROUP_0F17] = INSN(XSTORE_HIGH, XRM, 8, XMM, 16, NONE, M | WR | MEM),
		INSN(XSTORE_HIGH, XRM, 8, XMM, 16, NONE, M | WR | MEM), NONE_, NONE_,
	[GROUP_0F28] = XLOAD(16, ALIGNED_), XLOAD(16, ALIGNED_), NONE_, NONE_,
	[GROUP_0F29] = XSTORE(16, ALIGNED_), XSTORE(16, ALIGNED_), NONE_, NONE_,
	[GROUP_0F2B] = XSTORE(16, ALIGNED_ | MEM), XSTORE(16, ALIGNED_ | MEM), NONE_, NONE_,
	[GROUP_0F6E] = NONE_, XMEM(XLOAD, SZ_Y), NONE_, NONE_,
	[GROUP_0F6F] = NONE_, XLOAD(16, ALIGNED_), XLOAD(16, 0), NONE_,
	[GROUP_0F78] = INSN(VMREAD, RM, SZ_N, REG, SZ_N, NONE, M | WR), NONE_, NONE_, NONE_,
	[GROUP_0F79] = INSN(VMWRITE, REG, SZ_N, RM, SZ_N, NONE, M | RD), NONE_, NONE_, NONE_,
	[GROUP_0F7E] = NONE_, XSTORE(SZ_Y, ROW_MEM_COVERED), XMEM(XLOAD, 8), NONE_,
	[GROUP_0F7F] = NONE_, XSTORE(16, ALIGNED_), XSTORE(16, 0), NONE_,
	[GROUP_0FC3] = INSN(MOV, RM, SZ_Y, REG, SZ_Y, NONE, M | WR | MEM), NONE_, NONE_, NONE_, /* MOVNTI */
	[GROUP_0FD6] = NONE_, XSTORE(8, ROW_MEM_COVERED), NONE_, NONE_,
	[GROUP_0FE7] = NONE_, XSTORE(16, ALIGNED_ | MEM), NONE_, NONE_,
	[GROUP_0FF0] = NONE_, NONE_, NONE_, XLOAD(16, MEM), /* LDDQU */
	[GROUP_0F382A] = NONE_, XLOAD(16, ALIGNED_ | MEM), NONE_, NONE_,
	[GROUP_0F3880] = NONE_, INSN(INVEPT, REG, SZ_N, RM, 16, NONE, M | RD | MEM), NONE_, NONE_,
	[GROUP_0F3881] = NONE_, INSN(INVVPID, REG, SZ_N, RM, 16, NONE, M | RD | MEM), NONE_, NONE_,
	[GROUP_0F3882] = NONE_, INSN(INVPCID, REG, SZ_N, RM, 16, NONE, M | RD | MEM), NONE_, NONE_,
	[GROUP_0F38F0] = INSN(MOVBE, REG, SZ_V, RM, SZ_V, NONE, M | WR | MEM),
		INSN(MOVBE, REG, SZ_V, RM, SZ_V, NONE, M | WR | MEM), NONE_, NONE_,
	[GROUP_0F38F1] = INSN(MOVBE, RM, SZ_V, REG, SZ_V, NONE, M | WR | MEM),
		INSN(MOVBE, RM, SZ_V, REG, SZ_V, NONE, M | WR | MEM), NONE_, NONE_,
	/* clang-format on */
};

_Static_assert(ARRAY_SIZE(insn_group) == GROUP_END, "every group has all of its rows");
