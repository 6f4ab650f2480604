/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX by the manual's names: capability MSRs, VMCS fields, controls, exit reasons. Sections are of SDM vol. 3. */

#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include "lib/types.h"

/* CPUID.1:ECX (vol. 2, CPUID) */
#define CPUID_1_ECX_VMX BIT(5)
#define CPUID_1_ECX_SMX BIT(6)

/* IA32_FEATURE_CONTROL (MSR_FEATURE_CONTROL), 24.7 */
#define FEATURE_CONTROL_LOCK	    BIT(0)
#define FEATURE_CONTROL_VMX_OUTSIDE BIT(2) /* VMXON outside SMX operation */

/* Capability MSRs, appendix A */
#define MSR_VMX_BASIC	     0x480
#define MSR_VMX_PIN	     0x481
#define MSR_VMX_PROC	     0x482
#define MSR_VMX_EXIT	     0x483
#define MSR_VMX_ENTRY	     0x484
#define MSR_VMX_MISC	     0x485
#define MSR_VMX_CR0_FIXED0   0x486
#define MSR_VMX_CR0_FIXED1   0x487
#define MSR_VMX_CR4_FIXED0   0x488
#define MSR_VMX_CR4_FIXED1   0x489
#define MSR_VMX_PROC2	     0x48b
#define MSR_VMX_EPT_VPID_CAP 0x48c
#define MSR_VMX_TRUE_PIN     0x48d
#define MSR_VMX_TRUE_PROC    0x48e
#define MSR_VMX_TRUE_EXIT    0x48f
#define MSR_VMX_TRUE_ENTRY   0x490

/* IA32_VMX_BASIC, A.1 */
#define VMX_BASIC_REVISION    BITS(30, 0)
#define VMX_BASIC_PA32	      BIT(48) /* addresses of VMX structures have 32 bits */
#define VMX_BASIC_TYPE(v)     (((v) >> 50) & 0xf)
#define VMX_BASIC_STRING_INFO BIT(54)
#define VMX_BASIC_TRUE_CTLS   BIT(55)

/* IA32_VMX_MISC, A.6 */
#define VMX_MISC_TIMER_SHIFT \
	BITS(4, 0)		    /* preemption timer: counts when this bit of the TSC changes */
#define VMX_MISC_STORE_LMA   BIT(5) /* exits store EFER.LMA into "IA-32e mode guest" */
#define VMX_MISC_ACTIVITY(v) (((v) >> 6) & 7) /* activity states 1 to 3 that entries accept */

/* IA32_VMX_EPT_VPID_CAP, A.10 */
#define EPT_CAP_WALK_4	       BIT(6)
#define EPT_CAP_WB	       BIT(14)
#define EPT_CAP_2M	       BIT(16)
#define EPT_CAP_1G	       BIT(17)
#define EPT_CAP_INVEPT	       BIT(20)
#define EPT_CAP_AD	       BIT(21)
#define EPT_CAP_INVEPT_SINGLE  BIT(25)
#define EPT_CAP_INVEPT_ALL     BIT(26)
#define EPT_CAP_INVVPID	       BIT(32)
#define EPT_CAP_INVVPID_SINGLE BIT(41)
#define EPT_CAP_INVVPID_ALL    BIT(42)

/* Invalidation types: INVEPT and INVVPID, 31.3 */
#define INV_SINGLE 1
#define INV_ALL	   2

/* EPTP, 25.6.11 */
#define EPTP_WB	    6
#define EPTP_WALK_4 (3 << 3)
#define EPTP_AD	    BIT(6)

