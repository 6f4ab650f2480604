/* SPDX-License-Identifier: BSD-2-Clause */
/* From an SVM exit to the common form: one table row per exit code. APM vol. 2, appendix C. */

#include "arch/cpu.h"
#include "lib/string.h"
#include "svm/svm.h"

struct row {
	uint8_t kind;
	uint8_t insn; /* INSN_ANY, INSN_PLAIN */
	void (*fill)(struct vcpu_arch *v, const struct vmcb *c);
};

static void fill_cr(struct vcpu_arch *v, const struct vmcb *c)
{
	struct exit *x = &v->exit;
	uint32_t code = x->reason;

	memset(&x->info.cr, 0, sizeof(x->info.cr));
	x->info.cr.write = code & 0x10;
	x->info.cr.num = code & 0xf;
	/* 15.8.1: without the MOV bit it was CLTS, LMSW or SMSW, and the decoder has to say which */
	if (svm_decode_assists && (x->kind == EXIT_DR || c->exit_info1 & CR_INFO_MOV)) {
		x->info.cr.gpr = c->exit_info1 & CR_INFO_GPR;
		x->info.cr.decoded = true;
	}
}

static void fill_exception(struct vcpu_arch *v, const struct vmcb *c)
{
	struct exit *x = &v->exit;

	x->info.exc.vector = (uint8_t)(x->reason - VMEXIT_EXC0);
	x->info.exc.has_error = x->info.exc.vector == EXC_AC;
	x->info.exc.error = (uint32_t)c->exit_info1;
	x->info.exc.cr2 = 0;
	if (x->info.exc.vector == EXC_MC)
		x->kind = EXIT_MCE;
}

static inline void fill_io_plain(struct exit *x, const struct vmcb *c)
{
	uint64_t info = c->exit_info1, next = c->exit_info2;

	x->qual = info;
	x->qual2 = next;
	x->info.io.port = (uint16_t)(info >> 16);
	x->info.io.size = (uint8_t)(info >> IOIO_SIZE_SHIFT & 7); /* a bit for each: 1, 2, 4 */
	x->info.io.in = info & IOIO_IN;
	x->info.io.string = false;
	x->info.io.rep = false;
	x->info.io.addr_size = 0;
	/* EXITINFO2 is the next RIP, with or without the next-RIP feature (15.10.2) */
	x->len = (uint8_t)(next - c->rip);
}

static void fill_io(struct vcpu_arch *v, const struct vmcb *c)
{
	struct exit *x = &v->exit;

	fill_io_plain(x, c);
	x->info.io.string = c->exit_info1 & IOIO_STR;
	x->info.io.rep = c->exit_info1 & IOIO_REP;
	x->info.io.addr_size = (uint8_t)((c->exit_info1 >> IOIO_ADDR_SHIFT & 7) * 2); /* 2, 4, 8 */
}

static void fill_msr(struct vcpu_arch *v, const struct vmcb *c)
{
	v->exit.info.msr.write = c->exit_info1 & 1;
}

static void fill_npf(struct vcpu_arch *v, const struct vmcb *c)
{
	struct exit *x = &v->exit;
	uint64_t err = c->exit_info1;

	x->info.npf.gpa = GPA(c->exit_info2);
	x->info.npf.access = (uint8_t)((err & NPF_ERR_W	   ? NPF_WRITE
					: err & NPF_ERR_ID ? NPF_EXEC
							   : NPF_READ) |
				       (err & NPF_ERR_P ? NPF_PRESENT : 0) |
				       (err & NPF_ERR_TABLE ? NPF_WALK : 0));
	x->info.npf.insn_len = 0;
	if (unlikely(err & NPF_ERR_RSV))
		x->kind = EXIT_MISCONFIG;
	if (!svm_decode_assists || x->info.npf.access & NPF_EXEC)
		return;
	x->info.npf.insn_len = c->insn_len & 0xf;
	memcpy(x->info.npf.insn, c->insn, sizeof(x->info.npf.insn));
}

static void fill_invd(struct vcpu_arch *v, const struct vmcb *c)
{
	(void)c;
	v->exit.info.invd.wbinvd = v->exit.reason == VMEXIT_WBINVD;
}

static void fill_iret(struct vcpu_arch *v, const struct vmcb *c)
{
	(void)c;
	svm_iret_seen(v);
	v->exit.len = 0;
}

/* What has no row is EXIT_UNKNOWN, which is 0. */
_Static_assert(EXIT_UNKNOWN == 0, "rows that are not written");

#define ROWS_16(first, k) [(first)...(first) + 15] = {(k), INSN_ANY, fill_cr}

