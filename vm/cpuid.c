/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's CPUID says: the machine's own answer through masks, default deny; one row per leaf. */

#include "arch/cpu.h"
#include "arch/msr.h"
#include "lib/string.h"
#include "vm/vm.h"
#include "vm/xstate.h"

#define CPUID_EXT	  0x80000000U
#define CPUID_HV	  0x40000000U
#define CPUID_HV_FEATURES 0x40000001U
#define CPUID_OWN	  0x40000100U /* Bulkhead's own range: signature, then the highest leaf */
#define BASIC_MAX	  0xdU
#define EXT_MAX		  0x8000001eU

#define EDX1_APIC	BIT(9)
#define ECX1_X2APIC	BIT(21)
#define ECX1_DEADLINE	BIT(24)
#define ECX1_OSXSAVE	BIT(27)
#define ECX1_HYPERVISOR BIT(31)
#define ECX7_OSPKE	BIT(4)
#define XSAVE_OPT	BIT(0)
#define XSAVE_XGETBV	BIT(2) /* with ECX = 1 */
#define EAX6_ARAT	BIT(2)
#define EDX1_HTT	BIT(28)
#define EBX1_COUNT	0x00ff0000U
#define ECX81_CMP	BIT(1)
#define CACHE_TYPE	0x1fU /* leaves 4 and 8000_001D, EAX: 0 means no more caches */
#define CACHE_LEVEL(r)	((r) >> 5 & 7)
#define CACHE_KEPT	0x3fffU
#define TOPOLOGY_SMT	(1U << 8)
#define TOPOLOGY_CORE	(2U << 8)

/* KVM's feature bits (Linux, Documentation/virt/kvm/x86/cpuid.rst). No PV EOI: DESIGN section 7. */
#define KVM_NOP_IO_DELAY       BIT(1)
#define KVM_CLOCKSOURCE2       BIT(3)
#define KVM_STEAL_TIME	       BIT(5)
#define KVM_PV_UNHALT	       BIT(7)
#define KVM_PV_SEND_IPI	       BIT(11)
#define KVM_PV_SCHED_YIELD     BIT(13)
#define KVM_CLOCKSOURCE_STABLE BIT(24)

/* Register values: the host's AND mask OR set. Numbers of features are bits of the named register. */
struct leaf {
	uint32_t number;
	uint32_t eax, ebx, ecx, edx; /* AND masks */
	void (*fix)(struct vcpu *v, uint32_t sub, struct cpuid_regs *r);
	bool varies; /* by VM, vCPU, CPU or sub-leaf */
};

#define ALL 0xffffffffU

static void fix_max(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	r->eax = (uint32_t)min_u64(r->eax, BASIC_MAX);
}

static void fix_features(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)sub;
	r->ebx = (r->ebx & 0x00ffffff) | vlapic_id(&v->lapic) << 24;
	r->ecx |= ECX1_X2APIC | ECX1_DEADLINE | ECX1_HYPERVISOR;
	r->ecx &= ~(uint32_t)ECX1_OSXSAVE;
	if (virt->get_cr(&v->arch, 4) & CR4_OSXSAVE)
		r->ecx |= ECX1_OSXSAVE;
	if (!(vlapic_base(&v->lapic) & IA32_APIC_BASE_EN))
		r->edx &= ~(uint32_t)EDX1_APIC;
}

static void fix_power(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	/* The virtual LAPIC's timer never stops, whatever the real one does. */
	*r = (struct cpuid_regs){.eax = EAX6_ARAT};
}

static void fix_structured(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	if (sub) {
		*r = (struct cpuid_regs){0};
		return;
	}
	r->eax = 0;
	r->ecx &= ~(uint32_t)ECX7_OSPKE;
	if (virt->get_cr(&v->arch, 4) & CR4_PKE)
		r->ecx |= ECX7_OSPKE;
}

static void fix_topology(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)sub;
	r->edx = vlapic_id(&v->lapic);
}

