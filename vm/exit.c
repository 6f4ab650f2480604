/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit dispatch: one table row per kind, and the handlers that are too small for a file of their own. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/mce.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "vm/gmem.h"
#include "vm/hypercall.h"
#include "vm/irq.h"
#include "vm/power.h"
#include "vm/vm.h"

/* Which decoded operations an exit may mean; checked because another vCPU may have changed the bytes meanwhile. */
static bool insn_fits(const struct insn *i, enum exit_kind kind)
{
	switch (kind) {
	case EXIT_CPUID:
		return i->op == OP_CPUID;
	case EXIT_HLT:
		return i->op == OP_HLT;
	case EXIT_PAUSE:
		return i->op == OP_PAUSE;
	case EXIT_INVD:
		return i->op == OP_INVD || i->op == OP_WBINVD || i->op == OP_WBNOINVD;
	case EXIT_RDTSC:
		return i->op == OP_RDTSC || i->op == OP_RDTSCP;
	case EXIT_RDPMC:
		return i->op == OP_RDPMC;
	case EXIT_HYPERCALL:
		return i->op == OP_VMMCALL || i->op == OP_VMCALL;
	case EXIT_MSR:
		return i->op == OP_RDMSR || i->op == OP_WRMSR;
	case EXIT_XSETBV:
		return i->op == OP_XSETBV;
	case EXIT_CR:
		return i->op == OP_MOV_CR || i->op == OP_CLTS || i->op == OP_LMSW;
	default:
		return false;
	}
}

static uint8_t exit_insn_len(struct vcpu *v)
{
	struct exit *x = &v->arch.exit;
	uint8_t bytes[INSN_MAX];
	const struct insn *insn;
	enum cpu_mode mode;
	uint32_t n;
	int err;

	if (likely(x->len))
		return x->len;
	n = insn_fetch(v, bytes, &mode);
	if (!n)
		return 0;
	err = insn_decode_again(v, &insn, bytes, n, mode);
	if (err == -EINVAL) { /* what the processor let pass, a LOCK prefix for one */
		vcpu_ud(v);
		return 0;
	}
	if (err || !insn_fits(insn, x->kind)) {
		vm_stop(v, "exit %u, but the instruction there is another (%02x %02x %02x, %d)",
			x->kind, bytes[0], bytes[1], bytes[2], err);
		return 0;
	}
	x->len = insn->length;
	return x->len;
}

void vcpu_skip_slowly(struct vcpu *v)
{
	uint64_t next = v->arch.rip + exit_insn_len(v);

	if (next == v->arch.rip)
		return;
	/* Outside 64-bit mode the instruction pointer has 32 bits. */
	if ((next ^ v->arch.rip) >> 32 && vcpu_mode(v) != CPU_MODE_64)
		next = (uint32_t)next;
	v->arch.rip = next;
	if (v->arch.shadow & SHADOW_BITS)
		virt->shadow_clear(&v->arch);
	if (v->arch.rflags & RFLAGS_TF)
		atomic_or_u64(&v->events, EV_STEP);
}

void vcpu_skip(struct vcpu *v)
{
	if (unlikely(!v->arch.exit.len))
		vcpu_skip_slowly(v);
	else
		vcpu_skip_known(v);
}

/* A physical interrupt ended the guest's run: take it now, on this CPU. */
static void exit_intr(struct vcpu *v)
{
	(void)v;
	irq_take_pending();
}

/* The backend and our NMI handler have left a request; the run loop takes it. */
static void exit_nothing(struct vcpu *v)
{
	(void)v;
}

static void exit_window(struct vcpu *v)
{
	virt->irq_window(&v->arch, false);
	atomic_or_u64(&v->events, EV_IRQ);
}

static void exit_hlt(struct vcpu *v)
{
	vcpu_skip(v);
	vcpu_state_set(v, VCPU_HALTED);
	/* What waits in the page left no event behind when it was put there: look whether it ends the sleep at once. */
	if (v->lapic.virtual)
		atomic_or_u64(&v->events, EV_IRQ);
}

static void exit_skip(struct vcpu *v)
{
	vcpu_skip(v);
}

/* Only a VM with devices needs the caches written back; for others WBINVD would slow every neighbour. */
static void exit_invd(struct vcpu *v)
{
	if (v->vm->service)
		__asm__ volatile("wbinvd" : : : "memory");
	vcpu_skip(v);
}

static void exit_ud(struct vcpu *v)
{
	vcpu_ud(v);
}

static void exit_gp(struct vcpu *v)
{
	vcpu_gp(v);
}

static void exit_rdtsc(struct vcpu *v)
{
	uint64_t tsc = tsc_read() + v->arch.tsc_offset;

	v->arch.gpr[RAX] = (uint32_t)tsc;
	v->arch.gpr[RDX] = tsc >> 32;
	vcpu_skip(v);
}

/* #DB and #AC go back to the guest. */
static void exit_exception(struct vcpu *v)
{
	struct exit *x = &v->arch.exit;

	if (x->info.exc.vector == EXC_PF)
		virt->set_cr(&v->arch, 2, x->info.exc.cr2);
	vcpu_exception(v, x->info.exc.vector, x->info.exc.has_error, x->info.exc.error);
}

