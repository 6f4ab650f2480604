/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU under VMX: its VMCS, entry, interrupt windows. SDM vol. 3, chapters 25 to 28. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "vmx/vmx.h"

#define VPID_LAST     UINT16_MAX
#define LINK_NONE     UINT64_MAX /* 25.4.2: no VMCS shadowing */
#define SLICES_PER_MS 1		 /* of vmx_quirk_if0 */

_Static_assert(sizeof(struct vmx_own) <= PAGE_SIZE, "struct vmx_own has one frame");

struct inv_descriptor {
	uint64_t context, address;
};

/* 29.4.3: what is cached for an EPTP, or for all. Combined mappings go with it, of every VPID. */
static void invept(uint64_t type, uint64_t eptp)
{
	struct inv_descriptor d = {eptp, 0};

	__asm__ volatile("invept %0, %1" : : "m"(d), "r"(type) : "cc", "memory");
}

static void invvpid_all(void)
{
	struct inv_descriptor d = {0, 0};

	__asm__ volatile("invvpid %0, %1" : : "m"(d), "r"((uint64_t)INV_ALL) : "cc", "memory");
}

static __attribute__((noinline)) void flush_vm(const struct vm_arch *vm)
{
	invept(vmx_ctl.ept_cap & EPT_CAP_INVEPT_SINGLE ? INV_SINGLE : INV_ALL, vm->root.v);
}

static void vmptrld(hpa_t pa)
{
	__asm__ volatile("vmptrld %0" : : "m"(pa.v) : "cc", "memory");
}

/* Writes back what the processor caches of a VMCS; the next entry is by VMLAUNCH (25.11.3). */
static void vmclear(struct vcpu_arch *v)
{
	__asm__ volatile("vmclear %0" : : "m"(v->ctl_pa.v) : "cc", "memory");
}

bool vmx_is_loaded(const struct vcpu_arch *v)
{
	return this_cpu()->loaded == v;
}

bool vmx_borrow(struct vcpu_arch *v)
{
	if (likely(vmx_is_loaded(v)))
		return false;
	vmptrld(v->ctl_pa);
	return true;
}

void vmx_release(struct vcpu_arch *v, bool borrowed)
{
	if (likely(!borrowed))
		return;
	vmclear(v);
	if (this_cpu()->loaded)
		vmptrld(this_cpu()->loaded->ctl_pa);
}

static void controls_write(const struct vcpu_arch *v)
{
	vmcs_write(VMCS_PIN, vmx_ctl.pin);
	vmcs_write(VMCS_PROC, vmx_ctl.proc);
	vmcs_write(VMCS_PROC2, vmx_ctl.proc2);
	vmcs_write(VMCS_EXIT, vmx_ctl.exit);
	vmcs_write(VMCS_ENTRY, vmx_ctl.entry);
	vmcs_write(VMCS_EXCEPTIONS, BIT(EXC_MC) | BIT(EXC_AC) | BIT(EXC_DB));
	vmcs_write(VMCS_PF_MASK, 0);
	vmcs_write(VMCS_PF_MATCH, 0);
	vmcs_write(VMCS_CR3_TARGETS, 0);
	vmcs_write(VMCS_EXIT_STORE_COUNT, 0);
	vmcs_write(VMCS_EXIT_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_LOAD_COUNT, 0);
	vmcs_write(VMCS_ENTRY_INTR, 0);
	vmcs_write(VMCS_CR0_MASK, vmx_ctl.cr0_mask);
	vmcs_write(VMCS_CR4_MASK, vmx_ctl.cr4_mask);
	vmcs_write(VMCS_LINK_POINTER, LINK_NONE);
	vmcs_write(VMCS_TSC_OFFSET, v->tsc_offset);
	if (vmx_ctl.proc2 & PROC2_XSAVES)
		vmcs_write(VMCS_XSS_BITMAP, 0);
	if (vmx_ctl.proc2 & PROC2_ENCLS)
		vmcs_write(VMCS_ENCLS_BITMAP, UINT64_MAX);
}

static void addresses_write(const struct vcpu_arch *v, const struct vm_arch *vm)
{
	vmcs_write(VMCS_IO_BITMAP_A, vm->io_bitmap_pa.v);
	vmcs_write(VMCS_IO_BITMAP_B, vm->io_bitmap_pa.v + PAGE_SIZE);
	vmcs_write(VMCS_MSR_BITMAP, vm->msr_bitmap_pa.v);
	vmcs_write(VMCS_EPTP, vm->root.v);
	if (v->apic) {
		vmcs_write(VMCS_VIRTUAL_APIC, v->ctl_pa.v + 2 * PAGE_SIZE);
		vmcs_write(VMCS_TPR_THRESHOLD, 0);
	}
}