/*
 * Sizes follow what is offered, not what the processor has beside. XSAVES is not, nor XSAVEC: what Bochs 2.7 saves by it
 * comes back wrong, and XSAVEOPT does as well.
 */
static void fix_xstate(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	uint64_t offered = xstate_components();

	(void)v;
	if (sub == 0) {
		r->eax &= (uint32_t)offered;
		r->edx &= (uint32_t)(offered >> 32);
		r->ecx = offered ? xstate_size(offered) : 0;
		r->ebx = offered ? xstate_size(xcr0_read())
				 : 0; /* the guest's own XCR0 is in force */
	} else if (sub == 1) {
		*r = (struct cpuid_regs){.eax = r->eax & (XSAVE_OPT | XSAVE_XGETBV)};
	} else if (sub > 62 || !(offered & BIT(sub))) {
		*r = (struct cpuid_regs){0};
	}
}

static void fix_ext_max(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	r->eax = (uint32_t)min_u64(r->eax, EXT_MAX);
}

static void fix_hv(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	*r = (struct cpuid_regs){.eax = CPUID_HV_FEATURES};
	memcpy(&r->ebx, "KVMK", 4);
	memcpy(&r->ecx, "VMKV", 4);
	memcpy(&r->edx, "M\0\0\0", 4);
}

static void fix_hv_features(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	*r = (struct cpuid_regs){.eax = KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_STEAL_TIME |
					KVM_PV_UNHALT | KVM_PV_SEND_IPI | KVM_PV_SCHED_YIELD |
					KVM_CLOCKSOURCE_STABLE};
}

static void fix_own(struct vcpu *v, uint32_t sub, struct cpuid_regs *r)
{
	(void)v;
	(void)sub;
	*r = (struct cpuid_regs){.eax = CPUID_OWN};
	memcpy(&r->ebx, "Bulk", 4);
	memcpy(&r->ecx, "head", 4);
	memcpy(&r->edx, "Hypv", 4);
}

/*
 * Leaf 1 ECX hides DTES64, MONITOR, DS-CPL, VMX, SMX, EIST, TM2, SDBG, xTPR, PDCM, DCA; EDX hides DS, ACPI, TM, PBE.
 * Leaf 7 shows what needs no more than XSAVE state and CR4 bits that cr.c knows: no SGX, PT, RDT, MPX, TSC_ADJUST,
 * CET, LA57, WAITPKG; EDX (speculation control) needs MSRs that are not offered yet. 8000_0001 ECX hides SVM, OSVW,
 * IBS, SKINIT, WDT, LWP, NodeId, the performance counters and MONITORX. Leaves that are not here are all zero.
 */
static const struct leaf leaves[] = {
	{0x0,	       ALL, ALL,	ALL,	     ALL,	  fix_max,	   false},
	{0x1,	       ALL, ALL,	0x7ffa3603, 0x1f8ffbff, fix_features,    true },
	{0x2,	       ALL, ALL,	ALL,	     ALL,	  NULL,		false},
	{0x4,	       ALL, ALL,	ALL,	     ALL,	  NULL,		true },
	{0x6,	       0,	 0,	    0,	       0,	  fix_power,	     false},
	{0x7,	       ALL, 0xfdbf27e9, 0x00405f4f, 0x0000411c, fix_structured,  true },
	{0xb,	       ALL, ALL,	ALL,	     ALL,	  fix_topology,	true },
	{0xd,	       ALL, ALL,	ALL,	     ALL,	  fix_xstate,      true },
	{CPUID_HV,	   0,   0,		 0,	    0,	       fix_hv,	       false},
	{CPUID_HV_FEATURES, 0,   0,	  0,	     0,		fix_hv_features, false},
	{CPUID_OWN,	    0,   0,	  0,	     0,		fix_own,	 false},
	{0x80000000,	     ALL, ALL,	       ALL,	    ALL,	 fix_ext_max,     false},
	{0x80000001,	     ALL, ALL,	       0x006109f3, ALL,	NULL,	      true },
	{0x80000002,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       false},
	{0x80000003,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       false},
	{0x80000004,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       false},
	{0x80000005,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       false},
	{0x80000006,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       false},
	{0x80000007,	     0,	0,	   0,	      0x100,	     NULL,		   false},
	{0x80000008,	     ALL, 0x00000005, ALL,	   0,	      NULL,	    true },
	{0x80000019,	     ALL, ALL,	       0,	  0,	     NULL,		   false},
	{0x8000001a,	     ALL, 0,	     0,		0,	   NULL,		 false},
	{0x8000001d,	     ALL, ALL,	       ALL,	    ALL,	 NULL,	       true },
	{0x8000001e,	     ALL, ALL,	       ALL,	    0,	       NULL,	     true },
};

