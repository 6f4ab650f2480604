/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU under SVM: its control block, entry, interrupt windows. APM vol. 2, 15.5 to 15.21. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "svm/svm.h"

void svm_vm_init(struct vm_arch *vm, void *va, hpa_t frames)
{
	vm->io_bitmap = va;
	vm->io_bitmap_pa = frames;
	vm->msr_bitmap = (uint8_t *)va + IOPM_FRAMES * PAGE_SIZE;
	vm->msr_bitmap_pa = HPA(frames.v + IOPM_FRAMES * PAGE_SIZE);
	memset(va, 0xff, (IOPM_FRAMES + MSRPM_FRAMES) * PAGE_SIZE);
}

static void intercepts_init(struct vmcb *c)
{
	c->intercept[ICPT_CR] = ICPT_CR_WRITE(4) | ICPT_CR_WRITE(8) | ICPT_CR_READ(8);
	c->intercept[ICPT_EXC] = 1U << EXC_MC | 1U << EXC_AC | 1U << EXC_DB;
	c->intercept[ICPT_MISC1] = ICPT1_INTR | ICPT1_NMI | ICPT1_INIT | ICPT1_RDPMC | ICPT1_CPUID |
				   ICPT1_INVD | ICPT1_HLT | ICPT1_INVLPGA | ICPT1_IOIO | ICPT1_MSR |
				   ICPT1_SHUTDOWN;
	c->intercept[ICPT_MISC2] = ICPT2_VMRUN | ICPT2_VMMCALL | ICPT2_VMLOAD | ICPT2_VMSAVE |
				   ICPT2_STGI | ICPT2_CLGI | ICPT2_SKINIT | ICPT2_WBINVD |
				   ICPT2_MONITOR | ICPT2_MWAIT | ICPT2_XSETBV;
}

void svm_vcpu_init(struct vcpu_arch *v, struct vm_arch *vm, void *va, hpa_t frames)
{
	struct vmcb *c = va;

	v->vm = vm;
	v->ctl = va;
	v->ctl_pa = frames;
	intercepts_init(c);
	c->iopm_base = vm->io_bitmap_pa.v;
	c->msrpm_base = vm->msr_bitmap_pa.v;
	c->int_ctl = V_INTR_MASKING;
	c->nested_ctl = NESTED_ENABLE;
	c->ncr3 = vm->root.v;
	c->tsc_offset = v->tsc_offset;
}

/*
 * ASIDs per CPU (15.16): a vCPU keeps its ASID while the CPU's generation lasts; when they run out the generation
 * ends and the TLB is flushed. Generations of different CPUs never meet: they differ in the low eight bits.
 */
static void asid_assign(struct vcpu_arch *v, struct vmcb *c, struct cpu *cpu)
{
	if (!cpu->asid_generation)
		cpu->asid_generation = cpu->index + MAX_CPUS;
	if (v->asid_gen == cpu->asid_generation)
		return;
	if (!cpu->asid_next || cpu->asid_next >= svm_asids) {
		cpu->asid_generation += MAX_CPUS;
		cpu->asid_next = 1;
		cpu->asid_flush = true;
	}
	v->asid = cpu->asid_next++;
	v->asid_gen = cpu->asid_generation;
	c->asid = v->asid;
	vmcb_changed(v, CLEAN_ASID);
}

void svm_vcpu_load(struct vcpu_arch *v)
{
	struct cpu *cpu = this_cpu();

	asid_assign(v, vmcb_of(v), cpu);
	if (cpu->asid_flush)
		vmcb_of(v)->tlb_control = TLB_FLUSH_ALL;
	vmcb_changed(v, CLEAN_ALL);
	cr2_write(vmcb_of(v)->cr2);
	dr0_write(v->dr[0]);
	dr1_write(v->dr[1]);
	dr2_write(v->dr[2]);
	dr3_write(v->dr[3]);
	cpu->loaded = v;
}

void svm_vcpu_put(struct vcpu_arch *v)
{
	v->dr[0] = dr0_read();
	v->dr[1] = dr1_read();
	v->dr[2] = dr2_read();
	v->dr[3] = dr3_read();
	this_cpu()->loaded = NULL;
}

/*
 * QEMU 7.2 delivers an interrupt brought by EVENTINJ, but leaves its vector as the CPU's pending exception: should another
 * thread want the CPU's attention before the next #VMEXIT, the vector is raised once more, RFLAGS.IF or not. Linux does
 * not survive that between the gate and SWAPGS. A virtual interrupt (15.21.4) leaves no such trace. The window, for
 * which V_IRQ also stands, is asked for again at the next exit, at the latest the end of interrupt.
 */
static void virtual_irq_write(struct vcpu_arch *v, struct vmcb *c)
{
	c->int_ctl |= V_IRQ | V_IGN_TPR | V_INTR_PRIO(0xf);
	c->int_vector = v->inject.vector;
	c->intercept[ICPT_MISC1] &= ~ICPT1_VINTR;
	vmcb_changed(v, CLEAN_INTERCEPTS | CLEAN_TPR);
	own_of(v)->virtual_irq = true;
	v->inject.valid = false;
}

/* What was not delivered before the exit is injected again; QEMU reports a delivery cut short as an exception. */
static void virtual_irq_read(struct vcpu_arch *v, struct vmcb *c)
{
	own_of(v)->virtual_irq = false;
	if (c->int_ctl & V_IRQ) {
		c->exit_int_info = 0;
		v->inject = (struct event){
			.valid = true, .type = EVENT_INTR, .vector = (uint8_t)c->int_vector};
	}
	c->int_ctl &= ~(V_IRQ | V_IGN_TPR | V_INTR_PRIO(0xf));
}

