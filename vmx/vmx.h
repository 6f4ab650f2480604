/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the VMX backend share. */

#ifndef VMX_VMX_H
#define VMX_VMX_H

#include "arch/vcpu.h"
#include "vmx/vmcs.h"

/* What every VMCS of this machine is filled with; derived from the capability MSRs by the boot CPU (cpu.c). */
struct vmx_controls {
	uint32_t pin, proc, proc2, exit, entry;
	uint32_t revision;
	uint64_t cr0_fixed0,
		cr0_fixed1; /* bits that must be one, may be one, in VMX operation (A.7) */
	uint64_t cr4_fixed0, cr4_fixed1; /* A.8 */
	uint64_t cr0_mask, cr4_mask;	 /* bits of the hypervisor: a guest's change of one exits */
	uint64_t ept_cap;		 /* IA32_VMX_EPT_VPID_CAP */
	uint64_t efer_bits;		 /* that this processor defines */
	uint8_t timer_shift;
	bool apicv; /* TPR shadow, x2APIC mode, register virtualization and interrupt delivery are all there */
	bool string_info; /* exits of INS and OUTS say their address size (A.1) */
};
extern struct vmx_controls vmx_ctl;

/*
 * Some emulated processors do not exit for a physical interrupt as long as the guest, entered with IF = 0, does not
 * change IF. With this set the preemption timer ends every run after a while (EXIT_SLICE). Set by the boot CPU.
 */
extern bool vmx_quirk_if0;

/* quirk.c: on the boot CPU, in VMX operation, before VMs are built. */
void vmx_quirks_find(void);

/* MSRs that no VMCS field holds and the hypervisor has no use for: in the registers while the vCPU is loaded. */
enum live_msr { LIVE_STAR, LIVE_LSTAR, LIVE_CSTAR, LIVE_SFMASK, LIVE_KERNEL_GS_BASE, LIVE_COUNT };

/* The backend's own frame of a vCPU, at v->priv. */
struct vmx_own {
	uint32_t proc;		   /* primary controls, as in the VMCS */
	uint64_t eoi_exit[4];	   /* as in the VMCS */
	uint64_t cr2, dr6;	   /* while not loaded */
	uint64_t live[LIVE_COUNT]; /* while not loaded */
	const struct cpu *host;	   /* whose host state the VMCS has; NULL: nobody's */
	uint32_t insn_error;	   /* of the last refused VMLAUNCH or VMRESUME (31.4) */
};

static inline struct vmx_own *own_of(const struct vcpu_arch *v)
{
	return v->priv;
}

/* Fields of the current VMCS, which must exist on this processor: one that does not reads as anything. */
static inline uint64_t vmcs_read(uint64_t field)
{
	uint64_t value;

	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
	return value;
}

/* The same from and to a variable in memory, on paths whose instructions are counted. */
#define VMCS_FETCH(field, to) \
	__asm__ volatile("vmread %1, %0" : "=m"(to) : "r"((uint64_t)(field)) : "cc")
#define VMCS_STORE(field, from) \
	__asm__ volatile("vmwrite %1, %0" : : "r"((uint64_t)(field)), "m"(from) : "cc", "memory")

static inline void vmcs_write(uint64_t field, uint64_t value)
{
	__asm__ volatile("vmwrite %1, %0" : : "r"(field), "r"(value) : "cc", "memory");
}

/* cpu.c */
const char *vmx_probe(void);
const char *vmx_cpu_on(void *host, hpa_t host_pa);
void vmx_cpu_off(void);
extern struct nested_caps vmx_nested_caps;
const char *vmx_features(void);

/* controls.c: fill in vmx_ctl from this CPU's capability MSRs. NULL, or what it lacks in a plain sentence. */
const char *vmx_controls_derive(struct vmx_controls *c);

/* vcpu.c */
void vmx_vm_init(struct vm_arch *vm, void *va, hpa_t frames);
void vmx_vcpu_init(struct vcpu_arch *v, struct vm_arch *vm, void *va, hpa_t frames);
void vmx_vcpu_load(struct vcpu_arch *v);
void vmx_vcpu_put(struct vcpu_arch *v);
void vmx_run(struct vcpu_arch *v, exited_fn exited);
bool vmx_irq_ready(struct vcpu_arch *v);
bool vmx_nmi_ready(struct vcpu_arch *v);
void vmx_irq_window(struct vcpu_arch *v, bool on);
void vmx_nmi_window(struct vcpu_arch *v, bool on);
void vmx_shadow_clear(struct vcpu_arch *v);
void vmx_tsc_changed(struct vcpu_arch *v);
/* The quirk's preemption timer counts from the start again, in the current VMCS. */
void vmx_timer_start(void);

/* apic.c */
void vmx_apic_virtual(struct vcpu_arch *v, bool on, uint16_t status);
void vmx_apic_request(struct vcpu_arch *v, int vector, const uint64_t *eoi_exit);
void vmx_apic_msrs_open(struct vm_arch *vm);

