/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a guest's image: reads inside the image, writes inside the guest, nothing written twice by two parts. */
/* sources: vm/load.c vm/load_bzimage.c vm/load_pvh.c vm/load_flat.c lib/sha256.c lib/printf.c lib/string.c */

#include <stdlib.h>
#include <string.h>
#include "vm/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The guest: 64 MiB with a hole that its map knows and one that it does not. Its content is not kept. */
#define GUEST_SIZE  (64 * MIB)
#define HIDDEN_BASE 0x2000000ULL
#define HIDDEN_SIZE 0x10000ULL

static const struct load_range map[] = {
	{.base = {0},	      .size = 0x9f000,	       .type = LOAD_RAM},
	{.base = {0x9f000},  .size = 0x61000,		     .type = 2	      },
	{.base = {0x100000}, .size = GUEST_SIZE - 0x100000, .type = LOAD_RAM},
};

static uint64_t image_size;

static void check(bool holds)
{
	if (!holds)
		abort();
}

static bool is_ram(void *arg, gpa_t gpa, uint64_t len)
{
	(void)arg;
	if (gpa.v >= GUEST_SIZE || len > GUEST_SIZE - gpa.v)
		return false;
	return gpa.v >= HIDDEN_BASE + HIDDEN_SIZE || gpa.v + len <= HIDDEN_BASE;
}

static int guest_write(void *arg, gpa_t gpa, const void *buf, uint32_t len)
{
	volatile uint8_t sum = 0;

	check(len && gpa.v >= PAGE_SIZE && is_ram(arg, gpa, len));
	for (uint32_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + ((const uint8_t *)buf)[i]); /* all of it must be readable */
	return 0;
}

static int guest_zero(void *arg, gpa_t gpa, uint64_t len)
{
	check(len && is_ram(arg, gpa, len));
	return 0;
}

static int guest_copy(void *arg, gpa_t gpa, uint64_t off, uint64_t len, const struct image *from)
{
	check(len && is_ram(arg, gpa, len));
	check(off <= from->size && len <= from->size - off);
	return 0;
}

static int image_read(void *arg, uint64_t off, void *buf, uint32_t len)
{
	check(off <= image_size && len <= image_size - off);
	memcpy(buf, (const uint8_t *)arg + off, len);
	return 0;
}

/* The first byte chooses the form and whether there is an initrd, the rest is the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_target target = {.write = guest_write,
				     .copy = guest_copy,
				     .zero = guest_zero,
				     .is_ram = is_ram,
				     .map = map,
				     .map_count = ARRAY_SIZE(map)};
	struct image kernel = {.read = image_read}, initrd = {.size = 5000, .read = image_read};
	struct load_request request = {.kernel = &kernel, .target = &target, .cmdline = "quiet"};
	struct load_result result;
	char err[200] = "";

	if (!size)
		return 0;
	request.flat = data[0] & 8 ? (enum config_flat)(data[0] & 3) : FLAT_NONE;
	request.flat_base = (uint64_t)(data[0] >> 4) << 14;
	request.initrd = data[0] & 4 ? &initrd : NULL;
	kernel.arg = (void *)(uintptr_t)(data + 1);
	kernel.size = image_size = size - 1;
	if (load_guest(&request, &result, err, sizeof(err))) {
		check(err[0] != 0);
		return 0;
	}
	check(result.form && result.low.v < result.high.v && result.high.v <= GUEST_SIZE);
	check(result.state.rflags == 2 && result.gpr[RSP] == result.state.rsp);
	return 0;
}
