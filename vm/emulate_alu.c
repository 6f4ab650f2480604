/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's arithmetic: results and status flags as SDM vol. 2 describes each instruction. */

#include "vm/emulate_priv.h"

static void flags_set(struct emu *e, uint64_t which, uint64_t value)
{
	e->rflags = (e->rflags & ~which) | (value & which);
}

static uint64_t flag_if(bool condition, uint64_t flag)
{
	return condition ? flag : 0;
}

/* SF, ZF and PF of a result that is cut to @size. */
static uint64_t flags_of(uint64_t result, uint32_t size)
{
	return flag_if(result & size_sign(size), RFLAGS_SF) | flag_if(result == 0, RFLAGS_ZF) |
	       flag_if(!__builtin_parity((uint32_t)result & 0xff), RFLAGS_PF);
}

static uint64_t add_with(struct emu *e, uint64_t a, uint64_t b, uint64_t carry, uint32_t size)
{
	uint64_t r = (a + b + carry) & size_mask(size);
	bool cf = r < a || (carry && r == a);

	flags_set(e, RFLAGS_STATUS,
		  flags_of(r, size) | flag_if(cf, RFLAGS_CF) | ((a ^ b ^ r) & RFLAGS_AF) |
			  flag_if((a ^ r) & (b ^ r) & size_sign(size), RFLAGS_OF));
	return r;
}

static uint64_t sub_with(struct emu *e, uint64_t a, uint64_t b, uint64_t borrow, uint32_t size)
{
	uint64_t r = (a - b - borrow) & size_mask(size);
	bool cf = a < b || (borrow && a == b);

	flags_set(e, RFLAGS_STATUS,
		  flags_of(r, size) | flag_if(cf, RFLAGS_CF) | ((a ^ b ^ r) & RFLAGS_AF) |
			  flag_if((a ^ b) & (a ^ r) & size_sign(size), RFLAGS_OF));
	return r;
}

static uint64_t logic(struct emu *e, uint64_t r, uint32_t size)
{
	flags_set(e, RFLAGS_STATUS, flags_of(r, size));
	return r;
}

static uint64_t alu_add(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return add_with(e, a, b, 0, size);
}

static uint64_t alu_adc(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return add_with(e, a, b, e->rflags & RFLAGS_CF, size);
}

static uint64_t alu_sbb(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return sub_with(e, a, b, e->rflags & RFLAGS_CF, size);
}

uint64_t emu_alu_cmp(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return sub_with(e, a, b, 0, size);
}

static uint64_t alu_or(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return logic(e, a | b, size);
}

static uint64_t alu_and(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return logic(e, a & b, size);
}

static uint64_t alu_xor(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return logic(e, a ^ b, size);
}

static uint64_t alu_not(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	(void)e;
	(void)b;
	return ~a & size_mask(size);
}

static uint64_t alu_neg(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	(void)b;
	return sub_with(e, 0, a, 0, size);
}

/* INC and DEC keep CF. */
static uint64_t alu_inc(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint64_t cf = e->rflags & RFLAGS_CF;
	uint64_t r = add_with(e, a, 1, 0, size);

	(void)b;
	flags_set(e, RFLAGS_CF, cf);
	return r;
}

static uint64_t alu_dec(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint64_t cf = e->rflags & RFLAGS_CF;
	uint64_t r = sub_with(e, a, 1, 0, size);

	(void)b;
	flags_set(e, RFLAGS_CF, cf);
	return r;
}

/* Shift counts are taken modulo 32, of 64-bit operands modulo 64; a count of 0 changes no flag. */
static uint32_t shift_count(uint64_t b, uint32_t size)
{
	return (uint32_t)(b & (size == 8 ? 63 : 31));
}

static uint64_t alu_rol(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size), bits = 8 * size, n = count % bits;
	uint64_t r = n ? (a << n | a >> (bits - n)) & size_mask(size) : a;
	bool cf = r & 1;

	if (count)
		flags_set(e, RFLAGS_CF | RFLAGS_OF,
			  flag_if(cf, RFLAGS_CF) |
				  flag_if(!!(r & size_sign(size)) != cf, RFLAGS_OF));
	return r;
}

static uint64_t alu_ror(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size), bits = 8 * size, n = count % bits;
	uint64_t r = n ? (a >> n | a << (bits - n)) & size_mask(size) : a;
	bool top = r & size_sign(size), next = r & (size_sign(size) >> 1);

	if (count)
		flags_set(e, RFLAGS_CF | RFLAGS_OF,
			  flag_if(top, RFLAGS_CF) | flag_if(top != next, RFLAGS_OF));
	return r;
}

/* Rotate through CF, one bit at a time: at most 63 steps. */
static uint64_t alu_rcl(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size);
	uint64_t cf = e->rflags & RFLAGS_CF;

	for (uint32_t k = 0; k < count; k++) {
		uint64_t out = !!(a & size_sign(size));

		a = (a << 1 | cf) & size_mask(size);
		cf = out;
	}
	if (count)
		flags_set(e, RFLAGS_CF | RFLAGS_OF,
			  cf | flag_if(!!(a & size_sign(size)) != !!cf, RFLAGS_OF));
	return a;
}

