/* SPDX-License-Identifier: BSD-2-Clause */
/* The other side of guests/service/root/tests/shared: each time the doorbell rings, a word of the region is answered. */

#include "lib/apic.h"
#include "lib/guest.h"
#include "lib/shm.h"
#include "lib/trap.h"
#include "lib/x86.h"

#define VECTOR 0x41
#define ROUNDS 3

static volatile uint32_t rung;

static void on_doorbell(struct trap_frame *f)
{
	(void)f;
	rung++;
	apic_eoi();
}

uint32_t guest_main(void)
{
	struct shm s;
	volatile uint32_t *words;

	if (!shm_open(&s, "talk"))
		return 255;
	words = (volatile uint32_t *)s.memory;
	apic_enable();
	trap_handler(VECTOR, on_doorbell);
	shm_vector(&s, 0, VECTOR);
	__atomic_store_n(&words[0], 1, __ATOMIC_RELEASE);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		while (rung < n) {
			sti_hlt();
			cli();
		}
		if (words[0] != 2 * n)
			return 1;
		words[2] = ~words[1];
		__atomic_store_n(&words[0], 2 * n + 1, __ATOMIC_RELEASE);
	}
	print("answer: %u doorbells answered\n", rung);
	return 0;
}