/* VMCS fields, appendix B. 16-bit */
#define VMCS_VPID		0x0000
#define VMCS_GUEST_INTR_STATUS	0x0810 /* RVI, SVI */
#define VMCS_GUEST_ES_SEL	0x0800 /* ES, CS, SS, DS, FS, GS, LDTR, TR: steps of 2 */
#define VMCS_HOST_ES_SEL	0x0c00
#define VMCS_HOST_CS_SEL	0x0c02
#define VMCS_HOST_SS_SEL	0x0c04
#define VMCS_HOST_DS_SEL	0x0c06
#define VMCS_HOST_FS_SEL	0x0c08
#define VMCS_HOST_GS_SEL	0x0c0a
#define VMCS_HOST_TR_SEL	0x0c0c
/* 64-bit */
#define VMCS_IO_BITMAP_A	0x2000
#define VMCS_IO_BITMAP_B	0x2002
#define VMCS_MSR_BITMAP		0x2004
#define VMCS_ENTRY_LOAD		0x200a
#define VMCS_TSC_OFFSET		0x2010
#define VMCS_VIRTUAL_APIC	0x2012
#define VMCS_EPTP		0x201a
#define VMCS_EOI_EXIT		0x201c /* four of 64 bits: steps of 2 */
#define VMCS_XSS_BITMAP		0x202c
#define VMCS_ENCLS_BITMAP	0x202e
#define VMCS_GUEST_PHYSICAL	0x2400
#define VMCS_LINK_POINTER	0x2800
#define VMCS_GUEST_DEBUGCTL	0x2802
#define VMCS_GUEST_PAT		0x2804
#define VMCS_GUEST_EFER		0x2806
#define VMCS_GUEST_PDPTE0	0x280a /* to PDPTE3: steps of 2 */
#define VMCS_HOST_PAT		0x2c00
#define VMCS_HOST_EFER		0x2c02
/* 32-bit */
#define VMCS_PIN		0x4000
#define VMCS_PROC		0x4002
#define VMCS_EXCEPTIONS		0x4004
#define VMCS_PF_MASK		0x4006
#define VMCS_PF_MATCH		0x4008
#define VMCS_CR3_TARGETS	0x400a
#define VMCS_EXIT		0x400c
#define VMCS_EXIT_STORE_COUNT	0x400e
#define VMCS_EXIT_LOAD_COUNT	0x4010
#define VMCS_ENTRY		0x4012
#define VMCS_ENTRY_LOAD_COUNT	0x4014
#define VMCS_ENTRY_INTR		0x4016
#define VMCS_ENTRY_ERROR	0x4018
#define VMCS_ENTRY_LEN		0x401a
#define VMCS_TPR_THRESHOLD	0x401c
#define VMCS_PROC2		0x401e
#define VMCS_INSN_ERROR		0x4400
#define VMCS_EXIT_REASON	0x4402
#define VMCS_EXIT_INTR		0x4404
#define VMCS_EXIT_INTR_ERROR	0x4406
#define VMCS_IDT_INFO		0x4408
#define VMCS_IDT_ERROR		0x440a
#define VMCS_EXIT_LEN		0x440c
#define VMCS_EXIT_INSN		0x440e
#define VMCS_GUEST_ES_LIMIT	0x4800 /* ES … TR as above, then GDTR, IDTR */
#define VMCS_GUEST_GDTR_LIMIT	0x4810
#define VMCS_GUEST_IDTR_LIMIT	0x4812
#define VMCS_GUEST_ES_ACCESS	0x4814
#define VMCS_GUEST_CS_ACCESS	0x4816
#define VMCS_GUEST_SS_ACCESS	0x4818
#define VMCS_GUEST_BLOCKING	0x4824 /* interruptibility state */
#define VMCS_GUEST_ACTIVITY	0x4826
#define VMCS_GUEST_SYSENTER_CS	0x482a
#define VMCS_TIMER		0x482e
#define VMCS_HOST_SYSENTER_CS	0x4c00
/* natural width */
#define VMCS_CR0_MASK		0x6000
#define VMCS_CR4_MASK		0x6002
#define VMCS_CR0_SHADOW		0x6004
#define VMCS_CR4_SHADOW		0x6006
#define VMCS_QUALIFICATION	0x6400
#define VMCS_GUEST_LINEAR	0x640a
#define VMCS_GUEST_CR0		0x6800
#define VMCS_GUEST_CR3		0x6802
#define VMCS_GUEST_CR4		0x6804
#define VMCS_GUEST_ES_BASE	0x6806 /* ES … TR as above */
#define VMCS_GUEST_FS_BASE	0x680e
#define VMCS_GUEST_GS_BASE	0x6810
#define VMCS_GUEST_GDTR_BASE	0x6816
#define VMCS_GUEST_IDTR_BASE	0x6818
#define VMCS_GUEST_DR7		0x681a
#define VMCS_GUEST_RSP		0x681c
#define VMCS_GUEST_RIP		0x681e
#define VMCS_GUEST_RFLAGS	0x6820
#define VMCS_GUEST_PENDING_DB	0x6822
#define VMCS_GUEST_SYSENTER_ESP 0x6824
#define VMCS_GUEST_SYSENTER_EIP 0x6826
#define VMCS_HOST_CR0		0x6c00
#define VMCS_HOST_CR3		0x6c02
#define VMCS_HOST_CR4		0x6c04
#define VMCS_HOST_FS_BASE	0x6c06
#define VMCS_HOST_GS_BASE	0x6c08
#define VMCS_HOST_TR_BASE	0x6c0a
#define VMCS_HOST_GDTR_BASE	0x6c0c
#define VMCS_HOST_IDTR_BASE	0x6c0e
#define VMCS_HOST_SYSENTER_ESP	0x6c10
#define VMCS_HOST_SYSENTER_EIP	0x6c12
#define VMCS_HOST_RSP		0x6c14
#define VMCS_HOST_RIP		0x6c16

