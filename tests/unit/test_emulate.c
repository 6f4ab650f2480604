/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator against the host's processor: the same instruction, registers, flags and memory, thousands of times. */
/* sources: vm/decode.c vm/decode_table.c vm/emulate.c vm/emulate_mem.c vm/emulate_alu.c vm/emulate_string.c vm/emulate_sse.c */

#include <cpuid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "native.h"
#include "vm/emulate_priv.h"

#define CASES_PER_FORM 600
#define MARGIN	       0x800 /* the instruction's target stays so far from the ends of the data area */

static uint64_t seed = 0x9e3779b97f4a7c15ULL;

static uint32_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16);
}

/* --- the guest that the emulator sees: flat segments, a copy of the data area --- */

static uint8_t copy[NATIVE_DATA_BYTES];
static struct native_state emulated;
static bool native_is_open;

static struct segment flat_seg(void *ctx, enum seg_reg seg)
{
	(void)ctx;
	(void)seg;
	return (struct segment){.sel = 0x2b, .attr = 0xc93, .limit = UINT32_MAX};
}

static uint8_t *at(gva_t gva, uint32_t size)
{
	if (gva.v < NATIVE_DATA || gva.v - NATIVE_DATA > NATIVE_DATA_BYTES - size)
		fail_msg("access of %u bytes at 0x%llx", size, (unsigned long long)gva.v);
	return copy + (gva.v - NATIVE_DATA);
}

static enum emu_result flat_read(void *ctx, gva_t gva, uint32_t size, void *buf, uint32_t flags)
{
	(void)ctx;
	(void)flags;
	memcpy(buf, at(gva, size), size);
	return EMU_DONE;
}

static enum emu_result flat_write(void *ctx, gva_t gva, uint32_t size, const void *buf,
				  uint32_t flags)
{
	(void)ctx;
	(void)flags;
	memcpy(at(gva, size), buf, size);
	return EMU_DONE;
}

static enum emu_result flat_cmpxchg(void *ctx, gva_t gva, uint32_t size, const void *expected,
				    const void *desired)
{
	(void)ctx;
	if (memcmp(at(gva, size), expected, size) || rnd() % 4 == 0)
		return EMU_AGAIN;
	memcpy(at(gva, size), desired, size);
	return EMU_DONE;
}

static void flat_xmm_read(void *ctx, uint32_t n, void *buf)
{
	(void)ctx;
	memcpy(buf, emulated.xmm[n], 16);
}

static void flat_xmm_write(void *ctx, uint32_t n, const void *buf)
{
	(void)ctx;
	memcpy(emulated.xmm[n], buf, 16);
}

static void flat_fault(void *ctx, uint8_t vector, bool has_error, uint32_t error)
{
	(void)ctx;
	fail_msg("exception %u, error %d %u", vector, has_error, error);
}

static const struct emu_ops flat = {
	.get_seg = flat_seg,
	.mem_read = flat_read,
	.mem_write = flat_write,
	.mem_cmpxchg = flat_cmpxchg,
	.xmm_read = flat_xmm_read,
	.xmm_write = flat_xmm_write,
	.fault = flat_fault,
};

/* --- forms of instructions --- */

#define NO_MODRM 0x01
#define BYTE	 0x02 /* no 66, no REX.W */
#define LOCKABLE 0x04
#define MEM_ONLY 0x08
#define STRING	 0x10
#define STACK	 0x20
#define NO_66	 0x40
#define BIT_TEST 0x80
#define MOFFS	 0x100
#define ALIGN16	 0x200
#define ANY_REG	 (-1)

enum { IMM_0, IMM_8, IMM_Z };

struct form {
	const char *name;
	uint8_t prefix; /* mandatory, or 0 */
	uint8_t op[3];
	uint8_t ops;
	int8_t digit; /* ModRM.reg, or ANY_REG */
	uint8_t imm;
	uint16_t flags;
};

#define F1(name, op, digit, imm, flags)             \
	{                                           \
		name, 0, {op}, 1, digit, imm, flags \
	}
