/* SPDX-License-Identifier: BSD-2-Clause */
/* A partition with one window in each frame: when its windows really begin, and what is taken from inside them. */

#include <bulkhead/hypercall.h>
#include "lib/guest.h"
#include "lib/x86.h"

#define FRAMES_MAX 20000

static uint32_t
	late[FRAMES_MAX]; /* ticks from a window's start to the first look at the clock in it */
static uint32_t loss[FRAMES_MAX]; /* the longest gap inside it */
static uint64_t shut;		  /* a gap longer than this is the time between windows, ticks */

static int64_t window_began(void)
{
	bool intel = cpuid(0, 0).ebx == 0x756e6547; /* "Genu" */

	return intel ? vmcall(BULKHEAD_CALL_WINDOW) : vmmcall(BULKHEAD_CALL_WINDOW);
}

/* Look at the clock until it has jumped; *@gap: the longest step on the way. */
static uint64_t next_window(uint64_t *gap)
{
	uint64_t before = rdtsc(), now;

	*gap = 0;
	for (;;) {
		now = rdtsc();
		if (now - before > shut)
			return now;
		if (now - before > *gap)
			*gap = now - before;
		before = now;
	}
}

static void sort(uint32_t *a, uint32_t n)
{
	for (uint32_t step = n / 2; step; step /= 2) {
		for (uint32_t i = step; i < n; i++) {
			uint32_t x = a[i], k = i;

			for (; k >= step && a[k - step] > x; k -= step)
				a[k] = a[k - step];
			a[k] = x;
		}
	}
}

static void report(const char *what, uint32_t *a, uint32_t n)
{
	sort(a, n);
	print("window: %s p50 %u, p99.9 %u, max %u ticks\n", what, a[n / 2], a[n - 1 - n / 1000],
	      a[n - 1]);
}

uint32_t guest_main(void)
{
	uint32_t frames = (uint32_t)cmdline_number("frames", 300), missed = 0, early = 0;
	uint64_t first, second, frame, gap, began, number, last = 0;

	if (frames > FRAMES_MAX)
		return 255;
	/* The time between windows is far above what is taken inside one. */
	shut = cmdline_number("shut", 100000);
	next_window(&gap);
	first = (uint64_t)window_began();
	next_window(&gap);
	second = (uint64_t)window_began();
	frame = second - first;
	if ((int64_t)first < 0 || (int64_t)second < 0)
		return 254;
	for (uint32_t i = 0; i < frames; i++) {
		uint64_t now = next_window(&gap);

		began = (uint64_t)window_began();
		number = (began - first + frame / 2) / frame;
		missed += i && number != last + 1;
		last = number;
		early += now < began;
		late[i] = now < began ? 0 : (uint32_t)(now - began);
		loss[i] = (uint32_t)gap;
	}
	report("late", late, frames);
	report("lost at once", loss, frames);
	print("window: %u frames of %lu ticks, %u missed, %u early\n", frames, frame, missed,
	      early);
	return missed || early;
}
