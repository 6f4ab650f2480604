/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual machine control block and SVM's numbers. APM vol. 2, chapter 15, appendices B and C. */

#ifndef SVM_VMCB_H
#define SVM_VMCB_H

#include "arch/vcpu.h"

#define MSR_VM_CR	0xc0010114 /* APM vol. 2, 15.30.1 */
#define VM_CR_SVMDIS	BIT(4)
#define VM_CR_LOCK	BIT(3)
#define MSR_VM_HSAVE_PA 0xc0010117

/* CPUID 8000_000A EDX (APM vol. 3, E.4.9) */
#define SVM_FEATURE_NPT		  BIT(0)
#define SVM_FEATURE_LBRV	  BIT(1)
#define SVM_FEATURE_NRIPS	  BIT(3)
#define SVM_FEATURE_VMCB_CLEAN	  BIT(5)
#define SVM_FEATURE_FLUSH_ASID	  BIT(6)
#define SVM_FEATURE_DECODE_ASSIST BIT(7)
#define SVM_FEATURE_VGIF	  BIT(16)

/* Intercept words 0-5 at offset 0 (APM vol. 2, table B-1) */
enum {
	ICPT_CR,  /* 15:0 reads of CR0-15, 31:16 writes */
	ICPT_DR,  /* the same for DR */
	ICPT_EXC, /* one bit a vector */
	ICPT_MISC1,
	ICPT_MISC2,
	ICPT_MISC3,
	ICPT_WORDS,
};

#define ICPT_CR_READ(n)	 (1U << (n))
#define ICPT_CR_WRITE(n) (1U << (16 + (n)))

#define ICPT1_INTR     (1U << 0)
#define ICPT1_NMI      (1U << 1)
#define ICPT1_SMI      (1U << 2)
#define ICPT1_INIT     (1U << 3)
#define ICPT1_VINTR    (1U << 4)
#define ICPT1_CR0_SEL  (1U << 5)
#define ICPT1_RDPMC    (1U << 15)
#define ICPT1_CPUID    (1U << 18)
#define ICPT1_IRET     (1U << 20)
#define ICPT1_INVD     (1U << 22)
#define ICPT1_HLT      (1U << 24)
#define ICPT1_INVLPGA  (1U << 26)
#define ICPT1_IOIO     (1U << 27)
#define ICPT1_MSR      (1U << 28)
#define ICPT1_TASK     (1U << 29)
#define ICPT1_FERR     (1U << 30)
#define ICPT1_SHUTDOWN (1U << 31)

#define ICPT2_VMRUN   (1U << 0)
#define ICPT2_VMMCALL (1U << 1)
#define ICPT2_VMLOAD  (1U << 2)
#define ICPT2_VMSAVE  (1U << 3)
#define ICPT2_STGI    (1U << 4)
#define ICPT2_CLGI    (1U << 5)
#define ICPT2_SKINIT  (1U << 6)
#define ICPT2_WBINVD  (1U << 9)
#define ICPT2_MONITOR (1U << 10)
#define ICPT2_MWAIT   (1U << 11)
#define ICPT2_XSETBV  (1U << 13)

/* int_ctl, offset 60h */
#define V_TPR_MASK     0xffU
#define V_IRQ	       (1U << 8)
#define V_GIF	       (1U << 9)
#define V_INTR_PRIO(p) ((uint32_t)(p) << 16)
#define V_IGN_TPR      (1U << 20)
#define V_INTR_MASKING (1U << 24)
#define V_GIF_ENABLE   (1U << 25)

#define TLB_FLUSH_NONE 0
#define TLB_FLUSH_ALL  1
#define TLB_FLUSH_ASID 3

#define INT_SHADOW BIT(0)

/* EVENTINJ and EXITINTINFO (15.20) */
#define EVENT_VALID	BIT(31)
#define EVENT_HAS_ERROR BIT(11)

#define NESTED_ENABLE BIT(0)

/* VMCB clean bits (15.15.3): a set bit says that the field group is as at the last exit. */
#define CLEAN_ALL	 0xfffU
#define CLEAN_INTERCEPTS (1U << 0)
#define CLEAN_IOPM	 (1U << 1)
#define CLEAN_ASID	 (1U << 2)
#define CLEAN_TPR	 (1U << 3)
#define CLEAN_NP	 (1U << 4)
#define CLEAN_CR	 (1U << 5)
#define CLEAN_DR	 (1U << 6)
#define CLEAN_DT	 (1U << 7)
#define CLEAN_SEG	 (1U << 8)
#define CLEAN_CR2	 (1U << 9)
#define CLEAN_LBR	 (1U << 10)