#define F2(name, op, digit, imm, flags)                   \
	{                                                 \
		name, 0, {0x0f, op}, 2, digit, imm, flags \
	}
#define FP(name, prefix, op, flags)                                \
	{                                                          \
		name, prefix, {0x0f, op}, 2, ANY_REG, IMM_0, flags \
	}
#define ALU_FORMS(name, base, lock)                                           \
	F1(name " Eb,Gb", base, ANY_REG, IMM_0, BYTE | (lock)),               \
		F1(name " Ev,Gv", base + 1, ANY_REG, IMM_0, lock),            \
		F1(name " Gb,Eb", base + 2, ANY_REG, IMM_0, BYTE),            \
		F1(name " Gv,Ev", base + 3, ANY_REG, IMM_0, 0),               \
		F1(name " AL,Ib", base + 4, ANY_REG, IMM_8, BYTE | NO_MODRM), \
		F1(name " rAX,Iz", base + 5, ANY_REG, IMM_Z, NO_MODRM),       \
		F1(name " Eb,Ib", 0x80, base / 8, IMM_8, BYTE | (lock)),      \
		F1(name " Ev,Iz", 0x81, base / 8, IMM_Z, lock),               \
		F1(name " Ev,Ib", 0x83, base / 8, IMM_8, lock)
#define SHIFT_FORMS(name, digit)                                                               \
	F1(name " Eb,Ib", 0xc0, digit, IMM_8, BYTE), F1(name " Ev,Ib", 0xc1, digit, IMM_8, 0), \
		F1(name " Eb,1", 0xd0, digit, IMM_0, BYTE),                                    \
		F1(name " Ev,1", 0xd1, digit, IMM_0, 0),                                       \
		F1(name " Eb,CL", 0xd2, digit, IMM_0, BYTE),                                   \
		F1(name " Ev,CL", 0xd3, digit, IMM_0, 0)
#define BIT_FORMS(name, op, digit, lock)                          \
	F2(name " Ev,Gv", op, ANY_REG, IMM_0, BIT_TEST | (lock)), \
		F2(name " Ev,Ib", 0xba, digit, IMM_8, lock)

