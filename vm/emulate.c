/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs one decoded instruction: the handlers of integer instructions, and what all of them end with. */

#include "vm/emulate_priv.h"

static enum emu_result run_mov(struct emu *e)
{
	uint64_t value;
	enum emu_result r = emu_read(e, e->i->src, e->i->src_size, &value);

	return r ? r : emu_write(e, e->i->dst, e->i->dst_size, value);
}

static enum emu_result run_movsx(struct emu *e)
{
	uint32_t spare = 64 - 8 * (uint32_t)e->i->src_size;
	uint64_t value;
	enum emu_result r = emu_read(e, e->i->src, e->i->src_size, &value);

	if (r)
		return r;
	return emu_write(e, e->i->dst, e->i->dst_size,
			 (uint64_t)((int64_t)(value << spare) >> spare));
}

static enum emu_result run_movbe(struct emu *e)
{
	uint32_t spare = 64 - 8 * (uint32_t)e->i->src_size;
	uint64_t value;
	enum emu_result r = emu_read(e, e->i->src, e->i->src_size, &value);

	return r ? r : emu_write(e, e->i->dst, e->i->dst_size, __builtin_bswap64(value) >> spare);
}

/* The source is read, and the upper half cleared, whatever the condition. */
static enum emu_result run_cmov(struct emu *e)
{
	uint64_t value;
	enum emu_result r = emu_read(e, e->i->src, e->i->src_size, &value);

	if (r)
		return r;
	if (!emu_condition(e, e->i->opcode))
		value = emu_reg_read(e, e->i->reg, e->i->dst_size);
	return emu_write(e, e->i->dst, e->i->dst_size, value);
}

static enum emu_result run_setcc(struct emu *e)
{
	return emu_write(e, e->i->dst, e->i->dst_size, emu_condition(e, e->i->opcode));
}

/* Stores only: a load of a segment register is the processor's work. */
static enum emu_result run_mov_sreg(struct emu *e)
{
	if (e->i->dst != OPND_RM)
		return EMU_STOP;
	return emu_write(e, OPND_RM, e->i->dst_size,
			 e->ops->get_seg(e->ctx, (enum seg_reg)e->i->reg).sel);
}

/* Two operands, one or none in memory, the result to the first. */
static enum emu_result run_alu(struct emu *e)
{
	bool locked = e->i->prefixes & INSN_LOCK;
	uint64_t b = 0, old;
	enum emu_result r = EMU_DONE;

	if (e->i->src != OPND_NONE)
		r = emu_read(e, e->i->src, e->i->src_size, &b);
	return r ? r : emu_modify(e, 0, emu_alu(e->i->op), b, locked, &old);
}

/* XCHG with memory is always locked (SDM vol. 3, 8.1.2.1). */
static enum emu_result run_xchg(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t old;
	enum emu_result r =
		emu_modify(e, 0, emu_alu(OP_XCHG), emu_reg_read(e, e->i->reg, size), true, &old);

	if (r)
		return r;
	emu_reg_write(e, e->i->reg, size, old);
	return EMU_DONE;
}

/* The source register is written first, so that XADD of a register with itself doubles it (SDM vol. 2, XADD). */
static enum emu_result run_xadd(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	bool locked = e->i->prefixes & INSN_LOCK;
	uint64_t old;
	enum emu_result r =
		emu_modify(e, 0, emu_alu(OP_XADD), emu_reg_read(e, e->i->reg, size), locked, &old);

	if (r)
		return r;
	if (emu_in_memory(e, OPND_RM) || e->i->reg != e->i->rm)
		emu_reg_write(e, e->i->reg, size, old);
	return EMU_DONE;
}

/*
 * A comparison that fails leaves a register destination alone, its upper half included (measured: the pseudocode of
 * SDM vol. 2, CMPXCHG, would clear it), while memory is written in any case.
 */
static enum emu_result run_cmpxchg(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	bool locked = e->i->prefixes & INSN_LOCK;
	uint64_t b = emu_reg_read(e, e->i->reg, size), before = e->cpu->gpr[e->i->rm], old;
	enum emu_result r = emu_modify(e, 0, emu_alu(OP_CMPXCHG), b, locked, &old);

	if (r || e->rflags & RFLAGS_ZF)
		return r;
	if (!emu_in_memory(e, OPND_RM) && size == 4)
		e->cpu->gpr[e->i->rm] = before;
	emu_reg_write(e, RAX, size, old);
	return EMU_DONE;
}

