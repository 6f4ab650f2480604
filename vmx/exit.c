/* SPDX-License-Identifier: BSD-2-Clause */
/* From a VMX exit to the common form: one table row per exit reason. SDM vol. 3, 28.2 and appendix C. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

/* Which fields a reason defines; the others keep old values and must not be read. */
#define ROW_NONE 1
#define ROW_LEN	 2  /* the instruction's length */
#define ROW_QUAL 4  /* the exit qualification */
#define ROW_CUT	 8  /* IDT-vectoring information: the exit may have cut a delivery short */
#define ROW_FILL 16 /* has a function */
#define ROW_MORE (ROW_QUAL | ROW_CUT | ROW_FILL)

struct row {
	uint8_t kind;
	uint8_t fields; /* ROW_*; 0: no such row */
	void (*fill)(struct vcpu_arch *v);
};

/* IRET had unblocked NMIs when its exit came; it will be executed again, and must find them blocked (28.2.3). */
static void nmi_block_again(void)
{
	vmcs_write(VMCS_GUEST_BLOCKING, vmcs_read(VMCS_GUEST_BLOCKING) | BLOCKING_NMI);
}

/* 18.3.1.1: what the processor would have done to the debug registers before it called the handler. */
static void debug_registers_update(uint64_t qual)
{
	uint64_t dr6 = (dr6_read() & ~DR6_B0_B3) | (qual & DB_QUAL_BITS);

	dr6 = qual & DB_QUAL_RTM ? dr6 & ~DR6_RTM : dr6 | DR6_RTM;
	dr6_write(dr6);
	if (qual & DB_QUAL_BD)
		vmcs_write(VMCS_GUEST_DR7, vmcs_read(VMCS_GUEST_DR7) & ~DR7_GD);
}

static void fill_exception(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;
	uint64_t info = vmcs_read(VMCS_EXIT_INTR);

	if (INTR_TYPE(info) == EVENT_NMI) {
		/* NMIs are blocked now. The host's handler notes this one, and its IRET unblocks them. */
		x->kind = EXIT_NMI;
		__asm__ volatile("int $2" : : : "memory");
		return;
	}
	if (unlikely(info & INTR_NMI_UNBLOCK) && !x->interrupted.valid)
		nmi_block_again();
	x->info.exc.vector = info & INTR_VECTOR;
	x->info.exc.has_error = info & INTR_HAS_ERROR;
	x->info.exc.error = x->info.exc.has_error ? (uint32_t)vmcs_read(VMCS_EXIT_INTR_ERROR) : 0;
	x->info.exc.cr2 = x->qual;
	if (x->info.exc.vector == EXC_MC)
		x->kind = EXIT_MCE;
	if (x->info.exc.vector == EXC_DB)
		debug_registers_update(x->qual);
	/* INT1 is a trap: what is injected in its place returns behind it. */
	if (INTR_TYPE(info) == INTR_TYPE_PRIV_EXC)
		v->rip += vmcs_read(VMCS_EXIT_LEN);
}

/* Table 28-3. */
static void fill_cr(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;
	uint64_t type = CR_QUAL_TYPE(x->qual);

	x->info.cr.num = x->qual & CR_QUAL_NUM;
	x->info.cr.gpr = CR_QUAL_GPR(x->qual);
	x->info.cr.write = type != CR_TYPE_READ;
	x->info.cr.clts = type == CR_TYPE_CLTS;
	x->info.cr.lmsw = type == CR_TYPE_LMSW;
	x->info.cr.lmsw_source = CR_QUAL_SOURCE(x->qual);
	x->info.cr.decoded = true;
	if (type == CR_TYPE_WRITE && vmx_cr_retry(v, x->info.cr.num, v->gpr[x->info.cr.gpr]))
		x->kind = EXIT_SLICE;
}

static void fill_dr(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;

	x->info.cr.num = x->qual & DR_QUAL_NUM;
	x->info.cr.gpr = DR_QUAL_GPR(x->qual);
	x->info.cr.write = !(x->qual & DR_QUAL_READ);
	x->info.cr.clts = false;
	x->info.cr.lmsw = false;
	x->info.cr.decoded = true;
}

static __attribute__((noinline)) void fill_io_string(struct exit *x)
{
	x->info.io.string = true;
	x->info.io.rep = x->qual & IO_QUAL_REP;
	if (vmx_ctl.string_info)
		x->info.io.addr_size = (uint8_t)(2 << IO_INFO_ADDRESS(vmcs_read(VMCS_EXIT_INSN)));
}

static void fill_io(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;

	x->info.io.port = IO_QUAL_PORT(x->qual);
	x->info.io.size = (uint8_t)((x->qual & IO_QUAL_SIZE) + 1);
	x->info.io.in = x->qual & IO_QUAL_IN;
	x->info.io.string = false;
	x->info.io.rep = false;
	x->info.io.addr_size = 0;
	if (unlikely(x->qual & IO_QUAL_STRING))
		fill_io_string(x);
}

static void fill_msr(struct vcpu_arch *v)
{
	v->exit.info.msr.write = v->exit.reason == REASON_WRMSR;
}