static const struct form forms[] = {
	/* clang-format off */
	ALU_FORMS("ADD", 0x00, LOCKABLE), ALU_FORMS("OR", 0x08, LOCKABLE), ALU_FORMS("ADC", 0x10, LOCKABLE),
	ALU_FORMS("SBB", 0x18, LOCKABLE), ALU_FORMS("AND", 0x20, LOCKABLE), ALU_FORMS("SUB", 0x28, LOCKABLE),
	ALU_FORMS("XOR", 0x30, LOCKABLE), ALU_FORMS("CMP", 0x38, 0),
	SHIFT_FORMS("ROL", 0), SHIFT_FORMS("ROR", 1), SHIFT_FORMS("RCL", 2), SHIFT_FORMS("RCR", 3),
	SHIFT_FORMS("SHL", 4), SHIFT_FORMS("SHR", 5), SHIFT_FORMS("SAL", 6), SHIFT_FORMS("SAR", 7),
	F1("TEST Eb,Gb", 0x84, ANY_REG, IMM_0, BYTE), F1("TEST Ev,Gv", 0x85, ANY_REG, IMM_0, 0),
	F1("TEST Eb,Ib", 0xf6, 0, IMM_8, BYTE), F1("TEST Ev,Iz", 0xf7, 1, IMM_Z, 0),
	F1("TEST AL,Ib", 0xa8, ANY_REG, IMM_8, BYTE | NO_MODRM), F1("TEST rAX,Iz", 0xa9, ANY_REG, IMM_Z, NO_MODRM),
	F1("NOT Eb", 0xf6, 2, IMM_0, BYTE | LOCKABLE), F1("NOT Ev", 0xf7, 2, IMM_0, LOCKABLE),
	F1("NEG Eb", 0xf6, 3, IMM_0, BYTE | LOCKABLE), F1("NEG Ev", 0xf7, 3, IMM_0, LOCKABLE),
	F1("INC Eb", 0xfe, 0, IMM_0, BYTE | LOCKABLE), F1("INC Ev", 0xff, 0, IMM_0, LOCKABLE),
	F1("DEC Eb", 0xfe, 1, IMM_0, BYTE | LOCKABLE), F1("DEC Ev", 0xff, 1, IMM_0, LOCKABLE),
	F1("MOV Eb,Gb", 0x88, ANY_REG, IMM_0, BYTE), F1("MOV Ev,Gv", 0x89, ANY_REG, IMM_0, 0),
	F1("MOV Gb,Eb", 0x8a, ANY_REG, IMM_0, BYTE), F1("MOV Gv,Ev", 0x8b, ANY_REG, IMM_0, 0),
	F1("MOV Eb,Ib", 0xc6, 0, IMM_8, BYTE), F1("MOV Ev,Iz", 0xc7, 0, IMM_Z, 0),
	F1("MOV AL,Ob", 0xa0, ANY_REG, IMM_0, BYTE | NO_MODRM | MOFFS), F1("MOV rAX,Ov", 0xa1, ANY_REG, IMM_0, NO_MODRM | MOFFS),
	F1("MOV Ob,AL", 0xa2, ANY_REG, IMM_0, BYTE | NO_MODRM | MOFFS), F1("MOV Ov,rAX", 0xa3, ANY_REG, IMM_0, NO_MODRM | MOFFS),
	F1("MOVSXD", 0x63, ANY_REG, IMM_0, 0),
	F2("MOVZX Gv,Eb", 0xb6, ANY_REG, IMM_0, 0), F2("MOVZX Gv,Ew", 0xb7, ANY_REG, IMM_0, 0),
	F2("MOVSX Gv,Eb", 0xbe, ANY_REG, IMM_0, 0), F2("MOVSX Gv,Ew", 0xbf, ANY_REG, IMM_0, 0),
	F2("MOVNTI", 0xc3, ANY_REG, IMM_0, MEM_ONLY | NO_66),
	F2("CMOVO", 0x40, ANY_REG, IMM_0, 0), F2("CMOVNB", 0x43, ANY_REG, IMM_0, 0), F2("CMOVZ", 0x44, ANY_REG, IMM_0, 0),
	F2("CMOVNBE", 0x47, ANY_REG, IMM_0, 0), F2("CMOVL", 0x4c, ANY_REG, IMM_0, 0), F2("CMOVLE", 0x4e, ANY_REG, IMM_0, 0),
	F2("SETNO", 0x91, 0, IMM_0, BYTE), F2("SETB", 0x92, 0, IMM_0, BYTE), F2("SETNZ", 0x95, 0, IMM_0, BYTE),
	F2("SETS", 0x98, 0, IMM_0, BYTE), F2("SETP", 0x9a, 0, IMM_0, BYTE), F2("SETNL", 0x9d, 0, IMM_0, BYTE),
	F2("SETNLE", 0x9f, 0, IMM_0, BYTE), F2("SETBE", 0x96, 0, IMM_0, BYTE),
	F1("XCHG Eb,Gb", 0x86, ANY_REG, IMM_0, BYTE | LOCKABLE), F1("XCHG Ev,Gv", 0x87, ANY_REG, IMM_0, LOCKABLE),
	F2("XADD Eb,Gb", 0xc0, ANY_REG, IMM_0, BYTE | LOCKABLE), F2("XADD Ev,Gv", 0xc1, ANY_REG, IMM_0, LOCKABLE),
	F2("CMPXCHG Eb,Gb", 0xb0, ANY_REG, IMM_0, BYTE | LOCKABLE), F2("CMPXCHG Ev,Gv", 0xb1, ANY_REG, IMM_0, LOCKABLE),
	F2("CMPXCHG8B", 0xc7, 1, IMM_0, MEM_ONLY | NO_66 | LOCKABLE | ALIGN16),
	BIT_FORMS("BT", 0xa3, 4, 0), BIT_FORMS("BTS", 0xab, 5, LOCKABLE),
	BIT_FORMS("BTR", 0xb3, 6, LOCKABLE), BIT_FORMS("BTC", 0xbb, 7, LOCKABLE),
	F1("PUSH Ev", 0xff, 6, IMM_0, STACK), F1("POP Ev", 0x8f, 0, IMM_0, STACK),
	F1("PUSH Iz", 0x68, ANY_REG, IMM_Z, STACK | NO_MODRM), F1("PUSH Ib", 0x6a, ANY_REG, IMM_8, STACK | NO_MODRM),
	F1("PUSH RBX", 0x53, ANY_REG, IMM_0, STACK | NO_MODRM), F1("POP RSP", 0x5c, ANY_REG, IMM_0, STACK | NO_MODRM),
	F1("POP RSI", 0x5e, ANY_REG, IMM_0, STACK | NO_MODRM),
	F1("MOVSB", 0xa4, ANY_REG, IMM_0, STRING | NO_MODRM | BYTE), F1("MOVS", 0xa5, ANY_REG, IMM_0, STRING | NO_MODRM),
	F1("CMPSB", 0xa6, ANY_REG, IMM_0, STRING | NO_MODRM | BYTE), F1("CMPS", 0xa7, ANY_REG, IMM_0, STRING | NO_MODRM),
	F1("STOSB", 0xaa, ANY_REG, IMM_0, STRING | NO_MODRM | BYTE), F1("STOS", 0xab, ANY_REG, IMM_0, STRING | NO_MODRM),
	F1("LODSB", 0xac, ANY_REG, IMM_0, STRING | NO_MODRM | BYTE), F1("LODS", 0xad, ANY_REG, IMM_0, STRING | NO_MODRM),
	F1("SCASB", 0xae, ANY_REG, IMM_0, STRING | NO_MODRM | BYTE), F1("SCAS", 0xaf, ANY_REG, IMM_0, STRING | NO_MODRM),
	FP("MOVUPS V,W", 0, 0x10, MEM_ONLY | NO_66), FP("MOVUPD V,W", 0x66, 0x10, MEM_ONLY),
	FP("MOVSS V,W", 0xf3, 0x10, MEM_ONLY), FP("MOVSD V,W", 0xf2, 0x10, MEM_ONLY),
	FP("MOVUPS W,V", 0, 0x11, MEM_ONLY | NO_66), FP("MOVSS W,V", 0xf3, 0x11, MEM_ONLY), FP("MOVSD W,V", 0xf2, 0x11, MEM_ONLY),
	FP("MOVLPS V,M", 0, 0x12, MEM_ONLY | NO_66), FP("MOVLPD M,V", 0x66, 0x13, MEM_ONLY),
	FP("MOVHPS V,M", 0, 0x16, MEM_ONLY | NO_66), FP("MOVHPD M,V", 0x66, 0x17, MEM_ONLY),
	FP("MOVAPS V,W", 0, 0x28, MEM_ONLY | NO_66 | ALIGN16), FP("MOVAPD W,V", 0x66, 0x29, MEM_ONLY | ALIGN16),
	FP("MOVNTPS", 0, 0x2b, MEM_ONLY | NO_66 | ALIGN16), FP("MOVD V,E", 0x66, 0x6e, MEM_ONLY), FP("MOVD E,V", 0x66, 0x7e, MEM_ONLY),
	FP("MOVQ V,W", 0xf3, 0x7e, MEM_ONLY), FP("MOVQ W,V", 0x66, 0xd6, MEM_ONLY),
	FP("MOVDQA V,W", 0x66, 0x6f, MEM_ONLY | ALIGN16), FP("MOVDQU V,W", 0xf3, 0x6f, MEM_ONLY),
	FP("MOVDQA W,V", 0x66, 0x7f, MEM_ONLY | ALIGN16), FP("MOVDQU W,V", 0xf3, 0x7f, MEM_ONLY),
	FP("MOVNTDQ", 0x66, 0xe7, MEM_ONLY | ALIGN16), FP("LDDQU", 0xf2, 0xf0, MEM_ONLY),
	{"MOVBE Gv,M", 0, {0x0f, 0x38, 0xf0}, 3, ANY_REG, IMM_0, MEM_ONLY},
	{"MOVBE M,Gv", 0, {0x0f, 0x38, 0xf1}, 3, ANY_REG, IMM_0, MEM_ONLY},
	/* clang-format on */
};

