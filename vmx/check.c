/* SPDX-License-Identifier: BSD-2-Clause */
/* Every rule for the guest's state that a VM entry checks, one row each. SDM vol. 3, 27.3.1, for an unrestricted guest. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "vmx/vmx.h"

#define CR0_ANY	     BITS(31, 0)
#define EFER_ANY     (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define CR4_ANY	     (BITS(14, 0) | BITS(18, 16) | BITS(24, 20))
#define PHYSICAL_MAX 52

/* IA32_DEBUGCTL: what some processor defines (18.4.1) */
#define DEBUGCTL_ANY (BITS(2, 0) | BITS(15, 6))

/* RFLAGS (vol. 1, 3.4.3) */
#define RFLAGS_ZERO (BITS(63, 22) | BIT(15) | BIT(5) | BIT(3))

#define HIGH_HALF BITS(63, 32)
#define PAT_BITS  64
#define PAT_BYTE  8
#define PAT_LAST  7

/* Selectors (3.4.2) and descriptor types (3.4.5.1, 3.5) */
#define SEL_TI	       4
#define TYPE_ACCESSED  1
#define TYPE_READABLE  2 /* of code */
#define TYPE_CODE      8
#define TYPE_LDT       2
#define TYPE_TSS16     3 /* busy */
#define TYPE_TSS       11
#define TYPE_DATA_RW   3
#define TYPE_DATA_DOWN 7
#define TYPE_CODE_A    9 /* execute, accessed */
#define TYPE_CODE_RA   11
#define TYPE_CONF_A    13
#define TYPE_CONF_RA   15
#define ATTR_RESERVED  0xf000
#define ATTR_V8086     0xf3 /* read-write data, accessed, DPL 3, present */
#define LIMIT_V8086    0xffff
#define LIMIT_LOW      BITS(11, 0)
#define LIMIT_HIGH     BITS(31, 20)

struct vmx_limits vmx_limits = {
	.cr0_fixed1 = CR0_ANY,
	.cr4_fixed1 = CR4_ANY,
	.efer_bits = EFER_ANY,
	.physical_bits = PHYSICAL_MAX,
};

static bool canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static bool usable(const struct segment *s)
{
	return s->attr & SEG_ATTR_P;
}

static bool is_v8086(const struct guest_state *s)
{
	return s->rflags & RFLAGS_VM;
}

static bool is_ia32e(const struct guest_state *s)
{
	return s->efer & EFER_LMA;
}

static uint32_t type_of(const struct segment *s)
{
	return s->attr & SEG_ATTR_TYPE;
}

/* --- 27.3.1.1: control registers, debug registers, MSRs --- */

static bool bad_cr0(const struct guest_state *s)
{
	return s->cr0 & ~vmx_limits.cr0_fixed1;
}

static bool bad_paging(const struct guest_state *s)
{
	return s->cr0 & CR0_PG && !(s->cr0 & CR0_PE);
}

static bool bad_cr4(const struct guest_state *s)
{
	return s->cr4 & ~vmx_limits.cr4_fixed1;
}

static bool bad_cet(const struct guest_state *s)
{
	return s->cr4 & CR4_CET && !(s->cr0 & CR0_WP);
}

static bool bad_debugctl(const struct guest_state *s)
{
	return s->debugctl & ~(uint64_t)DEBUGCTL_ANY;
}

static bool bad_ia32e_pg(const struct guest_state *s)
{
	return is_ia32e(s) && !(s->cr0 & CR0_PG);
}

static bool bad_ia32e_pae(const struct guest_state *s)
{
	return is_ia32e(s) && !(s->cr4 & CR4_PAE);
}

static bool bad_pcide(const struct guest_state *s)
{
	return !is_ia32e(s) && s->cr4 & CR4_PCIDE;
}

static bool bad_cr3(const struct guest_state *s)
{
	return s->cr3 >> vmx_limits.physical_bits;
}

static bool bad_dr7(const struct guest_state *s)
{
	return s->dr7 & HIGH_HALF;
}

static bool bad_sysenter(const struct guest_state *s)
{
	return !canonical(s->sysenter_esp) || !canonical(s->sysenter_eip);
}

