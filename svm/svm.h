/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the SVM backend share. */

#ifndef SVM_SVM_H
#define SVM_SVM_H

#include "arch/vcpu.h"
#include "svm/vmcb.h"

/* Optional features in use on this machine (cpu.c); a word on the command line may have cleared some. */
extern uint8_t
	svm_plain; /* rows of exit.c that take the short way: INSN_PLAIN, or none without next RIP */
extern bool svm_nrips, svm_decode_assists, svm_flush_asid, svm_vgif;
extern uint32_t svm_clean; /* clean bits after an exit: all, or none where they are not in use */
extern uint32_t svm_asids; /* number of ASIDs, at least 2 */
/* QEMU's emulation is below: interrupts are injected as virtual ones (vcpu.c says why). */
extern bool svm_inject_virtual;

static inline struct vmcb *vmcb_of(const struct vcpu_arch *v)
{
	return v->ctl;
}

/* SVM-only state of a vCPU, in the VMCB's reserved tail where no clean bit and no processor looks. */
struct svm_own {
	bool nmi_blocked;  /* from an injected NMI to its IRET */
	bool iret_pending; /* the IRET exit came; unblocked once RIP has moved */
	uint64_t iret_rip;
	bool virtual_irq; /* an interrupt is being injected as a virtual one */
	bool dirty; /* the VMCB has changed, or has something that holds for one entry: clean up after the next exit */
};

static inline struct svm_own *own_of(const struct vcpu_arch *v)
{
	return (struct svm_own *)((uint8_t *)v->ctl + PAGE_SIZE - 64);
}

/* What of the VMCB the processor must read again (15.15). */
static inline void vmcb_changed(struct vcpu_arch *v, uint32_t bits)
{
	vmcb_of(v)->clean &= ~bits;
	own_of(v)->dirty = true;
}

/* cpu.c */
const char *svm_probe(void);
const char *svm_cpu_on(void *host, hpa_t host_pa);
void svm_cpu_off(void);
extern struct nested_caps svm_nested_caps;
const char *svm_features(void);

/* vcpu.c */
void svm_vm_init(struct vm_arch *vm, void *va, hpa_t frames);
void svm_vcpu_init(struct vcpu_arch *v, struct vm_arch *vm, void *va, hpa_t frames);
void svm_vcpu_load(struct vcpu_arch *v);
void svm_vcpu_put(struct vcpu_arch *v);
void svm_run(struct vcpu_arch *v, exited_fn exited);
bool svm_irq_ready(struct vcpu_arch *v);
bool svm_nmi_ready(struct vcpu_arch *v);
void svm_irq_window(struct vcpu_arch *v, bool on);
void svm_nmi_window(struct vcpu_arch *v, bool on);
void svm_shadow_clear(struct vcpu_arch *v);
void svm_tsc_changed(struct vcpu_arch *v);

/* vcpu.c: the intercepted IRET of an NMI handler is about to be executed. */
void svm_iret_seen(struct vcpu_arch *v);

/* vcpu.c: after an exit, where own_of(v)->dirty is set. */
void svm_clean_up(struct vcpu_arch *v, struct vmcb *c);

/* vcpu.c: NMIs are not blocked any more. */
void svm_nmi_reset(struct vcpu_arch *v);

/* exit.c: kinds of rows */
#define INSN_ANY   1 /* an instruction intercept: a next RIP, where saved, gives its length */
#define INSN_PLAIN 2 /* beside: nothing else to know */

/* exit.c: fill in registers and v->exit from the VMCB, hand over to @exited and return what it says. */
bool svm_exited(struct vcpu_arch *v, exited_fn exited);

/* state.c */
void svm_get_state(struct vcpu_arch *v, struct guest_state *s);
void svm_set_state(struct vcpu_arch *v, const struct guest_state *s);
struct segment svm_get_seg(struct vcpu_arch *v, enum seg_reg seg);
uint64_t svm_get_cr(struct vcpu_arch *v, uint32_t num);
void svm_set_cr(struct vcpu_arch *v, uint32_t num, uint64_t value);
int svm_get_msr(struct vcpu_arch *v, uint32_t msr, uint64_t *value);
int svm_set_msr(struct vcpu_arch *v, uint32_t msr, uint64_t value);
uint8_t svm_cpl(struct vcpu_arch *v);
void svm_get_mode(struct vcpu_arch *v, struct guest_mode *m);

/* perm.c */
void svm_io_intercept(struct vm_arch *vm, uint16_t port, uint32_t count, bool on);
void svm_msr_intercept(struct vm_arch *vm, uint32_t msr, uint32_t rw, bool on);

/* check.c */
uint32_t svm_check_state(const struct guest_state *s, report_fn report, void *arg);

/* dump.c */
void svm_dump(struct vcpu_arch *v, report_fn report, void *arg);

/* The world switch in use, one of entry.asm's two; for the operands see there. */
extern const uint8_t *svm_enter;
extern const uint8_t svm_enter_clear[], svm_enter_plain[];

#endif
