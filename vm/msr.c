/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's RDMSR and WRMSR do: one row per range, everything else is #GP. */

#include "arch/cpu.h"
#include "arch/log.h"
#include "arch/msr.h"
#include "vm/clock.h"
#include "vm/steal.h"
#include "vm/platform.h"
#include "vm/vm.h"

#define MSR_PLATFORM_ID		     0x00000017
#define MSR_PLATFORM_INFO	     0x000000ce
#define MSR_MISC_FEATURES	     0x00000140
#define MSR_THERM_STATUS	     0x0000019c
#define MSR_KVM_WALL_NEW	     0x4b564d00
#define MSR_KVM_TIME_NEW	     0x4b564d01
#define MSR_KVM_STEAL_TIME	     0x4b564d03
#define MSR_AMD_SYSCFG		     0xc0010010
#define MSR_AMD_HWCR		     0xc0010015
#define MSR_AMD_TOP_MEM		     0xc001001a
#define MSR_AMD_TOP_MEM2	     0xc001001d
#define MSR_AMD_NB_CFG		     0xc001001f
#define MSR_AMD_INT_PENDING	     0xc0010055
#define MSR_AMD_DE_CFG		     0xc0011029
#define HWCR_TSC_FREQ_SEL	     BIT(24)
#define MISC_ENABLE_FAST_STRING	     BIT(0)
#define MISC_ENABLE_BTS_UNAVAILABLE  BIT(11)
#define MISC_ENABLE_PEBS_UNAVAILABLE BIT(12)

/* A handler returns 0, or anything else for #GP. */
struct msr_row {
	uint32_t first, last;
	int (*read)(struct vcpu *v, uint32_t msr, uint64_t *value);
	int (*write)(struct vcpu *v, uint32_t msr, uint64_t value);
};

static bool canonical(uint64_t a)
{
	return (uint64_t)((int64_t)(a << 16) >> 16) == a;
}

static int rd_zero(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v;
	(void)msr;
	*value = 0;
	return 0;
}

static int wr_ignore(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	(void)msr;
	(void)value;
	return 0;
}

static int wr_zero_only(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	(void)msr;
	return value ? -EINVAL : 0;
}

/* The processor's own value, where it has this MSR. */
static int rd_host(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v;
	return msr_read_safe(msr, value);
}

static int rd_block(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	return virt->get_msr(&v->arch, msr, value);
}

static int wr_block_address(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return canonical(value) ? virt->set_msr(&v->arch, msr, value) : -EINVAL;
}

static int wr_block(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return virt->set_msr(&v->arch, msr, value);
}

/* SDM vol. 3, table 11-12: each byte 0, 1, 4, 5, 6 or 7. */
static int wr_pat(struct vcpu *v, uint32_t msr, uint64_t value)
{
	for (uint32_t i = 0; i < 64; i += 8) {
		uint8_t type = (uint8_t)(value >> i);

		if (type > 7 || type == 2 || type == 3)
			return -EINVAL;
	}
	return virt->set_msr(&v->arch, msr, value);
}

/* LME may not change while paging is on; LMA is the processor's. SVME and what CPUID hides do not exist. */
static int wr_efer(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t old = vcpu_efer(v);

	if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR))
		return -EINVAL;
	if ((old ^ value) & EFER_LME && virt->get_cr(&v->arch, 0) & CR0_PG)
		return -EINVAL;
	return virt->set_msr(&v->arch, msr, (value & ~EFER_LMA) | (old & EFER_LMA));
}

static int rd_tsc(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = tsc_read() + v->arch.tsc_offset;
	return 0;
}

static int wr_tsc(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	v->arch.tsc_offset = value - tsc_read();
	virt->tsc_changed(&v->arch);
	vlapic_set_tsc_offset(&v->lapic, v->arch.tsc_offset);
	clock_msr_write(v, MSR_KVM_TIME_NEW, v->clock_msr); /* its page names a TSC */
	return 0;
}

static int rd_apic_base(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vlapic_base(&v->lapic);
	return 0;
}

static int wr_apic_base(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return vlapic_set_base(&v->lapic, value);
}

