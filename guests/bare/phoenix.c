/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that is restarted: searches all of its RAM for what it wrote there in its last life, and writes it again. */

#include "lib/clock.h"
#include "lib/guest.h"
#include "lib/smp.h"
#include "lib/x86.h"

#define PATTERN	   0x7ea5e1e55c0ffee5ULL
#define NS_PER_MS  1000000ULL
#define COM1_SCR   0x3ff
#define PIC_IMR	   0x21
#define APIC_SPIV  0xfee000f0ULL
#define SPIV_ON	   0x1ff
#define MSR_LSTAR  0xc0000082
#define FORMER_SCR 0x5a
#define RESET_PORT 0xcf9
#define RESET_HARD 6

extern uint8_t image_start[], image_end[];

static uint64_t once = PATTERN; /* of .data: as in the image at each start */
static uint64_t never;		/* of .bss */
static volatile uint32_t started;

/* Words of RAM outside the image that hold the pattern; then all of them do. */
static uint64_t search(uint64_t base, uint64_t end, bool write)
{
	uint64_t found = 0;

	for (volatile uint64_t *p = (uint64_t *)base; p < (uint64_t *)end; p++) {
		if ((uint8_t *)p >= image_start && (uint8_t *)p < image_end)
			continue;
		found += *p == PATTERN;
		if (write)
			*p = PATTERN;
	}
	return found;
}

static uint64_t search_all(bool write)
{
	/* Writing overwrites the map itself. */
	static struct memmap_entry map[16];
	const struct memmap_entry *m = (const struct memmap_entry *)start_info->memmap;
	uint32_t n = start_info->memmap_entries < 16 ? start_info->memmap_entries : 16;
	uint64_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		map[i] = m[i];
	for (uint32_t i = 0; i < n; i++) {
		if (map[i].type == MEMMAP_RAM)
			found += search(map[i].base ? map[i].base : 4096, map[i].base + map[i].size,
					write);
	}
	return found;
}

/* What a former life has left in registers and chips. */
static uint32_t remains(void)
{
	uint32_t wrong = 0;

	wrong += once != PATTERN;
	wrong += never != 0;
	wrong += in8(COM1_SCR) == FORMER_SCR;
	wrong += in8(PIC_IMR) == FORMER_SCR;
	wrong += rdmsr(MSR_LSTAR) == PATTERN >> 17;
	wrong += read_dr0() == PATTERN;
	wrong += *(volatile uint32_t *)APIC_SPIV == SPIV_ON - FORMER_SCR;
	return wrong;
}

static void leave_remains(void)
{
	once = 1;
	never = 1;
	out8(COM1_SCR, FORMER_SCR);
	out8(PIC_IMR, FORMER_SCR);
	wrmsr(MSR_LSTAR, PATTERN >> 17);
	write_dr0(PATTERN);
	*(volatile uint32_t *)APIC_SPIV = SPIV_ON - FORMER_SCR;
}

static void other(uint32_t number)
{
	(void)number;
	started++;
	for (;;)
		sti_hlt();
}

uint32_t guest_main(void)
{
	uint64_t until = cmdline_number("ms", 3000) * NS_PER_MS, cpus = cmdline_number("cpus", 1);
	bool fault = cmdline_word("fault");
	uint64_t found = cmdline_word("quick") ? 0 : search_all(false);
	uint32_t wrong = remains();

	if (found || wrong || !clock_start()) {
		print("phoenix: WRONG: %lu words of a former life, %u registers\n", found, wrong);
		guest_exit(1);
	}
	smp_entry = other;
	for (uint32_t id = 1; id < cpus; id++) {
		if (!smp_start(id))
			print("phoenix: WRONG: vCPU %u does not start\n", id);
	}
	if (clock_ns() > until) {
		print("phoenix: done\n");
		fault = !fault; /* the end: of the two only one is configured to restart it */
	}
	leave_remains();
	if (!cmdline_word("quick"))
		search_all(true);
	/* of all faults the one that every emulator survives */
	if (fault)
		out8(RESET_PORT, RESET_HARD);
	return 0;
}
