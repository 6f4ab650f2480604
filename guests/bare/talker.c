/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints lines=N numbered lines, gap=US microseconds apart; then echoes what it is sent until a full stop. */

#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/x86.h"

#define NS_PER_US 1000ULL
#define COM1	  0x3f8
#define COM1_LSR  (COM1 + 5)
#define LSR_DR	  1

static void wait_until(uint64_t ns)
{
	while (clock_ns() < ns)
		pause();
}

static uint8_t byte_read(void)
{
	while (!(in8(COM1_LSR) & LSR_DR))
		pause();
	return in8(COM1);
}

uint32_t guest_main(void)
{
	uint64_t lines = cmdline_number("lines", 10), gap = cmdline_number("gap", 0) * NS_PER_US;
	uint64_t next;

	if (!clock_start())
		return 255;
	next = clock_ns();
	for (uint64_t i = 1; i <= lines; i++) {
		print("talker: line %lu of %lu, and \033[2J nothing else happens\n", i, lines);
		next += gap;
		wait_until(next);
	}
	if (cmdline_word("echo")) {
		uint8_t byte;

		print("talker: listens\n");
		while ((byte = byte_read()) != '.')
			print("%c", byte);
		print("\n");
	}
	print("talker: done\n");
	return 0;
}