/*
 * Flags that the manuals leave undefined (SDM vol. 2, each instruction, "Flags Affected"), the one table of them. The
 * emulator clears AF in logic instructions and keeps it in shifts; OF follows the one-bit rule for every shift count.
 */
static uint64_t undefined_flags(const struct insn *i, uint64_t count)
{
	uint32_t bits = 8U * i->dst_size;

	count &= bits == 64 ? 63 : 31;
	switch (i->op) {
	case OP_OR:
	case OP_AND:
	case OP_XOR:
	case OP_TEST:
		return RFLAGS_AF;
	case OP_BT:
	case OP_BTS:
	case OP_BTR:
	case OP_BTC:
		return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
	case OP_ROL:
	case OP_ROR:
	case OP_RCL:
	case OP_RCR:
		return count > 1 ? RFLAGS_OF : 0;
	case OP_SHL:
	case OP_SHR:
	case OP_SAL:
		if (!count)
			return 0;
		return RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0) | (count >= bits ? RFLAGS_CF : 0);
	case OP_SAR:
		return count ? RFLAGS_AF | (count > 1 ? RFLAGS_OF : 0) : 0;
	default:
		return 0;
	}
}

/* --- one case --- */

static uint64_t rnd_value(void)
{
	static const uint64_t edge[] = {0,	   1,	       2,	   0x7f,
					0x80,	   0xff,       0x7fff,	   0x8000,
					0xffff,	   0x7fffffff, 0x80000000, 0xffffffff,
					INT64_MAX, 1ULL << 63, UINT64_MAX, UINT64_MAX - 1};

	if (rnd() % 3 == 0)
		return edge[rnd() % ARRAY_SIZE(edge)];
	return (uint64_t)rnd() << 32 | rnd();
}

