/* SPDX-License-Identifier: BSD-2-Clause */
/* What backends (vmx/, svm/) and vm/ share: registers, the common exit, events, the operations list. */

#ifndef ARCH_VCPU_H
#define ARCH_VCPU_H

#include "lib/types.h"

/* General registers by their number in instruction encodings (SDM vol. 2, 2.1.5; APM vol. 3, 1.4). */
enum gpr {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
	GPR_COUNT,
};

/* Segment registers by their number in instruction encodings; then the two system segments. */
enum seg_reg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_TR, SEG_LDTR, SEG_COUNT };

/*
 * A segment with its hidden part. @attr is laid out as in a VMCB (APM vol. 2, 15.5.1, table B-2):
 * bits 3:0 type, 4 S, 6:5 DPL, 7 P, 8 AVL, 9 L, 10 D/B, 11 G. "Unusable" (VMX) is P = 0.
 */
struct segment {
	uint16_t sel;
	uint16_t attr;
	uint32_t limit; /* bytes - 1, granularity already applied */
	uint64_t base;
};

#define SEG_ATTR_TYPE	   0x000f
#define SEG_ATTR_S	   0x0010
#define SEG_ATTR_DPL(attr) (((attr) >> 5) & 3)
#define SEG_ATTR_P	   0x0080
#define SEG_ATTR_AVL	   0x0100
#define SEG_ATTR_L	   0x0200
#define SEG_ATTR_DB	   0x0400
#define SEG_ATTR_G	   0x0800

struct desc_table {
	uint64_t base;
	uint16_t limit;
};

/* Everything of a guest CPU that the hardware's control block holds, in one vendor-neutral form. */
struct guest_state {
	uint64_t cr0, cr2, cr3, cr4;
	uint64_t efer;
	uint64_t dr6, dr7;
	uint64_t rip, rsp, rflags;
	struct segment seg[SEG_COUNT];
	struct desc_table gdtr, idtr;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t pat;
	uint64_t debugctl;
};

/* What translating an address and decoding an instruction depend on. */
struct guest_mode {
	uint64_t cr0, cr3, cr4, efer;
	uint64_t cs_base;
	uint16_t cs_attr;
	uint8_t cpl;
};

/* Kinds of event that can be delivered to a guest; the numbers are the same in VMCB and VMCS. */
enum event_type {
	EVENT_INTR = 0,
	EVENT_NMI = 2,
	EVENT_EXC = 3,
	EVENT_SOFT_INT = 4,
	EVENT_SOFT_EXC = 6
};

struct event {
	bool valid;
	bool has_error;
	uint8_t vector;
	uint8_t type; /* enum event_type */
	uint8_t len;  /* instruction length for the two soft types */
	uint32_t error;
};

/* Why a guest stopped running, as vm/ sees it. One handler each in vm/exit.c's table. */
enum exit_kind {
	EXIT_UNKNOWN,	 /* a code that no rule covers: the VM stops with a report */
	EXIT_INTR,	 /* a physical interrupt is pending; it is taken when the host opens IF */
	EXIT_NMI,	 /* a physical NMI came while the guest ran; the backend has noted it */
	EXIT_MCE,	 /* a physical machine check came while the guest ran */
	EXIT_IRQ_WINDOW, /* the guest can take an interrupt now */
	EXIT_NMI_WINDOW, /* the guest can take an NMI now */
	EXIT_SLICE,	 /* preemption timer (VMX) */
	EXIT_CPUID,
	EXIT_HLT,
	EXIT_PAUSE,
	EXIT_INVD, /* INVD and WBINVD: info.wbinvd */
	EXIT_INVLPG,
	EXIT_MONITOR, /* MONITOR and MWAIT and their X forms: #UD, they are hidden */
	EXIT_RDTSC,
	EXIT_RDPMC,
	EXIT_HYPERCALL, /* VMCALL or VMMCALL */
	EXIT_VIRT,	/* any other VMX or SVM instruction: #UD */
	EXIT_IO,
	EXIT_MSR,
	EXIT_CR, /* MOV to or from CRn, CLTS, LMSW */
	EXIT_DR,
	EXIT_XSETBV,
	EXIT_EXCEPTION,
	EXIT_NPF,	/* nested page fault or EPT violation */
	EXIT_MISCONFIG, /* a nested table's entry that the processor cannot read; info.npf.gpa */
	EXIT_TASK_SWITCH,
	EXIT_TRIPLE, /* shutdown */
	EXIT_INIT,
	EXIT_SIPI,
	EXIT_EOI,     /* virtual EOI of a vector in the EOI-exit bitmap (APIC virtualization) */
	EXIT_APIC,    /* APIC write that the processor has not finished under APIC virtualization */
	EXIT_INVALID, /* entry refused by the processor: our state or the guest's was bad */
	EXIT_KIND_COUNT,
};

#define NPF_READ    0x01
#define NPF_WRITE   0x02
#define NPF_EXEC    0x04
#define NPF_PRESENT 0x08 /* a translation was there but did not allow the access */
#define NPF_WALK    0x10 /* the access was the guest's own page walk, not its final access */