static const struct row rows[VMEXIT_TABLE_SIZE] = {
	ROWS_16(VMEXIT_CR0_READ, EXIT_CR),
	ROWS_16(VMEXIT_CR0_WRITE, EXIT_CR),
	ROWS_16(VMEXIT_DR0_READ, EXIT_DR),
	ROWS_16(VMEXIT_DR0_WRITE, EXIT_DR),
	[VMEXIT_EXC0... VMEXIT_EXC0 + 31] = {EXIT_EXCEPTION,  0,			fill_exception},
	[VMEXIT_INTR] = {EXIT_INTR,	    0,		       NULL	   },
	[VMEXIT_NMI] = {EXIT_NMI,	  0,		     NULL		 },
	[VMEXIT_INIT] = {EXIT_INIT,	    0,		       NULL	   },
	[VMEXIT_VINTR] = {EXIT_IRQ_WINDOW, 0,		      NULL	  },
	[VMEXIT_RDTSC] = {EXIT_RDTSC,      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_RDPMC] = {EXIT_RDPMC,      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_CPUID] = {EXIT_CPUID,      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_IRET] = {EXIT_NMI_WINDOW, 0,		     fill_iret     },
	[VMEXIT_INVD] = {EXIT_INVD,	    INSN_ANY,	      fill_invd     },
	[VMEXIT_PAUSE] = {EXIT_PAUSE,      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_HLT] = {EXIT_HLT,	  INSN_ANY | INSN_PLAIN, NULL	     },
	[VMEXIT_INVLPGA] = {EXIT_VIRT,       INSN_ANY | INSN_PLAIN, NULL	  },
	[VMEXIT_IOIO] = {EXIT_IO,	  0,		     fill_io	    },
	[VMEXIT_MSR] = {EXIT_MSR,	  INSN_ANY,		    fill_msr	    },
	[VMEXIT_SHUTDOWN] = {EXIT_TRIPLE,	  0,		     NULL		 },
	[VMEXIT_VMMCALL] = {EXIT_HYPERCALL,  INSN_ANY | INSN_PLAIN, NULL	       },
	[VMEXIT_VMRUN] = {EXIT_VIRT,	     INSN_ANY | INSN_PLAIN, NULL		},
	[VMEXIT_VMLOAD] = {EXIT_VIRT,	      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_VMSAVE] = {EXIT_VIRT,	      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_STGI] = {EXIT_VIRT,	    INSN_ANY | INSN_PLAIN, NULL	       },
	[VMEXIT_CLGI] = {EXIT_VIRT,	    INSN_ANY | INSN_PLAIN, NULL	       },
	[VMEXIT_SKINIT] = {EXIT_VIRT,	      INSN_ANY | INSN_PLAIN, NULL		 },
	[VMEXIT_WBINVD] = {EXIT_INVD,	      INSN_ANY,		fill_invd	 },
	[VMEXIT_MONITOR] = {EXIT_MONITOR,	  INSN_ANY | INSN_PLAIN, NULL	     },
	[VMEXIT_MWAIT] = {EXIT_MONITOR,	INSN_ANY | INSN_PLAIN, NULL	   },
	[VMEXIT_XSETBV] = {EXIT_XSETBV,	INSN_ANY | INSN_PLAIN, NULL	   },
};

static const struct row row_npf = {EXIT_NPF, 0, fill_npf};
static const struct row row_invalid = {EXIT_INVALID, 0, NULL};
static const struct row row_unknown = {EXIT_UNKNOWN, 0, NULL};

static const struct row *row_find(uint32_t code)
{
	if (likely(code < VMEXIT_TABLE_SIZE))
		return &rows[code];
	if (code == VMEXIT_NPF)
		return &row_npf;
	return code == VMEXIT_INVALID ? &row_invalid : &row_unknown;
}

/*
 * EXITINTINFO (15.7.2): a delivery that the exit cut short. INT n, INT3 and INTO are executed again instead of
 * injected: RIP still points at them.
 */
static void interrupted_fill(struct event *e, uint64_t info)
{
	uint8_t vector = (uint8_t)info, type = info >> 8 & 7;

	e->valid = type != EVENT_SOFT_INT &&
		   !(type == EVENT_EXC && (vector == EXC_BP || vector == EXC_OF));
	e->vector = vector;
	e->type = type;
	e->has_error = info & EVENT_HAS_ERROR;
	e->error = (uint32_t)(info >> 32);
	e->len = 0;
}

static void registers_read(struct vcpu_arch *v, const struct vmcb *c)
{
	v->gpr[RAX] = c->rax;
	v->gpr[RSP] = c->rsp;
	v->rip = c->rip;
	v->rflags = c->rflags;
	v->shadow = c->int_shadow;
}

static __attribute__((noinline)) bool exited_otherwise(struct vcpu_arch *v, exited_fn exited)
{
	struct vmcb *c = vmcb_of(v);
	struct exit *x = &v->exit;
	const struct row *row = row_find(x->reason);

	if (own_of(v)->dirty)
		svm_clean_up(v, c);
	x->kind = row->kind;
	x->qual = c->exit_info1;
	x->qual2 = c->exit_info2;
	x->len = row->insn && svm_nrips ? (uint8_t)(c->next_rip - c->rip) : 0;
	if (c->exit_int_info & EVENT_VALID)
		interrupted_fill(&x->interrupted, c->exit_int_info);
	if (x->interrupted.valid)
		v->inject = x->interrupted;
	if (row->fill)
		row->fill(v, c);
	return exited(v);
}

/* The path of every exit: counted in instructions. Most are of instructions that tell no more than their length, or of ports. */
bool svm_exited(struct vcpu_arch *v, exited_fn exited)
{
	struct vmcb *c = vmcb_of(v);
	struct exit *x = &v->exit;
	uint32_t code = (uint32_t)c->exit_code;
	const struct row *row = &rows[code];

	registers_read(v, c);
	x->reason = code;
	x->interrupted.valid = false;
	if (likely(code < VMEXIT_TABLE_SIZE && row->insn & svm_plain && !own_of(v)->dirty &&
		   !(c->exit_int_info & EVENT_VALID))) {
		x->kind = row->kind;
		x->len = (uint8_t)(c->next_rip - c->rip);
		x->qual = 0;
		x->qual2 = 0;
		return exited(v);
	}
	if (code != VMEXIT_IOIO || own_of(v)->dirty || c->exit_int_info & EVENT_VALID ||
	    c->exit_info1 & IOIO_STR)
		return exited_otherwise(v, exited);
	x->kind = EXIT_IO;
	fill_io_plain(x, c);
	return exited(v);
}
