/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of a VM entry for what only a VMCS has: controls, event to inject, non-register state. SDM vol. 3, 27.2.1 and 27.3.1. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

#define CR3_TARGETS_MAX 4
#define INSN_MAX	15
#define ERROR_HIGH	BITS(31, 16)
#define DEBUGCTL_BTF	BIT(1)
#define LIMIT_HIGH	BITS(31, 16)
#define ENTRY_MSR_BYTES 16
#define PDPTE_P		BIT(0)
#define PDPTE_RESERVED	(BITS(2, 1) | BITS(8, 5))
#define EPTP_TYPE	BITS(2, 0)
#define EPTP_WALK	BITS(5, 3)
#define EPTP_LOW	(BITS(11, 0) & ~(EPTP_TYPE | EPTP_WALK | EPTP_AD))

static bool bad_ctl(uint64_t cap, uint32_t value)
{
	return (CTL_MUST(cap) & ~value) || (value & ~CTL_MAY(cap));
}

/* Of a structure of @align bytes. */
static bool bad_address(uint64_t address, uint64_t align)
{
	return address & (align - 1) || address >> vmx_limits.physical_bits;
}

static bool injects(const struct vmx_raw *r, uint32_t type)
{
	return r->intr & INTR_VALID && INTR_TYPE(r->intr) == type;
}

/* --- 27.2.1.1: execution controls --- */

static bool bad_pin(const struct vmx_raw *r)
{
	return bad_ctl(r->cap_pin, r->pin);
}

static bool bad_proc(const struct vmx_raw *r)
{
	return bad_ctl(r->cap_proc, r->proc);
}

static bool bad_proc2(const struct vmx_raw *r)
{
	return r->proc & PROC_SECONDARY && bad_ctl(r->cap_proc2, r->proc2);
}

static bool bad_exit_ctl(const struct vmx_raw *r)
{
	return bad_ctl(r->cap_exit, r->exit);
}

static bool bad_entry_ctl(const struct vmx_raw *r)
{
	return bad_ctl(r->cap_entry, r->entry);
}

static bool bad_cr3_targets(const struct vmx_raw *r)
{
	return r->cr3_targets > CR3_TARGETS_MAX;
}

static bool bad_io_bitmaps(const struct vmx_raw *r)
{
	return r->proc & PROC_IO_BITMAPS &&
	       (bad_address(r->io_bitmap_a, PAGE_SIZE) || bad_address(r->io_bitmap_b, PAGE_SIZE));
}

static bool bad_msr_bitmap(const struct vmx_raw *r)
{
	return r->proc & PROC_MSR_BITMAPS && bad_address(r->msr_bitmap, PAGE_SIZE);
}

static bool bad_virtual_nmi(const struct vmx_raw *r)
{
	return (r->pin & PIN_VIRTUAL_NMI && !(r->pin & PIN_NMI)) ||
	       (r->proc & PROC_NMI_WINDOW && !(r->pin & PIN_VIRTUAL_NMI));
}

static bool bad_timer(const struct vmx_raw *r)
{
	return r->exit & EXIT_SAVE_TIMER && !(r->pin & PIN_TIMER);
}

static bool bad_vpid(const struct vmx_raw *r)
{
	return r->proc2 & PROC2_VPID && !r->vpid;
}

static bool bad_eptp(const struct vmx_raw *r)
{
	return r->proc2 & PROC2_EPT &&
	       ((r->eptp & EPTP_TYPE) != EPTP_WB || (r->eptp & EPTP_WALK) != EPTP_WALK_4 ||
		r->eptp & EPTP_LOW || r->eptp >> vmx_limits.physical_bits);
}

static bool bad_unrestricted(const struct vmx_raw *r)
{
	return r->proc2 & PROC2_UNRESTRICTED && !(r->proc2 & PROC2_EPT);
}

static bool bad_entry_msrs(const struct vmx_raw *r)
{
	return r->entry_msr_count && bad_address(r->entry_msrs, ENTRY_MSR_BYTES);
}

/* --- 27.2.1.3: the event to inject --- */

static bool bad_intr_reserved(const struct vmx_raw *r)
{
	uint32_t type = INTR_TYPE(r->intr);

	return r->intr & INTR_VALID &&
	       (r->intr & INTR_RESERVED || type == 1 || type == INTR_TYPE_OTHER);
}

static bool bad_intr_vector(const struct vmx_raw *r)
{
	uint32_t vector = r->intr & INTR_VECTOR;

	return (injects(r, EVENT_NMI) && vector != EXC_NMI) ||
	       (injects(r, EVENT_EXC) && vector > 31);
}

static bool has_error_code(uint32_t vector)
{
	return vector == EXC_DF || (vector >= EXC_TS && vector <= EXC_PF) || vector == EXC_AC;
}

