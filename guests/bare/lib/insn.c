/* SPDX-License-Identifier: BSD-2-Clause */
/* One instruction under test, ended by the INT3 behind it or by its own exception. */

#include "lib/insn.h"
#include "lib/guest.h"
#include "lib/x86.h"

#define INT3	   0xcc
#define PATTERN	   0x1122334400000000ULL /* and a number in the low half */
#define EXCEPTIONS 32
#define OFFSET	   64 /* where the instruction lies if nobody cares */

void insn_enter(const struct insn_regs *r);
void insn_leave(void);
extern uint64_t insn_stack;

uint8_t insn_buffer[INSN_BUFFER] ALIGNED(4096);

static uint8_t test_stack[4096] ALIGNED(16);
static struct insn_regs *volatile active;

void insn_init(struct insn_regs *r)
{
	memset(r, 0, sizeof(*r));
	for (uint32_t i = 0; i < ARRAY_SIZE(r->gpr); i++)
		r->gpr[i] = PATTERN + 0x01010101U * (i + 1);
	r->cs = SEL_CODE64;
	r->ss = SEL_DATA;
	r->rflags = RFLAGS_FIXED;
	r->rsp = (uint64_t)test_stack + sizeof(test_stack) / 2;
}

void insn_run_at(struct insn_regs *r, const uint8_t *code, uint32_t len, uint32_t offset)
{
	memset(insn_buffer, INT3, sizeof(insn_buffer));
	memcpy(insn_buffer + offset, code, len);
	r->rip = (uint64_t)insn_buffer + offset;
	r->gpr[RSP] = r->rsp;
	r->vector = ~0ULL;
	active = r;
	insn_enter(r);
	r->length = r->rip - (uint64_t)insn_buffer - offset;
	r->done = r->vector == EXC_BP && r->length == len + 1ULL;
}

void insn_run(struct insn_regs *r, const uint8_t *code, uint32_t len)
{
	insn_run_at(r, code, len, OFFSET);
}

bool insn_trap(struct trap_frame *f)
{
	struct insn_regs *r = active;

	if (!r || f->vector >= EXCEPTIONS || f->vector == EXC_NMI)
		return false;
	active = NULL;
	memcpy(r->gpr, f->gpr, sizeof(r->gpr));
	r->rip = f->rip;
	r->cs = f->cs;
	r->rflags = f->rflags;
	r->rsp = f->rsp;
	r->ss = f->ss;
	r->vector = f->vector;
	r->error = f->error;
	f->rip = (uint64_t)insn_leave;
	f->cs = SEL_CODE64;
	f->ss = SEL_DATA;
	f->rsp = insn_stack;
	f->rflags = RFLAGS_FIXED;
	return true;
}

uint32_t insn_differs(const struct insn_regs *before, const struct insn_regs *after,
		      uint32_t changed)
{
	uint32_t differs = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(before->gpr); i++) {
		if (before->gpr[i] != after->gpr[i])
			differs |= 1U << i;
	}
	if ((before->rflags ^ after->rflags) & ~RFLAGS_RF)
		differs |= CHANGES_FLAGS;
	return differs & ~changed;
}