struct exit {
	uint8_t kind;	      /* enum exit_kind */
	uint8_t len;	      /* instruction length, 0: not known, decode it */
	uint32_t reason;      /* raw: SVM EXITCODE (low 32 bits) or VMX basic reason, for reports */
	uint64_t qual, qual2; /* raw: EXITINFO1/2 or qualification and guest-linear address */
	struct event
		interrupted; /* a delivery that this exit cut short; it is in v->inject again */
	union {
		struct {
			uint16_t port;
			uint8_t size; /* 1, 2, 4 */
			bool in, string, rep;
			uint8_t addr_size; /* 2, 4, 8 for string forms, 0 where the hardware does not say */
		} io;
		struct {
			bool write;
		} msr; /* number and value are in RCX, RAX, RDX */
		struct {
			uint8_t num; /* CR or DR number */
			uint8_t gpr; /* enum gpr */
			bool write;
			bool decoded; /* false: the hardware did not say gpr; decode the instruction */
			bool clts, lmsw;
			uint16_t lmsw_source;
		} cr; /* EXIT_CR and EXIT_DR */
		struct {
			gpa_t gpa;
			uint8_t access;	  /* NPF_* */
			uint8_t insn_len; /* valid bytes in insn; 0 without decode assists */
			uint8_t insn[15];
		} npf;
		struct {
			uint8_t vector;
			bool has_error;
			uint32_t error;
			uint64_t cr2; /* of a #PF */
		} exc;
		struct {
			uint8_t vector;
		} eoi;
		struct {
			uint16_t offset; /* of the register that was written */
		} apic;
		struct {
			gva_t gva;
		} invlpg;
		struct {
			bool wbinvd;
		} invd;
	} info;
};

struct vm_arch;
struct nested_caps;

/*
 * The part of a vCPU that its backend keeps. It is touched only on the CPU that the vCPU is loaded on, or while
 * the vCPU runs nowhere. gpr, rip and rflags are the truth outside ops->run (the backend moves RAX, RSP, RIP and
 * RFLAGS to and from the control block around each entry); the rest is read and written by get_state/set_state.
 */
struct vcpu_arch {
	uint64_t gpr[GPR_COUNT]; /* first: assembly relies on it */
	uint64_t rip;
	uint64_t rflags;
	uint64_t shadow; /* any of SHADOW_BITS: the last exit came in the shadow of STI or MOV SS */
	struct exit exit;    /* the last exit, filled in by ops->run */
	struct event inject; /* delivered at the next entry, then cleared by the backend */
	struct vm_arch *vm;
	void *ctl; /* control block: VMCB or VMCS, one frame, mapped in the hypervisor */
	hpa_t ctl_pa;
	void *priv; /* backend's own, in the same quota; may be NULL */
	uint32_t *
		apic; /* virtual-APIC page, SDM vol. 3, 30.1.1; NULL: the processor keeps no APIC registers */
	uint32_t asid; /* ASID or VPID in use on the CPU it is loaded on */
	uint64_t asid_gen;
	bool flush; /* drop guest translations before the next entry (any CPU may set it, atomically) */
	uint64_t tsc_offset; /* guest TSC = host TSC + offset */
	uint64_t dr[4];	     /* DR0-DR3 while not in the registers */
};

/* v->shadow is the control block's own word: VMX's blocking by STI and by MOV SS (25.4.2), SVM's bit 0 (15.21.5). */
#define SHADOW_BITS 3

/* The part of a VM that its backend keeps. */
struct vm_arch {
	hpa_t root; /* of the nested table, as nested_root gives it: nCR3, or EPTP */
	uint8_t *
		io_bitmap; /* 3 frames for SVM, 2 for VMX; a set bit exits. Built by ops->vm_init all set */
	hpa_t io_bitmap_pa;
	uint8_t *msr_bitmap; /* 2 frames for SVM, 1 for VMX; likewise */
	hpa_t msr_bitmap_pa;
};

#define MSR_READ  1
#define MSR_WRITE 2

/* What vm/ does about an exit. True: the vCPU goes on. */
typedef bool (*exited_fn)(struct vcpu_arch *v);

/* A sink for lines of a report: checkers and dumps call it once per finding. */
typedef void (*report_fn)(void *arg, const char *fmt, ...) PRINTF(2, 3);

/*
 * The vendor seam: what a backend provides, at most 30 operations. All run with interrupts off on a physical CPU
 * that ops->cpu_on has succeeded on, except probe. No lock is held unless said.
 */
struct virt_ops {
	const char *name; /* "SVM" or "VMX" */
	uint8_t nested; /* enum nested_kind: the format of the tables that translate for its guests */
	const struct nested_caps
		*nested_caps; /* what they may have, but for the address width; by probe */

	/* --- machine and CPU --- */
	/* BSP, before anything else: can this CPU be used? NULL, or one plain sentence saying what to do. */
	const char *(*probe)(void);
	/* Frames for a CPU's host control block: VMXON region, or host save area and host VMCB. */
	uint32_t cpu_frames;
	/* Enable on this CPU. NULL or a plain sentence. @host: cpu_frames contiguous zeroed frames. */
	const char *(*cpu_on)(void *host, hpa_t host_pa);
	/* Disable on this CPU, before reset, power-off or park. Harmless where it was not enabled. */
	void (*cpu_off)(void);
	/* One line saying which optional features are in use; static storage. */
	const char *(*features)(void);

