/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose registers are these? Fills all extended state, gives the CPU away, and looks again; some thousand times. */

#include "lib/apic.h"
#include "lib/case.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/trap.h"
#include "lib/x86.h"

/*
 * With two vCPUs on one CPU, each wakes the other by an interrupt and sleeps: every round is a switch. Alone, for a
 * VM that shares its CPU with another VM, the timer wakes.
 */
#define WAKE	      0x71
#define AREA	      4096
#define FCW	      0
#define FSW	      2
#define FTW	      4
#define MXCSR	      24
#define ST	      32
#define XMM	      160
#define XSTATE_BV     512
#define XCOMP_BV      520
#define YMM	      576
#define LEGACY	      512
#define XCR0_X87      BIT(0)
#define XCR0_SSE      BIT(1)
#define XCR0_AVX      BIT(2)
#define XCR0_AVX512   0xe0ULL
#define CPUID_XSAVE   0xd
#define SLEEP_TICKS   50000
#define WAKE_PATIENCE 2000000

struct worker {
	uint8_t loaded[AREA] ALIGNED(64);
	uint8_t saved[AREA] ALIGNED(64);
	uint8_t kept[AREA]; /* bytes that XRSTOR and XSAVE carry at all: not 0 */
	uint64_t random, xcr0;
	volatile uint32_t woken;
	uint32_t rounds, bad;
	uint32_t other; /* APIC id of the one to wake */
	volatile bool done;
};

static struct worker workers[2];
static bool paired;
static uint32_t rounds_wanted;
static uint64_t offered;

static uint64_t next_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static uint64_t xgetbv(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static void xsetbv(uint64_t value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void state_load(struct worker *w)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(w->loaded), "a"(~0U), "d"(~0U) : "memory");
}

static void state_save(struct worker *w)
{
	memset(w->saved, 0, sizeof(w->saved));
	__asm__ volatile("xsave64 (%0)" : : "r"(w->saved), "a"(~0U), "d"(~0U) : "memory");
}

/* Random contents that XRSTOR accepts and that raise no exception. */
static void state_invent(struct worker *w)
{
	uint64_t *words = (uint64_t *)w->loaded;
	uint16_t fcw = (uint16_t)(0x007f | (next_random(w) & 0x0f00));
	uint16_t fsw = (uint16_t)(next_random(w) & 0x7f3f);
	uint32_t mxcsr = (uint32_t)(0x1f80 | (next_random(w) & 0xe03f));

	for (uint32_t i = 0; i < AREA / 8; i++)
		words[i] = next_random(w);
	memset(w->loaded + XSTATE_BV, 0, 64);
	memcpy(w->loaded + FCW, &fcw, 2);
	memcpy(w->loaded + FSW, &fsw, 2);
	w->loaded[FTW + 1] = 0;
	memcpy(w->loaded + MXCSR, &mxcsr, 4);
	memcpy(w->loaded + XSTATE_BV, &w->xcr0, 8);
	/* PKRU has 32 bits; what lies behind must not matter */
}

/* Which bytes do these processors carry? All of a component's, as a rule, but not the x87 pointers. */
static void learn(struct worker *w)
{
	memset(w->kept, 1, sizeof(w->kept));
	for (uint32_t n = 0; n < 8; n++) {
		state_invent(w);
		state_load(w);
		state_save(w);
		for (uint32_t i = 0; i < AREA; i++) {
			if (w->saved[i] != w->loaded[i])
				w->kept[i] = 0;
		}
	}
}

static bool learned(const struct worker *w, uint32_t first, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (!w->kept[first + i])
			return false;
	}
	return true;
}

/* The components of XCR0 must be among what is compared. */
static bool learned_enough(const struct worker *w)
{
	bool ok = learned(w, FCW, 5) && learned(w, MXCSR, 4) && learned(w, XMM, 256);

	for (uint32_t i = 0; i < 8; i++)
		ok = ok && learned(w, ST + i * 16, 10);
	for (uint32_t i = 2; i < 10; i++) {
		struct cpuid r = cpuid(CPUID_XSAVE, i);

		if (w->xcr0 & BIT(i))
			ok = ok && learned(w, r.ebx, i == 9 ? 4 : r.eax);
	}
	return ok;
}

static void state_compare(struct worker *w, uint32_t number)
{
	uint32_t wrong = 0, first = 0;

	state_save(w);
	for (uint32_t i = 0; i < AREA; i++) {
		if (!w->kept[i] || w->saved[i] == w->loaded[i])
			continue;
		if (!wrong++)
			first = i;
	}
	if (!wrong && xgetbv() == w->xcr0)
		return;
	if (!w->bad++)
		print("vCPU %u, round %u: %u bytes differ from %u on, XCR0 %lx instead of %lx\n",
		      number, w->rounds, wrong, first, xgetbv(), w->xcr0);
}