void vmx_vcpu_init(struct vcpu_arch *v, struct vm_arch *vm, void *va, hpa_t frames)
{
	bool borrowed;

	v->vm = vm;
	v->ctl = va;
	v->ctl_pa = frames;
	v->priv = (uint8_t *)va + PAGE_SIZE;
	v->apic = vmx_ctl.apicv ? (uint32_t *)((uint8_t *)va + 2 * PAGE_SIZE) : NULL;
	own_of(v)->proc = vmx_ctl.proc;
	own_of(v)->host = NULL;
	*(uint32_t *)v->ctl = vmx_ctl.revision;
	vmclear(v);
	borrowed = vmx_borrow(v);
	controls_write(v);
	addresses_write(v, vm);
	vmx_release(v, borrowed);
}

/* 27.2.2 to 27.2.4: where exits return to; a CPU's for good. Fields that are not written stay zero. */
static __attribute__((noinline)) void host_write(const struct cpu *cpu)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} PACKED gdtr, idtr;

	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	__asm__ volatile("sidt %0" : "=m"(idtr));
	vmcs_write(VMCS_HOST_CS_SEL, GDT_CODE);
	vmcs_write(VMCS_HOST_SS_SEL, GDT_DATA);
	vmcs_write(VMCS_HOST_DS_SEL, GDT_DATA);
	vmcs_write(VMCS_HOST_ES_SEL, GDT_DATA);
	vmcs_write(VMCS_HOST_FS_SEL, 0);
	vmcs_write(VMCS_HOST_GS_SEL, 0);
	vmcs_write(VMCS_HOST_TR_SEL, GDT_TSS);
	vmcs_write(VMCS_HOST_FS_BASE, 0);
	vmcs_write(VMCS_HOST_GS_BASE, msr_read(MSR_GS_BASE));
	vmcs_write(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
	vmcs_write(VMCS_HOST_GDTR_BASE, gdtr.base);
	vmcs_write(VMCS_HOST_IDTR_BASE, idtr.base);
	vmcs_write(VMCS_HOST_SYSENTER_CS, 0);
	vmcs_write(VMCS_HOST_SYSENTER_ESP, 0);
	vmcs_write(VMCS_HOST_SYSENTER_EIP, 0);
	vmcs_write(VMCS_HOST_CR0, cr0_read());
	vmcs_write(VMCS_HOST_CR3, cr3_read());
	vmcs_write(VMCS_HOST_CR4, cr4_read());
	vmcs_write(VMCS_HOST_PAT, msr_read(MSR_PAT));
	vmcs_write(VMCS_HOST_EFER, msr_read(MSR_EFER));
	vmcs_write(VMCS_HOST_RIP, (uint64_t)vmx_exit_entry);
}

/*
 * VPIDs per CPU (29.1): a vCPU keeps its VPID while the CPU's generation lasts; when they run out the generation ends
 * and all translations are dropped. Generations of different CPUs never meet: they differ in the low eight bits.
 *
 * Guest-physical translations are cached by EPTP alone. A vCPU that comes from another CPU may have had its flush
 * there, so those that this CPU holds are dropped with every new VPID, and without VPIDs as well.
 */
static void vpid_assign(struct vcpu_arch *v, struct cpu *cpu)
{
	if (!cpu->asid_generation)
		cpu->asid_generation = cpu->index + MAX_CPUS;
	if (v->asid_gen == cpu->asid_generation)
		return;
	if (!cpu->asid_next || cpu->asid_next > VPID_LAST) {
		cpu->asid_generation += MAX_CPUS;
		cpu->asid_next = 1;
		invept(INV_ALL, 0);
		if (vmx_ctl.proc2 & PROC2_VPID)
			invvpid_all();
	}
	v->asid_gen = cpu->asid_generation;
	flush_vm(v->vm);
	if (!(vmx_ctl.proc2 & PROC2_VPID))
		return;
	v->asid = cpu->asid_next++;
	vmcs_write(VMCS_VPID, v->asid);
}

/* Its value is kept over exits (EXIT_SAVE_TIMER), or a guest that exits all the time would never let it run out. */
void vmx_timer_start(void)
{
	if (vmx_quirk_if0)
		vmcs_write(VMCS_TIMER, (tsc_khz / SLICES_PER_MS) >> vmx_ctl.timer_shift);
}

void vmx_vcpu_load(struct vcpu_arch *v)
{
	struct cpu *cpu = this_cpu();
	struct vmx_own *own = own_of(v);

	vmptrld(v->ctl_pa);
	cpu->loaded = v;
	if (unlikely(own->host != cpu)) {
		host_write(cpu);
		own->host = cpu;
	}
	vpid_assign(v, cpu);
	vmx_timer_start();
	dr0_write(v->dr[0]);
	dr1_write(v->dr[1]);
	dr2_write(v->dr[2]);
	dr3_write(v->dr[3]);
	dr6_write(own->dr6);
	cr2_write(own->cr2);
	vmx_live_load(own);
}

void vmx_vcpu_put(struct vcpu_arch *v)
{
	struct vmx_own *own = own_of(v);

	v->dr[0] = dr0_read();
	v->dr[1] = dr1_read();
	v->dr[2] = dr2_read();
	v->dr[3] = dr3_read();
	own->dr6 = dr6_read();
	own->cr2 = cr2_read();
	vmx_live_save(own);
	vmclear(v);
	this_cpu()->loaded = NULL;
}

