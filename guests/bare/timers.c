/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC's timer in its three modes, the PIT by PIC and I/O APIC, and the clocks against each other. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR	  0x61
#define PIC_BASE  0x30
#define DIVIDE_1  0xb
#define DIVIDE_16 0x3
#define MS	  1000000ULL /* ns */
#define LIMIT_NS  (2000 * MS)
#define AGES_NS \
	(150 * MS) /* nobody is kept from its CPU so long between two instructions, it is hoped */
#define PIT_HZ 1193182ULL

static volatile uint32_t count;
static volatile uint64_t last_tsc;

static void on_timer(struct trap_frame *f)
{
	(void)f;
	last_tsc = rdtsc();
	count++;
	apic_eoi();
}

/* Interrupts on until @n more have come; false: not within the limit. */
static bool wait_count(uint32_t n)
{
	uint64_t end = clock_ns() + LIMIT_NS;

	sti();
	while (count < n && clock_ns() < end)
		pause();
	cli();
	return count >= n;
}

/* Interrupts on for @ns. */
static void wait_ns(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	sti();
	while (clock_ns() < end)
		pause();
	cli();
}

static void timer_mode(uint32_t lvt, uint32_t divide)
{
	cli();
	count = 0;
	apic_write(APIC_LVT_TIMER, lvt | VECTOR);
	apic_write(APIC_DIVIDE, divide);
}

/* Take what is pending, and count from 0. */
static void settle(void)
{
	sti();
	cpuid(0, 0);
	cli();
	count = 0;
}

static void timer_off(void)
{
	apic_write(APIC_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* --- the APIC's timer --- */

static bool one_shot(void)
{
	uint64_t start, ns;

	timer_mode(0, DIVIDE_1);
	start = clock_ns();
	apic_write(APIC_INITIAL, 5 * MS);
	CHECK(wait_count(1));
	ns = clock_ns() - start;
	if (ns < 5 * MS || ns > LIMIT_NS)
		return case_fail("5 ms took %lu ns", ns);
	wait_ns(10 * MS);
	CHECK_EQ(count, 1);
	CHECK_EQ(apic_read(APIC_CURRENT), 0);
	CHECK_EQ(apic_read(APIC_INITIAL), 5 * MS);
	timer_off();
	return true;
}

static bool counts_down(void)
{
	uint32_t before, now;

	timer_mode(LVT_MASKED, DIVIDE_16);
	apic_write(APIC_INITIAL, 0x10000000);
	before = apic_read(APIC_CURRENT);
	CHECK(before <= 0x10000000);
	for (uint32_t i = 0; i < 100; i++) {
		now = apic_read(APIC_CURRENT);
		CHECK(now <= before);
		before = now;
	}
	CHECK(now < 0x10000000);
	apic_write(APIC_INITIAL, 0);
	CHECK_EQ(apic_read(APIC_CURRENT), 0);
	timer_off();
	return true;
}

static bool divides(void)
{
	uint64_t start, ns;

	timer_mode(0, DIVIDE_16);
	start = clock_ns();
	apic_write(APIC_INITIAL, MS / 2);
	CHECK(wait_count(1));
	ns = clock_ns() - start;
	if (ns < 8 * MS)
		return case_fail("8 ms took %lu ns", ns);
	timer_off();
	return true;
}

static bool masked(void)
{
	timer_mode(LVT_MASKED, DIVIDE_1);
	apic_write(APIC_INITIAL, MS);
	wait_ns(4 * MS);
	CHECK_EQ(count, 0);
	timer_off();
	return true;
}

static bool stopped(void)
{
	timer_mode(0, DIVIDE_1);
	apic_write(APIC_INITIAL, AGES_NS);
	apic_write(APIC_INITIAL, 0);
	wait_ns(AGES_NS + 5 * MS);
	CHECK_EQ(count, 0);
	timer_off();
	return true;
}

/* Periods do not drift: none is lost, and none comes too early, while the vCPU has its CPU. */
static bool periodic(void)
{
	uint64_t start, ns;

	timer_mode(LVT_PERIODIC, DIVIDE_1);
	start = clock_ns();
	apic_write(APIC_INITIAL, 2 * MS);
	CHECK(wait_count(20));
	ns = clock_ns() - start;
	timer_off();
	if (ns < 40 * MS)
		return case_fail("20 periods of 2 ms took %lu ns", ns);
	wait_ns(6 * MS);
	CHECK(count <= 21);
	return true;
}

static bool hlt_periodic(void)
{
	timer_mode(LVT_PERIODIC, DIVIDE_1);
	apic_write(APIC_INITIAL, MS);
	while (count < 20) {
		uint32_t before = count;

		sti_hlt();
		cli();
		if (count == before)
			return case_fail("HLT ended without an interrupt");
	}
	timer_off();
	return true;
}

/* --- TSC deadline --- */

static bool deadline(void)
{
	uint64_t at;

	timer_mode(LVT_DEADLINE, DIVIDE_1);
	at = rdtsc() + clock_ticks(5 * MS);
	wrmsr(MSR_TSC_DEADLINE, at);
	CHECK(rdmsr(MSR_TSC_DEADLINE) == at || rdtsc() > at);
	CHECK(wait_count(1));
	if (last_tsc < at)
		return case_fail("%lu ticks too early", at - last_tsc);
	CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	wait_ns(2 * MS);
	CHECK_EQ(count, 1);
	return true;
}

static bool deadline_past(void)
{
	timer_mode(LVT_DEADLINE, DIVIDE_1);
	wrmsr(MSR_TSC_DEADLINE, 1);
	CHECK(wait_count(1));
	return true;
}

static bool deadline_disarmed(void)
{
	timer_mode(LVT_DEADLINE, DIVIDE_1);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ticks(AGES_NS));
	wrmsr(MSR_TSC_DEADLINE, 0);
	wait_ns(AGES_NS + 5 * MS);
	CHECK_EQ(count, 0);
	return true;
}

/* In the other modes the MSR is 0 and cannot be set; leaving the mode disarms. */
static bool deadline_modes(void)
{
	timer_mode(LVT_DEADLINE, DIVIDE_1);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ticks(AGES_NS));
	apic_write(APIC_LVT_TIMER, VECTOR);
	CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + clock_ticks(2 * MS));
	CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	wait_ns(AGES_NS + 5 * MS);
	CHECK_EQ(count, 0);
	/* and the initial count means nothing in deadline mode */
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | VECTOR);
	apic_write(APIC_INITIAL, MS);
	wait_ns(3 * MS);
	CHECK_EQ(count, 0);
	timer_off();
	return true;
}