static int rd_deadline(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vlapic_deadline(&v->lapic);
	return 0;
}

static int wr_deadline(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	vlapic_set_deadline(&v->lapic, value);
	return 0;
}

static int rd_x2apic(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	return vlapic_msr_read(&v->lapic, msr, value);
}

static int wr_x2apic(struct vcpu *v, uint32_t msr, uint64_t value)
{
	return vlapic_msr_write(&v->lapic, msr, value);
}

/* The TSC counts at one rate in every P-state, and Linux wants to read so (HWCR.TscFreqSel). */
static int rd_hwcr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	int err = rd_host(v, msr, value);

	if (!err)
		*value |= HWCR_TSC_FREQ_SEL;
	return err;
}

static int rd_misc_enable(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v;
	(void)msr;
	*value = MISC_ENABLE_FAST_STRING | MISC_ENABLE_BTS_UNAVAILABLE |
		 MISC_ENABLE_PEBS_UNAVAILABLE;
	return 0;
}

/* Sorted by use: the first rows are on hot paths. */
static const struct msr_row rows[] = {
	{MSR_X2APIC_BASE,	  MSR_X2APIC_LAST,	   rd_x2apic,      wr_x2apic       },
	{MSR_TSC_DEADLINE,	   MSR_TSC_DEADLINE,	     rd_deadline,	  wr_deadline     },
	{MSR_EFER,		   MSR_EFER,		     rd_block,       wr_efer	      },
	{MSR_STAR,		   MSR_STAR,		     rd_block,       wr_block	       },
	{MSR_LSTAR,	    MSR_CSTAR,	       rd_block,	 wr_block_address},
	{MSR_SFMASK,	     MSR_SFMASK,		 rd_block,	   wr_block	   },
	{MSR_FS_BASE,	      MSR_KERNEL_GS_BASE,	  rd_block,	    wr_block_address},
	{MSR_SYSENTER_CS,	  MSR_SYSENTER_CS,	   rd_block,	     wr_block	     },
	{MSR_SYSENTER_ESP,	   MSR_SYSENTER_EIP,	     rd_block,       wr_block_address},
	{MSR_PAT,		  MSR_PAT,		   rd_block,	     wr_pat	   },
	{MSR_TSC,		  MSR_TSC,		   rd_tsc,	   wr_tsc		 },
	{MSR_APIC_BASE,	MSR_APIC_BASE,	       rd_apic_base,   wr_apic_base	 },
	{MSR_DEBUGCTL,	       MSR_DEBUGCTL,	     rd_zero,	      wr_ignore       },
	{MSR_KVM_WALL_NEW,	   MSR_KVM_TIME_NEW,	     clock_msr_read, clock_msr_write },
	{MSR_KVM_STEAL_TIME,  MSR_KVM_STEAL_TIME,	 steal_msr_read, steal_msr_write },
	{MSR_MTRR_CAP,	       MSR_MTRR_CAP,	     mtrr_msr_read,  NULL		},
	{MSR_MTRR_PHYSBASE0,  MSR_MTRR_FIX4K_C0 + 7, mtrr_msr_read,  mtrr_msr_write	 },
	{MSR_MTRR_DEF_TYPE,   MSR_MTRR_DEF_TYPE,     mtrr_msr_read,  mtrr_msr_write  },
 /* No machine-check banks, no performance counters: what asks anyway finds zeros. */
	{MSR_MCG_CAP,	      MSR_MCG_CAP,	   rd_zero,	    NULL		},
	{MSR_MCG_STATUS,	 MSR_MCG_STATUS,	 rd_zero,	  wr_zero_only    },
 /* Microcode: its revision may be known, an update is not the guest's to make. */
	{MSR_BIOS_SIGN_ID,	   MSR_BIOS_SIGN_ID,	     rd_host,	      wr_ignore       },
	{MSR_PLATFORM_ID,	  MSR_PLATFORM_ID,	   rd_host,	    NULL		},
	{MSR_MISC_ENABLE,	  MSR_MISC_ENABLE,	   rd_misc_enable, wr_ignore	    },
	{MSR_PLATFORM_INFO,   MSR_PLATFORM_INFO,     rd_zero,	NULL	    },
	{MSR_MISC_FEATURES,   MSR_MISC_FEATURES,     rd_zero,	wr_zero_only    },
	{MSR_THERM_STATUS,	   MSR_THERM_STATUS,	     rd_zero,	      wr_ignore       },
	{MSR_AMD_SYSCFG,	 MSR_AMD_SYSCFG,	 rd_host,	  wr_ignore	   },
	{MSR_AMD_HWCR,	       MSR_AMD_HWCR,	     rd_hwcr,	      wr_ignore       },
	{MSR_AMD_TOP_MEM,	  MSR_AMD_TOP_MEM,	   rd_host,	    NULL		},
	{MSR_AMD_TOP_MEM2,	   MSR_AMD_TOP_MEM2,	     rd_host,	      NULL		  },
	{MSR_AMD_NB_CFG,	 MSR_AMD_NB_CFG,	 rd_zero,	  wr_ignore	   },
	{MSR_AMD_INT_PENDING, MSR_AMD_INT_PENDING,   rd_zero,	    wr_ignore	     },
	{MSR_AMD_DE_CFG,	 MSR_AMD_DE_CFG,	 rd_host,	  wr_ignore	   },
};

