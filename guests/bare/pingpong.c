/* SPDX-License-Identifier: BSD-2-Clause */
/* Two VMs, one region: each in turn fills it and says so by a doorbell, or by a word that the other polls. */

#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/shm.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR 0x41

static struct shm shm;
static bool polled;

/* Words of the region: whose turn it is, then the content. Odd: ping has written; even: pong has. */
static volatile uint32_t *words;
static uint32_t count; /* of words that are filled */

static void on_doorbell(struct trap_frame *f)
{
	(void)f;
	apic_eoi();
}

/* Interrupts are off between the look and the halt, so a doorbell that comes then ends the halt. */
static void wait_for(uint32_t turn)
{
	while (__atomic_load_n(&words[0], __ATOMIC_ACQUIRE) != turn) {
		if (polled) {
			__builtin_ia32_pause();
			continue;
		}
		sti_hlt();
		cli();
	}
}

static uint32_t content(uint32_t turn, uint32_t i)
{
	return (turn << 16 | i) * 0x9e3779b1U;
}

static void hand_over(uint32_t turn)
{
	for (uint32_t i = 1; i <= count; i++)
		words[i] = content(turn, i);
	__atomic_store_n(&words[0], turn, __ATOMIC_RELEASE);
	if (!polled)
		shm_ring(&shm, shm.peer ^ 1, 0);
}

static uint32_t wrong(uint32_t turn)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= count; i++)
		n += words[i] != content(turn, i);
	return n;
}

static bool word_is(const char *name, const char *wanted)
{
	const char *word = cmdline_word(name);

	return word && list_has(word, wanted);
}

/* role=ping or pong, how=doorbell or polled, rounds=, bytes= of content, region=; ping begins. */
uint32_t guest_main(void)
{
	uint32_t rounds = (uint32_t)cmdline_number("rounds", 100), bad = 0, round;
	bool ping = word_is("role", "ping");
	uint64_t begin;

	polled = word_is("how", "polled");
	count = (uint32_t)cmdline_number("bytes", 1024) / 4;
	if (!shm_open(&shm, cmdline_word("region")) || shm.size < (count + 1) * 4UL) {
		print("pingpong: no such region, or it is too small\n");
		return 255;
	}
	words = (volatile uint32_t *)shm.memory;
	print("pingpong: region %s, %lu KiB, peer %u\n", shm.name, shm.size / 1024, shm.peer);
	if (polled) {
		sti();
	} else {
		apic_enable();
		trap_handler(VECTOR, on_doorbell);
		shm_vector(&shm, 0, VECTOR);
	}
	begin = rdtsc();
	for (round = 0; round < rounds; round++) {
		if (ping)
			hand_over(2 * round + 1);
		wait_for(2 * round + (ping ? 2 : 1));
		bad += wrong(2 * round + (ping ? 2 : 1));
		if (!ping)
			hand_over(2 * round + 2);
	}
	print("pingpong: %u rounds, %u wrong words, %lu ticks each\n", rounds, bad,
	      (rdtsc() - begin) / (rounds ? rounds : 1));
	return bad != 0;
}
