/* SPDX-License-Identifier: BSD-2-Clause */
/* Decodes one instruction: prefixes, the row of its opcode, ModRM, immediate (SDM vol. 2, ch. 2; APM vol. 3, ch. 1). */

#include "lib/string.h"
#include "vm/decode_table.h"

/* Bytes still to be read. Running out of them is -EAGAIN unless INSN_MAX is what ended them. */
struct cursor {
	const uint8_t *bytes;
	uint32_t pos, end;
};

#define ESCAPE_0F   0x0f
#define ESCAPE_0F38 0x38
#define ESCAPE_0F3A 0x3a
#define VEX3	    0xc4
#define VEX2	    0xc5
#define EVEX	    0x62
#define XOP	    0x8f
#define OPCODE_NOP  0x90

#define MODRM_MOD(b) ((uint8_t)((b) >> 6))
#define MODRM_REG(b) ((uint8_t)(((b) >> 3) & 7))
#define MODRM_RM(b)  ((uint8_t)((b)&7))
#define MOD_REG	     3

static int ran_out(const struct cursor *c)
{
	return c->end < INSN_MAX ? -EAGAIN : -EINVAL;
}

/* Take a little-endian number of 1, 2, 4 or 8 bytes, sign-extended. False: the bytes end before. */
static bool take(struct cursor *c, uint32_t n, int64_t *value)
{
	const uint8_t *from = c->bytes + c->pos;
	int16_t word;
	int32_t dword;

	if (c->end - c->pos < n)
		return false;
	c->pos += n;
	switch (n) {
	case 1:
		*value = (int8_t)*from;
		return true;
	case 2:
		memcpy(&word, from, sizeof(word));
		*value = word;
		return true;
	case 4:
		memcpy(&dword, from, sizeof(dword));
		*value = dword;
		return true;
	default:
		memcpy(value, from, sizeof(*value));
		return true;
	}
}

/* Of F2 and F3 the last one counts; in 64-bit mode only FS and GS count (APM vol. 3, 1.2.4). */
static void legacy_prefix(struct insn *i, const struct insn_row *row)
{
	if (row->flags & (INSN_REP | INSN_REPNE))
		i->prefixes &= (uint8_t) ~(INSN_REP | INSN_REPNE);
	if (row->flags & INSN_SEG) {
		if (i->mode == CPU_MODE_64 && row->op < SEG_FS)
			return;
		i->seg = row->op;
	}
	i->prefixes |= (uint8_t)row->flags;
}

/* Leaves the cursor on the opcode. A REX that another prefix follows does not count. */
static int take_prefixes(struct cursor *c, struct insn *i)
{
	for (; c->pos < c->end; c->pos++) {
		uint8_t b = c->bytes[c->pos];

		if (i->mode == CPU_MODE_64 && (b & 0xf0) == 0x40) {
			i->rex = b;
			continue;
		}
		if (insn_map_one[b].kind != ROW_PREFIX)
			return 0;
		legacy_prefix(i, &insn_map_one[b]);
		i->rex = 0;
	}
	return ran_out(c);
}

/* Sizes by mode and prefixes (SDM vol. 1, 3.6): operands by REX.W and 66, addresses by 67. */
static void set_sizes(struct insn *i)
{
	static const uint8_t operand[3][2][2] = {
		{{2, 4}, {2, 4}},
		  {{4, 2}, {4, 2}},
		    {{4, 2}, {8, 8}}
	    };
	static const uint8_t address[3][2] = {
		{2, 4},
		{4, 2},
		{8, 4}
	      };

	i->opsize = operand[i->mode][!!(i->rex & REX_W)][!!(i->prefixes & INSN_OPSIZE)];
	i->addrsize = address[i->mode][!!(i->prefixes & INSN_ADDRSIZE)];
}

static const struct insn_row not_covered = {.kind = ROW_NONE};

static const struct insn_row *row_0f38(uint8_t opcode)
{
	for (uint32_t k = 0; k < INSN_MAP_0F38_COUNT; k++)
		if (insn_map_0f38[k].opcode == opcode)
			return &insn_map_0f38[k].row;
	return &not_covered;
}

