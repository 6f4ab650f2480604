/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulator's SSE loads and stores; the registers themselves belong to the caller. */

#include "lib/string.h"
#include "vm/emulate_priv.h"

#define XMM_BYTES 16
#define XMM_HALF  8

/* May SSE be used (SDM vol. 3, 13.1.3 and table 13-1)? */
static enum emu_result usable(struct emu *e)
{
	if (e->cpu->cr0 & CR0_EM || !(e->cpu->cr4 & CR4_OSFXSR))
		return emu_fault(e, EXC_UD, false);
	return (e->cpu->cr0 & CR0_TS) ? emu_fault(e, EXC_NM, false) : EMU_DONE;
}

static enum emu_result address(struct emu *e, uint32_t size, bool write)
{
	enum emu_result r = emu_address(e, 0, size, write);

	if (r)
		return r;
	return e->i->flags & INSN_ALIGNED && e->mem.v & (size - 1) ? emu_fault(e, EXC_GP, true)
								   : EMU_DONE;
}

static enum emu_result load(struct emu *e)
{
	uint8_t data[XMM_BYTES] = {0}, reg[XMM_BYTES] = {0};
	uint32_t size = e->i->src_size;
	enum emu_result r = address(e, size, false);

	if (!r)
		r = e->ops->mem_read(e->ctx, e->mem, size, data, 0);
	if (r)
		return r;
	if (e->i->op != OP_XLOAD)
		e->ops->xmm_read(e->ctx, e->i->reg, reg);
	memcpy(e->i->op == OP_XMERGE_HIGH ? reg + XMM_HALF : reg, data, size);
	e->ops->xmm_write(e->ctx, e->i->reg, reg);
	return EMU_DONE;
}

static enum emu_result store(struct emu *e)
{
	uint8_t reg[XMM_BYTES];
	uint32_t size = e->i->dst_size;
	enum emu_result r = address(e, size, true);

	if (r)
		return r;
	e->ops->xmm_read(e->ctx, e->i->reg, reg);
	return e->ops->mem_write(e->ctx, e->mem, size,
				 e->i->op == OP_XSTORE_HIGH ? reg + XMM_HALF : reg, 0);
}

enum emu_result emu_sse(struct emu *e)
{
	enum emu_result r;

	if (!e->ops->xmm_read || !e->ops->xmm_write || !(e->i->flags & INSN_MEM))
		return EMU_STOP;
	r = usable(e);
	if (r)
		return r;
	return e->i->dst == OPND_XMM ? load(e) : store(e);
}
