/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the local APIC, by its page and by MSRs, the way between the two modes, and those of the I/O APIC. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR	     0x55
#define X2(reg)	     (MSR_X2APIC + (reg) / 16)
#define ESR_SEND_ILL 0x20
#define ESR_REG_ILL  0x80

static volatile uint32_t count;

static void on_irq(struct trap_frame *f)
{
	(void)f;
	count++;
	apic_eoi();
}

static volatile uint32_t *page(uint32_t offset)
{
	return (volatile uint32_t *)(APIC_PAGE + offset);
}

/* --- xAPIC --- */

static bool base_msr(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	CHECK_EQ(base & 0xfffffffff000, APIC_PAGE);
	CHECK(base & APIC_BASE_EN);
	CHECK(base & BIT(8)); /* this is the boot processor */
	CHECK(!(base & APIC_BASE_EXTD));
	return true;
}

static bool version(void)
{
	uint32_t v = apic_read(APIC_VERSION);

	CHECK((v & 0xff) >= 0x10 && (v & 0xff) <= 0x1f);
	CHECK((v >> 16 & 0xff) >= 5);
	return true;
}

static bool id(void)
{
	uint32_t before = apic_read(APIC_ID);

	CHECK_EQ(before >> 24, cpuid(1, 0).ebx >> 24);
	CHECK_EQ(before & 0xffffff, 0);
	return true;
}

static bool reads_of_all_sizes(void)
{
	uint64_t at = APIC_PAGE + APIC_INITIAL;
	uint8_t b;
	uint16_t w;

	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_INITIAL, 0x12345678);
	__asm__ volatile("movb (%1), %0" : "=q"(b) : "r"(at));
	CHECK_EQ(b, 0x78);
	__asm__ volatile("movb 3(%1), %0" : "=q"(b) : "r"(at));
	CHECK_EQ(b, 0x12);
	__asm__ volatile("movw 2(%1), %0" : "=r"(w) : "r"(at));
	CHECK_EQ(w, 0x1234);
	apic_write(APIC_INITIAL, 0);
	return true;
}

static bool spurious_vector(void)
{
	apic_write(APIC_SVR, 0x1ff);
	CHECK_EQ(apic_read(APIC_SVR), 0x1ff);
	apic_write(APIC_SVR, SVR_ENABLE | 0xef);
	CHECK_EQ(apic_read(APIC_SVR), SVR_ENABLE | 0xef);
	return true;
}

/* Disabled by software, the masks stay set and no interrupt is taken. */
static bool software_disabled(void)
{
	count = 0;
	apic_write(APIC_LVT_ERROR, VECTOR);
	apic_write(APIC_SVR, 0xef);
	CHECK(apic_read(APIC_LVT_ERROR) & LVT_MASKED);
	apic_write(APIC_LVT_ERROR, VECTOR);
	CHECK(apic_read(APIC_LVT_ERROR) & LVT_MASKED);
	sti();
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	cli();
	CHECK_EQ(count, 0);
	apic_enable();
	CHECK(apic_read(APIC_LVT_ERROR) & LVT_MASKED);
	return true;
}

static bool irr_isr(void)
{
	count = 0;
	apic_ipi(0, ICR_SELF | ICR_ASSERT | VECTOR);
	CHECK_EQ(apic_read(APIC_IRR + VECTOR / 32 * 16), 1U << VECTOR % 32);
	CHECK_EQ(apic_read(APIC_ISR + VECTOR / 32 * 16), 0);
	CHECK_EQ(apic_read(APIC_PPR), 0);
	sti();
	cpuid(0, 0);
	cli();
	CHECK_EQ(count, 1);
	CHECK_EQ(apic_read(APIC_IRR + VECTOR / 32 * 16), 0);
	return true;
}

/* Logical destination, flat and cluster. */
static bool logical(void)
{
	count = 0;
	sti();
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 0x40000000);
	apic_ipi(0x40, ICR_LOGICAL | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 1);
	apic_ipi(0x20, ICR_LOGICAL | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 1);
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, 0x32000000);
	apic_ipi(0x32, ICR_LOGICAL | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 2);
	apic_ipi(0x22, ICR_LOGICAL | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	cli();
	CHECK_EQ(count, 2);
	apic_write(APIC_DFR, 0xffffffff);
	return true;
}

static bool shorthands(void)
{
	count = 0;
	sti();
	apic_ipi(0, ICR_ALL | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 1);
	apic_ipi(0, ICR_OTHERS | ICR_ASSERT | VECTOR);
	cpuid(0, 0);
	cli();
	CHECK_EQ(count, 1);
	return true;
}