/*
 * VEX, EVEX and XOP share their first byte with LES, LDS, BOUND and POP, of which only POP is covered here. The
 * second byte tells them apart: outside 64-bit mode VEX and EVEX have its top bits set, XOP its map number (8 and up).
 */
static bool is_vex(const struct insn *i, uint8_t first, uint8_t second)
{
	if (first == XOP)
		return (second & 0x1f) >= 8;
	if (first != VEX2 && first != VEX3 && first != EVEX)
		return false;
	return i->mode == CPU_MODE_64 || MODRM_MOD(second) == MOD_REG;
}

/* Take the opcode; NULL when the bytes end. */
static const struct insn_row *take_opcode(struct cursor *c, struct insn *i)
{
	uint8_t b = c->bytes[c->pos++];

	i->opcode = b;
	if (c->pos < c->end && is_vex(i, b, c->bytes[c->pos])) {
		i->prefixes |= INSN_VEX;
		return &not_covered;
	}
	if (b != ESCAPE_0F)
		return &insn_map_one[b];
	if (c->pos == c->end)
		return NULL;
	b = c->bytes[c->pos++];
	i->map = 1;
	i->opcode = b;
	if (b != ESCAPE_0F38)
		return &insn_map_0f[b];
	if (c->pos == c->end)
		return NULL;
	i->map = 2;
	i->opcode = c->bytes[c->pos++];
	return row_0f38(i->opcode);
}

/* The row of @row's group that mandatory prefixes choose: F2 and F3 before 66 (SDM vol. 2, 2.1.2). */
static uint32_t prefix_index(const struct insn *i)
{
	if (i->prefixes & INSN_REPNE)
		return 3;
	if (i->prefixes & INSN_REP)
		return 2;
	return i->prefixes & INSN_OPSIZE ? 1 : 0;
}

/* Follow groups to the final row; NULL when the bytes end before a ModRM that is needed. Groups nest three deep. */
static const struct insn_row *resolve_groups(const struct cursor *c, const struct insn *i,
					     const struct insn_row *row)
{
	while (row->kind > ROW_INSN) {
		const struct insn_row *group = &insn_group[row->flags];
		uint8_t modrm;

		if (row->kind == ROW_BY_PREFIX) {
			row = group + prefix_index(i);
			continue;
		}
		if (c->pos == c->end)
			return NULL;
		modrm = c->bytes[c->pos];
		if (row->kind == ROW_BY_MOD)
			row = group + (MODRM_MOD(modrm) == MOD_REG);
		else
			row = group +
			      (row->kind == ROW_BY_REG ? MODRM_REG(modrm) : MODRM_RM(modrm));
	}
	return row;
}

static void default_segment(struct insn *i, enum seg_reg seg)
{
	if (!(i->prefixes & INSN_SEG))
		i->seg = (uint8_t)seg;
}

/* 16-bit addressing (SDM vol. 2, table 2-1): base and index by rm. */
static bool take_address16(struct cursor *c, struct insn *i)
{
	static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
	static const uint8_t index[8] = {RSI,	      RDI,	   RSI,		RDI,
					 INSN_NO_REG, INSN_NO_REG, INSN_NO_REG, INSN_NO_REG};
	uint8_t mod = MODRM_MOD(i->modrm), rm = MODRM_RM(i->modrm);

	if (mod == 0 && rm == 6)
		return take(c, 2, &i->disp);
	i->base = base[rm];
	i->index = index[rm];
	if (i->base == RBP)
		default_segment(i, SEG_SS);
	return mod == 0 || take(c, mod, &i->disp);
}