static uint64_t alu_rcr(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size);
	uint64_t cf = e->rflags & RFLAGS_CF;
	bool top, next;

	for (uint32_t k = 0; k < count; k++) {
		uint64_t out = a & 1;

		a = a >> 1 | (cf ? size_sign(size) : 0);
		cf = out;
	}
	top = a & size_sign(size);
	next = a & (size_sign(size) >> 1);
	if (count)
		flags_set(e, RFLAGS_CF | RFLAGS_OF, cf | flag_if(top != next, RFLAGS_OF));
	return a;
}

static uint64_t alu_shl(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size);
	uint64_t last, r;
	bool cf;

	if (!count)
		return a;
	last = a << (count - 1);
	r = last << 1 & size_mask(size);
	cf = last & size_sign(size);
	flags_set(e, RFLAGS_STATUS & ~RFLAGS_AF,
		  flags_of(r, size) | flag_if(cf, RFLAGS_CF) |
			  flag_if(!!(r & size_sign(size)) != cf, RFLAGS_OF));
	return r;
}

static uint64_t alu_shr(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size);
	uint64_t last, r;

	if (!count)
		return a;
	last = a >> (count - 1);
	r = last >> 1;
	flags_set(e, RFLAGS_STATUS & ~RFLAGS_AF,
		  flags_of(r, size) | (last & RFLAGS_CF) | flag_if(a & size_sign(size), RFLAGS_OF));
	return r;
}

static uint64_t alu_sar(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	uint32_t count = shift_count(b, size), spare = 64 - 8 * size;
	int64_t last;
	uint64_t r;

	if (!count)
		return a;
	last = (int64_t)(a << spare) >> spare >> (count - 1);
	r = (uint64_t)(last >> 1) & size_mask(size);
	flags_set(e, RFLAGS_STATUS & ~RFLAGS_AF, flags_of(r, size) | ((uint64_t)last & RFLAGS_CF));
	return r;
}

/* @b is the bit's number within the operand. */
static uint64_t alu_bt(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	(void)size;
	flags_set(e, RFLAGS_CF, flag_if(a & BIT(b), RFLAGS_CF));
	return a;
}

static uint64_t alu_bts(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return alu_bt(e, a, b, size) | BIT(b);
}

static uint64_t alu_btr(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return alu_bt(e, a, b, size) & ~BIT(b);
}

static uint64_t alu_btc(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return alu_bt(e, a, b, size) ^ BIT(b);
}

static uint64_t alu_take(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	(void)e;
	(void)a;
	(void)size;
	return b;
}

/* The accumulator is compared; equal: @b, else the old value is written again. */
static uint64_t alu_cmpxchg(struct emu *e, uint64_t a, uint64_t b, uint32_t size)
{
	return sub_with(e, e->cpu->gpr[RAX] & size_mask(size), a, 0, size) ? a : b;
}

static const emu_alu_fn alu[OP_COUNT] = {
	[OP_ADD] = alu_add,   [OP_OR] = alu_or,	      [OP_ADC] = alu_adc,
	[OP_SBB] = alu_sbb,   [OP_AND] = alu_and,     [OP_SUB] = emu_alu_cmp,
	[OP_XOR] = alu_xor,   [OP_CMP] = emu_alu_cmp, [OP_ROL] = alu_rol,
	[OP_ROR] = alu_ror,   [OP_RCL] = alu_rcl,     [OP_RCR] = alu_rcr,
	[OP_SHL] = alu_shl,   [OP_SHR] = alu_shr,     [OP_SAL] = alu_shl,
	[OP_SAR] = alu_sar,   [OP_TEST] = alu_and,    [OP_NOT] = alu_not,
	[OP_NEG] = alu_neg,   [OP_INC] = alu_inc,     [OP_DEC] = alu_dec,
	[OP_BT] = alu_bt,     [OP_BTS] = alu_bts,     [OP_BTR] = alu_btr,
	[OP_BTC] = alu_btc,   [OP_XADD] = alu_add,    [OP_CMPXCHG] = alu_cmpxchg,
	[OP_XCHG] = alu_take,
};

emu_alu_fn emu_alu(uint8_t op)
{
	return alu[op];
}

bool emu_condition(const struct emu *e, uint8_t code)
{
	uint64_t f = e->rflags;
	bool less = !!(f & RFLAGS_SF) != !!(f & RFLAGS_OF);
	bool holds = false;

	switch ((code >> 1) & 7) {
	case 0:
		holds = f & RFLAGS_OF;
		break;
	case 1:
		holds = f & RFLAGS_CF;
		break;
	case 2:
		holds = f & RFLAGS_ZF;
		break;
	case 3:
		holds = f & (RFLAGS_CF | RFLAGS_ZF);
		break;
	case 4:
		holds = f & RFLAGS_SF;
		break;
	case 5:
		holds = f & RFLAGS_PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || f & RFLAGS_ZF;
		break;
	}
	return holds != (code & 1);
}