static bool illegal_vector(void)
{
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	CHECK_EQ(apic_read(APIC_ESR), 0);
	apic_ipi(0, ICR_SELF | ICR_ASSERT | 5);
	apic_write(APIC_ESR, 0);
	CHECK(apic_read(APIC_ESR) & ESR_SEND_ILL);
	apic_write(APIC_ESR, 0);
	CHECK_EQ(apic_read(APIC_ESR), 0);
	return true;
}

static bool illegal_register(void)
{
	apic_write(APIC_ESR, 0);
	*page(0x2f0 - 0x10) = 1;
	apic_write(APIC_ESR, 0);
	CHECK(apic_read(APIC_ESR) & ESR_REG_ILL);
	apic_write(APIC_ESR, 0);
	return true;
}

/* An error raises LVT_ERROR's vector. */
static bool error_interrupt(void)
{
	count = 0;
	apic_write(APIC_ESR, 0);
	apic_write(APIC_LVT_ERROR, VECTOR);
	sti();
	apic_ipi(0, ICR_SELF | ICR_ASSERT | 3);
	cpuid(0, 0);
	cli();
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_ESR, 0);
	CHECK_EQ(count, 1);
	return true;
}

/* MSRs of the other mode do not exist. */
static bool no_x2_msrs(void)
{
	uint64_t value;

	CHECK(!rdmsr_safe(X2(APIC_ID), &value));
	CHECK(!wrmsr_safe(X2(APIC_EOI), 0));
	CHECK_EQ(last_fault[0].vector, EXC_GP);
	return true;
}

/* --- I/O APIC --- */

static bool ioapic_registers(void)
{
	uint32_t v = ioapic_read(IOAPIC_PAGE, 1);

	CHECK_EQ(v >> 16 & 0xff, 23);
	ioapic_write(IOAPIC_PAGE, 0x10 + 2 * 9, 0x1a055);
	CHECK_EQ(ioapic_read(IOAPIC_PAGE, 0x10 + 2 * 9) & 0x1afff, 0x1a055);
	ioapic_write(IOAPIC_PAGE, 0x11 + 2 * 9, 0x5a000000);
	CHECK_EQ(ioapic_read(IOAPIC_PAGE, 0x11 + 2 * 9), 0x5a000000);
	ioapic_write(IOAPIC_PAGE, 0x10 + 2 * 9, LVT_MASKED);
	/* read-only bits: delivery status, remote IRR */
	ioapic_write(IOAPIC_PAGE, 0x10 + 2 * 9, LVT_MASKED | 0x5000);
	CHECK_EQ(ioapic_read(IOAPIC_PAGE, 0x10 + 2 * 9), LVT_MASKED);
	return true;
}

static bool ioapic_beyond(void)
{
	uint32_t last = (ioapic_read(IOAPIC_PAGE, 1) >> 16 & 0xff) + 1;

	for (uint32_t i = 0; i < 256; i++) {
		if (i >= 0x10 && i < 0x10 + 2 * last)
			continue;
		ioapic_write(IOAPIC_PAGE, i, i == 0 ? 0 : 0xffffffff);
		ioapic_read(IOAPIC_PAGE, i);
	}
	CHECK_EQ(ioapic_read(IOAPIC_PAGE, 1) >> 16 & 0xff, last - 1);
	return true;
}

/* --- the way into x2APIC mode, and that mode --- */

static bool enter_x2(void)
{
	apic_write(APIC_TPR, 0x20);
	apic_write(APIC_LVT_ERROR, LVT_MASKED | VECTOR);
	CHECK(apic_enter_x2());
	CHECK_EQ(rdmsr(X2(APIC_TPR)), 0x20);
	CHECK_EQ(rdmsr(X2(APIC_SVR)), SVR_ENABLE | 0xef);
	CHECK_EQ(rdmsr(X2(APIC_LVT_ERROR)), LVT_MASKED | VECTOR);
	apic_write(APIC_TPR, 0);
	return true;
}

static bool x2_page_gone(void)
{
	CHECK_EQ(*page(APIC_SVR), 0xffffffff);
	*page(APIC_TPR) = 0x50;
	CHECK_EQ(rdmsr(X2(APIC_TPR)), 0);
	return true;
}

static bool x2_ids(void)
{
	uint64_t x2_id = rdmsr(X2(APIC_ID));

	CHECK_EQ(x2_id, cpuid(1, 0).ebx >> 24);
	CHECK_EQ(rdmsr(X2(APIC_LDR)), (x2_id >> 4) << 16 | 1U << (x2_id & 15));
	return true;
}

