/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's paravirtual interface beside the clock, from two vCPUs: kick, send-IPI, yield, steal time. */
/* Linux, Documentation/virt/kvm/x86/{cpuid,hypercalls,msr}.rst. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define KVM_FEATURES   0x40000001
#define STEAL_TIME     BIT(5)
#define PV_UNHALT      BIT(7)
#define PV_SEND_IPI    BIT(11)
#define PV_SCHED_YIELD BIT(13)
#define HC_KICK	       5
#define HC_SEND_IPI    10
#define HC_YIELD       11
#define MSR_STEAL      0x4b564d03
#define ENOSYS	       1000
#define EINVAL	       22
#define VECTOR	       0x60
#define MODE_NMI       0x400
#define MODE_INIT      0x500
#define INTEL	       0x756e6547 /* EBX of leaf 0: "Genu" */
#define PATIENCE_NS    2000000000ULL
#define MS	       1000000ULL

struct steal_page {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted, pad[47];
};

static volatile struct steal_page steal_pages[2] ALIGNED(64);
static uint32_t ids[2];

static int64_t call(uint64_t number, uint64_t b, uint64_t c, uint64_t d, uint64_t s)
{
	static uint32_t vendor;
	int64_t result;

	if (!vendor)
		vendor = cpuid(0, 0).ebx;
	if (vendor == INTEL)
		__asm__ volatile("vmcall"
				 : "=a"(result)
				 : "a"(number), "b"(b), "c"(c), "d"(d), "S"(s)
				 : "memory");
	else
		__asm__ volatile("vmmcall"
				 : "=a"(result)
				 : "a"(number), "b"(b), "c"(c), "d"(d), "S"(s)
				 : "memory");
	return result;
}

/* Interrupts come only here. (On Bochs' SVM the end of a time slice, too.) */
static void breathe(void)
{
	sti();
	pause();
	cli();
}

/* --- the other vCPU does what it is told --- */

enum job { JOB_NONE, JOB_HALT, JOB_COUNT, JOB_YIELD };

static volatile uint32_t job, begun, woken;
static volatile uint64_t counted;

static void other(uint32_t number)
{
	(void)number;
	ids[1] = apic_id();
	apic_enable();
	clock_start();
	for (;;) {
		switch (job) {
		case JOB_HALT: /* interrupts off: nothing but an NMI or a kick ends it */
			job = JOB_NONE;
			begun++;
			hlt();
			woken++;
			break;
		case JOB_COUNT:
			counted++;
			break;
		case JOB_YIELD:
			counted++;
			call(HC_YIELD, ids[0], 0, 0, 0);
			break;
		}
		breathe();
	}
}

static bool until(volatile uint32_t *word, uint32_t value)
{
	uint64_t begin = clock_ns();

	while (*word != value) {
		if (clock_ns() - begin > PATIENCE_NS)
			return false;
		breathe();
	}
	return true;
}

static void wait_ns(uint64_t ns)
{
	uint64_t begin = clock_ns();

	while (clock_ns() - begin < ns)
		breathe();
}

/* --- cases --- */

static bool announced(void)
{
	CHECK_EQ(cpuid(KVM_FEATURES, 0).eax &
			 (STEAL_TIME | PV_UNHALT | PV_SEND_IPI | PV_SCHED_YIELD),
		 STEAL_TIME | PV_UNHALT | PV_SEND_IPI | PV_SCHED_YIELD);
	CHECK_EQ(call(9, 0, 0, 0, 0), -ENOSYS); /* clock pairing is not */
	CHECK_EQ(call(12, 0, 0, 0, 0), -ENOSYS);
	return true;
}

static bool kick_ends_a_halt(void)
{
	uint32_t before = woken;

	begun = 0;
	job = JOB_HALT;
	CHECK(until(&begun, 1));
	wait_ns(20 * MS);
	CHECK_EQ(woken, before);
	/* whom it is not for */
	CHECK_EQ(call(HC_KICK, 0, 77, 0, 0), 0);
	CHECK_EQ(call(HC_KICK, 0, ids[0], 0, 0), 0);
	wait_ns(20 * MS);
	CHECK_EQ(woken, before);
	CHECK_EQ(call(HC_KICK, 0, ids[1], 0, 0), 0);
	CHECK(until(&woken, before + 1));
	return true;
}

/* A kick that comes before the HLT is not lost; one is enough for one HLT only. */
static bool kick_is_kept(void)
{
	uint32_t before = woken;

	call(HC_KICK, 0, ids[1], 0, 0);
	begun = 0;
	job = JOB_HALT;
	CHECK(until(&woken, before + 1));
	begun = 0;
	job = JOB_HALT;
	CHECK(until(&begun, 1));
	wait_ns(20 * MS);
	CHECK_EQ(woken, before + 1);
	call(HC_KICK, 0, ids[1], 0, 0);
	CHECK(until(&woken, before + 2));
	return true;
}

static bool ipi_to_both(void)
{
	volatile uint32_t *mine = &trap_count[0][VECTOR], *its = &trap_count[1][VECTOR];
	uint32_t a = *mine, b = *its;

	CHECK_EQ(call(HC_SEND_IPI, 3, 0, ids[0], VECTOR), 2);
	CHECK(until(mine, a + 1) && until(its, b + 1));
	CHECK_EQ(call(HC_SEND_IPI, 1, 0, ids[1], VECTOR), 1);
	CHECK(until(its, b + 2));
	/* bits behind the vCPUs there are */
	CHECK_EQ(call(HC_SEND_IPI, ~3ULL, ~0ULL, ids[0], VECTOR), 0);
	CHECK_EQ(call(HC_SEND_IPI, 0, 0, ids[0], VECTOR), 0);
	/* the second word begins 64 ids further on; ids wrap */
	CHECK_EQ(call(HC_SEND_IPI, 0, 1, ids[1] - 64U, VECTOR), 1);
	CHECK(until(its, b + 3));
	CHECK_EQ(*mine, a + 1);
	return true;
}