/*
 * Make @v's VMCS the current one for a few accesses, where it is not; vmx_release undoes that. Both only on the CPU
 * that the vCPU is loaded on, or while it runs nowhere.
 */
bool vmx_borrow(struct vcpu_arch *v);
void vmx_release(struct vcpu_arch *v, bool borrowed);

/* Is @v's state in this CPU's registers? */
bool vmx_is_loaded(const struct vcpu_arch *v);

/* exit.c: fill in registers and v->exit from the VMCS, hand over to @exited and return what it says. */
bool vmx_exited(struct vcpu_arch *v, exited_fn exited);
/* exit.c: fill in v->exit after VMfail. */
void vmx_exit_refused(struct vcpu_arch *v);

/* state.c */
void vmx_get_state(struct vcpu_arch *v, struct guest_state *s);
void vmx_set_state(struct vcpu_arch *v, const struct guest_state *s);
struct segment vmx_get_seg(struct vcpu_arch *v, enum seg_reg seg);
uint64_t vmx_get_cr(struct vcpu_arch *v, uint32_t num);
void vmx_set_cr(struct vcpu_arch *v, uint32_t num, uint64_t value);
int vmx_get_msr(struct vcpu_arch *v, uint32_t msr, uint64_t *value);
int vmx_set_msr(struct vcpu_arch *v, uint32_t msr, uint64_t value);
uint8_t vmx_cpl(struct vcpu_arch *v);
void vmx_get_mode(struct vcpu_arch *v, struct guest_mode *m);
/* Access rights as they are in the current VMCS. */
uint32_t vmx_seg_access(enum seg_reg seg);
void vmx_live_load(const struct vmx_own *own);
void vmx_live_save(struct vmx_own *own);

/*
 * state.c: MOV to CR0 or CR4 turns PAE paging on. Then the processor has to load the PDPTEs (4.4.1), from guest memory
 * that only it can read. True: the hypervisor's bits took the new value, and the guest is to execute it again.
 */
bool vmx_cr_retry(struct vcpu_arch *v, uint32_t num, uint64_t value);

/* One bit of a permission map (perm.c). */
void vmx_bit_set(uint8_t *map, uint32_t bit, bool on);

/* perm.c */
void vmx_io_intercept(struct vm_arch *vm, uint16_t port, uint32_t count, bool on);
void vmx_msr_intercept(struct vm_arch *vm, uint32_t msr, uint32_t rw, bool on);

/* check.c: what check_state holds a state against; cpu.c narrows it to this machine's. */
struct vmx_limits {
	uint64_t cr0_fixed1, cr4_fixed1; /* bits that may be one */
	uint64_t efer_bits;
	uint8_t physical_bits;
};
extern struct vmx_limits vmx_limits;
uint32_t vmx_check_state(const struct guest_state *s, report_fn report, void *arg);

/*
 * check_entry.c: what an entry checks beside that: fields as they are in a VMCS, before anything of it is translated.
 * vmx_check_entry lists every rule that @v's VMCS breaks, those of check.c too; the host's state is not looked at.
 */
struct vmx_raw {
	uint64_t cap_pin, cap_proc, cap_proc2, cap_exit, cap_entry; /* capability MSRs */
	uint64_t cr0_fixed0, cr4_fixed0;
	uint64_t activities; /* that the processor supports besides active: VMX_MISC_ACTIVITY */
	uint32_t pin, proc, proc2, exit, entry;
	uint32_t cr3_targets;
	uint64_t io_bitmap_a, io_bitmap_b, msr_bitmap, eptp, entry_msrs;
	uint32_t entry_msr_count;
	uint16_t vpid;
	uint32_t intr, intr_error, intr_len; /* the event to inject */
	uint64_t cr0, cr4, efer, rflags, debugctl, pending_db, link;
	uint64_t pdpte[4];
	uint32_t access[SEG_COUNT]; /* by enum seg_reg */
	uint32_t gdtr_limit, idtr_limit, activity, blocking;
};
uint32_t vmx_check_raw(const struct vmx_raw *r, report_fn report, void *arg);
uint32_t vmx_check_entry(struct vcpu_arch *v, report_fn report, void *arg);

/* dump.c */
void vmx_dump(struct vcpu_arch *v, report_fn report, void *arg);

/*
 * entry.asm's vmx_enter runs the guest of the current VMCS once; for the operands see there.
 * 0: it exited. 1: VMLAUNCH or VMRESUME failed. 2: this CPU's requests came first, the guest was not entered.
 */
enum vmx_entered { VMX_EXITED = 0, VMX_FAILED = 1, VMX_REQUESTED = 2 };
extern const uint8_t *vmx_exit_entry; /* host RIP in use, one of entry.asm's two */
extern const uint8_t vmx_exit_clear[], vmx_exit_plain[];

#endif