static bool bad_pat(const struct guest_state *s)
{
	for (uint32_t i = 0; i < PAT_BITS; i += PAT_BYTE) {
		uint8_t type = (uint8_t)(s->pat >> i);

		if (type > PAT_LAST || type == 2 || type == 3)
			return true;
	}
	return false;
}

static bool bad_efer(const struct guest_state *s)
{
	return s->efer & ~vmx_limits.efer_bits;
}

/* The entry control "IA-32e mode guest" is made of LME and PG: state.c. */
static bool bad_lma(const struct guest_state *s)
{
	return is_ia32e(s) != (s->efer & EFER_LME && s->cr0 & CR0_PG);
}

/* --- 27.3.1.3 and 27.3.1.4: descriptor tables, RIP, RFLAGS --- */

static bool bad_gdtr(const struct guest_state *s)
{
	return !canonical(s->gdtr.base);
}

static bool bad_idtr(const struct guest_state *s)
{
	return !canonical(s->idtr.base);
}

static bool is_64bit(const struct guest_state *s)
{
	return is_ia32e(s) && s->seg[SEG_CS].attr & SEG_ATTR_L;
}

static bool bad_rip_high(const struct guest_state *s)
{
	return !is_64bit(s) && s->rip & HIGH_HALF;
}

static bool bad_rip_canonical(const struct guest_state *s)
{
	return is_64bit(s) && !canonical(s->rip);
}

static bool bad_rflags_reserved(const struct guest_state *s)
{
	return s->rflags & RFLAGS_ZERO;
}

static bool bad_rflags_fixed(const struct guest_state *s)
{
	return !(s->rflags & RFLAGS_FIXED);
}

static bool bad_rflags_vm(const struct guest_state *s)
{
	return is_v8086(s) && (is_ia32e(s) || !(s->cr0 & CR0_PE));
}

static const struct {
	bool (*bad)(const struct guest_state *s);
	const char *text;
} state_rules[] = {
	{bad_cr0,		  "CR0 has bits that VMX operation does not allow (27.3.1.1)"	     },
	{bad_paging,	     "CR0.PG is set and CR0.PE is not (27.3.1.1)"			 },
	{bad_cr4,		  "CR4 has bits that VMX operation does not allow (27.3.1.1)"	     },
	{bad_cet,		  "CR4.CET is set and CR0.WP is not (27.3.1.1)"		       },
	{bad_debugctl,	       "IA32_DEBUGCTL has reserved bits (27.3.1.1)"			   },
	{bad_ia32e_pg,	       "IA-32e mode without CR0.PG (27.3.1.1)"			      },
	{bad_ia32e_pae,	"IA-32e mode without CR4.PAE (27.3.1.1)"				},
	{bad_pcide,	    "CR4.PCIDE outside IA-32e mode (27.3.1.1)"			      },
	{bad_cr3,		  "CR3 has bits beyond the physical-address width (27.3.1.1)"	     },
	{bad_dr7,		  "DR7 has bits above 31 (27.3.1.1)"				    },
	{bad_sysenter,	       "IA32_SYSENTER_ESP or IA32_SYSENTER_EIP is not canonical (27.3.1.1)"},
	{bad_pat,		  "IA32_PAT has a byte that is no memory type (27.3.1.1)"		 },
	{bad_efer,		   "IA32_EFER has reserved bits (27.3.1.1)"				   },
	{bad_lma,		  "IA32_EFER.LMA is not LME with paging (27.3.1.1)"		   },
	{bad_gdtr,		   "GDTR's base is not canonical (27.3.1.3)"			    },
	{bad_idtr,		   "IDTR's base is not canonical (27.3.1.3)"			    },
	{bad_rip_high,	       "RIP has bits above 31 outside 64-bit mode (27.3.1.4)"		     },
	{bad_rip_canonical,   "RIP is not canonical (27.3.1.4)"				     },
	{bad_rflags_reserved, "RFLAGS has reserved bits (27.3.1.4)"				   },
	{bad_rflags_fixed,	   "RFLAGS bit 1 is clear (27.3.1.4)"				     },
	{bad_rflags_vm,	"RFLAGS.VM in IA-32e or real-address mode (27.3.1.4)"		     },
};

/* --- 27.3.1.2: segment registers. @n is the one looked at. --- */