static void fill_invd(struct vcpu_arch *v)
{
	v->exit.info.invd.wbinvd = v->exit.reason == REASON_WBINVD;
}

static void fill_eoi(struct vcpu_arch *v)
{
	v->exit.info.eoi.vector = (uint8_t)v->exit.qual;
}

static void fill_apic(struct vcpu_arch *v)
{
	v->exit.info.apic.offset = v->exit.qual & APIC_QUAL_OFFSET;
}

static void fill_timer(struct vcpu_arch *v)
{
	(void)v;
	vmx_timer_start();
}

static void fill_invlpg(struct vcpu_arch *v)
{
	v->exit.info.invlpg.gva = GVA(v->exit.qual);
}

/* Table 28-7. */
static void fill_violation(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;
	uint64_t q = x->qual;

	x->info.npf.gpa = GPA(vmcs_read(VMCS_GUEST_PHYSICAL));
	x->info.npf.access =
		(uint8_t)((q & EPT_QUAL_WRITE	? NPF_WRITE
			   : q & EPT_QUAL_FETCH ? NPF_EXEC
						: NPF_READ) |
			  (q & EPT_QUAL_RWX ? NPF_PRESENT : 0) |
			  (q & EPT_QUAL_LINEAR && !(q & EPT_QUAL_FINAL) ? NPF_WALK : 0));
	x->info.npf.insn_len = 0;
	x->qual2 = q & EPT_QUAL_LINEAR ? vmcs_read(VMCS_GUEST_LINEAR) : 0;
	if (unlikely(q & EPT_QUAL_NMI_UNBLOCK) && !x->interrupted.valid)
		nmi_block_again();
}

/* An entry of ours that the processor cannot read: our fault, so that the VM stops with a report. */
static void fill_misconfig(struct vcpu_arch *v)
{
	v->exit.qual = vmcs_read(VMCS_GUEST_PHYSICAL);
	v->exit.info.npf.gpa = GPA(v->exit.qual);
}

/* 27.9: nothing was delivered. The VM goes on, and its event comes with the next entry. */
static void fill_entry_mce(struct vcpu_arch *v)
{
	v->inject.valid = vmcs_read(VMCS_ENTRY_INTR) & INTR_VALID;
}

#define ROW(kind, fields)              \
	{                              \
		(kind), (fields), NULL \
	}
#define ROW_BY(kind, fields, fill)                  \
	{                                           \
		(kind), (fields) | ROW_FILL, (fill) \
	}

static const struct row rows[REASON_COUNT] = {
	[REASON_EXCEPTION] = ROW_BY(EXIT_EXCEPTION, ROW_QUAL | ROW_CUT, fill_exception),
	[REASON_EXT_INTR] = ROW(EXIT_INTR, ROW_NONE),
	[REASON_TRIPLE] = ROW(EXIT_TRIPLE, ROW_NONE),
	[REASON_INIT] = ROW(EXIT_INIT, ROW_NONE),
	[REASON_SIPI] = ROW(EXIT_SIPI, ROW_QUAL),
	[REASON_INTR_WINDOW] = ROW(EXIT_IRQ_WINDOW, ROW_NONE),
	[REASON_NMI_WINDOW] = ROW(EXIT_NMI_WINDOW, ROW_NONE),
	[REASON_TASK_SWITCH] = ROW(EXIT_TASK_SWITCH, ROW_LEN | ROW_QUAL | ROW_CUT),
	[REASON_CPUID] = ROW(EXIT_CPUID, ROW_LEN),
	[REASON_GETSEC] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_HLT] = ROW(EXIT_HLT, ROW_LEN),
	[REASON_INVD] = ROW_BY(EXIT_INVD, ROW_LEN, fill_invd),
	[REASON_INVLPG] = ROW_BY(EXIT_INVLPG, ROW_LEN | ROW_QUAL, fill_invlpg),
	[REASON_RDPMC] = ROW(EXIT_RDPMC, ROW_LEN),
	[REASON_RDTSC] = ROW(EXIT_RDTSC, ROW_LEN),
	[REASON_RSM] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_VMCALL] = ROW(EXIT_HYPERCALL, ROW_LEN),
	[REASON_VMCLEAR... REASON_VMXON] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_CR] = ROW_BY(EXIT_CR, ROW_LEN | ROW_QUAL, fill_cr),
	[REASON_DR] = ROW_BY(EXIT_DR, ROW_LEN | ROW_QUAL, fill_dr),
	[REASON_IO] = ROW_BY(EXIT_IO, ROW_LEN | ROW_QUAL, fill_io),
	[REASON_RDMSR] = ROW_BY(EXIT_MSR, ROW_LEN, fill_msr),
	[REASON_WRMSR] = ROW_BY(EXIT_MSR, ROW_LEN, fill_msr),
	[REASON_BAD_GUEST] = ROW(EXIT_INVALID, ROW_QUAL),
	[REASON_BAD_MSR_LOAD] = ROW(EXIT_INVALID, ROW_QUAL),
	[REASON_MWAIT] = ROW(EXIT_MONITOR, ROW_LEN),
	[REASON_MONITOR] = ROW(EXIT_MONITOR, ROW_LEN),
	[REASON_PAUSE] = ROW(EXIT_PAUSE, ROW_LEN),
	[REASON_ENTRY_MCE] = ROW_BY(EXIT_MCE, ROW_NONE, fill_entry_mce),
	[REASON_EOI] = ROW_BY(EXIT_EOI, ROW_QUAL, fill_eoi),
	[REASON_APIC_WRITE] = ROW_BY(EXIT_APIC, ROW_QUAL, fill_apic),
	[REASON_EPT_VIOLATION] = ROW_BY(EXIT_NPF, ROW_QUAL | ROW_CUT, fill_violation),
	[REASON_EPT_MISCONFIG] = ROW_BY(EXIT_MISCONFIG, ROW_NONE, fill_misconfig),
	[REASON_INVEPT] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_RDTSCP] = ROW(EXIT_RDTSC, ROW_LEN),
	[REASON_TIMER] = ROW_BY(EXIT_SLICE, ROW_NONE, fill_timer),
	[REASON_INVVPID] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_WBINVD] = ROW_BY(EXIT_INVD, ROW_LEN, fill_invd),
	[REASON_XSETBV] = ROW(EXIT_XSETBV, ROW_LEN),
	[REASON_VMFUNC] = ROW(EXIT_VIRT, ROW_LEN),
	[REASON_ENCLS] = ROW(EXIT_VIRT, ROW_LEN),
};

