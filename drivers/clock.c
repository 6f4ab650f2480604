/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a counter runs: measured against the ACPI PM timer or, without one, the PIT. */

#include "arch/cpu.h"
#include "arch/io.h"
#include "drivers/clock.h"

#define PM_TIMER_HZ  3579545 /* ACPI 6.5, 4.8.3.3 */
#define PM_TIMER_24  0xffffffu
#define PM_TIMER_32  0xffffffffu
#define PM_RUN_TICKS ((uint32_t)((uint64_t)PM_TIMER_HZ * CLOCK_RUN_US / 1000000))
_Static_assert(PM_RUN_TICKS < PM_TIMER_24 / 2, "a run is short of a wrap");

/* 8254 data sheet, "Control Word"; IBM PC AT technical reference, port 61h */
#define PIT_HZ		1193182
#define PIT_CHANNEL_2	0x42
#define PIT_COMMAND	0x43
#define PIT_MODE_0_CH_2 0xb0 /* channel 2, both bytes, interrupt on terminal count */
#define PORT_B		0x61
#define PORT_B_GATE_2	0x01
#define PORT_B_SPEAKER	0x02
#define PORT_B_OUT_2	0x20
#define PIT_RUN_TICKS	((uint32_t)((uint64_t)PIT_HZ * CLOCK_RUN_US / 1000000))
_Static_assert(PIT_RUN_TICKS <= 0xffff, "the PIT counts 16 bits");

/* A poll takes at least 2 ns, on a fast emulator, and about 1 us on a real chip set. */
#define POLLS_MAX   2000000
#define POLLS_STILL 10000 /* without any change: this clock does not run */

/* One measurement: @ticks of the counter while the clock made @clock_ticks; both ends are known to @spread ticks. */
struct run {
	uint64_t ticks;
	uint64_t spread;
	uint32_t clock_ticks; /* 0: it did not work */
};

/* A reading of the clock, and of the counter in its middle. */
struct sample {
	uint64_t at, spread;
	uint32_t clock;
};

static INIT struct sample pm_sample(uint64_t (*counter)(void), uint16_t port, uint32_t mask)
{
	uint64_t before = counter();
	uint32_t clock = io_in32(port) & mask;
	uint64_t spread = counter() - before;

	return (struct sample){.at = before + spread / 2, .spread = spread, .clock = clock};
}

/* Wait until the clock has just ticked; false if it stands still. */
static INIT bool pm_tick(uint16_t port, uint32_t mask)
{
	uint32_t start = io_in32(port) & mask;

	for (uint32_t polls = 0; polls < POLLS_STILL; polls++)
		if ((io_in32(port) & mask) != start)
			return true;
	return false;
}

static INIT struct run pm_run(uint64_t (*counter)(void), uint16_t port, uint32_t mask)
{
	struct sample first, last;

	if (!pm_tick(port, mask))
		return (struct run){0};
	first = pm_sample(counter, port, mask);
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		if (((io_in32(port) - first.clock) & mask) < PM_RUN_TICKS)
			continue;
		last = pm_sample(counter, port, mask);
		return (struct run){.ticks = last.at - first.at,
				    .spread = first.spread + last.spread,
				    .clock_ticks = (last.clock - first.clock) & mask};
	}
	return (struct run){0};
}

static INIT struct run pit_run(uint64_t (*counter)(void))
{
	uint8_t saved = io_in8(PORT_B);
	struct run run = {0};
	uint64_t start, loaded, now, last;

	io_out8(PORT_B, (uint8_t)((saved & ~PORT_B_SPEAKER) | PORT_B_GATE_2));
	io_out8(PIT_COMMAND, PIT_MODE_0_CH_2);
	io_out8(PIT_CHANNEL_2, PIT_RUN_TICKS & 0xff);
	start = counter();
	io_out8(PIT_CHANNEL_2, PIT_RUN_TICKS >> 8); /* starts it */
	loaded = last = counter();
	for (uint32_t polls = 0; polls < POLLS_MAX; polls++) {
		bool out = io_in8(PORT_B) & PORT_B_OUT_2;

		now = counter();
		if (out) {
			run.ticks = last + (now - last) / 2 - start - (loaded - start) / 2;
			run.spread = loaded - start + now - last;
			run.clock_ticks = polls ? PIT_RUN_TICKS
						: 0; /* an output that was never low: no PIT */
			break;
		}
		last = now;
	}
	io_out8(PORT_B, saved);
	return run;
}

static INIT uint32_t run_khz(const struct run *run, uint32_t clock_hz)
{
	uint64_t khz = run->ticks * (clock_hz / 1000) / run->clock_ticks;

	/* what clock_hz / 1000 has cut off */
	khz += run->ticks * (clock_hz % 1000) / 1000 / run->clock_ticks;
	return khz <= UINT32_MAX ? (uint32_t)khz : 0;
}

/* Of CLOCK_RUNS runs the one with the least spread; the PM timer's, or for @port 0 the PIT's. */
static INIT struct run best_run(uint64_t (*counter)(void), uint16_t port, uint32_t mask)
{
	struct run best = {0};

	for (uint32_t i = 0; i < CLOCK_RUNS; i++) {
		struct run run = port ? pm_run(counter, port, mask) : pit_run(counter);

		if (!run.clock_ticks)
			break;
		if (!best.clock_ticks || run.spread < best.spread)
			best = run;
	}
	return best;
}

INIT uint32_t clock_calibrate(uint64_t (*counter)(void), const struct acpi_info *info)
{
	const struct acpi_block *pm = &info->fadt.pm_timer;
	uint32_t mask = info->fadt.pm_timer_32 ? PM_TIMER_32 : PM_TIMER_24;
	struct run run = {0};

	if (pm->address && pm->space == ACPI_IO)
		run = best_run(counter, (uint16_t)pm->address, mask);
	if (run.clock_ticks)
		return run_khz(&run, PM_TIMER_HZ);
	run = best_run(counter, 0, 0);
	return run.clock_ticks ? run_khz(&run, PIT_HZ) : 0;
}