static const struct segment *seg(const struct guest_state *s, enum seg_reg n)
{
	return &s->seg[n];
}

static bool bad_v8086_base(const struct guest_state *s, enum seg_reg n)
{
	return is_v8086(s) && seg(s, n)->base != (uint64_t)seg(s, n)->sel << 4;
}

static bool bad_v8086_limit(const struct guest_state *s, enum seg_reg n)
{
	return is_v8086(s) && seg(s, n)->limit != LIMIT_V8086;
}

static bool bad_v8086_attr(const struct guest_state *s, enum seg_reg n)
{
	return is_v8086(s) && seg(s, n)->attr != ATTR_V8086;
}

static bool bad_ti(const struct guest_state *s, enum seg_reg n)
{
	return (n == SEG_TR || usable(seg(s, n))) && seg(s, n)->sel & SEL_TI;
}

/* Of what is usable; of TR, FS and GS always. */
static bool bad_base_canonical(const struct guest_state *s, enum seg_reg n)
{
	return (n != SEG_LDTR || usable(seg(s, n))) && !canonical(seg(s, n)->base);
}

static bool bad_base_high(const struct guest_state *s, enum seg_reg n)
{
	return (n == SEG_CS || usable(seg(s, n))) && seg(s, n)->base & HIGH_HALF;
}

static bool bad_cs_type(const struct guest_state *s, enum seg_reg n)
{
	uint32_t type = type_of(seg(s, n));

	return !is_v8086(s) && type != TYPE_CODE_A && type != TYPE_CODE_RA && type != TYPE_CONF_A &&
	       type != TYPE_CONF_RA && type != TYPE_DATA_RW;
}

static bool bad_ss_type(const struct guest_state *s, enum seg_reg n)
{
	uint32_t type = type_of(seg(s, n));

	return !is_v8086(s) && usable(seg(s, n)) && type != TYPE_DATA_RW && type != TYPE_DATA_DOWN;
}

static bool bad_data_accessed(const struct guest_state *s, enum seg_reg n)
{
	return !is_v8086(s) && usable(seg(s, n)) && !(type_of(seg(s, n)) & TYPE_ACCESSED);
}

static bool bad_data_code(const struct guest_state *s, enum seg_reg n)
{
	uint32_t type = type_of(seg(s, n));

	return !is_v8086(s) && usable(seg(s, n)) && type & TYPE_CODE && !(type & TYPE_READABLE);
}

static bool bad_s_clear(const struct guest_state *s, enum seg_reg n)
{
	return !is_v8086(s) && (n == SEG_CS || usable(seg(s, n))) &&
	       !(seg(s, n)->attr & SEG_ATTR_S);
}

static bool bad_s_set(const struct guest_state *s, enum seg_reg n)
{
	return (n == SEG_TR || usable(seg(s, n))) && seg(s, n)->attr & SEG_ATTR_S;
}

static bool bad_cs_dpl(const struct guest_state *s, enum seg_reg n)
{
	uint32_t dpl = SEG_ATTR_DPL(seg(s, n)->attr), ss = SEG_ATTR_DPL(seg(s, SEG_SS)->attr);

	if (is_v8086(s))
		return false;
	switch (type_of(seg(s, n))) {
	case TYPE_DATA_RW:
		return dpl != 0;
	case TYPE_CODE_A:
	case TYPE_CODE_RA:
		return dpl != ss;
	case TYPE_CONF_A:
	case TYPE_CONF_RA:
		return dpl > ss;
	default:
		return false;
	}
}

static bool bad_ss_dpl(const struct guest_state *s, enum seg_reg n)
{
	return !is_v8086(s) && (type_of(seg(s, SEG_CS)) == TYPE_DATA_RW || !(s->cr0 & CR0_PE)) &&
	       SEG_ATTR_DPL(seg(s, n)->attr);
}

static bool bad_not_present(const struct guest_state *s, enum seg_reg n)
{
	return !usable(seg(s, n));
}

static bool bad_reserved(const struct guest_state *s, enum seg_reg n)
{
	return (n == SEG_CS || n == SEG_TR || usable(seg(s, n))) && seg(s, n)->attr & ATTR_RESERVED;
}

static bool bad_cs_long(const struct guest_state *s, enum seg_reg n)
{
	return is_ia32e(s) && seg(s, n)->attr & SEG_ATTR_L && seg(s, n)->attr & SEG_ATTR_DB;
}