static const struct row row_unknown = {EXIT_UNKNOWN, ROW_QUAL, NULL};

/*
 * IDT-vectoring information (28.2.4). INT n, INT3, INTO and INT1 are executed again instead of injected: RIP still
 * points at them.
 */
static __attribute__((noinline)) void interrupted_read(struct vcpu_arch *v)
{
	struct event *e = &v->exit.interrupted;
	uint64_t info = vmcs_read(VMCS_IDT_INFO);
	uint8_t type = INTR_TYPE(info);

	if (likely(!(info & INTR_VALID)))
		return;
	e->valid = type == EVENT_INTR || type == EVENT_NMI || type == EVENT_EXC;
	e->vector = info & INTR_VECTOR;
	e->type = type;
	e->has_error = info & INTR_HAS_ERROR;
	e->error = e->has_error ? (uint32_t)vmcs_read(VMCS_IDT_ERROR) : 0;
	e->len = 0;
	if (e->valid)
		v->inject = *e;
}

static void registers_read(struct vcpu_arch *v)
{
	VMCS_FETCH(VMCS_GUEST_RIP, v->rip);
	VMCS_FETCH(VMCS_GUEST_RSP, v->gpr[RSP]);
	VMCS_FETCH(VMCS_GUEST_RFLAGS, v->rflags);
	VMCS_FETCH(VMCS_GUEST_BLOCKING, v->shadow);
}

static __attribute__((noinline)) bool exited_otherwise(struct vcpu_arch *v, exited_fn exited)
{
	struct exit *x = &v->exit;
	uint32_t reason = x->reason & REASON_BASIC;
	const struct row *row =
		reason < REASON_COUNT && rows[reason].fields ? &rows[reason] : &row_unknown;

	x->kind = row->kind;
	if (row->fields & ROW_LEN)
		x->len = (uint8_t)vmcs_read(VMCS_EXIT_LEN);
	if (row->fields & ROW_QUAL)
		x->qual = vmcs_read(VMCS_QUALIFICATION);
	if (row->fields & ROW_CUT)
		interrupted_read(v);
	if (row->fill)
		row->fill(v);
	return exited(v);
}

/* The path of every exit: counted in instructions. Most are of instructions that tell no more than their length, or of ports. */
bool vmx_exited(struct vcpu_arch *v, exited_fn exited)
{
	struct exit *x = &v->exit;
	uint32_t reason = (uint32_t)vmcs_read(VMCS_EXIT_REASON);
	const struct row *row = &rows[reason & REASON_BASIC];

	registers_read(v);
	x->reason = reason;
	x->len = 0;
	x->qual = 0;
	x->qual2 = 0;
	x->interrupted.valid = false;
	if (likely((reason & REASON_BASIC) < REASON_COUNT && row->fields == ROW_LEN)) {
		x->kind = row->kind;
		x->len = (uint8_t)vmcs_read(VMCS_EXIT_LEN);
		return exited(v);
	}
	if ((reason & REASON_BASIC) != REASON_IO)
		return exited_otherwise(v, exited);
	x->kind = EXIT_IO;
	x->len = (uint8_t)vmcs_read(VMCS_EXIT_LEN);
	x->qual = vmcs_read(VMCS_QUALIFICATION);
	fill_io(v);
	return exited(v);
}

void vmx_exit_refused(struct vcpu_arch *v)
{
	struct exit *x = &v->exit;

	own_of(v)->insn_error = (uint32_t)vmcs_read(VMCS_INSN_ERROR);
	*x = (struct exit){
		.kind = EXIT_INVALID,
		.reason = own_of(v)->insn_error,
		.qual = own_of(v)->insn_error,
	};
}
