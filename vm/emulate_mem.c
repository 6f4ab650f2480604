/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's operands: registers, segmented addresses, memory reads, writes and read-modify-writes. */

#include "lib/string.h"
#include "vm/emulate_priv.h"

/* Segment types (SDM vol. 3, 3.4.5.1) */
#define TYPE_CODE	 0x8
#define TYPE_EXPAND_DOWN 0x4 /* of data */
#define TYPE_RW		 0x2 /* data: writable; code: readable */

/* Is @n one of AH, CH, DH, BH? Any REX makes it SPL, BPL, SIL, DIL (SDM vol. 2, 2.2.1.2). */
static bool is_high_byte(const struct emu *e, uint32_t n, uint32_t size)
{
	return size == 1 && !e->i->rex && n >= RSP && n <= RDI;
}

uint64_t emu_reg_read(const struct emu *e, uint32_t n, uint32_t size)
{
	if (is_high_byte(e, n, size))
		return (e->cpu->gpr[n - RSP] >> 8) & size_mask(1);
	return e->cpu->gpr[n] & size_mask(size);
}

void emu_reg_write(struct emu *e, uint32_t n, uint32_t size, uint64_t value)
{
	uint64_t *reg = &e->cpu->gpr[n];
	uint64_t mask = size_mask(size);

	if (is_high_byte(e, n, size)) {
		reg = &e->cpu->gpr[n - RSP];
		mask <<= 8;
		value <<= 8;
	}
	if (size == 4)
		*reg = 0;
	*reg = (*reg & ~mask) | (value & mask);
}

enum emu_result emu_fault(struct emu *e, enum exception vector, bool has_error)
{
	e->ops->fault(e->ctx, (uint8_t)vector, has_error && e->cpu->cr0 & CR0_PE, 0);
	return EMU_FAULT;
}

static const struct segment *segment_get(struct emu *e, enum seg_reg seg)
{
	if (!(e->segments & BIT(seg))) {
		e->segment[seg] = e->ops->get_seg(e->ctx, seg);
		e->segments |= (uint8_t)BIT(seg);
	}
	return &e->segment[seg];
}

/* Type checks do not exist in real and virtual-8086 mode. */
static bool has_types(const struct emu *e)
{
	return e->cpu->cr0 & CR0_PE && !(*e->cpu->rflags & RFLAGS_VM);
}

static bool type_allows(const struct segment *s, bool write)
{
	bool code = s->attr & TYPE_CODE, rw = s->attr & TYPE_RW;

	if (!(s->attr & SEG_ATTR_P))
		return false;
	return write ? !code && rw : !code || rw;
}

/* Does [@offset, @offset + @size) lie inside the segment (SDM vol. 3, 5.3)? @offset has at most 32 bits. */
static bool limit_allows(const struct segment *s, uint64_t offset, uint32_t size)
{
	uint64_t last = offset + size - 1;
	uint64_t top = s->attr & SEG_ATTR_DB ? UINT32_MAX : UINT16_MAX;

	if ((s->attr & (TYPE_CODE | TYPE_EXPAND_DOWN)) != TYPE_EXPAND_DOWN)
		return last <= s->limit;
	return offset > s->limit && last <= top;
}

/* 48 bits, for five-level paging is hidden from guests (SDM vol. 1, 3.3.7.1). */
static bool is_canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

/* #AC: SDM vol. 3, 6.15. SSE accesses of 16 bytes are exempt or checked by their own rule. */
static bool is_misaligned(const struct emu *e, uint64_t linear, uint32_t size)
{
	return e->cpu->cpl == 3 && e->cpu->cr0 & CR0_AM && *e->cpu->rflags & RFLAGS_AC &&
	       size <= 8 && linear & (size - 1);
}

enum emu_result emu_linear(struct emu *e, enum seg_reg seg, uint64_t offset, uint32_t size,
			   bool write, gva_t *out)
{
	enum exception vector = seg == SEG_SS ? EXC_SS : EXC_GP;
	uint64_t linear = offset;

	if (e->i->mode == CPU_MODE_64) {
		if (seg >= SEG_FS)
			linear += segment_get(e, seg)->base;
		if (!is_canonical(linear) || !is_canonical(linear + size - 1))
			return emu_fault(e, vector, true);
	} else {
		const struct segment *s = segment_get(e, seg);

		if (has_types(e) && !type_allows(s, write))
			return emu_fault(e, vector, true);
		if (!limit_allows(s, offset, size))
			return emu_fault(e, vector, true);
		linear = (uint32_t)(s->base + offset);
	}
	if (is_misaligned(e, linear, size))
		return emu_fault(e, EXC_AC, true);
	*out = GVA(linear);
	return EMU_DONE;
}

