/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that is paused: each of its cpus=N vCPUs looks at the TSC all the time and says how long it stood still. */

#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define NS_PER_MS     1000000ULL
#define TIMER_VECTOR  0x40
#define TIMER_DIVIDE  0xb /* by 1 */
#define TIMER_INITIAL 1000000
#define JUMP_MS	      1000

static volatile uint64_t longest[GUEST_VCPUS]; /* ticks between two looks */
static volatile uint32_t ticks;

static void on_timer(struct trap_frame *f)
{
	(void)f;
	ticks++;
	apic_eoi();
}

static uint64_t look(uint32_t number, uint64_t last)
{
	uint64_t now = rdtsc();

	if (now - last > longest[number])
		longest[number] = now - last;
	return now;
}

static void other(uint32_t number)
{
	uint64_t last = rdtsc();

	for (;;)
		last = look(number, last);
}

/* All other vCPUs stood still as long as this one did, but for the time that it takes them to notice. */
static uint32_t still(uint32_t cpus, uint64_t ns)
{
	uint32_t all = 1;

	for (uint32_t i = 1; i < cpus; i++)
		all += longest[i] > clock_ticks(ns) / 2;
	return all;
}

uint32_t guest_main(void)
{
	uint32_t cpus = (uint32_t)cmdline_number("cpus", 1),
		 pauses = (uint32_t)cmdline_number("pauses", 1);
	uint64_t last, then;

	if (!clock_start())
		return 255;
	smp_entry = other;
	for (uint32_t id = 1; id < cpus; id++)
		if (!smp_start(id))
			return 254;
	trap_handler(TIMER_VECTOR, on_timer);
	apic_enable();
	apic_write(APIC_DIVIDE, TIMER_DIVIDE);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TIMER_VECTOR);
	apic_write(APIC_INITIAL, TIMER_INITIAL);
	sti();
	print("pausee: %u vCPUs look\n", cpus);
	for (last = clock_ns(); pauses;) {
		uint32_t before = ticks;

		then = last;
		last = clock_ns();
		if (!clock_was_paused())
			continue;
		last = clock_ns();
		/* The others may be let go later than this one. */
		while (clock_ns() < last + 300 * NS_PER_MS)
			;
		print("pausee: told so, the clock %s, %u of %u stood still, timer %s\n",
		      last - then > JUMP_MS * NS_PER_MS ? "went on" : "WRONG",
		      still(cpus, last - then), cpus, ticks != before ? "goes" : "WRONG");
		for (uint32_t i = 0; i < cpus; i++)
			longest[i] = 0;
		last = clock_ns();
		pauses--;
	}
	print("pausee: done\n");
	return 0;
}