/* A machine check came while the guest ran: the hypervisor's own context is whole unless the banks say otherwise. */
static void exit_mce(struct vcpu *v)
{
	enum mce_end end = mce_judge();

	if (end == MCE_CRASH)
		crash_machine_check();
	mce_log(LOG_ERROR);
	mce_clear();
	if (end == MCE_STOP)
		vm_stop(v, "a machine check that it cannot go on from");
}

static void exit_triple(struct vcpu *v)
{
	power_triple_fault(v);
}

/* The report names the rules that were broken. */
static void exit_invalid(struct vcpu *v)
{
	vm_stop(v, "the processor refused the entry");
}

static void exit_eoi(struct vcpu *v)
{
	vlapic_eoi_seen(&v->lapic, v->arch.exit.info.eoi.vector);
}

static void exit_apic(struct vcpu *v)
{
	if (!vlapic_page_written(&v->lapic, v->arch.exit.info.apic.offset))
		vm_stop(v, "a write to its APIC that no rule covers");
}

/* Our fault, and still the end of this VM only: the table is its own. */
static void exit_misconfig(struct vcpu *v)
{
	uint64_t entry[PTAB_LEVELS_MAX];
	gpa_t gpa = v->arch.exit.info.npf.gpa;
	uint32_t n = nested_path(&v->vm->nested, gpa, entry);

	for (uint32_t i = 0; i < n; i++)
		log_error("vm %s: nested table, entry %u from the root: %#lx", v->vm->name, i,
			  entry[i]);
	vm_stop(v, "malformed nested table for guest-physical %#lx", gpa.v);
}

static void exit_unknown(struct vcpu *v)
{
	vm_stop(v, "exit that no rule covers");
}

static void (*const handlers[EXIT_KIND_COUNT])(struct vcpu *v) = {
	[EXIT_INTR] = exit_intr,
	[EXIT_NMI] = exit_nothing,
	[EXIT_MCE] = exit_mce,
	[EXIT_IRQ_WINDOW] = exit_window,
	[EXIT_NMI_WINDOW] = exit_nothing,
	[EXIT_SLICE] = exit_intr,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_HLT] = exit_hlt,
	[EXIT_PAUSE] = exit_skip,
	[EXIT_INVD] = exit_invd,
	[EXIT_INVLPG] = exit_unknown,
	[EXIT_MONITOR] = exit_ud,
	[EXIT_RDTSC] = exit_rdtsc,
	[EXIT_RDPMC] = exit_gp,
	[EXIT_HYPERCALL] = exit_hypercall,
	[EXIT_VIRT] = exit_ud,
	[EXIT_IO] = exit_io,
	[EXIT_MSR] = exit_msr,
	[EXIT_CR] = exit_cr,
	[EXIT_DR] = exit_dr,
	[EXIT_XSETBV] = exit_xsetbv,
	[EXIT_EXCEPTION] = exit_exception,
	[EXIT_NPF] = exit_npf,
	[EXIT_MISCONFIG] = exit_misconfig,
	[EXIT_TASK_SWITCH] = exit_unknown,
	[EXIT_TRIPLE] = exit_triple,
	[EXIT_INIT] = exit_nothing,
	[EXIT_SIPI] = exit_nothing,
	[EXIT_EOI] = exit_eoi,
	[EXIT_APIC] = exit_apic,
	[EXIT_INVALID] = exit_invalid,
	[EXIT_UNKNOWN] = exit_unknown,
};

const char *exit_name(uint32_t kind)
{
	static const char *const names[EXIT_KIND_COUNT] = {
		"unknown",     "interrupt",	 "NMI",	      "MCE",	      "IRQ window",
		"NMI window",  "slice",		 "CPUID",     "HLT",	      "PAUSE",
		"INVD",	       "INVLPG",	 "MONITOR",   "RDTSC",	      "RDPMC",
		"hypercall",   "virtualization", "I/O",	      "MSR",	      "CR",
		"DR",	       "XSETBV",	 "exception", "nested fault", "misconfigured",
		"task switch", "triple fault",	 "INIT",      "SIPI",	      "EOI",
		"APIC",	       "invalid",
	};

	return kind < EXIT_KIND_COUNT ? names[kind] : "?";
}

/* Kinds whose handler changes registers and then skips: the length must be known before, fetching it may fault. */
#define KINDS_WITH_LENGTH                                                                       \
	(BIT(EXIT_CPUID) | BIT(EXIT_HLT) | BIT(EXIT_PAUSE) | BIT(EXIT_INVD) | BIT(EXIT_RDTSC) | \
	 BIT(EXIT_HYPERCALL) | BIT(EXIT_MSR) | BIT(EXIT_XSETBV))

bool exit_handle(struct vcpu_arch *a)
{
	struct vcpu *v = vcpu_of(a);

	v->stats.exits[a->exit.kind]++;
	if (likely(a->exit.len)) {
		handlers[a->exit.kind](v);
	} else if (BIT(a->exit.kind) & KINDS_WITH_LENGTH) {
		if (exit_insn_len(v))
			handlers[a->exit.kind](v);
	} else {
		handlers[a->exit.kind](v);
		/* What an interrupt has asked for is not put off until the entry would find it. */
		if (unlikely(atomic_load_relaxed_u64(&this_cpu()->requests)))
			return false;
	}
	return likely(!(v->events | v->lapic.irr_sum)) || vcpu_events(v);
}