	/* --- VM and vCPU life --- */
	/* Number of contiguous zeroed frames that vm_init wants for bitmaps; and vCPU frames beside ctl. */
	uint32_t vm_frames;
	uint32_t vcpu_frames;
	/* @frames: vm_frames contiguous zeroed frames, mapped at @va. Everything is intercepted afterwards. */
	void (*vm_init)(struct vm_arch *vm, void *va, hpa_t frames);
	/* @va: 1 + vcpu_frames contiguous zeroed frames. State is as after power-up reset. */
	void (*vcpu_init)(struct vcpu_arch *v, struct vm_arch *vm, void *va, hpa_t frames);
	/* Become, or stop being, the vCPU that this CPU runs. put writes back what the CPU caches. */
	void (*vcpu_load)(struct vcpu_arch *v);
	void (*vcpu_put)(struct vcpu_arch *v);

	/* --- running --- */
	/*
	 * Enter the guest, call @exited after the exit with v->exit filled in, and enter again for as long as it says so;
	 * return then, or when this CPU has requests. v->inject is delivered if valid, and then cleared; a delivery cut
	 * short is in v->exit.interrupted. A refused entry is EXIT_INVALID, never a fault of ours.
	 */
	void (*run)(struct vcpu_arch *v, exited_fn exited);
	/* Could a maskable interrupt, an NMI, be delivered at the next entry? (IF, shadows, NMI blocking) */
	bool (*irq_ready)(struct vcpu_arch *v);
	bool (*nmi_ready)(struct vcpu_arch *v);
	/* Ask for EXIT_IRQ_WINDOW, EXIT_NMI_WINDOW as soon as it can; or no longer. Cheap when nothing changes. */
	void (*irq_window)(struct vcpu_arch *v, bool on);
	void (*nmi_window)(struct vcpu_arch *v, bool on);
	/* An instruction was emulated or skipped: STI and MOV SS shadows end. Only where v->shadow has one. */
	void (*shadow_clear)(struct vcpu_arch *v);

	/* --- state --- */
	void (*get_state)(struct vcpu_arch *v, struct guest_state *s);
	/* Sets all of it, gpr RSP, rip, rflags included. */
	void (*set_state)(struct vcpu_arch *v, const struct guest_state *s);
	/* Small and frequent ones, without the copy of everything. */
	struct segment (*get_seg)(struct vcpu_arch *v, enum seg_reg seg);
	uint64_t (*get_cr)(struct vcpu_arch *v, uint32_t num); /* 0, 2, 3, 4 */
	void (*set_cr)(struct vcpu_arch *v, uint32_t num, uint64_t value);
	/* MSRs that the control block holds (EFER, STAR, FS_BASE, PAT, SYSENTER_*, …). -ENOENT: not one of them. */
	int (*get_msr)(struct vcpu_arch *v, uint32_t msr, uint64_t *value);
	int (*set_msr)(struct vcpu_arch *v, uint32_t msr, uint64_t value);
	uint8_t (*cpl)(struct vcpu_arch *v); /* only while it is loaded */
	void (*get_mode)(struct vcpu_arch *v, struct guest_mode *m);

	/* --- permissions (VM-wide; only while none of its vCPUs runs, or widening) --- */
	void (*io_intercept)(struct vm_arch *vm, uint16_t port, uint32_t count, bool on);
	void (*msr_intercept)(struct vm_arch *vm, uint32_t msr, uint32_t rw, bool on);
	/*
	 * The processor keeps the x2APIC registers in v->apic from now on, or no longer; @status is SVI << 8 | RVI. Both
	 * are NULL where no backend's v->apic is ever set.
	 */
	void (*apic_virtual)(struct vcpu_arch *v, bool on, uint16_t status);
	/* Requests were added in v->apic, the highest is @vector (-1: none); EOIs of vectors in @eoi_exit are EXIT_EOI. */
	void (*apic_request)(struct vcpu_arch *v, int vector, const uint64_t *eoi_exit);
	/* The TSC offset in v->tsc_offset has changed. */
	void (*tsc_changed)(struct vcpu_arch *v);

	/* --- evidence --- */
	/* List every rule of the manual that @s breaks for a VM entry; returns how many. Pure: also built for the host. */
	uint32_t (*check_state)(const struct guest_state *s, report_fn report, void *arg);
	/* What is known of the control block and the last exit, line by line. */
	void (*dump)(struct vcpu_arch *v, report_fn report, void *arg);
};

/* No register outlives a world switch: for inline assembly that calls one with operands in RAX, RBX and RDX. */
#define SWITCH_CLOBBERS                                                                   \
	"rcx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", \
		"memory", "cc"

/* The backend in use; set once by the BSP at boot. */
extern const struct virt_ops *virt;
extern const struct virt_ops svm_ops;
extern const struct virt_ops vmx_ops;

#endif