/* An unrestricted guest in real-address mode gets no error codes. #CP, 21, may or may not have one. */
static bool bad_intr_error(const struct vmx_raw *r)
{
	uint32_t vector = r->intr & INTR_VECTOR;
	bool wants = injects(r, EVENT_EXC) && r->cr0 & CR0_PE && has_error_code(vector);

	return r->intr & INTR_VALID && vector != EXC_CP && !!(r->intr & INTR_HAS_ERROR) != wants;
}

static bool bad_error_bits(const struct vmx_raw *r)
{
	return r->intr & INTR_VALID && r->intr & INTR_HAS_ERROR && r->intr_error & ERROR_HIGH;
}

static bool bad_intr_len(const struct vmx_raw *r)
{
	return (injects(r, EVENT_SOFT_INT) || injects(r, INTR_TYPE_PRIV_EXC) ||
		injects(r, EVENT_SOFT_EXC)) &&
	       (!r->intr_len || r->intr_len > INSN_MAX);
}

/* --- 27.3.1.1 and 27.3.1.3: registers as VMX wants them --- */

static bool bad_cr0_fixed(const struct vmx_raw *r)
{
	return r->cr0_fixed0 & ~r->cr0;
}

static bool bad_cr4_fixed(const struct vmx_raw *r)
{
	return r->cr4_fixed0 & ~r->cr4;
}

static bool bad_ia32e(const struct vmx_raw *r)
{
	return !(r->entry & ENTRY_IA32E) != !(r->efer & EFER_LMA);
}

/* struct segment says "unusable" by P alone. */
static bool bad_not_present(const struct vmx_raw *r)
{
	for (uint32_t i = 0; i < SEG_COUNT; i++) {
		if (!(r->access[i] & (ACCESS_UNUSABLE | SEG_ATTR_P)))
			return true;
	}
	return false;
}

static bool bad_table_limits(const struct vmx_raw *r)
{
	return (r->gdtr_limit | r->idtr_limit) & LIMIT_HIGH;
}

static bool bad_access(const struct vmx_raw *r)
{
	for (uint32_t i = 0; i < SEG_COUNT; i++) {
		bool always = i == SEG_CS || i == SEG_TR;

		if (r->access[i] & ACCESS_RESERVED && (always || !(r->access[i] & ACCESS_UNUSABLE)))
			return true;
	}
	return false;
}

/* --- 27.3.1.4 and 27.3.1.5: RFLAGS and non-register state --- */

static bool bad_if(const struct vmx_raw *r)
{
	return injects(r, EVENT_INTR) && !(r->rflags & RFLAGS_IF);
}

static bool bad_activity(const struct vmx_raw *r)
{
	return r->activity > ACTIVITY_WAIT_SIPI ||
	       (r->activity && !(r->activities & BIT(r->activity - 1)));
}

static bool bad_hlt_dpl(const struct vmx_raw *r)
{
	return r->activity == ACTIVITY_HLT && SEG_ATTR_DPL(r->access[SEG_SS]);
}

static bool bad_activity_blocking(const struct vmx_raw *r)
{
	return r->activity && r->blocking & (BLOCKING_STI | BLOCKING_MOVSS);
}

static bool bad_activity_event(const struct vmx_raw *r)
{
	uint32_t vector = r->intr & INTR_VECTOR;
	bool mc = injects(r, EVENT_EXC) && vector == EXC_MC;
	bool nmi = injects(r, EVENT_NMI);

	if (!(r->intr & INTR_VALID))
		return false;
	switch (r->activity) {
	case ACTIVITY_HLT:
		return !injects(r, EVENT_INTR) && !nmi && !mc &&
		       !(injects(r, EVENT_EXC) && vector == EXC_DB);
	case ACTIVITY_SHUTDOWN:
		return !nmi && !mc;
	default:
		return r->activity == ACTIVITY_WAIT_SIPI;
	}
}

static bool bad_blocking(const struct vmx_raw *r)
{
	return r->blocking & ~(uint32_t)BLOCKING_KNOWN ||
	       (r->blocking & BLOCKING_STI && r->blocking & BLOCKING_MOVSS);
}

static bool bad_sti_if(const struct vmx_raw *r)
{
	return r->blocking & BLOCKING_STI && !(r->rflags & RFLAGS_IF);
}

static bool bad_smi(const struct vmx_raw *r)
{
	return r->blocking & BLOCKING_SMI;
}

static bool bad_intr_blocked(const struct vmx_raw *r)
{
	return injects(r, EVENT_INTR) && r->blocking & (BLOCKING_STI | BLOCKING_MOVSS);
}

static bool bad_nmi_blocked(const struct vmx_raw *r)
{
	return injects(r, EVENT_NMI) && (r->blocking & BLOCKING_MOVSS ||
					 (r->pin & PIN_VIRTUAL_NMI && r->blocking & BLOCKING_NMI));
}

