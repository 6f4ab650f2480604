/* SPDX-License-Identifier: BSD-2-Clause */
/* Any sequence of accesses to the fw_cfg device, in a guest whose memory it shares: it never leaves either. */
/* sources: vdev/vfwcfg.c */

#include <stdlib.h>
#include <string.h>
#include "vdev/vfwcfg.h"

#define PAGES 4 /* the guest's; nothing may be written to the last */
#define ITEM  9000
#define STEPS (ITEM / 4096 + PAGES + 4)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *pages[PAGES];
static uint8_t item[ITEM];
static const uint8_t *input;
static size_t left;

static uint32_t take(uint32_t n)
{
	uint32_t value = 0;

	while (n-- && left) {
		value = value << 8 | *input++;
		left--;
	}
	return value;
}

static int item_read(void *arg, uint64_t off, void *buf, uint32_t len)
{
	(void)arg;
	if (off > ITEM || len > ITEM - off)
		abort();
	memcpy(buf, item + off, len);
	return off == 77 ? -EIO : 0;
}

static void *map(void *vm, uint64_t gpa, bool write)
{
	(void)vm;
	if (gpa / 4096 >= PAGES || (write && gpa / 4096 == PAGES - 1))
		return NULL;
	return pages[gpa / 4096] + gpa % 4096;
}

static const struct vfwcfg_item items[] = {
	{0, 4,	       0,	  item_read, NULL},
	{1, ITEM,	  0,   item_read, NULL},
	{2, ITEM - 100, 100, item_read, NULL},
	{3, 0,	       0,	  item_read, NULL},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vfwcfg f = {.items = items, .count = ARRAY_SIZE(items), .map = map};

	input = data;
	left = size;
	for (uint32_t i = 0; i < PAGES; i++) {
		pages[i] = malloc(4096); /* each alone: the sanitizer watches its ends */
		memset(pages[i], (int)i, 4096);
	}
	vfwcfg_reset(&f);
	while (left) {
		uint32_t how = take(1), offset = how % VFWCFG_PORTS, value;

		switch (how >> 6) {
		case 0:
			vfwcfg_read(&f, offset, (uint8_t)(1U << how % 3));
			break;
		case 1:
			vfwcfg_write(&f, offset, (uint8_t)(1U << how % 3), take(4));
			break;
		case 2: /* bytes of a description, most likely */
			value = take(2) % (PAGES * 4096);
			pages[value / 4096][value % 4096] = (uint8_t)take(1);
			break;
		default:
			value = take(2) % (PAGES * 4096 + 8);
			/* Bounded by the guest's memory: what is longer runs into its end. */
			for (uint32_t i = 0; !vfwcfg_write(&f, 8, 4, __builtin_bswap32(value));
			     i++) {
				if (i > STEPS)
					abort();
			}
		}
	}
	for (uint32_t i = 0; i < PAGES; i++)
		free(pages[i]);
	return 0;
}