static const struct msr_row *row_find(uint32_t msr)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (msr >= rows[i].first && msr <= rows[i].last)
			return &rows[i];
	}
	return NULL;
}

void exit_msr(struct vcpu *v)
{
	uint64_t *gpr = v->arch.gpr;
	uint32_t msr = (uint32_t)gpr[RCX];
	const struct msr_row *row = row_find(msr);
	uint64_t value;

	if (v->arch.exit.info.msr.write) {
		value = (uint32_t)gpr[RAX] | gpr[RDX] << 32;
		if (!row || !row->write || row->write(v, msr, value)) {
			vcpu_gp(v);
			return;
		}
	} else {
		if (!row || !row->read || row->read(v, msr, &value)) {
			vcpu_gp(v);
			return;
		}
		gpr[RAX] = (uint32_t)value;
		gpr[RDX] = value >> 32;
	}
	vcpu_skip_known(v);
}

/*
 * Quirk: QEMU's TCG does not fault non-canonical bases. There writes of FS and GS bases exit and are checked; real
 * processors check for themselves, and a thread switch costs no exit.
 */
static INIT bool is_tcg(void)
{
	struct cpuid_regs r = cpuid(0x40000000, 0);

	return r.ebx == 0x54474354 && r.ecx == 0x43544743 &&
	       r.edx == 0x47435447; /* "TCGTCGTCGTCG" */
}

/* What the control block switches, and what means nothing outside the guest, needs no exit. */
INIT void msr_init(struct vm *vm)
{
	static const struct {
		uint32_t msr, rw;
	} open[] = {
		{MSR_STAR,	   MSR_READ | MSR_WRITE},
		{MSR_SFMASK,	     MSR_READ | MSR_WRITE},
		{MSR_FS_BASE,	      MSR_READ	      },
		{MSR_GS_BASE,	      MSR_READ	      },
		{MSR_KERNEL_GS_BASE, MSR_READ	     },
		{MSR_SYSENTER_CS,	  MSR_READ | MSR_WRITE},
		{MSR_SYSENTER_ESP,   MSR_READ		   },
		{MSR_SYSENTER_EIP,   MSR_READ		   },
		{MSR_TSC_AUX,	      MSR_READ | MSR_WRITE},
		{MSR_LSTAR,	    MSR_READ	    },
		{MSR_CSTAR,	    MSR_READ	    },
		{MSR_TSC,		  MSR_READ		  },
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(open); i++)
		virt->msr_intercept(&vm->arch, open[i].msr, open[i].rw, false);
	if (is_tcg())
		return;
	virt->msr_intercept(&vm->arch, MSR_FS_BASE, MSR_WRITE, false);
	virt->msr_intercept(&vm->arch, MSR_GS_BASE, MSR_WRITE, false);
	virt->msr_intercept(&vm->arch, MSR_KERNEL_GS_BASE, MSR_WRITE, false);
}
