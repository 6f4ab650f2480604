/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction decoder: lengths of intercepted instructions, operands of those that the emulator runs. */

#ifndef VM_DECODE_H
#define VM_DECODE_H

#include "arch/vcpu.h"
#include "lib/types.h"

/* No instruction is longer (SDM vol. 2, 2.3.11; APM vol. 3, 1.1). */
#define INSN_MAX 15

/* What the code segment makes the defaults: CS.L = 1; else CS.D = 1; else 16-bit (real mode too). */
enum cpu_mode { CPU_MODE_16, CPU_MODE_32, CPU_MODE_64 };

/*
 * What an instruction does; encodings that differ only in operands share one. The eight of ALU and the
 * eight of shifts stand in the order of their /r field.
 */
enum insn_op {
	OP_NONE,
	/* integer instructions that the emulator runs */
	OP_ADD,
	OP_OR,
	OP_ADC,
	OP_SBB,
	OP_AND,
	OP_SUB,
	OP_XOR,
	OP_CMP,
	OP_ROL,
	OP_ROR,
	OP_RCL,
	OP_RCR,
	OP_SHL,
	OP_SHR,
	OP_SAL,
	OP_SAR,
	OP_TEST,
	OP_NOT,
	OP_NEG,
	OP_INC,
	OP_DEC,
	OP_MOV,
	OP_MOVZX,
	OP_MOVSX,
	OP_MOVBE,
	OP_CMOV,
	OP_SETCC,
	OP_XCHG,
	OP_XADD,
	OP_CMPXCHG,
	OP_CMPXCHG8B,
	OP_BT,
	OP_BTS,
	OP_BTR,
	OP_BTC,
	OP_PUSH,
	OP_POP,
	OP_NOP,
	/* SSE moves: load clears the rest of the register, merge keeps it, high is its upper half */
	OP_XLOAD,
	OP_XSTORE,
	OP_XMERGE_LOW,
	OP_XMERGE_HIGH,
	OP_XSTORE_HIGH,
	/* string instructions */
	OP_MOVS,
	OP_CMPS,
	OP_STOS,
	OP_LODS,
	OP_SCAS,
	OP_INS,
	OP_OUTS,
	/* instructions that exit by intercept */
	OP_IN,
	OP_OUT,
	OP_INT,
	OP_INT3,
	OP_INT1,
	OP_INTO,
	OP_IRET,
	OP_PUSHF,
	OP_POPF,
	OP_CLI,
	OP_STI,
	OP_HLT,
	OP_PAUSE,
	OP_RSM,
	OP_CPUID,
	OP_RDMSR,
	OP_WRMSR,
	OP_RDTSC,
	OP_RDTSCP,
	OP_RDPMC,
	OP_RDPRU,
	OP_RDRAND,
	OP_RDSEED,
	OP_INVD,
	OP_WBINVD,
	OP_WBNOINVD,
	OP_INVLPG,
	OP_INVPCID,
	OP_CLTS,
	OP_LMSW,
	OP_SMSW,
	OP_MOV_CR,
	OP_MOV_DR,
	OP_MOV_SREG,
	OP_XGETBV,
	OP_XSETBV,
	OP_CLAC,
	OP_STAC,
	OP_SWAPGS,
	OP_CLZERO,
	OP_MONITOR,
	OP_MWAIT,
	OP_MONITORX,
	OP_MWAITX,
	OP_SGDT,
	OP_SIDT,
	OP_LGDT,
	OP_LIDT,
	OP_SLDT,
	OP_STR,
	OP_LLDT,
	OP_LTR,
	OP_VERR,
	OP_VERW,
	/* SVM and VMX instructions */
	OP_VMMCALL,
	OP_VMRUN,
	OP_VMLOAD,
	OP_VMSAVE,
	OP_STGI,
	OP_CLGI,
	OP_SKINIT,
	OP_INVLPGA,
	OP_VMCALL,
	OP_VMLAUNCH,
	OP_VMRESUME,
	OP_VMXOFF,
	OP_VMXON,
	OP_VMFUNC,
	OP_VMPTRLD,
	OP_VMPTRST,
	OP_VMCLEAR,
	OP_VMREAD,
	OP_VMWRITE,
	OP_INVEPT,
	OP_INVVPID,
	OP_COUNT,
};