/* One half of CMPXCHG8B's, CMPXCHG16B's operand pair: EDX:EAX, or RDX:RAX. */
static void pair_get(const struct emu *e, enum gpr low, enum gpr high, uint64_t pair[2])
{
	uint64_t lo = e->cpu->gpr[low], hi = e->cpu->gpr[high];

	if (e->i->dst_size == 16) {
		pair[0] = lo;
		pair[1] = hi;
		return;
	}
	pair[0] = hi << 32 | (uint32_t)lo;
	pair[1] = 0;
}

static void pair_set(struct emu *e, const uint64_t pair[2])
{
	if (e->i->dst_size == 16) {
		e->cpu->gpr[RAX] = pair[0];
		e->cpu->gpr[RDX] = pair[1];
		return;
	}
	e->cpu->gpr[RAX] = (uint32_t)pair[0];
	e->cpu->gpr[RDX] = pair[0] >> 32;
}

/* One try: memory that differs is written back as it was, as the processor does (SDM vol. 2, CMPXCHG8B). */
static enum emu_result cmpxchg8b_try(struct emu *e, uint64_t old[2], bool *equal)
{
	uint32_t size = e->i->dst_size;
	uint64_t expected[2], desired[2];
	enum emu_result r;

	old[0] = old[1] = 0;
	r = e->ops->mem_read(e->ctx, e->mem, size, old, EMU_MEM_WRITE);
	if (r)
		return r;
	pair_get(e, RAX, RDX, expected);
	pair_get(e, RBX, RCX, desired);
	*equal = old[0] == expected[0] && old[1] == expected[1];
	if (e->i->prefixes & INSN_LOCK)
		return e->ops->mem_cmpxchg(e->ctx, e->mem, size, old, *equal ? desired : old);
	return e->ops->mem_write(e->ctx, e->mem, size, *equal ? desired : old, 0);
}

static enum emu_result run_cmpxchg8b(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t old[2];
	bool equal = false;
	enum emu_result r = emu_address(e, 0, size, true);

	if (r)
		return r;
	if (size == 16 && e->mem.v & 15)
		return emu_fault(e, EXC_GP, true);
	r = EMU_AGAIN;
	for (uint32_t k = 0; k < EMU_LOCK_TRIES && r == EMU_AGAIN; k++)
		r = cmpxchg8b_try(e, old, &equal);
	if (r)
		return r;
	e->rflags = equal ? e->rflags | RFLAGS_ZF : e->rflags & ~RFLAGS_ZF;
	if (!equal)
		pair_set(e, old);
	return EMU_DONE;
}

/*
 * BT and its kin: an index in a register is signed and reaches beyond a memory operand, which then lies that many whole
 * operands further on; an immediate or a register operand takes it modulo the size (SDM vol. 2, BT).
 */
static enum emu_result run_bt(struct emu *e)
{
	uint32_t size = e->i->dst_size, bits = 8 * size, spare = 64 - bits;
	bool locked = e->i->prefixes & INSN_LOCK;
	uint64_t index, old;
	int64_t displacement = 0;
	enum emu_result r = emu_read(e, e->i->src, e->i->src_size, &index);

	if (r)
		return r;
	if (e->i->src == OPND_REG)
		displacement = ((int64_t)(index << spare) >> spare) / (int64_t)bits;
	if (e->i->src == OPND_REG && index & size_sign(size) && index & (bits - 1))
		displacement--;
	return emu_modify(e, displacement * (int64_t)size, emu_alu(e->i->op), index & (bits - 1),
			  locked, &old);
}

static enum emu_result run_push(struct emu *e)
{
	uint32_t size = e->i->src_size, width = emu_stack_width(e);
	uint64_t rsp = (e->cpu->gpr[RSP] - size) & size_mask(width), value;
	enum emu_result r = emu_read(e, e->i->src, size, &value);
	gva_t top;