static bool ipi_refused(void)
{
	CHECK_EQ(call(HC_SEND_IPI, 3, 0, 0, ICR_LOGICAL | VECTOR), -EINVAL);
	CHECK_EQ(call(HC_SEND_IPI, 3, 0, 0, ICR_SELF | VECTOR), -EINVAL);
	CHECK_EQ(call(HC_SEND_IPI, 3, 0, 0, MODE_INIT), -EINVAL);
	return true;
}

static volatile uint32_t nmis;

static void on_nmi(struct trap_frame *f)
{
	(void)f;
	nmis++;
}

static bool ipi_as_nmi(void)
{
	uint32_t before = woken;

	begun = 0;
	job = JOB_HALT;
	CHECK(until(&begun, 1));
	CHECK_EQ(call(HC_SEND_IPI, 2, 0, ids[0], MODE_NMI), 1);
	CHECK(until(&nmis, 1) && until(&woken, before + 1));
	return true;
}

static bool steal_rules(void)
{
	uint64_t value;

	CHECK(!wrmsr_safe(MSR_STEAL, (uint64_t)&steal_pages[0] | 3)); /* reserved */
	CHECK(!wrmsr_safe(MSR_STEAL, 0xd0000000 | 1));		      /* no memory */
	CHECK(wrmsr_safe(MSR_STEAL, 0xd0000000));		      /* off */
	CHECK(wrmsr_safe(MSR_STEAL, (uint64_t)&steal_pages[0] | 1));
	CHECK(rdmsr_safe(MSR_STEAL, &value));
	CHECK_EQ(value, (uint64_t)&steal_pages[0] | 1);
	CHECK_EQ(steal_pages[0].version & 1, 0);
	CHECK_EQ(steal_pages[0].preempted, 0);
	return true;
}

/* Both want the one CPU: each is to miss about half of the time. */
static bool steal_grows(void)
{
	uint64_t steal = steal_pages[0].steal, begin, passed;

	job = JOB_COUNT;
	begin = clock_ns();
	wait_ns(200 * MS);
	passed = clock_ns() - begin;
	job = JOB_NONE;
	steal = steal_pages[0].steal - steal;
	print("steal: %lu of %lu us\n", steal / 1000, passed / 1000);
	CHECK(steal > passed / 4 && steal < passed * 3 / 4);
	CHECK_EQ(steal_pages[0].version & 1, 0);
	CHECK_EQ(steal_pages[0].preempted, 0);
	return true;
}

/* Time in HLT is nobody's fault. */
static bool halted_time_is_not_stolen(void)
{
	uint64_t steal;

	begun = 0;
	job = JOB_HALT; /* the CPU is ours alone */
	CHECK(until(&begun, 1));
	wait_ns(20 * MS);
	steal = steal_pages[0].steal;
	wait_ns(100 * MS);
	call(HC_KICK, 0, ids[1], 0, 0);
	wait_ns(20 * MS); /* it has run: what it missed is written */
	CHECK(steal_pages[0].steal - steal < 30 * MS);
	return true;
}

/* One yields at each turn: that takes nothing from the other, and both go on. */
static bool yield_gives_way(void)
{
	uint64_t begin, steal = steal_pages[0].steal, passed;

	counted = 0;
	job = JOB_YIELD;
	begin = clock_ns();
	wait_ns(200 * MS);
	passed = clock_ns() - begin;
	job = JOB_NONE;
	steal = steal_pages[0].steal - steal;
	print("yield: %lu turns, steal %lu of %lu us\n", counted, steal / 1000, passed / 1000);
	CHECK(counted > 5);
	CHECK(steal < passed * 3 / 4);
	CHECK_EQ(call(HC_YIELD, ids[1], 0, 0, 0), 0);
	return true;
}

/* The clock is not the TSC: who sets that one back does not set this one. */
static bool clock_survives_the_tsc(void)
{
	uint64_t before = clock_ns(), after;

	wrmsr(MSR_TSC, 12345);
	after = clock_ns();
	CHECK(after >= before && after - before < 100 * MS);
	wrmsr(MSR_TSC, 1ULL << 60);
	before = after;
	after = clock_ns();
	CHECK(after >= before && after - before < 100 * MS);
	return true;
}

static const struct test_case cases[] = {
	{"announced",	      announced		       },
	{"kick-ends-a-halt",   kick_ends_a_halt	     },
	{"kick-is-kept",	 kick_is_kept	     },
	{"ipi-to-both",	ipi_to_both		   },
	{"ipi-refused",	ipi_refused		   },
	{"ipi-as-nmi",	       ipi_as_nmi		 },
	{"steal-rules",	steal_rules		   },
	{"steal-grows",	steal_grows		   },
	{"halted-not-stolen",  halted_time_is_not_stolen},
	{"yield",		  yield_gives_way		 },
	{"clock-survives-tsc", clock_survives_the_tsc   },
};

uint32_t guest_main(void)
{
	ids[0] = apic_id();
	apic_enable();
	trap_handler(2, on_nmi);
	smp_entry = other;
	if (!clock_start() || !smp_start(ids[0] + 1) ||
	    !until((volatile uint32_t *)&ids[1], ids[0] + 1)) {
		print("paravirt: no clock, or no second vCPU\n");
		return 1;
	}
	cases_run(cases, ARRAY_SIZE(cases));
	return cases_bad();
}