/* 32- and 64-bit addressing (SDM vol. 2, tables 2-2, 2-3, 2-5, 2-7). */
static bool take_address(struct cursor *c, struct insn *i)
{
	uint8_t mod = MODRM_MOD(i->modrm), rm = MODRM_RM(i->modrm);
	bool sib = rm == RSP;

	if (sib) {
		uint8_t s, index;

		if (c->pos == c->end)
			return false;
		s = c->bytes[c->pos++];
		rm = MODRM_RM(s);
		index = (uint8_t)(MODRM_REG(s) | (i->rex & REX_X) << 2);
		if (index != RSP) {
			i->index = index;
			i->scale = MODRM_MOD(s);
		}
	}
	if (mod == 0 && rm == RBP) {
		if (!sib && i->mode == CPU_MODE_64)
			i->flags |= INSN_RIP_REL;
		return take(c, 4, &i->disp);
	}
	i->base = (uint8_t)(rm | (i->rex & REX_B) << 3);
	if (i->base == RSP || i->base == RBP)
		default_segment(i, SEG_SS);
	return mod == 0 || take(c, mod == 1 ? 1 : 4, &i->disp);
}

static bool take_modrm(struct cursor *c, struct insn *i, const struct insn_row *row)
{
	uint8_t b;

	if (c->pos == c->end)
		return false;
	b = c->bytes[c->pos++];
	i->modrm = b;
	i->reg = (uint8_t)(MODRM_REG(b) | (i->rex & REX_R) << 1);
	i->rm = (uint8_t)(MODRM_RM(b) | (i->rex & REX_B) << 3);
	if (MODRM_MOD(b) == MOD_REG || row->flags & ROW_REG_ALWAYS)
		return true;
	if (!(row->flags & ROW_NO_ACCESS))
		i->flags |= INSN_MEM;
	return i->addrsize == 2 ? take_address16(c, i) : take_address(c, i);
}

static bool take_immediate(struct cursor *c, struct insn *i, uint8_t kind)
{
	int64_t v = 0;
	uint32_t full = min_u64(i->opsize, 4) & 7;

	switch (kind) {
	case IMM_NONE:
		return true;
	case IMM_ONE:
		i->imm = 1;
		return true;
	case IMM_MOFFS:
		i->flags |= INSN_MEM;
		if (!take(c, i->addrsize, &v))
			return false;
		i->disp = v;
		return true;
	case IMM_B:
	case IMM_UB:
		if (!take(c, 1, &v))
			return false;
		i->imm = kind == IMM_UB ? (uint8_t)v : (uint64_t)v;
		return true;
	default:
		if (!take(c, kind == IMM_V ? i->opsize : full, &v))
			return false;
		i->imm = (uint64_t)v;
		return true;
	}
}

static uint8_t resolve_size(const struct insn *i, uint8_t size)
{
	bool w = i->rex & REX_W;
	bool mode64 = i->mode == CPU_MODE_64;

	if (size < SZ_V)
		return size;
	switch (size) {
	case SZ_V:
		return i->opsize;
	case SZ_Z:
		return i->opsize == 8 ? 4 : i->opsize;
	case SZ_Y:
		return w ? 8 : 4;
	case SZ_S:
		return mode64 && i->opsize == 4 ? 8 : i->opsize;
	case SZ_N:
		return mode64 ? 8 : 4;
	default:
		return w ? 16 : 8;
	}
}

/* CR0, 2, 3, 4, 8 and DR0-7 exist. LOCK means CR8 on AMD outside 64-bit mode (APM vol. 3, MOV CRn). */
static bool system_register_ok(struct insn *i)
{
	if (i->op == OP_MOV_DR)
		return i->reg < 8;
	if (i->prefixes & INSN_LOCK) {
		if (i->reg != 0)
			return false;
		i->reg = 8;
	}
	return i->reg == 0 || (i->reg >= 2 && i->reg <= 4) || i->reg == 8;
}

/* Segment registers ignore REX.R; there are six, and CS cannot be loaded (SDM vol. 2, MOV). */
static bool segment_register_ok(struct insn *i)
{
	i->reg &= 7;
	if (i->reg > SEG_GS || (i->dst == OPND_SREG && i->reg == SEG_CS))
		return false;
	if (i->dst == OPND_RM && i->flags & INSN_MEM)
		i->dst_size = 2;
	return true;
}

