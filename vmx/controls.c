/* SPDX-License-Identifier: BSD-2-Clause */
/* Which VMX controls are used: what we need, want and must not have, against the capability MSRs. SDM vol. 3, A.2-A.10. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "lib/printf.h"
#include "vmx/vmx.h"

#define SENTENCE_MAX 160

/* NEED: refuse the machine without; WANT: set where offered; AVOID: refuse the machine where it cannot be cleared. */
enum wish { NEED, WANT, AVOID };

struct control {
	const char *name;
	uint64_t bit;
	enum wish wish;
};

static const struct control pin_controls[] = {
	{"external-interrupt exiting", PIN_EXT_INTR,    NEED},
	{"NMI exiting",		PIN_NMI,	 NEED},
	{"virtual NMIs",		 PIN_VIRTUAL_NMI, NEED},
	{"VMX-preemption timer",	 PIN_TIMER,	    WANT},
};

/* The two window exits are switched on when asked for: see windows_offered. */
static const struct control proc_controls[] = {
	{"use TSC offsetting", PROC_TSC_OFFSET,	NEED },
	       {"HLT exiting",	       PROC_HLT,	 NEED },
	{"INVLPG exiting",	   PROC_INVLPG,	AVOID},
	       {"MWAIT exiting",	 PROC_MWAIT,	     NEED },
	{"RDPMC exiting",	  PROC_RDPMC,	      NEED },
	       {"RDTSC exiting",	 PROC_RDTSC,	     AVOID},
	{"CR3-load exiting",   PROC_CR3_LOAD,    AVOID},
	       {"CR3-store exiting",  PROC_CR3_STORE,   AVOID},
	{"CR8-load exiting",   PROC_CR8_LOAD,    NEED },
	       {"CR8-store exiting",  PROC_CR8_STORE,   NEED },
	{"MOV-DR exiting",	   PROC_MOV_DR,	AVOID},
	       {"I/O bitmaps",	       PROC_IO_BITMAPS,	NEED },
	{"MSR bitmaps",	PROC_MSR_BITMAPS, NEED },
	       {"MONITOR exiting",	   PROC_MONITOR,	 NEED },
	{"secondary controls", PROC_SECONDARY,   NEED },
	       {"TPR shadow",	      PROC_TPR_SHADOW,  WANT },
};

static const struct control proc2_controls[] = {
	{"extended page tables (EPT)", PROC2_EPT,	  NEED},
	{"unrestricted guest",	       PROC2_UNRESTRICTED, NEED},
	{"WBINVD exiting",		   PROC2_WBINVD,	 NEED},
	{"RDTSCP",		     PROC2_RDTSCP,	 WANT},
	{"VPID",		       PROC2_VPID,	     WANT},
	{"INVPCID",		    PROC2_INVPCID,	   WANT},
	{"ENCLS exiting",		  PROC2_ENCLS,	       WANT},
	{"XSAVES",		     PROC2_XSAVES,	 WANT},
	{"x2APIC mode",		PROC2_X2APIC,	      WANT},
	{"APIC registers",		   PROC2_APIC_REGS,    WANT},
	{"interrupt delivery",	       PROC2_VIRT_INTR,	WANT},
};

static const struct control exit_controls[] = {
	{"saving debug controls",	  EXIT_SAVE_DEBUG, NEED },
	{"64-bit host",			EXIT_HOST_64,    NEED },
	{"acknowledge interrupt on exit", EXIT_ACK_INTR,	 AVOID},
	{"saving IA32_PAT",		    EXIT_SAVE_PAT,   NEED },
	{"loading IA32_PAT",		     EXIT_LOAD_PAT,   NEED },
	{"saving IA32_EFER",		     EXIT_SAVE_EFER,  NEED },
	{"loading IA32_EFER",	      EXIT_LOAD_EFER,  NEED },
	{"saving the preemption timer",	EXIT_SAVE_TIMER, WANT },
};

/* "IA-32e mode guest" follows EFER.LMA: state.c. */
static const struct control entry_controls[] = {
	{"loading debug controls at entry", ENTRY_LOAD_DEBUG, NEED},
	{"loading IA32_PAT at entry",	      ENTRY_LOAD_PAT,   NEED},
	{"loading IA32_EFER at entry",      ENTRY_LOAD_EFER,	NEED},
};

static const struct control ept_needs[] = {
	{"EPT with four levels",	 EPT_CAP_WALK_4,	 NEED},
	{"EPT in write-back memory", EPT_CAP_WB,	 NEED},
	{"INVEPT",		   EPT_CAP_INVEPT,	   NEED},
	{"INVEPT of all contexts",   EPT_CAP_INVEPT_ALL, NEED},
};

/* @cap: what must be one in its low half, what may be one in its high half. NULL, or the control that cannot be had. */
static const char *controls_choose(const struct control *list, uint32_t n, uint64_t cap,
				   uint32_t *out)
{
	uint32_t value = CTL_MUST(cap);

	for (uint32_t i = 0; i < n; i++) {
		bool may = CTL_MAY(cap) & list[i].bit, must = CTL_MUST(cap) & list[i].bit;

		if ((list[i].wish == NEED && !may) || (list[i].wish == AVOID && must))
			return list[i].name;
		if (list[i].wish != AVOID && may)
			value |= (uint32_t)list[i].bit;
	}
	*out = value;
	return NULL;
}