/* 27.2.1.3, 27.3.1.5: what blocks the event that is injected must be clear; delivery would have ended it. */
static void blocking_fit(const struct event *e)
{
	uint64_t blocking = vmcs_read(VMCS_GUEST_BLOCKING), fit = blocking;

	fit &= ~(BLOCKING_STI | BLOCKING_MOVSS);
	if (e->type == EVENT_NMI)
		fit &= ~BLOCKING_NMI;
	if (fit != blocking)
		vmcs_write(VMCS_GUEST_BLOCKING, fit);
}

/* 25.8.3. In real-address mode no exception delivers an error code, and injecting one is refused (27.2.1.3). */
static __attribute__((noinline)) void event_write(const struct event *e)
{
	uint64_t info = e->vector | (uint64_t)e->type << INTR_TYPE_SHIFT | INTR_VALID;

	if (e->has_error && vmcs_read(VMCS_GUEST_CR0) & CR0_PE) {
		info |= INTR_HAS_ERROR;
		vmcs_write(VMCS_ENTRY_ERROR, e->error);
	}
	if (e->type == EVENT_SOFT_INT || e->type == EVENT_SOFT_EXC)
		vmcs_write(VMCS_ENTRY_LEN, e->len);
	vmcs_write(VMCS_ENTRY_INTR, info);
	blocking_fit(e);
}

/* What holds for one entry only. */
static __attribute__((noinline)) void entry_prepare(struct vcpu_arch *v)
{
	if (atomic_xchg_bool(&v->flush, false))
		flush_vm(v->vm);
	if (!v->inject.valid)
		return;
	event_write(&v->inject);
	v->inject.valid = false;
}

/* Somebody wants this CPU first, and the event waits; or the entry was refused. */
static __attribute__((noinline, cold)) bool not_entered(struct vcpu_arch *v, uint64_t why,
							exited_fn exited)
{
	if (why == VMX_REQUESTED) {
		v->inject.valid = vmcs_read(VMCS_ENTRY_INTR) & INTR_VALID;
		vmcs_write(VMCS_ENTRY_INTR, 0);
		return false;
	}
	vmx_exit_refused(v);
	return exited(v);
}

/* The path of every exit: counted in instructions. */
void vmx_run(struct vcpu_arch *v, exited_fn exited)
{
	uint64_t entered = VMX_FAILED, unused;

	do {
		if (unlikely(v->flush | v->inject.valid))
			entry_prepare(v);
		VMCS_STORE(VMCS_GUEST_RIP, v->rip);
		VMCS_STORE(VMCS_GUEST_RSP, v->gpr[RSP]);
		VMCS_STORE(VMCS_GUEST_RFLAGS, v->rflags);
		__asm__ volatile("call vmx_enter"
				 : "=a"(entered), "=d"(unused)
				 : "b"(v)
				 : SWITCH_CLOBBERS);
	} while (likely(entered == VMX_EXITED) ? vmx_exited(v, exited)
					       : not_entered(v, entered, exited));
}

bool vmx_irq_ready(struct vcpu_arch *v)
{
	bool borrowed, blocked;

	if (!(v->rflags & RFLAGS_IF))
		return false;
	borrowed = vmx_borrow(v);
	blocked = vmcs_read(VMCS_GUEST_BLOCKING) & (BLOCKING_STI | BLOCKING_MOVSS);
	vmx_release(v, borrowed);
	return !blocked;
}

bool vmx_nmi_ready(struct vcpu_arch *v)
{
	bool borrowed = vmx_borrow(v);
	bool blocked =
		vmcs_read(VMCS_GUEST_BLOCKING) & (BLOCKING_STI | BLOCKING_MOVSS | BLOCKING_NMI);

	vmx_release(v, borrowed);
	return !blocked;
}

static void window_set(struct vcpu_arch *v, uint32_t control, bool on)
{
	struct vmx_own *own = own_of(v);
	bool borrowed;

	if (on == !!(own->proc & control))
		return;
	own->proc ^= control;
	borrowed = vmx_borrow(v);
	vmcs_write(VMCS_PROC, own->proc);
	vmx_release(v, borrowed);
}

void vmx_irq_window(struct vcpu_arch *v, bool on)
{
	window_set(v, PROC_INTR_WINDOW, on);
}

void vmx_nmi_window(struct vcpu_arch *v, bool on)
{
	window_set(v, PROC_NMI_WINDOW, on);
}

void vmx_shadow_clear(struct vcpu_arch *v)
{
	bool borrowed = vmx_borrow(v);
	uint64_t blocking = vmcs_read(VMCS_GUEST_BLOCKING);

	if (unlikely(blocking & (BLOCKING_STI | BLOCKING_MOVSS)))
		vmcs_write(VMCS_GUEST_BLOCKING, blocking & ~(BLOCKING_STI | BLOCKING_MOVSS));
	vmx_release(v, borrowed);
}

void vmx_tsc_changed(struct vcpu_arch *v)
{
	bool borrowed = vmx_borrow(v);

	vmcs_write(VMCS_TSC_OFFSET, v->tsc_offset);
	vmx_release(v, borrowed);
}