	if (!r)
		r = emu_linear(e, SEG_SS, rsp, size, true, &top);
	if (!r)
		r = e->ops->mem_write(e->ctx, top, size, &value, EMU_MEM_STACK);
	if (r)
		return r;
	emu_reg_write(e, RSP, width, rsp);
	return EMU_DONE;
}

/* An address in the operand that uses rSP sees it already incremented (SDM vol. 2, POP). */
static enum emu_result run_pop(struct emu *e)
{
	uint32_t size = e->i->dst_size, width = emu_stack_width(e);
	uint64_t rsp = e->cpu->gpr[RSP], value = 0;
	gva_t top;
	enum emu_result r = emu_linear(e, SEG_SS, rsp & size_mask(width), size, false, &top);

	if (!r)
		r = e->ops->mem_read(e->ctx, top, size, &value, EMU_MEM_STACK);
	if (r)
		return r;
	emu_reg_write(e, RSP, width, rsp + size);
	r = emu_write(e, e->i->dst, size, value);
	if (r)
		e->cpu->gpr[RSP] = rsp;
	return r;
}

static enum emu_result run_nop(struct emu *e)
{
	(void)e;
	return EMU_DONE;
}

static const emu_handler handler[OP_COUNT] = {
	[OP_ADD] = run_alu,
	[OP_OR] = run_alu,
	[OP_ADC] = run_alu,
	[OP_SBB] = run_alu,
	[OP_AND] = run_alu,
	[OP_SUB] = run_alu,
	[OP_XOR] = run_alu,
	[OP_CMP] = run_alu,
	[OP_ROL] = run_alu,
	[OP_ROR] = run_alu,
	[OP_RCL] = run_alu,
	[OP_RCR] = run_alu,
	[OP_SHL] = run_alu,
	[OP_SHR] = run_alu,
	[OP_SAL] = run_alu,
	[OP_SAR] = run_alu,
	[OP_TEST] = run_alu,
	[OP_NOT] = run_alu,
	[OP_NEG] = run_alu,
	[OP_INC] = run_alu,
	[OP_DEC] = run_alu,
	[OP_MOV] = run_mov,
	[OP_MOVZX] = run_mov,
	[OP_MOVSX] = run_movsx,
	[OP_MOVBE] = run_movbe,
	[OP_CMOV] = run_cmov,
	[OP_SETCC] = run_setcc,
	[OP_XCHG] = run_xchg,
	[OP_XADD] = run_xadd,
	[OP_CMPXCHG] = run_cmpxchg,
	[OP_BT] = run_bt,
	[OP_BTS] = run_bt,
	[OP_BTR] = run_bt,
	[OP_BTC] = run_bt,
	[OP_PUSH] = run_push,
	[OP_POP] = run_pop,
	[OP_NOP] = run_nop,
	[OP_MOV_SREG] = run_mov_sreg,
	[OP_CMPXCHG8B] = run_cmpxchg8b,
	[OP_XLOAD] = emu_sse,
	[OP_XSTORE] = emu_sse,
	[OP_XMERGE_LOW] = emu_sse,
	[OP_XMERGE_HIGH] = emu_sse,
	[OP_XSTORE_HIGH] = emu_sse,
	[OP_MOVS] = emu_string,
	[OP_CMPS] = emu_string,
	[OP_STOS] = emu_string,
	[OP_LODS] = emu_string,
	[OP_SCAS] = emu_string,
	[OP_INS] = emu_string,
	[OP_OUTS] = emu_string,
};

enum emu_result emulate(const struct emu_ops *ops, void *ctx, struct emu_cpu *cpu,
			const struct insn *i)
{
	struct emu e;
	enum emu_result r;
	uint64_t rip;

	e.ops = ops;
	e.ctx = ctx;
	e.cpu = cpu;
	e.i = i;
	e.rflags = *cpu->rflags;
	e.segments = 0;
	cpu->single_step = false;
	if (!handler[i->op])
		return EMU_STOP;
	r = handler[i->op](&e);
	if (r)
		return r;
	rip = *cpu->rip + i->length;
	*cpu->rip = i->mode == CPU_MODE_64 ? rip : (uint32_t)rip;
	*cpu->rflags = e.rflags & ~RFLAGS_RF;
	cpu->single_step = e.rflags & RFLAGS_TF;
	return EMU_DONE;
}
