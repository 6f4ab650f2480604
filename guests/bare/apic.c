/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts in x2APIC mode: priorities, EOI, levels, sleeping, mode changes; the same whoever keeps the registers. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define LOW	    0x45
#define HIGH	    0x85
#define LEVEL	    0x65
#define X2(reg)	    (MSR_X2APIC + (reg) / 16)
#define BIT_OF(v)   (1U << (v) % 32)
#define WORD_OF(v)  ((v) / 32 * 16)
#define ESR_ILLEGAL 0x20
#define PIT_PIN	    2
#define PIT_CHANNEL 0x40
#define PIT_COMMAND 0x43
#define PIT_ONCE    0x30 /* counter 0, both bytes, mode 0: OUT is high from the end of the count on */
#define RTE_LEVEL   0x8000
#define RTE_REMOTE  0x4000

static char order[8];
static uint32_t length;
static volatile uint32_t count;
static uint64_t isr_seen, ppr_seen;

static void note(char c)
{
	if (length < sizeof(order) - 1)
		order[length++] = c;
}

static void order_clear(void)
{
	for (length = sizeof(order); length > 0; length--)
		order[length - 1] = '\0';
}

static bool order_is(const char *wanted)
{
	for (uint32_t i = 0; i < sizeof(order); i++) {
		if (order[i] != wanted[i])
			return case_fail("the order was %s, not %s", order, wanted);
		if (!wanted[i])
			break;
	}
	return true;
}

/* Is interrupted by the high one, and not by another low one. */
static void on_low(struct trap_frame *f)
{
	(void)f;
	note('l');
	count++;
	if (length == 1) {
		wrmsr(X2(APIC_SELF_IPI), LOW);
		wrmsr(X2(APIC_SELF_IPI), HIGH);
		sti();
		cpuid(0, 0);
		cli();
		note('-');
	}
	wrmsr(X2(APIC_EOI), 0);
}

static void on_high(struct trap_frame *f)
{
	(void)f;
	note('h');
	isr_seen = rdmsr(X2(APIC_ISR + WORD_OF(HIGH)));
	ppr_seen = rdmsr(X2(APIC_PPR));
	wrmsr(X2(APIC_EOI), 0);
}

static bool nesting(void)
{
	order_clear();
	sti();
	wrmsr(X2(APIC_SELF_IPI), LOW);
	cpuid(0, 0);
	cli();
	CHECK_EQ(isr_seen, BIT_OF(HIGH));
	CHECK_EQ(ppr_seen, HIGH & 0xf0);
	CHECK_EQ(rdmsr(X2(APIC_PPR)), 0);
	CHECK_EQ(rdmsr(X2(APIC_ISR + WORD_OF(LOW))), 0);
	return order_is("lh-l");
}

static bool priority(void)
{
	order_clear();
	note('.');
	__asm__ volatile("mov %0, %%cr8" : : "r"((uint64_t)(HIGH >> 4)));
	CHECK_EQ(rdmsr(X2(APIC_TPR)), HIGH & 0xf0);
	sti();
	wrmsr(X2(APIC_SELF_IPI), HIGH);
	cpuid(0, 0);
	CHECK_EQ(rdmsr(X2(APIC_IRR + WORD_OF(HIGH))), BIT_OF(HIGH));
	CHECK_EQ(length, 1);
	wrmsr(X2(APIC_TPR), (HIGH & 0xf0) - 1);
	cpuid(0, 0);
	CHECK_EQ(length, 2);
	wrmsr(X2(APIC_SELF_IPI), LOW);
	cpuid(0, 0);
	CHECK_EQ(length, 2);
	__asm__ volatile("mov %0, %%cr8" : : "r"(0UL));
	cpuid(0, 0);
	cli();
	CHECK_EQ(rdmsr(X2(APIC_TPR)), 0);
	return order_is(".hl");
}

static bool shadow(void)
{
	order_clear();
	note('.');
	wrmsr(X2(APIC_SELF_IPI), LOW);
	CHECK_EQ(rdmsr(X2(APIC_IRR + WORD_OF(LOW))), BIT_OF(LOW));
	sti_hlt();
	cli();
	return order_is(".l");
}

