/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's string instructions, with their repetition (SDM vol. 2, REP; vol. 1, 7.3.9). */

#include "vm/emulate_priv.h"

/* rSI or rDI, cut to the address size. */
static uint64_t pointer(const struct emu *e, enum gpr reg)
{
	return e->cpu->gpr[reg] & size_mask(e->i->addrsize);
}

static enum emu_result read_at(struct emu *e, enum seg_reg seg, enum gpr reg, uint32_t size,
			       uint64_t *value)
{
	enum emu_result r = emu_linear(e, seg, pointer(e, reg), size, false, &e->mem);

	*value = 0;
	return r ? r : e->ops->mem_read(e->ctx, e->mem, size, value, 0);
}

static enum emu_result read_source(struct emu *e, uint32_t size, uint64_t *value)
{
	return read_at(e, (enum seg_reg)e->i->seg, RSI, size, value);
}

static enum emu_result write_dest(struct emu *e, uint32_t size, uint64_t value)
{
	enum emu_result r = emu_linear(e, SEG_ES, pointer(e, RDI), size, true, &e->mem);

	return r ? r : e->ops->mem_write(e->ctx, e->mem, size, &value, 0);
}

static void advance(struct emu *e, enum gpr reg, uint32_t size)
{
	bool down = *e->cpu->rflags & RFLAGS_DF;
	uint64_t by = down ? 0 - (uint64_t)size : size;

	emu_reg_write(e, reg, e->i->addrsize, e->cpu->gpr[reg] + by);
}

static enum emu_result string_movs(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t value;
	enum emu_result r = read_source(e, size, &value);

	if (!r)
		r = write_dest(e, size, value);
	if (r)
		return r;
	advance(e, RSI, size);
	advance(e, RDI, size);
	return EMU_DONE;
}

static enum emu_result string_cmps(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t a, b;
	enum emu_result r = read_source(e, size, &a);

	if (!r)
		r = read_at(e, SEG_ES, RDI, size, &b);
	if (r)
		return r;
	emu_alu_cmp(e, a, b, size);
	advance(e, RSI, size);
	advance(e, RDI, size);
	return EMU_DONE;
}

static enum emu_result string_stos(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	enum emu_result r = write_dest(e, size, e->cpu->gpr[RAX]);

	if (r)
		return r;
	advance(e, RDI, size);
	return EMU_DONE;
}

static enum emu_result string_lods(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t value;
	enum emu_result r = read_source(e, size, &value);

	if (r)
		return r;
	emu_reg_write(e, RAX, size, value);
	advance(e, RSI, size);
	return EMU_DONE;
}

static enum emu_result string_scas(struct emu *e)
{
	uint32_t size = e->i->dst_size;
	uint64_t value;
	enum emu_result r = read_at(e, SEG_ES, RDI, size, &value);

	if (r)
		return r;
	emu_alu_cmp(e, e->cpu->gpr[RAX] & size_mask(size), value, size);
	advance(e, RDI, size);
	return EMU_DONE;
}

/* The destination is checked first: what has been read from a port cannot be put back. */
static enum emu_result string_ins(struct emu *e)
{
	uint32_t size = e->i->dst_size, value = 0;
	enum emu_result r;

	if (!e->ops->io_in)
		return EMU_STOP;
	r = emu_linear(e, SEG_ES, pointer(e, RDI), size, true, &e->mem);
	if (!r)
		r = e->ops->mem_check(e->ctx, e->mem, size);
	if (!r)
		r = e->ops->io_in(e->ctx, (uint16_t)e->cpu->gpr[RDX], size, &value);
	if (!r)
		r = e->ops->mem_write(e->ctx, e->mem, size, &value, 0);
	if (r)
		return r;
	advance(e, RDI, size);
	return EMU_DONE;
}

static enum emu_result string_outs(struct emu *e)
{
	uint32_t size = e->i->src_size;
	uint64_t value;
	enum emu_result r;

	if (!e->ops->io_out)
		return EMU_STOP;
	r = read_source(e, size, &value);
	if (!r)
		r = e->ops->io_out(e->ctx, (uint16_t)e->cpu->gpr[RDX], size, (uint32_t)value);
	if (r)
		return r;
	advance(e, RSI, size);
	return EMU_DONE;
}

static const emu_handler step[OP_COUNT] = {
	[OP_MOVS] = string_movs, [OP_CMPS] = string_cmps, [OP_STOS] = string_stos,
	[OP_LODS] = string_lods, [OP_SCAS] = string_scas, [OP_INS] = string_ins,
	[OP_OUTS] = string_outs,
};

/* Has REPE or REPNE met the value that ends it? */
static bool comparison_ends(const struct emu *e)
{
	if (e->i->op != OP_CMPS && e->i->op != OP_SCAS)
		return false;
	return !(e->rflags & RFLAGS_ZF) == !!(e->i->prefixes & INSN_REP);
}

/* Iterations that this call may do; single-stepping stops after each one. */
static uint64_t iterations(const struct emu *e, uint64_t count)
{
	return (*e->cpu->rflags & RFLAGS_TF) ? 1 : min_u64(count, e->cpu->max_iterations);
}

/* A fault leaves the flags as they were before the instruction, the registers as after the last iteration. */
static enum emu_result repeat(struct emu *e, uint64_t count)
{
	uint64_t limit = iterations(e, count);

	for (uint64_t k = 0; k < limit; k++) {
		enum emu_result r = step[e->i->op](e);

		if (r)
			return r;
		count--;
		emu_reg_write(e, RCX, e->i->addrsize, count);
		if (comparison_ends(e))
			return EMU_DONE;
	}
	if (!count)
		return EMU_DONE;
	*e->cpu->rflags = e->rflags | RFLAGS_RF;
	e->cpu->single_step = e->rflags & RFLAGS_TF;
	return EMU_AGAIN;
}

enum emu_result emu_string(struct emu *e)
{
	uint64_t count = pointer(e, RCX);

	if (!(e->i->prefixes & (INSN_REP | INSN_REPNE)))
		return step[e->i->op](e);
	return count ? repeat(e, count) : EMU_DONE;
}
