/* SPDX-License-Identifier: BSD-2-Clause */
/* Every rule for the guest's state that VMRUN checks, and those that a legal state obeys beside. APM vol. 2, 15.5.1. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "svm/svm.h"

#define CR4_KNOWN                                                                                 \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | \
	 CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE |           \
	 CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET)
#define EFER_KNOWN \
	(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | EFER_LMSLE | EFER_FFXSR | EFER_TCE)
#define CR3_RESERVED BITS(63, 52)
#define PAT_BYTES    8

static bool canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static bool long_paging(const struct guest_state *s)
{
	return s->efer & EFER_LME && s->cr0 & CR0_PG;
}

static bool bad_cd_nw(const struct guest_state *s)
{
	return !(s->cr0 & CR0_CD) && s->cr0 & CR0_NW;
}

static bool bad_cr0_high(const struct guest_state *s)
{
	return s->cr0 >> 32;
}

static bool bad_cr3(const struct guest_state *s)
{
	return s->cr3 & CR3_RESERVED;
}

static bool bad_cr4(const struct guest_state *s)
{
	return s->cr4 & ~CR4_KNOWN;
}

static bool bad_dr6(const struct guest_state *s)
{
	return s->dr6 >> 32;
}

static bool bad_dr7(const struct guest_state *s)
{
	return s->dr7 >> 32;
}

static bool bad_efer(const struct guest_state *s)
{
	return s->efer & ~EFER_KNOWN;
}

static bool bad_no_pae(const struct guest_state *s)
{
	return long_paging(s) && !(s->cr4 & CR4_PAE);
}

static bool bad_no_pe(const struct guest_state *s)
{
	return s->cr0 & CR0_PG && !(s->cr0 & CR0_PE);
}

static bool bad_cs_l_d(const struct guest_state *s)
{
	return long_paging(s) && s->cr4 & CR4_PAE && s->seg[SEG_CS].attr & SEG_ATTR_L &&
	       s->seg[SEG_CS].attr & SEG_ATTR_DB;
}

static bool bad_lma(const struct guest_state *s)
{
	return !!(s->efer & EFER_LMA) != long_paging(s);
}

static bool bad_rflags(const struct guest_state *s)
{
	return !(s->rflags & RFLAGS_FIXED) || s->rflags & BITS(63, 22);
}

static bool bad_bases(const struct guest_state *s)
{
	return !canonical(s->seg[SEG_FS].base) || !canonical(s->seg[SEG_GS].base) ||
	       !canonical(s->seg[SEG_TR].base) || !canonical(s->seg[SEG_LDTR].base) ||
	       !canonical(s->gdtr.base) || !canonical(s->idtr.base) ||
	       !canonical(s->kernel_gs_base);
}

static bool bad_targets(const struct guest_state *s)
{
	return !canonical(s->lstar) || !canonical(s->cstar) || !canonical(s->sysenter_esp) ||
	       !canonical(s->sysenter_eip);
}

static bool bad_rip(const struct guest_state *s)
{
	if (s->efer & EFER_LMA && s->seg[SEG_CS].attr & SEG_ATTR_L)
		return !canonical(s->rip);
	return s->rip >> 32;
}

static bool bad_pat(const struct guest_state *s)
{
	for (uint32_t i = 0; i < PAT_BYTES; i++) {
		uint8_t type = (uint8_t)(s->pat >> 8 * i);

		if (type > 7 || type == 2 || type == 3)
			return true;
	}
	return false;
}

static bool bad_pcid(const struct guest_state *s)
{
	return s->cr4 & CR4_PCIDE && !(s->efer & EFER_LMA);
}

static bool bad_cet(const struct guest_state *s)
{
	return s->cr4 & CR4_CET && !(s->cr0 & CR0_WP);
}

static const struct {
	bool (*broken)(const struct guest_state *s);
	const char *text;
} rules[] = {
	{bad_cd_nw,    "CR0.CD is zero and CR0.NW is set"		      },
	{bad_cr0_high, "CR0[63:32] are not zero"				},
	{bad_cr3,	  "a bit of CR3 that must be zero is set"		 },
	{bad_cr4,	  "a bit of CR4 that must be zero is set"		 },
	{bad_dr6,	  "DR6[63:32] are not zero"				   },
	{bad_dr7,	  "DR7[63:32] are not zero"				   },
	{bad_efer,	   "a bit of EFER that must be zero is set"		   },
	{bad_no_pae,   "EFER.LME and CR0.PG are set and CR4.PAE is zero"     },
	{bad_no_pe,    "CR0.PG is set and CR0.PE is zero"		      },
	{bad_cs_l_d,   "EFER.LME, CR0.PG, CR4.PAE, CS.L and CS.D are all set"},
	{bad_lma,	  "EFER.LMA is not EFER.LME and CR0.PG"		       },
	{bad_rflags,   "RFLAGS has a reserved bit wrong"		      },
	{bad_bases,    "a segment or table base is not canonical"	      },
	{bad_targets,  "a SYSCALL or SYSENTER target is not canonical"	     },
	{bad_rip,	  "RIP is not canonical, or too large for its mode"	   },
	{bad_pat,	  "PAT has a reserved memory type"			  },
	{bad_pcid,	   "CR4.PCIDE is set outside long mode"		       },
	{bad_cet,	  "CR4.CET is set and CR0.WP is zero"		     },
};

uint32_t svm_check_state(const struct guest_state *s, report_fn report, void *arg)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!rules[i].broken(s))
			continue;
		report(arg, "%s", rules[i].text);
		found++;
	}
	return found;
}