/* 15.20; soft events are not injected but executed again, which needs no next RIP. */
static void event_write(struct vcpu_arch *v, struct vmcb *c)
{
	struct event *e = &v->inject;

	if (svm_inject_virtual && e->type == EVENT_INTR) {
		virtual_irq_write(v, c);
		return;
	}
	c->event_inject = e->vector | (uint64_t)e->type << 8 | EVENT_VALID;
	if (e->has_error)
		c->event_inject |= EVENT_HAS_ERROR | (uint64_t)e->error << 32;
	if (e->type == EVENT_NMI) {
		own_of(v)->nmi_blocked = true;
		own_of(v)->iret_pending = false;
		c->intercept[ICPT_MISC1] |= ICPT1_IRET;
		vmcb_changed(v, CLEAN_INTERCEPTS);
	}
	e->valid = false;
}

static void registers_write(const struct vcpu_arch *v, struct vmcb *c)
{
	c->rax = v->gpr[RAX];
	c->rsp = v->gpr[RSP];
	c->rip = v->rip;
	c->rflags = v->rflags;
}

/* What holds for one entry only. */
static __attribute__((noinline)) void entry_prepare(struct vcpu_arch *v, struct vmcb *c)
{
	if (atomic_xchg_bool(&v->flush, false) && !c->tlb_control)
		c->tlb_control = svm_flush_asid ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
	if (v->inject.valid)
		event_write(v, c);
	vmcb_changed(v, 0);
}

void svm_clean_up(struct vcpu_arch *v, struct vmcb *c)
{
	if (own_of(v)->virtual_irq)
		virtual_irq_read(v, c);
	if (c->tlb_control == TLB_FLUSH_ALL)
		this_cpu()->asid_flush = false;
	c->tlb_control = TLB_FLUSH_NONE;
	c->event_inject = 0;
	c->clean = svm_clean;
	own_of(v)->dirty = false;
}

/* The path of every exit: counted in instructions. */
void svm_run(struct vcpu_arch *v, exited_fn exited)
{
	do {
		uint64_t pa = v->ctl_pa.v, host_pa = cpu_host_pa();

		/*
		 * From CLGI on nothing is delivered. What came before is in cpu->requests and seen here; what comes
		 * after, NMI and interrupts alike, is pending at VMRUN and exits at once (15.17, 15.13). No window is
		 * left between.
		 */
		__asm__ volatile("clgi" : : : "memory");
		if (unlikely(cpu_requested())) {
			__asm__ volatile("stgi" : : : "memory");
			return;
		}
		if (unlikely(v->flush | v->inject.valid))
			entry_prepare(v, vmcb_of(v));
		registers_write(v, vmcb_of(v));
		__asm__ volatile("sti; call *%[enter]; cli; stgi"
				 : "+a"(pa), "+d"(host_pa)
				 : "b"(v), [enter] "m"(svm_enter)
				 : SWITCH_CLOBBERS);
	} while (svm_exited(v, exited));
}

bool svm_irq_ready(struct vcpu_arch *v)
{
	return v->rflags & RFLAGS_IF && !(vmcb_of(v)->int_shadow & INT_SHADOW);
}

bool svm_nmi_ready(struct vcpu_arch *v)
{
	struct svm_own *own = own_of(v);

	if (own->iret_pending && v->rip != own->iret_rip) {
		own->iret_pending = false;
		own->nmi_blocked = false;
	}
	return !own->nmi_blocked && !(vmcb_of(v)->int_shadow & INT_SHADOW);
}

/* The processor exits (VINTR) when the dummy virtual interrupt could be taken: 15.21.4. */
void svm_irq_window(struct vcpu_arch *v, bool on)
{
	struct vmcb *c = vmcb_of(v);

	if (on == !!(c->int_ctl & V_IRQ))
		return;
	if (on) {
		c->int_ctl |= V_IRQ | V_IGN_TPR | V_INTR_PRIO(0xf);
		c->intercept[ICPT_MISC1] |= ICPT1_VINTR;
	} else {
		c->int_ctl &= ~(V_IRQ | V_IGN_TPR | V_INTR_PRIO(0xf));
		c->intercept[ICPT_MISC1] &= ~ICPT1_VINTR;
	}
	vmcb_changed(v, CLEAN_INTERCEPTS | CLEAN_TPR);
}

/*
 * An NMI is blocked by an interrupt shadow, which the virtual interrupt's window also ends, or by an NMI being
 * handled, whose IRET is intercepted as long as it is.
 */
void svm_nmi_window(struct vcpu_arch *v, bool on)
{
	if (on && vmcb_of(v)->int_shadow & INT_SHADOW)
		svm_irq_window(v, true);
}

void svm_shadow_clear(struct vcpu_arch *v)
{
	vmcb_of(v)->int_shadow &= ~INT_SHADOW;
}

void svm_tsc_changed(struct vcpu_arch *v)
{
	vmcb_of(v)->tsc_offset = v->tsc_offset;
	vmcb_of(v)->clean &= ~CLEAN_INTERCEPTS;
}

void svm_iret_seen(struct vcpu_arch *v)
{
	struct svm_own *own = own_of(v);

	own->iret_pending = true;
	own->iret_rip = v->rip;
	vmcb_of(v)->intercept[ICPT_MISC1] &= ~ICPT1_IRET;
	vmcb_of(v)->clean &= ~CLEAN_INTERCEPTS;
}

void svm_nmi_reset(struct vcpu_arch *v)
{
	own_of(v)->nmi_blocked = false;
	own_of(v)->iret_pending = false;
	vmcb_of(v)->intercept[ICPT_MISC1] &= ~ICPT1_IRET;
}
