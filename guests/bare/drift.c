/* SPDX-License-Identifier: BSD-2-Clause */
/* Do the paravirtual clocks of several VMs agree, now and later? Peer 0 asks the others for theirs, by doorbells. */

#include "lib/apic.h"
#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/shm.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR	     0x41
#define TIMER	     0x42
#define MSR_DEADLINE 0x6e0
#define PEERS	     4
#define TRIES	     20
#define NS	     1000000000ULL
#define STOP	     UINT32_MAX

static struct shm shm;

static volatile struct {
	uint32_t asked, ready[PEERS], answered[PEERS];
	uint64_t clock[PEERS];
} * words;

static void on_interrupt(struct trap_frame *f)
{
	(void)f;
	apic_eoi();
}

/* Interrupts are off but in the halt, so that none comes between the look and it. */
#define HALT_UNTIL(condition)          \
	do {                           \
		while (!(condition)) { \
			sti_hlt();     \
			cli();         \
		}                      \
	} while (0)

static uint32_t answer(void)
{
	uint32_t self = shm.peer, seen = 0;

	words->ready[self] = 1;
	shm_ring(&shm, 0, 0);
	for (;;) {
		HALT_UNTIL(words->asked != seen);
		seen = words->asked;
		words->clock[self] = clock_ns();
		words->answered[self] = seen;
		if (seen == STOP)
			return 0;
		shm_ring(&shm, 0, 0);
	}
}

/* The least that is sure about peer @n: how far its clock is away from ours, ns; and the time that asking takes. */
static int64_t offset(uint32_t n, uint64_t *trip)
{
	int64_t best = INT64_MAX;

	*trip = UINT64_MAX;
	for (uint32_t i = 0; i < TRIES; i++) {
		uint64_t before = clock_ns(), after;

		words->asked++;
		shm_ring(&shm, n, 0);
		HALT_UNTIL(words->answered[n] == words->asked);
		after = clock_ns();
		if (after - before >= *trip)
			continue;
		*trip = after - before;
		best = (int64_t)(words->clock[n] - before - *trip / 2);
	}
	return best;
}

static void wait_ns(uint64_t ns)
{
	uint64_t end = clock_ns() + ns;

	while (clock_ns() < end) {
		wrmsr(MSR_DEADLINE, rdtsc() + clock_ticks(end - clock_ns()));
		sti_hlt();
		cli();
	}
}

static uint32_t ask(uint32_t peers, uint64_t seconds)
{
	int64_t first[PEERS], drift;
	uint64_t trip, limit = 1000000;
	uint32_t bad = 0;

	for (uint32_t n = 1; n < peers; n++)
		HALT_UNTIL(words->ready[n]);
	for (uint32_t n = 1; n < peers; n++) {
		first[n] = offset(n, &trip);
		bad += trip > limit || first[n] > (int64_t)limit || -first[n] > (int64_t)limit;
		print("drift: peer %u is %ld ns ahead, asked in %lu ns\n", n, first[n], trip);
	}
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TIMER);
	wait_ns(seconds * NS);
	for (uint32_t n = 1; n < peers; n++) {
		drift = offset(n, &trip) - first[n];
		bad += trip > limit || drift > (int64_t)limit || -drift > (int64_t)limit;
		print("drift: peer %u: %ld ns in %lu s, asked in %lu ns\n", n, drift, seconds,
		      trip);
	}
	words->asked = STOP;
	for (uint32_t n = 1; n < peers; n++)
		shm_ring(&shm, n, 0);
	print("drift: %u peers, %u wrong\n", peers, bad);
	return bad;
}

uint32_t guest_main(void)
{
	if (!shm_open(&shm, cmdline_word("region")) || shm.size < sizeof(*words) ||
	    shm.peer >= PEERS || !clock_start()) {
		print("drift: no such region, or no clock\n");
		return 255;
	}
	words = (void *)shm.memory;
	apic_enable();
	trap_handler(VECTOR, on_interrupt);
	trap_handler(TIMER, on_interrupt);
	shm_vector(&shm, 0, VECTOR);
	if (shm.peer)
		return answer();
	return ask((uint32_t)cmdline_number("peers", 2), cmdline_number("seconds", 60));
}
