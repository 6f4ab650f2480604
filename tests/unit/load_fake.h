/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest of 64 MiB for the loaders' tests, and an image built byte by byte. */

#ifndef TESTS_UNIT_LOAD_FAKE_H
#define TESTS_UNIT_LOAD_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/cpu.h"
#include "arch/msr.h"
#include "vm/load.h"

/* --- A guest: 64 MiB of memory, of which pieces are not its own --- */

#define GUEST_SIZE (64 * MIB)

static uint8_t *ram;
static struct load_range map[256];
static uint32_t map_count;
static struct {
	uint64_t base, size;
} holes[4]; /* not RAM although the map says so */
static uint32_t hole_count;

static bool guest_is_ram(void *arg, gpa_t gpa, uint64_t len)
{
	(void)arg;
	if (gpa.v >= GUEST_SIZE || len > GUEST_SIZE - gpa.v)
		return false;
	for (uint32_t i = 0; i < hole_count; i++) {
		if (gpa.v < holes[i].base + holes[i].size && holes[i].base < gpa.v + len)
			return false;
	}
	return true;
}

static int guest_write(void *arg, gpa_t gpa, const void *buf, uint32_t len)
{
	assert_true(guest_is_ram(arg, gpa, len));
	memcpy(ram + gpa.v, buf, len);
	return 0;
}

static int guest_zero(void *arg, gpa_t gpa, uint64_t len)
{
	assert_true(guest_is_ram(arg, gpa, len));
	memset(ram + gpa.v, 0, len);
	return 0;
}

static int guest_copy(void *arg, gpa_t gpa, uint64_t off, uint64_t len, const struct image *from)
{
	assert_true(guest_is_ram(arg, gpa, len));
	assert_true(off <= from->size && len <= from->size - off);
	return from->read(from->arg, off, ram + gpa.v, (uint32_t)len);
}

static int image_read(void *arg, uint64_t off, void *buf, uint32_t len)
{
	memcpy(buf, (uint8_t *)arg + off, len);
	return 0;
}

static int image_read_fails(void *arg, uint64_t off, void *buf, uint32_t len)
{
	(void)arg;
	(void)off;
	(void)buf;
	(void)len;
	return -EIO;
}

static struct load_target target;
static struct load_request request;
static struct load_result result;
static struct image kernel, initrd;
static uint8_t file[64 * 1024];
static char err[256];

static void map_add(uint64_t base, uint64_t size, uint32_t type)
{
	map[map_count++] = (struct load_range){.base = GPA(base), .size = size, .type = type};
}

static int guest_new(void **state)
{
	(void)state;
	if (!ram)
		ram = malloc(GUEST_SIZE);
	memset(ram, 0xcc, GUEST_SIZE);
	map_count = hole_count = 0;
	map_add(0, 0x9f000, 1);
	map_add(0x9f000, 0x61000, 2);
	map_add(0x100000, GUEST_SIZE - 0x100000, 1);
	target = (struct load_target){.write = guest_write,
				      .copy = guest_copy,
				      .zero = guest_zero,
				      .is_ram = guest_is_ram,
				      .map = map,
				      .map_count = map_count};
	memset(file, 0, sizeof(file));
	kernel = (struct image){.read = image_read, .arg = file};
	request = (struct load_request){.kernel = &kernel, .target = &target, .rsdp = GPA(0xe0010)};
	return 0;
}

static int guest_free(void **state)
{
	(void)state;
	free(ram);
	ram = NULL;
	return 0;
}

/* Load from a copy of exactly the image's size, so that the sanitizer sees a read past its end. */
static int load(void)
{
	uint8_t *copy = malloc(kernel.size ? kernel.size : 1);
	int ret;

	memcpy(copy, file, kernel.size);
	kernel.arg = copy;
	err[0] = '\0';
	target.map_count = map_count;
	ret = load_guest(&request, &result, err, sizeof(err));
	free(copy);
	if (ret)
		assert_true(strlen(err) > 10);
	return ret;
}

static void expect_refusal(int want, const char *words)
{
	int got = load();

	if (got != want || !strstr(err, words))
		fail_msg("wanted %d '%s', got %d '%s'", want, words, got, err);
}

static void set8(uint32_t off, uint8_t v)
{
	file[off] = v;
}

static void set16(uint32_t off, uint16_t v)
{
	memcpy(file + off, &v, sizeof(v));
}

static void set32(uint32_t off, uint32_t v)
{
	memcpy(file + off, &v, sizeof(v));
}

static void set64(uint32_t off, uint64_t v)
{
	memcpy(file + off, &v, sizeof(v));
}

static uint32_t mem32(uint64_t gpa)
{
	uint32_t v;

	assert_true(gpa + sizeof(v) <= GUEST_SIZE);
	memcpy(&v, ram + gpa, sizeof(v));
	return v;
}

static uint64_t mem64(uint64_t gpa)
{
	return mem32(gpa) | (uint64_t)mem32(gpa + 4) << 32;
}

static void initrd_set(void *data, uint64_t size)
{
	initrd = (struct image){.size = size, .read = image_read, .arg = data};
	request.initrd = &initrd;
}

static void segment_is(enum seg_reg seg, uint16_t attr, uint32_t limit, uint64_t base)
{
	assert_int_equal(result.state.seg[seg].attr, attr);
	assert_int_equal(result.state.seg[seg].limit, limit);
	assert_int_equal(result.state.seg[seg].base, base);
}

/* Interrupts off, no paging, flat segments that a GDT in guest memory describes. */
static void state_is_protected(uint64_t rip)
{
	const struct guest_state *s = &result.state;

	assert_int_equal(s->rip, rip);
	assert_int_equal(s->rflags, 2);
	assert_int_equal(s->cr0, CR0_PE | CR0_ET);
	assert_int_equal(s->cr4, 0);
	assert_int_equal(s->efer, 0);
	segment_is(SEG_CS, 0xc9b, 0xffffffff, 0);
	segment_is(SEG_DS, 0xc93, 0xffffffff, 0);
	segment_is(SEG_ES, 0xc93, 0xffffffff, 0);
	segment_is(SEG_SS, 0xc93, 0xffffffff, 0);
	segment_is(SEG_TR, 0x8b, 0x67, 0);
	assert_int_equal(s->seg[SEG_CS].sel, 0x10);
	assert_int_equal(s->seg[SEG_DS].sel, 0x18);
	assert_int_equal(s->gdtr.limit, 31);
	assert_int_equal(mem64(s->gdtr.base + 0x10), 0x00cf9b000000ffff);
	assert_int_equal(mem64(s->gdtr.base + 0x18), 0x00cf93000000ffff);
	assert_true(s->gdtr.base >= 0x1000);
}

#endif