/* The offset that ModRM or moffs names, cut to the address size. */
static uint64_t effective_address(const struct emu *e, int64_t displacement)
{
	const struct insn *i = e->i;
	uint64_t a = (uint64_t)i->disp + (uint64_t)displacement;

	if (i->base != INSN_NO_REG)
		a += e->cpu->gpr[i->base];
	if (i->index != INSN_NO_REG)
		a += e->cpu->gpr[i->index] << i->scale;
	if (i->flags & INSN_RIP_REL)
		a += *e->cpu->rip + i->length;
	return a & size_mask(i->addrsize);
}

enum emu_result emu_address(struct emu *e, int64_t displacement, uint32_t size, bool write)
{
	return emu_linear(e, (enum seg_reg)e->i->seg, effective_address(e, displacement), size,
			  write, &e->mem);
}

bool emu_in_memory(const struct emu *e, uint8_t kind)
{
	return e->i->flags & INSN_MEM &&
	       (kind == OPND_RM || kind == OPND_MOFFS || kind == OPND_XRM);
}

static uint64_t read_register(const struct emu *e, uint8_t kind, uint32_t size)
{
	switch (kind) {
	case OPND_RM:
		return emu_reg_read(e, e->i->rm, size);
	case OPND_REG:
		return emu_reg_read(e, e->i->reg, size);
	case OPND_ACC:
		return e->cpu->gpr[RAX] & size_mask(size);
	case OPND_CL:
		return e->cpu->gpr[RCX] & size_mask(1);
	case OPND_IMM:
		return e->i->imm & size_mask(size);
	default:
		return 0;
	}
}

static void write_register(struct emu *e, uint8_t kind, uint32_t size, uint64_t value)
{
	if (kind == OPND_RM)
		emu_reg_write(e, e->i->rm, size, value);
	else if (kind == OPND_REG)
		emu_reg_write(e, e->i->reg, size, value);
	else if (kind == OPND_ACC)
		emu_reg_write(e, RAX, size, value);
}

enum emu_result emu_read(struct emu *e, uint8_t kind, uint32_t size, uint64_t *value)
{
	enum emu_result r;

	*value = 0;
	if (!emu_in_memory(e, kind)) {
		*value = read_register(e, kind, size);
		return EMU_DONE;
	}
	r = emu_address(e, 0, size, false);
	return r ? r : e->ops->mem_read(e->ctx, e->mem, size, value, 0);
}

enum emu_result emu_write(struct emu *e, uint8_t kind, uint32_t size, uint64_t value)
{
	enum emu_result r;

	if (!emu_in_memory(e, kind)) {
		write_register(e, kind, size, value);
		return EMU_DONE;
	}
	r = emu_address(e, 0, size, true);
	return r ? r : e->ops->mem_write(e->ctx, e->mem, size, &value, 0);
}

/* Locked: read, compute, and store if nobody else has; the flags start afresh each time. */
static enum emu_result modify_locked(struct emu *e, emu_alu_fn fn, uint64_t b, uint64_t *old)
{
	uint32_t size = e->i->dst_size;
	enum emu_result r = EMU_AGAIN;

	for (uint32_t k = 0; k < EMU_LOCK_TRIES && r == EMU_AGAIN; k++) {
		uint64_t new;

		*old = 0;
		r = e->ops->mem_read(e->ctx, e->mem, size, old, EMU_MEM_WRITE);
		if (r)
			return r;
		e->rflags = *e->cpu->rflags;
		new = fn(e, *old, b, size);
		r = e->ops->mem_cmpxchg(e->ctx, e->mem, size, old, &new);
	}
	return r;
}

enum emu_result emu_modify(struct emu *e, int64_t displacement, emu_alu_fn fn, uint64_t b,
			   bool locked, uint64_t *old)
{
	const struct insn *i = e->i;
	bool write = i->flags & INSN_WRITES;
	enum emu_result r;
	uint64_t new;

	*old = 0;
	if (!emu_in_memory(e, i->dst)) {
		*old = read_register(e, i->dst, i->dst_size);
		new = fn(e, *old, b, i->dst_size);
		if (write)
			write_register(e, i->dst, i->dst_size, new);
		return EMU_DONE;
	}
	r = emu_address(e, displacement, i->dst_size, write);
	if (r)
		return r;
	if (locked)
		return modify_locked(e, fn, b, old);
	r = e->ops->mem_read(e->ctx, e->mem, i->dst_size, old, write ? EMU_MEM_WRITE : 0);
	if (r)
		return r;
	new = fn(e, *old, b, i->dst_size);
	return write ? e->ops->mem_write(e->ctx, e->mem, i->dst_size, &new, 0) : EMU_DONE;
}

uint32_t emu_stack_width(struct emu *e)
{
	if (e->i->mode == CPU_MODE_64)
		return 8;
	return segment_get(e, SEG_SS)->attr & SEG_ATTR_DB ? 4 : 2;
}