struct trial {
	uint8_t bytes[INSN_MAX + 1];
	uint32_t n;
	uint32_t imm_bytes;
	bool address32;
	struct native_state start;
};

static void put(struct trial *t, uint64_t value, uint32_t n)
{
	memcpy(t->bytes + t->n, &value, n);
	t->n += n;
}

static uint64_t pick_target(const struct form *f)
{
	uint64_t a = NATIVE_DATA + MARGIN + rnd() % (NATIVE_DATA_BYTES - 2 * MARGIN);

	return f->flags & ALIGN16 ? ALIGN_DOWN(a, 16) : a;
}

/* A register that stands in an address; with 32-bit addressing its upper half shall not matter. */
static void set_pointer(struct trial *t, uint32_t reg, uint64_t value)
{
	t->start.gpr[reg] = t->address32 ? (value & UINT32_MAX) | (uint64_t)rnd() << 32 : value;
}

/* ModRM, SIB and displacement for @target; @rex is where REX will be. Registers are set so that they lead there. */
static void emit_address(struct trial *t, uint8_t *rex, uint8_t reg, uint64_t target)
{
	uint8_t reg_field = (uint8_t)((reg & 7) << 3);
	uint32_t base = rnd() % 16, index = rnd() % 16, scale = rnd() % 4, kind = rnd() % 4;
	int32_t disp = kind == 1 ? (int8_t)rnd() : (int32_t)(rnd() % 0x100000) - 0x80000;

	/* PUSH and POP move RSP, and its own value is not free. */
	if (base == RSP)
		base = RBX;
	if (index == RSP || index == base)
		kind = kind == 3 ? 2 : kind;
	switch (kind) {
	case 0: /* RIP-relative: everything after the displacement is the immediate */
		disp = (int32_t)(target - ((uint64_t)native_prologue() + t->n + 5 + t->imm_bytes));
		put(t, (uint8_t)(reg_field | 5), 1);
		put(t, (uint32_t)disp, 4);
		return;
	case 1:
	case 2: /* base and displacement */
		*rex |= base & 8 ? REX_B : 0;
		put(t, (uint8_t)((kind == 1 ? 0x40 : 0x80) | reg_field | (base & 7)), 1);
		if ((base & 7) == RSP)
			put(t, 0x24, 1);
		put(t, (uint32_t)disp, kind == 1 ? 1 : 4);
		set_pointer(t, base, target - (uint64_t)(int64_t)disp);
		return;
	default: /* base, index and displacement */
		*rex |= (uint8_t)((base & 8 ? REX_B : 0) | (index & 8 ? REX_X : 0));
		put(t, (uint8_t)(0x84 | reg_field), 1);
		put(t, (uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7)), 1);
		put(t, (uint32_t)disp, 4);
		set_pointer(t, index, rnd());
		set_pointer(t, base,
			    target - (uint64_t)(int64_t)disp - (t->start.gpr[index] << scale));
		return;
	}
}