struct vmcb {
	/* control area */
	uint32_t intercept[ICPT_WORDS]; /* 000 */
	uint8_t reserved0[0x3c - 0x18];
	uint16_t pause_threshold; /* 03c */
	uint16_t pause_count;
	uint64_t iopm_base; /* 040 */
	uint64_t msrpm_base;
	uint64_t tsc_offset; /* 050 */
	uint32_t asid;
	uint8_t tlb_control;
	uint8_t reserved1[3];
	uint32_t int_ctl; /* 060 */
	uint32_t int_vector;
	uint64_t int_shadow;
	uint64_t exit_code; /* 070 */
	uint64_t exit_info1;
	uint64_t exit_info2; /* 080 */
	uint64_t exit_int_info;
	uint64_t nested_ctl; /* 090 */
	uint8_t reserved2[0xa8 - 0x98];
	uint64_t event_inject; /* 0a8 */
	uint64_t ncr3;
	uint64_t lbr_ctl; /* 0b8 */
	uint32_t clean;
	uint32_t reserved3;
	uint64_t next_rip; /* 0c8 */
	uint8_t insn_len;
	uint8_t insn[15]; /* 0d1 */
	uint8_t reserved4[0x400 - 0xe0];
	/* state save area (table B-2), at 400 */
	struct segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved5[0xcb - 0xa0];
	uint8_t cpl; /* 4cb */
	uint32_t reserved6;
	uint64_t efer; /* 4d0 */
	uint8_t reserved7[0x148 - 0xd8];
	uint64_t cr4; /* 548 */
	uint64_t cr3;
	uint64_t cr0;
	uint64_t dr7; /* 560 */
	uint64_t dr6;
	uint64_t rflags;
	uint64_t rip;
	uint8_t reserved8[0x1d8 - 0x180];
	uint64_t rsp; /* 5d8 */
	uint8_t reserved9[0x1f8 - 0x1e0];
	uint64_t rax;  /* 5f8 */
	uint64_t star; /* 600 */
	uint64_t lstar;
	uint64_t cstar;
	uint64_t sfmask;
	uint64_t kernel_gs_base; /* 620 */
	uint64_t sysenter_cs;
	uint64_t sysenter_esp;
	uint64_t sysenter_eip;
	uint64_t cr2; /* 640 */
	uint8_t reserved10[0x268 - 0x248];
	uint64_t g_pat; /* 668 */
	uint64_t dbgctl;
	uint64_t br_from, br_to, last_excp_from, last_excp_to;
	uint8_t reserved11[4096 - 0x698];
};

#define VMCB_AT(field, offset) \
	_Static_assert(offsetof(struct vmcb, field) == (offset), "VMCB: " #field)
VMCB_AT(iopm_base, 0x40);
VMCB_AT(int_ctl, 0x60);
VMCB_AT(exit_code, 0x70);
VMCB_AT(event_inject, 0xa8);
VMCB_AT(next_rip, 0xc8);
VMCB_AT(insn, 0xd1);
VMCB_AT(es, 0x400);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(kernel_gs_base, 0x620);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
_Static_assert(sizeof(struct vmcb) == 4096, "a VMCB is one page");

/* Exit codes (appendix C) */
#define VMEXIT_CR0_READ	     0x000
#define VMEXIT_CR0_WRITE     0x010
#define VMEXIT_DR0_READ	     0x020
#define VMEXIT_DR0_WRITE     0x030
#define VMEXIT_EXC0	     0x040
#define VMEXIT_INTR	     0x060
#define VMEXIT_NMI	     0x061
#define VMEXIT_SMI	     0x062
#define VMEXIT_INIT	     0x063
#define VMEXIT_VINTR	     0x064
#define VMEXIT_CR0_SEL_WRITE 0x065
#define VMEXIT_RDTSC	     0x06e
#define VMEXIT_RDPMC	     0x06f
#define VMEXIT_CPUID	     0x072
#define VMEXIT_IRET	     0x074
#define VMEXIT_INVD	     0x076
#define VMEXIT_PAUSE	     0x077
#define VMEXIT_HLT	     0x078
#define VMEXIT_INVLPG	     0x079
#define VMEXIT_INVLPGA	     0x07a
#define VMEXIT_IOIO	     0x07b
#define VMEXIT_MSR	     0x07c
#define VMEXIT_TASK_SWITCH   0x07d
#define VMEXIT_FERR	     0x07e
#define VMEXIT_SHUTDOWN	     0x07f
#define VMEXIT_VMRUN	     0x080
#define VMEXIT_VMMCALL	     0x081
#define VMEXIT_VMLOAD	     0x082
#define VMEXIT_VMSAVE	     0x083
#define VMEXIT_STGI	     0x084
#define VMEXIT_CLGI	     0x085
#define VMEXIT_SKINIT	     0x086
#define VMEXIT_WBINVD	     0x089
#define VMEXIT_MONITOR	     0x08a
#define VMEXIT_MWAIT	     0x08b
#define VMEXIT_XSETBV	     0x08d
#define VMEXIT_TABLE_SIZE    0x0a4
#define VMEXIT_NPF	     0x400
#define VMEXIT_INVALID \
	0xffffffffU /* stored as -1 in 64 bits, by some as 32: compare the low half */

/* EXITINFO1 of IOIO (15.10.2) */
#define IOIO_IN		BIT(0)
#define IOIO_STR	BIT(2)
#define IOIO_REP	BIT(3)
#define IOIO_SIZE_SHIFT 4 /* bytes */
#define IOIO_ADDR_SHIFT 7 /* half of the bytes */

/* EXITINFO1 of an NPF (15.25.6): a page fault's error code, and which of the two walks */
#define NPF_ERR_P     BIT(0)
#define NPF_ERR_W     BIT(1)
#define NPF_ERR_RSV   BIT(3)
#define NPF_ERR_ID    BIT(4)
#define NPF_ERR_FINAL BIT(32)
#define NPF_ERR_TABLE BIT(33)

/* EXITINFO1 with decode assists (15.8.1) */
#define CR_INFO_MOV BIT(63)
#define CR_INFO_GPR 0xf

#define IOPM_FRAMES  3
#define MSRPM_FRAMES 2

#endif