/* Pin-based controls, 25.6.1 */
#define PIN_EXT_INTR	BIT(0)
#define PIN_NMI		BIT(3)
#define PIN_VIRTUAL_NMI BIT(5)
#define PIN_TIMER	BIT(6)

/* Primary processor-based controls, 25.6.2 */
#define PROC_INTR_WINDOW BIT(2)
#define PROC_TSC_OFFSET	 BIT(3)
#define PROC_HLT	 BIT(7)
#define PROC_INVLPG	 BIT(9)
#define PROC_MWAIT	 BIT(10)
#define PROC_RDPMC	 BIT(11)
#define PROC_RDTSC	 BIT(12)
#define PROC_CR3_LOAD	 BIT(15)
#define PROC_CR3_STORE	 BIT(16)
#define PROC_CR8_LOAD	 BIT(19)
#define PROC_CR8_STORE	 BIT(20)
#define PROC_TPR_SHADOW	 BIT(21)
#define PROC_NMI_WINDOW	 BIT(22)
#define PROC_MOV_DR	 BIT(23)
#define PROC_IO_BITMAPS	 BIT(25)
#define PROC_MSR_BITMAPS BIT(28)
#define PROC_MONITOR	 BIT(29)
#define PROC_PAUSE	 BIT(30)
#define PROC_SECONDARY	 BIT(31)

/* Secondary processor-based controls, 25.6.2 */
#define PROC2_EPT	   BIT(1)
#define PROC2_RDTSCP	   BIT(3)
#define PROC2_X2APIC	   BIT(4)
#define PROC2_VPID	   BIT(5)
#define PROC2_WBINVD	   BIT(6)
#define PROC2_UNRESTRICTED BIT(7)
#define PROC2_APIC_REGS	   BIT(8)
#define PROC2_VIRT_INTR	   BIT(9)
#define PROC2_INVPCID	   BIT(12)
#define PROC2_ENCLS	   BIT(15)
#define PROC2_XSAVES	   BIT(20)

#define APICV_PROC2 (PROC2_X2APIC | PROC2_APIC_REGS | PROC2_VIRT_INTR)