/*
 * An isolated VM is one package with a core of one thread for each vCPU, numbered as its APIC ids are, whatever
 * processors of the machine run it. The first two levels of cache are a core's own, the third is everybody's.
 */
static void topology(const struct vcpu *v, uint32_t number, uint32_t sub, struct cpuid_regs *r)
{
	uint32_t n = v->vm->vcpu_count, id = vlapic_id(&v->lapic), bits = 0, sharing;

	while (1U << bits < n)
		bits++;
	sharing = CACHE_LEVEL(r->eax) < 3 ? 0 : (1U << bits) - 1;
	switch (number) {
	case 0x1:
		r->ebx = (r->ebx & ~EBX1_COUNT) | 1U << bits << 16;
		r->edx = (r->edx & (uint32_t)~EDX1_HTT) | (n > 1 ? EDX1_HTT : 0);
		break;
	case 0x4:
		if (r->eax & CACHE_TYPE)
			r->eax = (r->eax & CACHE_KEPT) | sharing << 14 | ((1U << bits) - 1) << 26;
		break;
	case 0xb:
		*r = (struct cpuid_regs){.ecx = sub, .edx = id};
		if (sub == 0)
			*r = (struct cpuid_regs){.ebx = 1, .ecx = TOPOLOGY_SMT, .edx = id};
		else if (sub == 1)
			*r = (struct cpuid_regs){bits, n, TOPOLOGY_CORE | 1, id};
		break;
	case 0x80000001: /* AMD's; Intel has zeros in these three */
		r->ecx &= n > 1 ? ALL : (uint32_t)~ECX81_CMP;
		break;
	case 0x80000008:
		if (r->ecx)
			r->ecx = bits << 12 | (n - 1);
		break;
	case 0x8000001d:
		if (r->eax & CACHE_TYPE)
			r->eax = (r->eax & CACHE_KEPT) | sharing << 14;
		break;
	case 0x8000001e:
		*r = (struct cpuid_regs){.eax = id, .ebx = id};
		break;
	default:
		break;
	}
}

static const struct leaf *leaf_find(uint32_t number)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		if (leaves[i].number == number)
			return &leaves[i];
	}
	return NULL;
}

/* Beyond the highest basic leaf Intel answers with that leaf's data, AMD with zeros: zeros here, for both. */
static struct cpuid_regs leaf_read(struct vcpu *v, uint32_t number, uint32_t sub)
{
	const struct leaf *leaf = leaf_find(number);
	struct cpuid_regs r = {0};

	if (!leaf)
		return r;
	if (leaf->eax | leaf->ebx | leaf->ecx | leaf->edx)
		r = cpuid(number, sub);
	r.eax &= leaf->eax;
	r.ebx &= leaf->ebx;
	r.ecx &= leaf->ecx;
	r.edx &= leaf->edx;
	if (leaf->fix)
		leaf->fix(v, sub, &r);
	if (v && !v->vm->service)
		topology(v, number, sub, &r);
	return r;
}