static void pit_start(uint8_t command, uint16_t ticks)
{
	out8(PIT_COMMAND, command);
	out8(PIT_CHANNEL, (uint8_t)ticks);
	out8(PIT_CHANNEL, (uint8_t)(ticks >> 8));
}

/* The line stays high until the second time. */
static void on_level(struct trap_frame *f)
{
	(void)f;
	if (++count == 2)
		pit_start(PIT_ONCE, 0xffff);
	wrmsr(X2(APIC_EOI), 0);
}

static bool level(void)
{
	count = 0;
	pit_start(PIT_ONCE, 0xffff);
	ioapic_write(IOAPIC_PAGE, 0x11 + 2 * PIT_PIN, apic_id() << 24);
	ioapic_write(IOAPIC_PAGE, 0x10 + 2 * PIT_PIN, RTE_LEVEL | LEVEL);
	pit_start(PIT_ONCE, 1);
	sti();
	for (uint32_t i = 0; i < 100000 && count < 2; i++)
		cpuid(0, 0);
	for (uint32_t i = 0; i < 100; i++)
		cpuid(0, 0);
	cli();
	CHECK_EQ(count, 2);
	CHECK(!(ioapic_read(IOAPIC_PAGE, 0x10 + 2 * PIT_PIN) & RTE_REMOTE));
	ioapic_write(IOAPIC_PAGE, 0x10 + 2 * PIT_PIN, LVT_MASKED);
	return true;
}

static bool illegal_vector(void)
{
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ESR, 0);
	wrmsr(X2(APIC_SELF_IPI), 5);
	apic_write(APIC_ESR, 0);
	CHECK(apic_read(APIC_ESR) & ESR_ILLEGAL);
	return true;
}

/* What was requested is gone with the mode; the xAPIC then works, and so does x2APIC mode again. */
static bool off_and_on(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	order_clear();
	note('.');
	wrmsr(X2(APIC_TPR), 0x30);
	wrmsr(X2(APIC_SELF_IPI), LOW);
	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)(APIC_BASE_EN | APIC_BASE_EXTD));
	wrmsr(MSR_APIC_BASE, (base & ~(uint64_t)APIC_BASE_EXTD) | APIC_BASE_EN);
	CHECK_EQ(apic_read(APIC_TPR), 0);
	CHECK_EQ(apic_read(APIC_IRR + WORD_OF(LOW)), 0);
	apic_enable();
	apic_ipi(0, ICR_SELF | ICR_ASSERT | HIGH);
	CHECK_EQ(apic_read(APIC_IRR + WORD_OF(HIGH)), BIT_OF(HIGH));
	CHECK(apic_enter_x2()); /* with a request that waits */
	CHECK_EQ(rdmsr(X2(APIC_IRR + WORD_OF(HIGH))), BIT_OF(HIGH));
	sti();
	cpuid(0, 0);
	cli();
	return order_is(".h");
}

/* What the processor does without an exit where it keeps the registers: the hypervisor's counts tell. */
static bool rounds(void)
{
	uint32_t n = (uint32_t)cmdline_number("rounds", 1000);

	order_clear();
	note('.');
	count = 0;
	sti();
	for (uint32_t i = 0; i < n; i++) {
		wrmsr(X2(APIC_TPR), 0x10);
		wrmsr(X2(APIC_SELF_IPI), LOW);
		wrmsr(X2(APIC_TPR), rdmsr(X2(APIC_TPR)) - 0x10);
	}
	cli();
	CHECK_EQ(count, n);
	return true;
}

static bool enter(void)
{
	apic_enable();
	CHECK(apic_enter_x2());
	trap_handler(LOW, on_low);
	trap_handler(HIGH, on_high);
	trap_handler(LEVEL, on_level);
	return true;
}

uint32_t guest_main(void)
{
	static const struct test_case cases[] = {
		{"enter",	  enter	       },
		    {"nesting",	nesting       },
		{"priority",	     priority	     },
		    {"shadow",	       shadow	     },
		{"level",	  level	       },
		    {"illegal-vector", illegal_vector},
		{"off-and-on",     off_and_on	 },
		    {"rounds",	       rounds	     },
	};

	cases_run(cases, sizeof(cases) / sizeof(cases[0]));
	return cases_bad();
}