/* Exit controls, 25.7.1 */
#define EXIT_SAVE_DEBUG BIT(2)
#define EXIT_HOST_64	BIT(9)
#define EXIT_ACK_INTR	BIT(15)
#define EXIT_SAVE_PAT	BIT(18)
#define EXIT_LOAD_PAT	BIT(19)
#define EXIT_SAVE_EFER	BIT(20)
#define EXIT_SAVE_TIMER BIT(22)
#define EXIT_LOAD_EFER	BIT(21)

/* Entry controls, 25.8.1 */
#define ENTRY_LOAD_DEBUG BIT(2)
#define ENTRY_IA32E	 BIT(9)
#define ENTRY_LOAD_PAT	 BIT(14)
#define ENTRY_LOAD_EFER	 BIT(15)

/* Interruption information of entries (25.8.3), exits (25.9.2) and cut-short deliveries (25.9.3) */
#define INTR_VECTOR	   BITS(7, 0)
#define INTR_TYPE(info)	   (((info) >> 8) & 7)
#define INTR_TYPE_SHIFT	   8
#define INTR_HAS_ERROR	   BIT(11)
#define INTR_NMI_UNBLOCK   BIT(12) /* the exit came while IRET had ended NMI blocking */
#define INTR_VALID	   BIT(31)
#define INTR_TYPE_PRIV_EXC 5 /* INT1 */

#define INTR_TYPE_OTHER 7	     /* at entries: pending MTF exit */
#define INTR_RESERVED	BITS(30, 12) /* at entries */

/* Guest activity state, 25.4.2 */
#define ACTIVITY_ACTIVE	   0
#define ACTIVITY_HLT	   1
#define ACTIVITY_SHUTDOWN  2
#define ACTIVITY_WAIT_SIPI 3

/* Pending debug exceptions, table 25-4 */
#define PENDING_BS    BIT(14)
#define PENDING_KNOWN (BITS(3, 0) | BIT(12) | PENDING_BS | BIT(16))

/* Guest interruptibility state, 25.4.2 */
#define BLOCKING_STI   BIT(0)
#define BLOCKING_MOVSS BIT(1)
#define BLOCKING_SMI   BIT(2)
#define BLOCKING_NMI   BIT(3)
#define BLOCKING_KNOWN BITS(4, 0)

/* Segment access rights, 25.4.1: as struct segment's attr below bit 8; AVL, L, D/B, G at bits 12 to 15 */
#define ACCESS_LOW	BITS(7, 0)
#define ACCESS_HIGH	BITS(15, 12)
#define ACCESS_SHIFT	4
#define ACCESS_UNUSABLE BIT(16)
#define ACCESS_RESERVED (BITS(11, 8) | BITS(31, 17))

/* Exit reasons, appendix C */
#define REASON_EXCEPTION     0 /* exception or NMI */
#define REASON_EXT_INTR	     1
#define REASON_TRIPLE	     2
#define REASON_INIT	     3
#define REASON_SIPI	     4
#define REASON_INTR_WINDOW   7
#define REASON_NMI_WINDOW    8
#define REASON_TASK_SWITCH   9
#define REASON_CPUID	     10
#define REASON_GETSEC	     11
#define REASON_HLT	     12
#define REASON_INVD	     13
#define REASON_INVLPG	     14
#define REASON_RDPMC	     15
#define REASON_RDTSC	     16
#define REASON_RSM	     17
#define REASON_VMCALL	     18
#define REASON_VMCLEAR	     19
#define REASON_VMXON	     27
#define REASON_CR	     28
#define REASON_DR	     29
#define REASON_IO	     30
#define REASON_RDMSR	     31
#define REASON_WRMSR	     32
#define REASON_BAD_GUEST     33
#define REASON_BAD_MSR_LOAD  34
#define REASON_MWAIT	     36
#define REASON_MONITOR	     39
#define REASON_PAUSE	     40
#define REASON_ENTRY_MCE     41
#define REASON_EOI	     45
#define REASON_EPT_VIOLATION 48
#define REASON_EPT_MISCONFIG 49
#define REASON_INVEPT	     50
#define REASON_RDTSCP	     51
#define REASON_TIMER	     52
#define REASON_INVVPID	     53
#define REASON_WBINVD	     54
#define REASON_XSETBV	     55
#define REASON_APIC_WRITE    56
#define REASON_VMFUNC	     59
#define REASON_ENCLS	     60
#define REASON_COUNT	     64
#define REASON_BASIC	     BITS(15, 0)
#define REASON_ENTRY_FAILED  BIT(31)

