/* SPDX-License-Identifier: BSD-2-Clause */
/* Any sequence of a guest's accesses to the shared-memory function, its peers' rings and resets; invariants after each. */
/* sources: vdev/vshm.c lib/string.c */

#include <stdlib.h>
#include "vdev/vshm.h"

#define COMMAND	    0x04
#define COMMAND_MEM 0x0002U
#define INTX_OFF    0x0400U
#define STATUS_INTX 0x00080000U
#define MSIX	    0x40
#define MSIX_ON	    0x80000000U
#define PBA	    0x800

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vshm s;
static struct vshm_config config;
static bool line;
static uint32_t sent, owed; /* messages; one more for each ring, at most */

static const uint8_t *input;
static size_t left;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* The next @n bytes of the input, zeros behind its end. */
static uint64_t take(uint32_t n)
{
	uint64_t value = 0;

	while (n-- && left) {
		value = value << 8 | *input++;
		left--;
	}
	return value;
}

static void message(void *arg, uint64_t addr, uint32_t data)
{
	bool found = false;

	(void)arg;
	for (uint32_t i = 0; i < VSHM_VECTORS; i++)
		found |=
			!s.vector[i].masked && s.vector[i].addr == addr && s.vector[i].data == data;
	check(found);
	check(++sent <= owed);
}

static void set_line(void *arg, bool level)
{
	(void)arg;
	check(line != level);
	line = level;
}

static const struct vshm_ops ops = {message, set_line};

static void power_on(void)
{
	uint8_t how = (uint8_t)take(1);

	config = (struct vshm_config){
		.name = "fuzz",
		.rights = (enum vshm_rights)(how % 3),
		.size = VSHM_PAGE << (how >> 2) % 16,
		.peer = how,
		.irq = how & 0x80 ? 0 : 10,
	};
	if (how & 0x40) {
		config.base[0] = 0xe1000000;
		config.base[1] = 0xe1001000;
		config.base[2] = how % 3 ? 0xe8000000 : 0;
	}
	line = false;
	sent = owed = 0;
	vshm_init(&s, &config, &ops, &s);
}

static void step(void)
{
	uint8_t op = (uint8_t)take(1), size = (uint8_t)(1U << (op >> 6));
	uint32_t doorbell = 0, n = op >> 3 & 1, off;

	switch (op & 7) {
	case 0:
		(void)vshm_config_read(&s, (uint32_t)take(2) & 0xfff, size & 7 ? size : 4);
		break;
	case 1:
	case 2: /* where something is, most of the time */
		off = (uint32_t)take(1) % (op & 16 ? 0x100 : 0x48);
		vshm_config_write(&s, off, size & 7 ? size : 4, (uint32_t)take(4));
		break;
	case 3:
		(void)vshm_read(&s, n, (uint32_t)take(2) & (VSHM_PAGE - size), size);
		break;
	case 4:
	case 5:
		off = (uint32_t)take(1) << (op & 16 ? 4 : 0) & (VSHM_PAGE - size);
		if (vshm_write(&s, n, off, size, take(size), &doorbell))
			check(n == 0 && off == 12 && size == 4);
		break;
	case 6:
		owed++;
		vshm_ring(&s, (uint32_t)take(op & 32 ? 2 : 1) & (op & 16 ? 7 : 0xffff));
		break;
	default:
		if (op & 0x80)
			vshm_reset(&s);
		break;
	}
}

static void check_bar(uint32_t n)
{
	uint64_t base = vshm_bar(&s, n), size = vshm_bar_size(&s, n);

	if (base == VSHM_BAR_OFF)
		return;
	check(size && !(base & (size - 1)));
	check(vshm_config_read(&s, COMMAND, 2) & COMMAND_MEM);
}

static void check_all(void)
{
	uint32_t command = vshm_config_read(&s, COMMAND, 4);
	bool msix = vshm_config_read(&s, MSIX, 4) & MSIX_ON;

	check(line == !!(command & STATUS_INTX));
	check(!line || (!msix && !(command & INTX_OFF) && config.irq));
	check(!(vshm_read(&s, 1, PBA, 8) >> VSHM_VECTORS));
	check(vshm_config_read(&s, 0, 4) == VSHM_ID && vshm_read(&s, 0, 8, 4) == config.peer);
	for (uint32_t n = 0; n < VSHM_BARS; n++)
		check_bar(n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	power_on();
	while (left) {
		step();
		check_all();
	}
	return 0;
}