/* What else belongs to a vCPU and is no part of the XSAVE area. */
static const uint32_t msrs[] = {MSR_STAR,      MSR_LSTAR,	 MSR_FS_BASE, MSR_GS_BASE,
				MSR_KERNEL_GS, MSR_SYSENTER_ESP, MSR_TSC_AUX};

static void others_set(uint32_t number, uint32_t round)
{
	uint64_t mark = (uint64_t)(number + 1) << 32 | round;

	for (uint32_t i = 0; i < ARRAY_SIZE(msrs); i++)
		wrmsr(msrs[i], msrs[i] == MSR_TSC_AUX ? round + number : mark + i * 16);
	write_dr0(mark);
	write_dr3(mark + 3);
	write_cr2(mark + 2);
}

static void others_compare(struct worker *w, uint32_t number, uint32_t round)
{
	uint64_t mark = (uint64_t)(number + 1) << 32 | round;
	bool ok = read_dr0() == mark && read_dr3() == mark + 3 && read_cr2() == mark + 2;

	for (uint32_t i = 0; i < ARRAY_SIZE(msrs); i++)
		ok = ok &&
		     rdmsr(msrs[i]) == (msrs[i] == MSR_TSC_AUX ? round + number : mark + i * 16);
	if (!ok && !w->bad++)
		print("vCPU %u, round %u: an MSR, debug register or CR2 is another's\n", number,
		      round);
}

static void on_wake(struct trap_frame *f)
{
	(void)f;
	workers[vcpu_number() & 1].woken++;
	apic_eoi();
}

/* Give the CPU away until woken. */
static void sleep(struct worker *w)
{
	uint32_t before = w->woken;

	if (paired)
		apic_ipi(w->other, ICR_ASSERT | WAKE);
	else
		apic_write(APIC_INITIAL, SLEEP_TICKS);
	while (w->woken == before && !(paired && workers[w == workers].done)) {
		sti_hlt();
		cli();
	}
}

static void worker_mode(struct worker *w, uint32_t number, uint32_t turn)
{
	static const uint64_t modes[] = {~0ULL, XCR0_X87 | XCR0_SSE,
					 XCR0_X87 | XCR0_SSE | XCR0_AVX};

	w->xcr0 = offered & modes[(turn + number) % ARRAY_SIZE(modes)];
	xsetbv(w->xcr0);
	learn(w);
	if (!learned_enough(w) && !w->bad++)
		print("vCPU %u: XCR0 %lx: XSAVE does not give back what XRSTOR took\n", number,
		      w->xcr0);
}

static void work(uint32_t number)
{
	struct worker *w = &workers[number];

	write_cr0(read_cr0() & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);
	w->random = 0x9e3779b97f4a7c15ULL * (number + 1 + rdtsc() % 1000);
	w->other = !number;
	apic_enable();
	apic_write(APIC_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, WAKE);
	for (w->rounds = 0; w->rounds < rounds_wanted; w->rounds++) {
		if (w->rounds % 500 == 0)
			worker_mode(w, number, w->rounds / 500);
		state_invent(w);
		others_set(number, w->rounds);
		state_load(w);
		sleep(w);
		state_compare(w, number);
		others_compare(w, number, w->rounds);
	}
	__atomic_store_n(&w->done, true, __ATOMIC_SEQ_CST);
	if (paired)
		apic_ipi(w->other, ICR_ASSERT | WAKE);
}

uint32_t guest_main(void)
{
	paired = cmdline_number("vcpus", 1) == 2;
	rounds_wanted = (uint32_t)cmdline_number("rounds", 5000);
	if (!(cpuid(1, 0).ecx & BIT(26))) {
		print("there is no XSAVE here\n");
		return 255;
	}
	offered = cpuid(CPUID_XSAVE, 0).eax;
	trap_handler(WAKE, on_wake);
	smp_entry = work;
	apic_enable();
	if (paired && !smp_start(1)) {
		print("the second vCPU does not start\n");
		return 255;
	}
	work(0);
	while (paired && !workers[1].done) {
		sti_hlt();
		cli();
	}
	print("xstate: XCR0 up to %lx, %u and %u rounds, %u wrong\n", offered, workers[0].rounds,
	      workers[1].rounds, workers[0].bad + workers[1].bad);
	return (workers[0].bad || workers[1].bad) ? 1 : 0;
}
