/* SPDX-License-Identifier: BSD-2-Clause */
/* A neighbour that minds its own business: the same sum again and again, and nothing may ever interrupt it. With "key" it
   ends when a byte comes on its console. */

#include "lib/case.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define COM1_LSR   0x3fd
#define LSR_DATA   0x01
#define WORDS	   8192
#define NS_PER_S   1000000000ULL
#define FNV_OFFSET 0xcbf29ce484222325ULL
#define FNV_PRIME  0x100000001b3ULL

static uint64_t words[WORDS];
static volatile uint32_t strange;

static void on_anything(struct trap_frame *f)
{
	if (!strange++)
		print("witness: vector %lu came, RIP %lx\n", f->vector, f->rip);
	if (f->vector < 32 && f->vector != EXC_NMI)
		guest_exit(253);
}

static uint64_t sum(void)
{
	uint64_t hash = FNV_OFFSET;

	for (uint32_t i = 0; i < WORDS; i++)
		hash = (hash ^ words[i]) * FNV_PRIME;
	return hash;
}

uint32_t guest_main(void)
{
	uint64_t first, end, rounds = 0, bad = 0;
	bool key = cmdline_word("key") != NULL;

	for (uint32_t v = 0; v < 256; v++)
		trap_handler((uint8_t)v, on_anything);
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = i * FNV_OFFSET;
	first = sum();
	if (!clock_start())
		return 255;
	end = clock_ns() + cmdline_number("seconds", 5) * NS_PER_S;
	print("witness: begins\n");
	sti();
	while (clock_ns() < end && !(key && in8(COM1_LSR) & LSR_DATA)) {
		bad += sum() != first;
		rounds++;
	}
	cli();
	print("witness: %lu rounds, %lu wrong sums, %u strange events\n", rounds, bad, strange);
	return bad || strange || !rounds;
}