static bool bad_granularity(const struct guest_state *s, enum seg_reg n)
{
	const struct segment *g = seg(s, n);

	if (is_v8086(s) && n <= SEG_GS)
		return false;
	if (n != SEG_CS && n != SEG_TR && !usable(g))
		return false;
	return g->attr & SEG_ATTR_G ? (g->limit & LIMIT_LOW) != LIMIT_LOW : g->limit & LIMIT_HIGH;
}

static bool bad_tr_type(const struct guest_state *s, enum seg_reg n)
{
	uint32_t type = type_of(seg(s, n));

	return type != TYPE_TSS && (is_ia32e(s) || type != TYPE_TSS16);
}

static bool bad_ldtr_type(const struct guest_state *s, enum seg_reg n)
{
	return usable(seg(s, n)) && type_of(seg(s, n)) != TYPE_LDT;
}

#define ON(n)	BIT(SEG_##n)
#define ON_DATA (ON(DS) | ON(ES) | ON(FS) | ON(GS))
#define ON_USER (ON(CS) | ON(SS) | ON_DATA)

static const struct {
	uint32_t segs; /* which ones the rule is for */
	bool (*bad)(const struct guest_state *s, enum seg_reg n);
	const char *text;
} segment_rules[] = {
	{ON_USER,			     bad_v8086_base,	  "base is not 16 times the selector, in virtual-8086 mode"},
	{ON_USER,			     bad_v8086_limit,	   "limit is not 0xffff, in virtual-8086 mode"	      },
	{ON_USER,			     bad_v8086_attr,	  "access rights are not 0xf3, in virtual-8086 mode"	    },
	{ON(TR) | ON(LDTR),		    bad_ti,		    "selector has TI set"					 },
	{ON(TR) | ON(FS) | ON(GS) | ON(LDTR), bad_base_canonical, "base is not canonical"					 },
	{ON(CS) | ON(SS) | ON(DS) | ON(ES),   bad_base_high,	   "base has bits above 31"				   },
	{ON(CS),			      bad_cs_type,	      "type is not accessed code or read-write data"	    },
	{ON(SS),			      bad_ss_type,	      "type is not accessed read-write data"		    },
	{ON_DATA,			     bad_data_accessed,  "type is not accessed"				   },
	{ON_DATA,			     bad_data_code,	 "type is code that cannot be read"			   },
	{ON_USER,			     bad_s_clear,	       "S is clear"					     },
	{ON(TR) | ON(LDTR),		    bad_s_set,	       "S is set"						 },
	{ON(CS),			      bad_cs_dpl,	     "DPL does not fit its type and SS.DPL"		   },
	{ON(SS),			      bad_ss_dpl,	     "DPL is not 0, in real-address mode or with data in CS"  },
	{ON(CS) | ON(TR),			  bad_not_present,	   "is not present or is unusable"			  },
	{ON_USER | ON(TR) | ON(LDTR),	      bad_reserved,	    "access rights have reserved bits"			      },
	{ON(CS),			      bad_cs_long,	      "L and D/B are both set"				      },
	{ON_USER | ON(TR) | ON(LDTR),	      bad_granularity,    "G does not fit the limit"				 },
	{ON(TR),			      bad_tr_type,	      "type is not that of a busy TSS"			      },
	{ON(LDTR),			    bad_ldtr_type,	  "type is not that of an LDT"			      },
};

uint32_t vmx_check_state(const struct guest_state *s, report_fn report, void *arg)
{
	static const char *const names[SEG_COUNT] = {"ES", "CS", "SS", "DS",
						     "FS", "GS", "TR", "LDTR"};
	uint32_t found = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(state_rules); i++) {
		if (!state_rules[i].bad(s))
			continue;
		report(arg, "%s", state_rules[i].text);
		found++;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(segment_rules); i++) {
		for (uint32_t n = 0; n < SEG_COUNT; n++) {
			if (!(segment_rules[i].segs & BIT(n)) || !segment_rules[i].bad(s, n))
				continue;
			report(arg, "%s: %s (27.3.1.2)", names[n], segment_rules[i].text);
			found++;
		}
	}
	return found;
}