#define CHOOSE(list, cap, out) controls_choose(list, ARRAY_SIZE(list), cap, out)

static const char *windows_offered(uint64_t proc_cap)
{
	if (!(CTL_MAY(proc_cap) & PROC_INTR_WINDOW))
		return "interrupt-window exiting";
	if (!(CTL_MAY(proc_cap) & PROC_NMI_WINDOW))
		return "NMI-window exiting";
	return NULL;
}

static const char *controls_read(struct vmx_controls *c, bool true_ctls)
{
	uint64_t proc = msr_read(true_ctls ? MSR_VMX_TRUE_PROC : MSR_VMX_PROC);
	const char *lacks =
		CHOOSE(pin_controls, msr_read(true_ctls ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN), &c->pin);

	if (!lacks)
		lacks = CHOOSE(proc_controls, proc, &c->proc);
	if (!lacks)
		lacks = windows_offered(proc);
	if (!lacks)
		lacks = CHOOSE(proc2_controls, msr_read(MSR_VMX_PROC2), &c->proc2);
	if (!lacks)
		lacks = CHOOSE(exit_controls,
			       msr_read(true_ctls ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT), &c->exit);
	if (!lacks)
		lacks = CHOOSE(entry_controls,
			       msr_read(true_ctls ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY), &c->entry);
	return lacks;
}

static const char *ept_read(struct vmx_controls *c)
{
	c->ept_cap = msr_read(MSR_VMX_EPT_VPID_CAP);
	for (uint32_t i = 0; i < ARRAY_SIZE(ept_needs); i++) {
		if (!(c->ept_cap & ept_needs[i].bit))
			return ept_needs[i].name;
	}
	/* A VPID that cannot be flushed when they run out is of no use. */
	if (!(c->ept_cap & EPT_CAP_INVVPID) || !(c->ept_cap & EPT_CAP_INVVPID_ALL))
		c->proc2 &= ~(uint32_t)PROC2_VPID;
	return NULL;
}

/*
 * CR0: with unrestricted guest PE and PG are free (A.7). What is fixed belongs to us, and so do CD and NW, which
 * entries do not load (27.3.2.1): the guest sees what it wrote, memory types come from EPT. CR4: only bits whose meaning
 * stays inside the guest are the guest's own; a change of any other exits, and vm/ decides. MCE stays set.
 */
static void masks_derive(struct vmx_controls *c)
{
	const uint64_t cr4_guest = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE |
				   CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_SMEP |
				   CR4_SMAP;

	c->cr0_fixed0 = msr_read(MSR_VMX_CR0_FIXED0) & ~(CR0_PE | CR0_PG);
	c->cr0_fixed1 = msr_read(MSR_VMX_CR0_FIXED1);
	c->cr4_fixed0 = msr_read(MSR_VMX_CR4_FIXED0);
	c->cr4_fixed1 = msr_read(MSR_VMX_CR4_FIXED1);
	c->cr0_mask = c->cr0_fixed0 | ~c->cr0_fixed1 | CR0_NE | CR0_NW | CR0_CD;
	c->cr4_mask = c->cr4_fixed0 | ~(cr4_guest & c->cr4_fixed1);
}

/* All or nothing, and not from the start: apic.c switches it on with a vCPU's x2APIC mode. */
static void apicv_derive(struct vmx_controls *c)
{
	c->apicv = c->proc & PROC_TPR_SHADOW && (c->proc2 & APICV_PROC2) == APICV_PROC2;
	c->proc &= ~(uint32_t)PROC_TPR_SHADOW;
	c->proc2 &= ~(uint32_t)APICV_PROC2;
}

static const char *sentence(const char *lacks)
{
	static char text[SENTENCE_MAX];

	snprintf_(text, sizeof(text),
		  "this processor's VT-x lacks what Bulkhead needs: %s; use a newer processor.",
		  lacks);
	return text;
}

const char *vmx_controls_derive(struct vmx_controls *c)
{
	uint64_t basic = msr_read(MSR_VMX_BASIC), misc = msr_read(MSR_VMX_MISC);
	const char *lacks = controls_read(c, basic & VMX_BASIC_TRUE_CTLS);

	if (!lacks)
		lacks = ept_read(c);
	if (!lacks && !(misc & VMX_MISC_STORE_LMA))
		lacks = "storing EFER.LMA at exits";
	if (lacks)
		return sentence(lacks);
	c->revision = (uint32_t)(basic & VMX_BASIC_REVISION);
	c->string_info = basic & VMX_BASIC_STRING_INFO;
	c->timer_shift = misc & VMX_MISC_TIMER_SHIFT;
	masks_derive(c);
	apicv_derive(c);
	return NULL;
}