static bool x2_ipis(void)
{
	count = 0;
	sti();
	wrmsr(X2(APIC_ICR), rdmsr(X2(APIC_ID)) << 32 | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 1);
	wrmsr(X2(APIC_SELF_IPI), VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 2);
	wrmsr(X2(APIC_ICR), rdmsr(X2(APIC_LDR)) << 32 | ICR_LOGICAL | VECTOR);
	cpuid(0, 0);
	CHECK_EQ(count, 3);
	wrmsr(X2(APIC_ICR), 0xffffffffULL << 32 | VECTOR); /* broadcast */
	cpuid(0, 0);
	CHECK_EQ(count, 4);
	wrmsr(X2(APIC_ICR), 0x12345ULL << 32 | VECTOR);
	cpuid(0, 0);
	cli();
	CHECK_EQ(count, 4);
	return true;
}

/* Reserved bits, read-only and absent registers: #GP, and nothing has changed. */
static bool x2_faults(void)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} writes[] = {
		{X2(APIC_ID),	      0      },
		{X2(APIC_VERSION),   0	    },
		{X2(APIC_PPR),       0	},
		{X2(APIC_LDR),       0	},
		{X2(APIC_DFR),       0	},
		{X2(APIC_ISR),       0	},
		{X2(APIC_CURRENT),   0	    },
		{X2(APIC_ICR_HIGH),  0	     },
		{X2(APIC_TPR),       0x100  },
		{X2(APIC_EOI),       1	},
		{X2(APIC_ESR),       1	},
		{X2(APIC_SVR),       0x10000},
		{X2(APIC_LVT_TIMER), BIT(31)},
		{X2(APIC_SELF_IPI),  0x100	 },
		{X2(APIC_DIVIDE),	  0x10   },
		{X2(APIC_TPR),       BIT(32)},
		{MSR_X2APIC,	     0      },
		{MSR_X2APIC + 0x40,  0	     },
		{MSR_X2APIC + 0xff,  0	     },
		{X2(APIC_ICR),       BIT(20)},
	};
	static const uint32_t reads[] = {X2(APIC_EOI),	    X2(APIC_DFR), X2(APIC_ICR_HIGH),
					 X2(APIC_SELF_IPI), MSR_X2APIC,	  MSR_X2APIC + 0x40,
					 MSR_X2APIC + 0xff};
	uint64_t value;

	for (uint32_t i = 0; i < ARRAY_SIZE(writes); i++) {
		if (wrmsr_safe(writes[i].msr, writes[i].value))
			return case_fail("%lx could be written to MSR %x", writes[i].value,
					 writes[i].msr);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(reads); i++) {
		if (rdmsr_safe(reads[i], &value))
			return case_fail("MSR %x could be read: %lx", reads[i], value);
	}
	CHECK_EQ(rdmsr(X2(APIC_TPR)), 0);
	return true;
}

/* From x2APIC mode the only way is off. */
static bool x2_leave(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	CHECK(!wrmsr_safe(MSR_APIC_BASE, base & ~APIC_BASE_EXTD));
	CHECK(!wrmsr_safe(MSR_APIC_BASE, base & ~APIC_BASE_EN));
	CHECK(wrmsr_safe(MSR_APIC_BASE, base & ~(APIC_BASE_EN | APIC_BASE_EXTD)));
	CHECK(!(cpuid(1, 0).edx & BIT(9)));
	CHECK(!wrmsr_safe(MSR_APIC_BASE, base));
	CHECK(wrmsr_safe(MSR_APIC_BASE, base & ~APIC_BASE_EXTD));
	CHECK(cpuid(1, 0).edx & BIT(9));
	CHECK_EQ(apic_read(APIC_SVR), 0xff); /* as after power-up */
	apic_enable();
	return true;
}

static const struct test_case cases[] = {
	{"base-msr",	     base_msr	     },
	{"version",	    version	   },
	{"id",		 id		 },
	{"reads-of-all-sizes", reads_of_all_sizes},
	{"spurious-vector",    spurious_vector   },
	{"software-disabled",  software_disabled },
	{"irr-isr",	    irr_isr	   },
	{"logical",	    logical	   },
	{"shorthands",	       shorthands	 },
	{"illegal-vector",	   illegal_vector	 },
	{"illegal-register",   illegal_register  },
	{"error-interrupt",    error_interrupt   },
	{"no-x2-msrs",	       no_x2_msrs	 },
	{"ioapic-registers",   ioapic_registers  },
	{"ioapic-beyond",	  ioapic_beyond     },
	{"enter-x2",	     enter_x2	     },
	{"x2-page-gone",	 x2_page_gone	     },
	{"x2-ids",		   x2_ids		 },
	{"x2-ipis",	    x2_ipis	   },
	{"x2-faults",	      x2_faults	       },
	{"x2-leave",	     x2_leave	     },
};

uint32_t guest_main(void)
{
	apic_enable();
	trap_handler(VECTOR, on_irq);
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