/* A deadline is a value of the guest's TSC, also after that was written. */
static bool deadline_tsc_written(void)
{
	uint64_t at, shift = clock_ticks(1000000 * MS);

	timer_mode(LVT_DEADLINE, DIVIDE_1);
	at = rdtsc() + shift + clock_ticks(5 * MS);
	wrmsr(MSR_TSC_DEADLINE, at);
	wrmsr(MSR_TSC, rdtsc() + shift);
	sti();
	for (uint32_t i = 0; i < 2000000000U && !count && rdtsc() < at + shift; i++)
		pause();
	cli();
	wrmsr(MSR_TSC, rdtsc() - shift);
	clock_start();
	CHECK_EQ(count, 1);
	CHECK(last_tsc >= at);
	timer_off();
	return true;
}

/* --- clocks --- */

static bool clock_monotonic(void)
{
	uint64_t last = clock_ns();

	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t now = clock_ns();

		if (now < last)
			return case_fail("%lu ns after %lu ns", now, last);
		last = now;
	}
	return true;
}

/* The paravirtual clock and the timer tick alike: 20 ms by one are 20 ms by the other, to 2 %. */
static bool clock_rate(void)
{
	uint64_t start, ns;
	uint32_t ticks;

	timer_mode(LVT_MASKED, DIVIDE_1);
	apic_write(APIC_INITIAL, 0xffffffff);
	start = clock_ns();
	ticks = apic_read(APIC_CURRENT);
	while (clock_ns() < start + 20 * MS)
		pause();
	ns = clock_ns() - start;
	ticks -= apic_read(APIC_CURRENT);
	timer_off();
	if (ticks > ns + ns / 50 || ticks < ns - ns / 50)
		return case_fail("%u ns by the timer, %lu by the clock", ticks, ns);
	return true;
}

static bool clock_off(void)
{
	CHECK(wrmsr_safe(MSR_KVM_CLOCK, 0));
	CHECK_EQ(rdmsr(MSR_KVM_CLOCK), 0);
	CHECK(clock_start());
	/* memory that is not there cannot hold it */
	CHECK(!wrmsr_safe(MSR_KVM_CLOCK, 0x7fffffff001));
	CHECK(clock_start());
	return true;
}

/* --- the PIT, through the PIC and through the I/O APIC --- */

static void pic_start(void)
{
	out8(0x20, 0x11);
	out8(0x21, PIC_BASE);
	out8(0x21, 0x04);
	out8(0x21, 0x01);
	out8(0xa0, 0x11);
	out8(0xa1, PIC_BASE + 8);
	out8(0xa1, 0x02);
	out8(0xa1, 0x01);
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}

