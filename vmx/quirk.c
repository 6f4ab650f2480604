/* SPDX-License-Identifier: BSD-2-Clause */
/* What a processor does otherwise than the manual says is tried out at boot, named in the log, and worked around. */

#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "arch/options.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "vmx/vmx.h"

#define PROBE_TICKS   20000 /* of the TSC: far more than an entry takes */
#define PROBE_FRAMES  3	    /* as vmx_ops: control block and vcpu_frames */
#define SEG_CODE64    (SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_L | SEG_ATTR_G | 0xb)
#define SEG_DATA_FLAT (SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_DB | SEG_ATTR_G | 3)
#define SEG_TSS_BUSY  (SEG_ATTR_P | 0xb)

bool vmx_quirk_if0;

/* The guest: nothing, in the hypervisor's own address space, with interrupts off. */
static INIT NORETURN void probe_guest(void)
{
	for (;;)
		cpu_pause();
}

static INIT void probe_state(struct guest_state *s)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} PACKED gdtr, idtr;

	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	__asm__ volatile("sidt %0" : "=m"(idtr));
	*s = (struct guest_state){
		.cr0 = cr0_read(),
		.cr3 = cr3_read(),
		.cr4 = cr4_read(),
		.efer = msr_read(MSR_EFER),
		.dr7 = 0x400,
		.rip = (uint64_t)probe_guest,
		.rflags = RFLAGS_FIXED,
		.gdtr = {gdtr.base, gdtr.limit},
		.idtr = {idtr.base, idtr.limit},
		.pat = msr_read(MSR_PAT),
	};
	for (uint32_t i = SEG_ES; i <= SEG_GS; i++)
		s->seg[i] = (struct segment){GDT_DATA, SEG_DATA_FLAT, UINT32_MAX, 0};
	s->seg[SEG_CS] = (struct segment){GDT_CODE, SEG_CODE64, UINT32_MAX, 0};
	s->seg[SEG_TR] = (struct segment){GDT_TSS, SEG_TSS_BUSY, sizeof(struct tss) - 1,
					  (uint64_t)&this_cpu()->tss};
}

/* No nested paging, no bitmaps: only what must be set, and what is to be tried. */
static INIT void probe_controls(void)
{
	bool true_ctls = msr_read(MSR_VMX_BASIC) & VMX_BASIC_TRUE_CTLS;

	vmcs_write(VMCS_PROC, CTL_MUST(msr_read(true_ctls ? MSR_VMX_TRUE_PROC : MSR_VMX_PROC)));
	vmcs_write(VMCS_PIN, vmx_ctl.pin | PIN_TIMER);
	vmcs_write(VMCS_TIMER, PROBE_TICKS >> vmx_ctl.timer_shift);
}

static INIT bool probe_exited(struct vcpu_arch *v)
{
	(void)v;
	return false; /* once is enough */
}

/*
 * External-interrupt exiting does not ask for IF (26.2): with an interrupt pending an entry ends before the guest's first
 * instruction. Where the timer is what ends it, the processor has waited for IF.
 */
static INIT bool interrupts_wait_for_if(void *va, hpa_t pa)
{
	static struct vcpu_arch v INITBSS;
	static struct vm_arch vm INITBSS;
	struct guest_state s;

	vmx_vcpu_init(&v, &vm, va, pa);
	probe_state(&s);
	vmx_set_state(&v, &s);
	v.flush = false; /* it has no nested table */
	vmx_vcpu_load(&v);
	probe_controls();
	lapic_ipi(this_cpu()->apic_id, VECTOR_IPI);
	vmx_run(&v, probe_exited);
	vmx_vcpu_put(&v);
	irq_take_pending();
	if (v.exit.kind != EXIT_INTR && v.exit.kind != EXIT_SLICE)
		log_debug("VMX: the trial run for quirks ended by exit %#x (%#lx)", v.exit.reason,
			  v.exit.qual);
	return v.exit.kind == EXIT_SLICE;
}

INIT void vmx_quirks_find(void)
{
	hpa_t pa;
	void *frames;

	if (vmx_ctl.pin & PIN_TIMER && !option_off("vmx-if0")) {
		frames = pool_alloc(&pool_quota_hv, PROBE_FRAMES, &pa);
		vmx_quirk_if0 = frames && interrupts_wait_for_if(frames, pa);
		if (frames)
			pool_free(&pool_quota_hv, frames, PROBE_FRAMES);
	}
	if (!vmx_quirk_if0) {
		vmx_ctl.pin &= ~(uint32_t)PIN_TIMER;
		vmx_ctl.exit &= ~(uint32_t)EXIT_SAVE_TIMER; /* 27.2.1.2: not without the timer */
		return;
	}
	log_warn("quirk vmx-if0: interrupts do not end the run of a guest that has them off; "
		 "the preemption timer does, after 1 ms at most");
}