/* Registers that string and stack instructions use. */
static void set_implicit(struct trial *t, const struct form *f)
{
	if (f->flags & STACK)
		t->start.gpr[RSP] = pick_target(f);
	if (!(f->flags & STRING))
		return;
	set_pointer(t, RSI, pick_target(f));
	set_pointer(t, RDI, rnd() % 4 ? pick_target(f) : t->start.gpr[RSI] + rnd() % 16);
	set_pointer(t, RCX, rnd() % 60);
	if (rnd() % 3 == 0)
		t->start.rflags |= RFLAGS_DF;
}

/* The index register of BT reaches at most 100 bytes to either side. */
static void set_bit_index(struct trial *t, uint8_t reg, bool word)
{
	int64_t index = (int64_t)(rnd() % 1600) - 800;
	uint32_t garbage = rnd();

	t->start.gpr[reg] = (uint64_t)index;
	/* With a 16-bit operand the rest of the register does not count. */
	if (word)
		t->start.gpr[reg] = (t->start.gpr[reg] & 0xffff) | (uint64_t)garbage << 16;
}

static void make_trial(struct trial *t, const struct form *f)
{
	bool sized = !(f->flags & (BYTE | NO_66)) && !f->prefix;
	bool opsize = sized && rnd() % 3 == 0, memory = f->flags & MEM_ONLY || rnd() % 4;
	uint8_t reg = (uint8_t)(rnd() % 16), rex = 0, *rex_at = &rex;
	uint64_t target = pick_target(f);

	memset(t, 0, sizeof(*t));
	for (uint32_t k = 0; k < GPR_COUNT; k++)
		t->start.gpr[k] = rnd_value();
	for (uint32_t k = 0; k < sizeof(t->start.xmm); k++)
		((uint8_t *)t->start.xmm)[k] = (uint8_t)rnd();
	t->start.rflags = RFLAGS_FIXED | RFLAGS_IF | (rnd() & RFLAGS_STATUS);
	t->address32 = rnd() % 4 == 0;
	if (opsize)
		put(t, 0x66, 1);
	if (t->address32)
		put(t, 0x67, 1);
	set_implicit(t, f);
	if (f->flags & LOCKABLE && memory && rnd() % 3 == 0)
		put(t, 0xf0, 1);
	if (f->flags & STRING && rnd() % 4)
		put(t, 0xf2 + rnd() % 2, 1);
	if (f->prefix)
		put(t, f->prefix, 1);
	if (f->digit != ANY_REG)
		reg = (uint8_t)f->digit;
	/* A REX byte is always there, except sometimes in byte instructions without extended registers. */
	if (rnd() % 3 || !(f->flags & BYTE)) {
		rex_at = &t->bytes[t->n];
		put(t, 0x40, 1);
	} else {
		reg &= 7;
	}
	if (rex_at != &rex && !(f->flags & BYTE) && rnd() % 2)
		*rex_at |= REX_W;
	if (rex_at != &rex && reg & 8 && !(f->flags & NO_MODRM))
		*rex_at |= REX_R;
	for (uint32_t k = 0; k < f->ops; k++)
		put(t, f->op[k], 1);
	if (f->imm == IMM_8)
		t->imm_bytes = 1;
	else if (f->imm == IMM_Z)
		t->imm_bytes = opsize && !(*rex_at & REX_W) ? 2 : 4;
	if (f->flags & BIT_TEST)
		set_bit_index(t, reg, opsize && !(*rex_at & REX_W));
	if (f->flags & MOFFS) {
		put(t, target, t->address32 ? 4 : 8);
	} else if (!(f->flags & NO_MODRM) && memory) {
		emit_address(t, rex_at, reg, target);
	} else if (!(f->flags & NO_MODRM)) {
		uint8_t rm = (uint8_t)(rnd() % (rex_at == &rex ? 8 : 16));

		*rex_at |= rm & 8 ? REX_B : 0;
		put(t, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)), 1);
	}
	put(t, rnd(), t->imm_bytes);
}

