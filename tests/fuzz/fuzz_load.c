/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a guest's image: reads inside the image, writes inside the guest, nothing written twice by two parts. */
/* sources: vm/load.c vm/load_bzimage.c vm/load_elf.c vm/load_pvh.c vm/load_multiboot.c vm/load_multiboot1.c vm/load_multiboot2.c vm/load_flat.c lib/sha256.c lib/printf.c lib/string.c */

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

/* A header whose checksum is right: chance does not find one. */
static void plant(uint8_t *file, size_t size, uint8_t how, size_t at)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F'};
	uint32_t h[4];

	if (how & 4 && size >= sizeof(ident))
		memcpy(file, ident, sizeof(ident));
	at = at * 8 + (how & 8 ? 4 : 0);
	if (!(how & 3) || size < sizeof(h) || at > size - sizeof(h))
		return;
	memcpy(h, file + at, sizeof(h));
	if ((how & 3) == 1) {
		h[0] = 0x1badb002;
		h[1] = how & 16 ? (h[1] & 3) | 0x10000 : h[1] & 0x20003;
		h[2] = 0 - h[0] - h[1];
	} else {
		h[0] = 0xe85250d6;
		h[1] = 0;
		h[3] = 0 - h[0] - h[2];
	}
	memcpy(file + at, h, sizeof(h));
}

/* The first byte chooses the form and what comes along, the next two a header to plant, the rest is the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct load_target target = {.write = guest_write,
				     .copy = guest_copy,
				     .zero = guest_zero,
				     .is_ram = is_ram,
				     .map = map,
				     .map_count = ARRAY_SIZE(map)};
	struct image kernel = {.read = image_read}, initrd = {.size = 5000, .read = image_read};
	const struct load_module modules[] = {
		{&initrd, "one two"},
		{&initrd, NULL     },
	};
	struct load_request request = {
		.kernel = &kernel, .name = "k", .target = &target, .cmdline = "quiet"};
	struct load_result result;
	char err[200] = "";
	uint8_t *copy;

	if (size < 3)
		return 0;
	request.flat = data[0] & 8 ? (enum config_flat)(data[0] & 3) : FLAT_NONE;
	request.flat_base = (uint64_t)(data[0] >> 4) << 14;
	request.initrd = data[0] & 4 ? &initrd : NULL;
	request.modules = modules;
	request.module_count = data[0] & 8 ? 0 : data[0] & 3 ? ARRAY_SIZE(modules) : 0;
	kernel.size = image_size = size - 3;
	copy = malloc(size);
	memcpy(copy, data + 3, size - 3);
	plant(copy, size - 3, data[1], data[2]);
	kernel.arg = copy;
	if (load_guest(&request, &result, err, sizeof(err))) {
		check(err[0] != 0);
	} else {
		check(result.form && result.low.v < result.high.v && result.high.v <= GUEST_SIZE);
		check(result.state.rflags == 2 && result.gpr[RSP] == result.state.rsp);
		check(result.state.cr0 & 1 ? is_ram(NULL, GPA(result.state.rip), 1) : true);
	}
	free(copy);
	return 0;
}