/* LOCK needs a destination in memory and an instruction that allows it. */
static bool lock_ok(const struct insn *i, const struct insn_row *row)
{
	return row->flags & ROW_LOCK && (i->flags & INSN_MEM || i->op == OP_MOV_CR);
}

/* What a row's operands rule out that its opcode allows. */
static int check_operands(struct insn *i, const struct insn_row *row)
{
	if (i->prefixes & INSN_LOCK && !lock_ok(i, row))
		return -EINVAL;
	if (row->flags & ROW_REG_ALWAYS)
		return system_register_ok(i) ? 0 : -EINVAL;
	if (i->op == OP_MOV_SREG)
		return segment_register_ok(i) ? 0 : -EINVAL;
	if (!(row->flags & (ROW_MEM_ONLY | ROW_MEM_COVERED)) || MODRM_MOD(i->modrm) != MOD_REG)
		return 0;
	return row->flags & ROW_MEM_ONLY ? -EINVAL : -ENOSYS;
}

static void apply_row(struct insn *i, const struct insn_row *row)
{
	i->op = row->op;
	i->dst = row->dst;
	i->src = row->src;
	i->dst_size = resolve_size(i, row->dst_size);
	i->src_size = resolve_size(i, row->src_size);
	i->flags = row->flags & ROW_PUBLIC;
	i->base = INSN_NO_REG;
	i->index = INSN_NO_REG;
	default_segment(i, SEG_DS);
}

static int row_allowed(const struct insn *i, const struct insn_row *row)
{
	bool mode64 = i->mode == CPU_MODE_64;

	if (row->kind != ROW_INSN)
		return row->kind == ROW_BAD ? -EINVAL : -ENOSYS;
	if (row->flags & (mode64 ? ROW_NOT_64 : ROW_ONLY_64))
		return mode64 ? -EINVAL : -ENOSYS;
	/* With REX.B this is XCHG with R8. */
	if (row->op == OP_NOP && i->map == 0 && i->rex & REX_B)
		return -ENOSYS;
	return 0;
}

static int decode_row(struct cursor *c, struct insn *i, const struct insn_row *row)
{
	int err = row_allowed(i, row);

	if (err)
		return err;
	apply_row(i, row);
	if (row->flags & ROW_OPCODE_REG)
		i->rm = (uint8_t)((i->opcode & 7) | (i->rex & REX_B) << 3);
	if (row->flags & INSN_MODRM && !take_modrm(c, i, row))
		return ran_out(c);
	if (!take_immediate(c, i, row->imm))
		return ran_out(c);
	i->length = (uint8_t)c->pos;
	return check_operands(i, row);
}

/* CPUID, RDMSR and their like: 0F and a byte, no prefix, no operand. False: take the long way. */
static bool decode_two_bytes(struct insn *i, const uint8_t *bytes)
{
	const struct insn_row *row = &insn_map_0f[bytes[1]];

	if (bytes[0] != ESCAPE_0F || row->kind != ROW_INSN || row->flags & INSN_MODRM)
		return false;
	i->opsize = i->mode == CPU_MODE_16 ? 2 : 4;
	i->addrsize = (uint8_t)(2 << i->mode);
	i->map = 1;
	i->opcode = bytes[1];
	i->op = row->op;
	i->base = INSN_NO_REG;
	i->index = INSN_NO_REG;
	i->seg = SEG_DS;
	i->length = 2;
	return true;
}

int insn_decode(struct insn *i, const uint8_t *bytes, uint32_t avail, enum cpu_mode mode)
{
	struct cursor c = {bytes, 0, avail < INSN_MAX ? avail : INSN_MAX};
	const struct insn_row *row;
	int err;

	*i = (struct insn){.mode = (uint8_t)mode};
	if (avail >= 2 && decode_two_bytes(i, bytes))
		return 0;
	err = take_prefixes(&c, i);
	if (err)
		return err;
	set_sizes(i);
	row = take_opcode(&c, i);
	if (row)
		row = resolve_groups(&c, i, row);
	return row ? decode_row(&c, i, row) : ran_out(&c);
}