/* Qualification of control-register accesses, table 28-3 */
#define CR_QUAL_NUM	  BITS(3, 0)
#define CR_QUAL_TYPE(q)	  (((q) >> 4) & 3)
#define CR_TYPE_WRITE	  0
#define CR_TYPE_READ	  1
#define CR_TYPE_CLTS	  2
#define CR_TYPE_LMSW	  3
#define CR_QUAL_GPR(q)	  (((q) >> 8) & 0xf)
#define CR_QUAL_SOURCE(q) ((uint16_t)((q) >> 16))

/* Qualification of debug-register accesses, table 28-4 */
#define DR_QUAL_NUM    BITS(2, 0)
#define DR_QUAL_READ   BIT(4)
#define DR_QUAL_GPR(q) (((q) >> 8) & 0xf)

/* Qualification of I/O instructions, table 28-5 */
#define IO_QUAL_SIZE	   BITS(2, 0) /* less one */
#define IO_QUAL_IN	   BIT(3)
#define IO_QUAL_STRING	   BIT(4)
#define IO_QUAL_REP	   BIT(5)
#define IO_QUAL_PORT(q)	   ((uint16_t)((q) >> 16))
/* Instruction information of INS and OUTS, table 28-9 */
#define IO_INFO_ADDRESS(i) (((i) >> 7) & 7) /* 0: 16 bits, 1: 32, 2: 64 */

/* Qualification of EPT violations, table 28-7 */
#define EPT_QUAL_READ	     BIT(0)
#define EPT_QUAL_WRITE	     BIT(1)
#define EPT_QUAL_FETCH	     BIT(2)
#define EPT_QUAL_RWX	     BITS(5, 3) /* what the entries allowed together */
#define EPT_QUAL_LINEAR	     BIT(7)
#define EPT_QUAL_FINAL	     BIT(8) /* with LINEAR: the access itself, not the guest's page walk */
#define EPT_QUAL_NMI_UNBLOCK BIT(12)

/* Qualification of APIC-write exits, 30.4.3.3 */
#define APIC_QUAL_OFFSET BITS(11, 0)

/* Qualification of #DB, table 28-1, and DR6, DR7 (18.2) */
#define DB_QUAL_BITS (BITS(3, 0) | DB_QUAL_BD | BIT(14))
#define DB_QUAL_BD   BIT(13)
#define DB_QUAL_RTM  BIT(16)
#define DR6_B0_B3    BITS(3, 0)
#define DR6_RTM	     BIT(16) /* clear: in a transaction */
#define DR7_GD	     BIT(13)

/* IA32_VMX_PROCBASED_CTLS and its like: low half must be one, high half may be one, A.3 */
#define CTL_MUST(cap) ((uint32_t)(cap))
#define CTL_MAY(cap)  ((uint32_t)((cap) >> 32))

#define MSR_BITMAP_FRAMES 2 /* the second for vCPUs whose x2APIC registers the processor keeps */
#define MSR_WRITE_HALF	  0x800 /* bytes; of an MSR bitmap */
#define IO_BITMAP_FRAMES  2

/* Guest interrupt status, 25.4.2 */
#define INTR_STATUS_RVI BITS(7, 0)

#endif
