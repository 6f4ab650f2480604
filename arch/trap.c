/* SPDX-License-Identifier: BSD-2-Clause */
/* Exceptions and interrupts taken by the hypervisor itself: fix up, note, dispatch, or leave a crash record. */

#include "arch/trap.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/mce.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "lib/atomic.h"

struct idt_gate {
	uint16_t offset_lo, selector;
	uint8_t ist, attr;
	uint16_t offset_mid;
	uint32_t offset_hi, reserved;
} PACKED;
_Static_assert(sizeof(struct idt_gate) == 16, "SDM vol. 3, figure 6-8");

#define GATE_INTERRUPT 0x8e /* present, DPL 0, 64-bit interrupt gate */
#define STUB_SIZE      16

struct fixup {
	uint64_t insn, landing;
};

extern const uint8_t trap_stubs[];
/* Instructions that may fault (#GP); instructions that an NMI or #MC must not return to. */
extern const struct fixup fixup_start[], fixup_end[], redirect_start[], redirect_end[];
_Static_assert(offsetof(struct cpu, requests) == 24, "trap.asm and vmx/entry.asm read it at GS:24");

static struct idt_gate idt[256] ALIGNED(16);

void trap_init(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(idt); i++) {
		uint64_t stub = (uint64_t)trap_stubs + i * STUB_SIZE;

		idt[i] = (struct idt_gate){
			.offset_lo = (uint16_t)stub,
			.offset_mid = (uint16_t)(stub >> 16),
			.offset_hi = (uint32_t)(stub >> 32),
			.selector = GDT_CODE,
			.attr = GATE_INTERRUPT,
		};
	}
	trap_load();
}

void trap_load(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} PACKED idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

void trap_use_ist(void)
{
	idt[EXC_NMI].ist = 1;
	idt[EXC_DF].ist = 2;
	idt[EXC_MC].ist = 3;
}

static bool fixup_apply(struct trap_frame *f, const struct fixup *x, const struct fixup *end)
{
	for (; x < end; x++) {
		if (x->insn == f->rip) {
			f->rip = x->landing;
			return true;
		}
	}
	return false;
}

void trap_handle(struct trap_frame *f);

/*
 * NMI and #MC only leave a flag: whoever enters a guest, or sleeps, looks at it just before. One that came between that
 * look and the entry or HLT does not go back there. Only the instructions of .redirect are meant: a safe MSR access
 * that is interrupted has not faulted.
 */
static void request_leave(struct trap_frame *f, uint64_t request)
{
	atomic_or_u64(&this_cpu()->requests, request);
	fixup_apply(f, redirect_start, redirect_end);
}

/* Called by trap_common, interrupts off. */
void trap_handle(struct trap_frame *f)
{
	if (f->vector >= 32) {
		irq_dispatch((uint8_t)f->vector);
		return;
	}
	if (f->vector == EXC_NMI) {
		request_leave(f, CPU_REQ_NMI);
		return;
	}
	if (f->vector == EXC_MC && mce_judge() == MCE_GO_ON) {
		request_leave(f, CPU_REQ_MCE);
		return;
	}
	if (f->vector == EXC_GP && fixup_apply(f, fixup_start, fixup_end))
		return;
	/* Bochs raises here the single-step trap of a guest whose instruction was intercepted. We never step ourselves. */
	if (f->vector == EXC_DB && !(f->rflags & RFLAGS_TF))
		return;
	crash_trap(f);
}