static bool bad_pending(const struct vmx_raw *r)
{
	return r->pending_db & ~PENDING_KNOWN;
}

/* With a trap put off by a shadow or HLT, BS says whether it is the single step's. */
static bool bad_pending_step(const struct vmx_raw *r)
{
	bool step = r->rflags & RFLAGS_TF && !(r->debugctl & DEBUGCTL_BTF);
	bool off = r->blocking & (BLOCKING_STI | BLOCKING_MOVSS) || r->activity == ACTIVITY_HLT;

	return off && !!(r->pending_db & PENDING_BS) != step;
}

static bool bad_link(const struct vmx_raw *r)
{
	return r->link != UINT64_MAX && bad_address(r->link, PAGE_SIZE);
}

static bool bad_pdptes(const struct vmx_raw *r)
{
	if (!(r->cr0 & CR0_PG) || !(r->cr4 & CR4_PAE) || r->entry & ENTRY_IA32E)
		return false;
	for (uint32_t i = 0; i < ARRAY_SIZE(r->pdpte); i++) {
		if (r->pdpte[i] & PDPTE_P &&
		    (r->pdpte[i] & PDPTE_RESERVED || r->pdpte[i] >> vmx_limits.physical_bits))
			return true;
	}
	return false;
}

static const struct {
	bool (*bad)(const struct vmx_raw *r);
	const char *text;
} rules[] = {
	{bad_pin,		  "pin-based controls do not fit the capability MSR"	    },
	{bad_proc,		   "primary controls do not fit the capability MSR"		   },
	{bad_proc2,		    "secondary controls do not fit the capability MSR"	      },
	{bad_exit_ctl,	       "exit controls do not fit the capability MSR"		    },
	{bad_entry_ctl,		"entry controls do not fit the capability MSR"		      },
	{bad_cr3_targets,	  "there are more than four CR3 targets"			},
	{bad_io_bitmaps,	 "an I/O bitmap is not at a page's address"			   },
	{bad_msr_bitmap,	 "the MSR bitmap is not at a page's address"		    },
	{bad_virtual_nmi,	  "virtual NMIs or NMI windows lack their base"		       },
	{bad_timer,		    "the preemption timer is saved, and is not on"		  },
	{bad_vpid,		   "the VPID is 0"					       },
	{bad_eptp,		   "the EPTP is malformed"					  },
	{bad_unrestricted,	   "unrestricted guest without EPT"				   },
	{bad_entry_msrs,	 "the MSR-load area's address is malformed"			   },
	{bad_intr_reserved,	    "the event to inject has a reserved type or bit"		    },
	{bad_intr_vector,	  "the event to inject has a vector that its type has not"	  },
	{bad_intr_error,	 "the event to inject has an error code, or lacks one"	      },
	{bad_error_bits,	 "the error code to inject has bits above 15"		     },
	{bad_intr_len,	       "instruction length of the event is not 1 to 15"	       },
	{bad_cr0_fixed,		"CR0 lacks bits that VMX operation wants"			 },
	{bad_cr4_fixed,		"CR4 lacks bits that VMX operation wants"			 },
	{bad_ia32e,		    "IA32_EFER.LMA is not as the control \"IA-32e mode guest\""   },
	{bad_access,	     "access rights have reserved bits"			       },
	{bad_not_present,	  "a segment register is usable and not present"		},
	{bad_table_limits,	   "GDTR's or IDTR's limit has bits above 15"		     },
	{bad_if,		 "an interrupt is injected while RFLAGS.IF is 0"		},
	{bad_activity,	       "activity state is none that the processor has"		      },
	{bad_hlt_dpl,	      "activity state is HLT and SS.DPL is not 0"			 },
	{bad_activity_blocking, "blocking by STI or MOV SS while not active"		    },
	{bad_activity_event,    "activity state does not allow the event"		      },
	{bad_blocking,	       "interruptibility state has reserved bits, or STI with MOV SS"},
	{bad_sti_if,	     "blocking by STI while RFLAGS.IF is 0"			   },
	{bad_smi,		  "blocking by SMI outside SMM"				       },
	{bad_intr_blocked,	   "an interrupt is injected while STI or MOV SS blocks it"	   },
	{bad_nmi_blocked,	  "an NMI is injected while NMIs are blocked"		     },
	{bad_pending,	      "pending debug exceptions have reserved bits"		   },
	{bad_pending_step,	   "pending debug exceptions: BS is not as RFLAGS.TF"	     },
	{bad_link,		   "the VMCS link pointer is malformed"			       },
	{bad_pdptes,	     "a PDPTE has reserved bits"					},
};

uint32_t vmx_check_raw(const struct vmx_raw *r, report_fn report, void *arg)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!rules[i].bad(r))
			continue;
		report(arg, "%s", rules[i].text);
		found++;
	}
	return found;
}