/*
 * Answers of leaves 0 to 1F and 8000_0000 to 8000_001F that are always the same: the processor's CPUID instruction is
 * slow, below another hypervisor very slow. Their places: the number rotated left by one.
 */
#define FIXED_LEAVES 64

static struct cpuid_regs fixed[FIXED_LEAVES];
static uint64_t fixed_known; /* a bit for each */

INIT void cpuid_init(void)
{
	for (uint32_t i = 0; i < FIXED_LEAVES; i++) {
		uint32_t number = i >> 1 | i << 31;
		const struct leaf *leaf = leaf_find(number);

		if (leaf && leaf->varies)
			continue;
		fixed[i] = leaf_read(NULL, number, 0);
		fixed_known |= BIT(i);
	}
}

static void answer(struct vcpu *v, const struct cpuid_regs *r)
{
	v->arch.gpr[RAX] = r->eax;
	v->arch.gpr[RBX] = r->ebx;
	v->arch.gpr[RCX] = r->ecx;
	v->arch.gpr[RDX] = r->edx;
	vcpu_skip_known(v);
}

static __attribute__((noinline)) void answer_varying(struct vcpu *v, uint32_t number)
{
	struct cpuid_regs r = leaf_read(v, number, (uint32_t)v->arch.gpr[RCX]);

	answer(v, &r);
}

void exit_cpuid(struct vcpu *v)
{
	uint32_t number = (uint32_t)v->arch.gpr[RAX], at = number << 1 | number >> 31;

	if (likely(at < FIXED_LEAVES && fixed_known >> at & 1))
		answer(v, &fixed[at & (FIXED_LEAVES - 1)]);
	else
		answer_varying(v, number);
}

/* CR4 bits that CPUID, as shown, allows. */
uint64_t cr4_allowed(const struct vcpu *v)
{
	static const struct {
		uint32_t leaf;
		uint8_t reg; /* 1 EBX, 2 ECX, 3 EDX */
		uint32_t bit;
		uint64_t cr4;
	} features[] = {
		{1, 3, BIT(1),  CR4_VME | CR4_PVI},
		{1, 3, BIT(4),  CR4_TSD	      },
		{1, 3, BIT(2),  CR4_DE	     },
		{1, 3, BIT(3),  CR4_PSE	      },
		{1, 3, BIT(6),  CR4_PAE	      },
		{1, 3, BIT(7),  CR4_MCE	      },
		{1, 3, BIT(13), CR4_PGE	       },
		{1, 3, BIT(24), CR4_OSFXSR	  },
		{1, 3, BIT(25), CR4_OSXMMEXCPT   },
		{1, 2, BIT(17), CR4_PCIDE	 },
		{1, 2, BIT(26), CR4_OSXSAVE	   },
		{7, 1, BIT(0),  CR4_FSGSBASE	   },
		{7, 1, BIT(7),  CR4_SMEP	       },
		{7, 1, BIT(20), CR4_SMAP		},
		{7, 2, BIT(2),  CR4_UMIP	       },
		{7, 2, BIT(3),  CR4_PKE	      },
	};
	static uint64_t known; /* stored whole: the first guests of several CPUs may ask at once */
	uint64_t allowed = __atomic_load_n(&known, __ATOMIC_RELAXED);

	(void)v;
	if (likely(allowed))
		return allowed;
	allowed = CR4_PCE;
	for (uint32_t i = 0; i < ARRAY_SIZE(features); i++) {
		const struct leaf *leaf = leaf_find(features[i].leaf);
		struct cpuid_regs r = cpuid(features[i].leaf, 0);
		uint32_t regs[] = {0, r.ebx & leaf->ebx, r.ecx & leaf->ecx, r.edx & leaf->edx};

		if (regs[features[i].reg] & features[i].bit)
			allowed |= features[i].cr4;
	}
	__atomic_store_n(&known, allowed, __ATOMIC_RELAXED);
	return allowed;
}