/* False: the trial makes no sense (an address register doubles as index of BT, or wants the REX that is not there). */
static bool usable(const struct trial *t, const struct form *f, const struct insn *i)
{
	bool memory = i->flags & INSN_MEM;

	if (f->flags & BIT_TEST && memory && (i->reg == i->base || i->reg == i->index))
		return false;
	if (i->length != t->n)
		return false;
	/* The prologue's address of the operand must not depend on registers that REX would have named. */
	if (memory && !i->rex && (i->base != INSN_NO_REG || i->index != INSN_NO_REG)) {
		uint64_t a = (uint64_t)i->disp;

		a += i->base == INSN_NO_REG ? 0 : t->start.gpr[i->base];
		a += i->index == INSN_NO_REG ? 0 : t->start.gpr[i->index] << i->scale;
		a &= size_mask(i->addrsize);
		return a >= NATIVE_DATA + MARGIN / 2 &&
		       a < NATIVE_DATA + NATIVE_DATA_BYTES - MARGIN;
	}
	return true;
}

static void run_emulated(const struct trial *t, const struct insn *i, uint64_t *rip)
{
	struct emu_cpu cpu = {
		.gpr = emulated.gpr,
		.rip = rip,
		.rflags = &emulated.rflags,
		.cr0 = CR0_PE | CR0_PG,
		.cr4 = CR4_OSFXSR | CR4_PAE,
		.cpl = 3,
		.max_iterations = 1 + rnd() % 9,
	};
	enum emu_result r;

	emulated = t->start;
	do
		r = emulate(&flat, NULL, &cpu, i);
	while (r == EMU_AGAIN);
	assert_int_equal(r, EMU_DONE);
	assert_false(cpu.single_step);
}

static void print_trial(const struct form *f, const struct trial *t)
{
	print_error("%s:", f->name);
	for (uint32_t k = 0; k < t->n; k++)
		print_error(" %02x", t->bytes[k]);
	print_error("\n");
}

/*
 * A REP that repeats nothing with 32-bit addresses: some processors clear the upper halves of the registers that count and
 * point, others do not touch them. The manuals leave it open (SDM vol. 2, REP).
 */
static bool same_register(const struct form *f, const struct trial *t, uint32_t reg,
			  uint64_t native)
{
	bool open = f->flags & STRING && t->address32 && !(uint32_t)t->start.gpr[RCX] &&
		    (reg == RCX || reg == RSI || reg == RDI);

	return native == emulated.gpr[reg] || (open && native == (uint32_t)emulated.gpr[reg]);
}