static void pit_periodic(uint32_t hz)
{
	uint32_t divisor = (uint32_t)(PIT_HZ / hz);

	out8(0x43, 0x34); /* counter 0, two bytes, rate generator */
	out8(0x40, (uint8_t)divisor);
	out8(0x40, (uint8_t)(divisor >> 8));
}

static void pit_stop(void)
{
	out8(0x43, 0x30);
}

static void on_pic(struct trap_frame *f)
{
	(void)f;
	count++;
	out8(0x20, 0x20);
}

#define LVT_EXTINT 0x700

static bool pit_by_pic(void)
{
	uint64_t start, ns;

	cli();
	count = 0;
	trap_handler(PIC_BASE, on_pic);
	pic_start();
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	out8(0x21, 0xfe);
	start = clock_ns();
	pit_periodic(1000);
	CHECK(wait_count(20));
	ns = clock_ns() - start;
	out8(0x21, 0xff);
	pit_stop();
	if (ns < 19 * MS)
		return case_fail("20 periods of 1 ms took %lu ns", ns);
	/* masked at the PIC, nothing more comes */
	settle();
	wait_ns(5 * MS);
	CHECK_EQ(count, 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	return true;
}

/* IRQ 0 is pin 2, or pin 0, of the first I/O APIC. */
static bool pit_by_ioapic(void)
{
	uint64_t start;

	cli();
	count = 0;
	for (uint32_t pin = 0; pin <= 2; pin += 2) {
		ioapic_write(IOAPIC_PAGE, 0x11 + pin * 2, apic_id() << 24);
		ioapic_write(IOAPIC_PAGE, 0x10 + pin * 2, VECTOR);
	}
	start = clock_ns();
	pit_periodic(1000);
	CHECK(wait_count(20));
	for (uint32_t pin = 0; pin <= 2; pin += 2)
		ioapic_write(IOAPIC_PAGE, 0x10 + pin * 2, LVT_MASKED);
	CHECK(clock_ns() - start >= 19 * MS);
	settle();
	wait_ns(5 * MS);
	CHECK_EQ(count, 0);
	pit_stop();
	return true;
}

/* Counter 2, by polling its output: what boot code calibrates with. */
static bool pit_polled(void)
{
	uint64_t start, ns;

	out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1));
	out8(0x43, 0xb0); /* counter 2, two bytes, interrupt on terminal count */
	start = clock_ns();
	out8(0x42, (uint8_t)(PIT_HZ / 100));
	out8(0x42, (uint8_t)(PIT_HZ / 100 >> 8));
	while (!(in8(0x61) & 0x20)) {
		if (clock_ns() > start + LIMIT_NS)
			return case_fail("its output never rises");
	}
	ns = clock_ns() - start;
	if (ns < 9 * MS)
		return case_fail("10 ms took %lu ns", ns);
	return true;
}

static const struct test_case timer_cases[] = {
	{"one-shot",	     one_shot	     },
	{"counts-down",		counts_down	   },
	{"divides",		    divides		   },
	{"masked",		   masked		 },
	{"stopped",		    stopped		   },
	{"periodic",	     periodic	     },
	{"hlt-periodic",	 hlt_periodic	     },
	{"deadline",	     deadline	     },
	{"deadline-past",	  deadline_past       },
	{"deadline-disarmed",    deadline_disarmed   },
	{"deadline-modes",	   deadline_modes	 },
	{"deadline-tsc-written", deadline_tsc_written},
};

static const struct test_case x2_cases[] = {
	{"x2-one-shot",	one_shot	},
	{"x2-periodic",	periodic	},
	{"x2-deadline",	deadline	},
	{"x2-pit-by-ioapic", pit_by_ioapic},
};

static const struct test_case other_cases[] = {
	{"clock-monotonic", clock_monotonic},
	{"clock-rate",      clock_rate	 },
	{"clock-off",	      clock_off      },
	{"pit-by-pic",      pit_by_pic	 },
	{"pit-by-ioapic",	  pit_by_ioapic  },
	{"pit-polled",      pit_polled	 },
};

uint32_t guest_main(void)
{
	if (!clock_start()) {
		print("there is no paravirtual clock\n");
		return 255;
	}
	apic_enable();
	trap_handler(VECTOR, on_timer);
	cases_run(timer_cases, ARRAY_SIZE(timer_cases));
	cases_run(other_cases, ARRAY_SIZE(other_cases));
	if (apic_enter_x2())
		cases_run(x2_cases, ARRAY_SIZE(x2_cases));
	return cases_bad();
}