/* Where an operand is. */
enum operand_kind {
	OPND_NONE,
	OPND_RM,    /* memory when INSN_MEM is set, else general register insn.rm */
	OPND_REG,   /* general register insn.reg */
	OPND_ACC,   /* AL, AX, EAX, RAX */
	OPND_CL,    /* CL */
	OPND_DX,    /* the port in DX */
	OPND_IMM,   /* insn.imm, already extended to 64 bits as the instruction extends it */
	OPND_MOFFS, /* memory at insn.disp; INSN_MEM is set */
	OPND_XMM,   /* SSE register insn.reg */
	OPND_XRM,   /* memory, or SSE register insn.rm */
	OPND_SREG,  /* segment register insn.reg */
	OPND_CR,    /* control register insn.reg: 0, 2, 3, 4 or 8 */
	OPND_DR,    /* debug register insn.reg: 0-7 */
	OPND_SI,    /* memory at insn.seg:rSI */
	OPND_DI,    /* memory at ES:rDI */
};

/* insn.prefixes */
#define INSN_LOCK     0x01
#define INSN_REP      0x02 /* F3: REP, REPE; of F2 and F3 the last one counts */
#define INSN_REPNE    0x04 /* F2 */
#define INSN_OPSIZE   0x08 /* 66 */
#define INSN_ADDRSIZE 0x10 /* 67 */
#define INSN_SEG      0x20 /* a segment override that counts in this mode; insn.seg is it */
#define INSN_VEX      0x40 /* VEX, EVEX or XOP; comes with -ENOSYS, to say so in a report */

/* insn.rex, APM vol. 3, 1.2.7 */
#define REX_B 0x01
#define REX_X 0x02
#define REX_R 0x04
#define REX_W 0x08

/* insn.flags */
#define INSN_MODRM   0x0001 /* has a ModRM byte */
#define INSN_READS   0x0002 /* the destination is read */
#define INSN_WRITES  0x0004 /* the destination is written */
#define INSN_STRING  0x0008 /* MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS */
#define INSN_STACK   0x0010 /* implicitly accesses the stack */
#define INSN_ALIGNED 0x0020 /* the memory operand must be aligned to its size, else #GP(0) */
#define INSN_MEM     0x0040 /* ModRM or moffs names a memory operand that is accessed */
#define INSN_RIP_REL 0x0080 /* disp is relative to the next instruction */

/* insn.base, insn.index: no such register in the address. */
#define INSN_NO_REG 0xff

struct insn {
	uint8_t length;	  /* bytes, prefixes included: 1-15 */
	uint8_t op;	  /* enum insn_op */
	uint8_t mode;	  /* enum cpu_mode that it was decoded for */
	uint8_t map;	  /* 0: one byte, 1: 0F, 2: 0F 38 */
	uint8_t opcode;	  /* the byte in that map */
	uint8_t prefixes; /* INSN_LOCK, … */
	uint8_t rex;	  /* 40-4F, or 0 */
	uint8_t opsize;	  /* 2, 4, 8 bytes */
	uint8_t addrsize; /* 2, 4, 8 bytes */
	uint8_t seg; /* enum seg_reg of the memory operand: override or default (rSI's for strings) */
	uint8_t modrm;
	uint8_t reg;	     /* with REX.R */
	uint8_t rm;	     /* with REX.B; the register if mod is 3, else meaningless */
	uint8_t base, index; /* enum gpr or INSN_NO_REG */
	uint8_t scale;	     /* log2: 0-3 */
	uint8_t dst, src;    /* enum operand_kind; src2 of a three-operand form does not occur */
	uint8_t dst_size, src_size; /* bytes; 0: not a data operand */
	uint16_t flags;		    /* INSN_MODRM, … */
	int64_t disp;		    /* sign-extended; the unsigned offset of a moffs */
	uint64_t imm;
};

/*
 * Decode the instruction at @bytes, of which @avail can be read; more than INSN_MAX are not looked at. Pure.
 * The segment that the emulator shall use, sizes and operands are resolved for @mode. -ENOSYS and -EINVAL
 * leave map, opcode and prefixes set as far as they were read, for reports; the rest is undefined then.
 *
 * Returns 0; -EAGAIN: the bytes end inside the instruction, call again with more; -EINVAL: the processor
 * raises #UD (or #GP for more than 15 bytes); -ENOSYS: may be valid, but is not covered.
 */
int insn_decode(struct insn *i, const uint8_t *bytes, uint32_t avail, enum cpu_mode mode);

#endif