/* True: the same; else it prints what differs. */
static bool compare(const struct form *f, const struct trial *t, const struct insn *i,
		    const struct native_state *native, uint64_t rip)
{
	uint64_t count = i->src == OPND_IMM ? i->imm : t->start.gpr[RCX];
	uint64_t defined = (RFLAGS_STATUS | RFLAGS_DF) & ~undefined_flags(i, count);
	bool same = true;

	for (uint32_t k = 0; k < GPR_COUNT; k++) {
		if (same_register(f, t, k, native->gpr[k]))
			continue;
		same = false;
		print_error("  gpr %u: before %llx, processor %llx, emulator %llx\n", k,
			    (unsigned long long)t->start.gpr[k], (unsigned long long)native->gpr[k],
			    (unsigned long long)emulated.gpr[k]);
	}
	if ((native->rflags ^ emulated.rflags) & defined) {
		same = false;
		print_error("  flags: before %llx, processor %llx, emulator %llx\n",
			    (unsigned long long)t->start.rflags, (unsigned long long)native->rflags,
			    (unsigned long long)emulated.rflags);
	}
	if (memcmp(native->xmm, emulated.xmm, sizeof(emulated.xmm))) {
		same = false;
		print_error("  XMM differs\n");
	}
	if (memcmp((void *)NATIVE_DATA, copy, sizeof(copy))) {
		same = false;
		print_error("  memory differs\n");
	}
	if (rip != (uint64_t)native_prologue() + t->n) {
		same = false;
		print_error("  RIP differs\n");
	}
	if (!same)
		print_trial(f, t);
	return same;
}

static bool run_trial(const struct form *f, bool *ran)
{
	struct native_state native;
	struct trial t;
	struct insn i;
	uint64_t rip = (uint64_t)native_prologue();

	*ran = false;
	make_trial(&t, f);
	for (uint32_t k = 0; k < NATIVE_DATA_BYTES; k += 4) {
		/* Half of it the same, so that comparisons go on for a while. */
		uint32_t v = rnd() % 2 ? rnd() : 0x01010101;

		memcpy(copy + k, &v, 4);
	}
	memcpy((void *)NATIVE_DATA, copy, sizeof(copy));
	if (insn_decode(&i, t.bytes, t.n, CPU_MODE_64) || !usable(&t, f, &i))
		return true;
	*ran = true;
	native = t.start;
	native_run(&native, t.bytes, t.n);
	run_emulated(&t, &i, &rip);
	return compare(f, &t, &i, &native, rip);
}

/* Only MOVBE (and CMPXCHG16B, older still) is not in every 64-bit processor. */
static bool host_has(const struct form *f)
{
	uint32_t a, b, c = 0, d;

	__get_cpuid(1, &a, &b, &c, &d);
	return f->ops < 3 || c & bit_MOVBE;
}

static void same_as_processor(void **state)
{
	uint32_t wrong = 0, total = 0;

	(void)state;
	if (!native_is_open)
		skip();
	for (uint32_t k = 0; k < ARRAY_SIZE(forms); k++) {
		uint32_t ran_here = 0, wrong_here = 0;

		if (!host_has(&forms[k]))
			continue;
		for (uint32_t n = 0; n < CASES_PER_FORM && wrong_here < 3; n++) {
			bool ran;

			wrong_here += !run_trial(&forms[k], &ran);
			ran_here += ran;
		}
		if (ran_here < CASES_PER_FORM / 4 && !wrong_here)
			print_error("%s: only %u cases ran\n", forms[k].name, ran_here);
		assert_true(wrong_here || ran_here >= CASES_PER_FORM / 4);
		wrong += wrong_here;
		total += ran_here;
	}
	print_message("%u instructions compared with the processor\n", total);
	assert_int_equal(wrong, 0);
}

/* A host that forbids writable code has no test, and no failure either. */
static int open_native(void **state)
{
	(void)state;
	native_is_open = native_open();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_processor),
	};

	return cmocka_run_group_tests(tests, open_native, NULL);
}
