/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the loaders: guest memory claimed piece by piece, bounded image reads, entry states. */

#ifndef VM_LOAD_PRIV_H
#define VM_LOAD_PRIV_H

#include "vm/load.h"

/* Segments, modules and the loader's own pieces of one guest. */
#define LOAD_USED_MAX 96

/* Entry states without paging, and what they point to, lie below this. */
#define LOAD_4G (4 * GIB)

/* Selectors that the 32-bit boot protocols demand (Documentation/arch/x86/boot.rst, "32-bit boot protocol"). */
#define LOAD_CODE_SEL 0x10
#define LOAD_DATA_SEL 0x18

/* A load in progress. */
struct load {
	const struct load_request *r;
	const struct load_target *t;
	struct load_result *out;
	char *err;
	size_t err_size;
	uint32_t used_count;
	struct {
		uint64_t base, size;
	} used[LOAD_USED_MAX]; /* guest memory that something lies in already */
};

/* Note why it failed; returns @error. */
int load_fail(struct load *l, int error, const char *fmt, ...) PRINTF(3, 4);

/* Read from an image; -ENOEXEC where it is too short for that. @what is named in the error. */
int load_read(struct load *l, const struct image *image, uint64_t off, void *buf, uint32_t len,
	      const char *what);

/* Can [base, base + size) be claimed: guest RAM (its map and is_ram agree) below 4 GiB, not claimed yet? */
bool load_is_free(const struct load *l, uint64_t base, uint64_t size);

/* Claim it. -ENOMEM (not RAM, or above 4 GiB), -ENOEXEC (over something else), -E2BIG (too many pieces). */
int load_claim(struct load *l, uint64_t base, uint64_t size, const char *what);

/* Find and claim @size bytes at a multiple of @align inside [min, max): the lowest, or the highest. -ENOMEM. */
int load_alloc_low(struct load *l, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		   const char *what, uint64_t *base);
int load_alloc_high(struct load *l, uint64_t size, uint64_t align, uint64_t min, uint64_t max,
		    const char *what, uint64_t *base);

/* Likewise for the loader's own data: in low memory (never page 0), else anywhere below 4 GiB. */
int load_alloc_own(struct load *l, uint64_t size, uint64_t align, const char *what, uint64_t *base);

/* Write, fill, copy into guest memory that was claimed before. */
int load_write(struct load *l, uint64_t gpa, const void *buf, uint32_t len);
int load_zero(struct load *l, uint64_t gpa, uint64_t len);
int load_copy(struct load *l, uint64_t gpa, const struct image *from, uint64_t off, uint64_t len);

/* Place a string, an image (as high as possible below @max, page-aligned). An empty image is -ENOEXEC. */
int load_put_string(struct load *l, const char *s, const char *what, uint64_t *base);
int load_put_image(struct load *l, const struct image *image, uint64_t max, const char *what,
		   uint64_t *base);

/* Place a GDT with flat descriptors for LOAD_CODE_SEL (64-bit if @long_mode, else 32-bit) and LOAD_DATA_SEL. */
int load_put_gdt(struct load *l, bool long_mode);

/* What every entry state has in common; then 32-bit protected mode, flat, without paging, interrupts off. */
void load_state_common(struct load *l, uint64_t rip);
void load_state_protected(struct load *l, uint64_t rip);

/* The forms. */
int load_bzimage(struct load *l);
int load_pvh(struct load *l);
int load_flat(struct load *l);

/* Are these the first bytes of one? */
bool bzimage_is(const struct image *image);
bool elf_is(const struct image *image);

/* A segment's attributes (arch/vcpu.h): present, ring 0, and accessed, as after a load of the register. */
#define ATTR_TYPE_DATA 0x3 /* read, write, accessed */
#define ATTR_TYPE_CODE 0xb /* execute, read, accessed */
#define ATTR_TYPE_TSS  0xb /* busy; 32-bit, or 64-bit in long mode */
#define ATTR_TYPE_LDT  0x2
#define ATTR_DATA16    (ATTR_TYPE_DATA | SEG_ATTR_S | SEG_ATTR_P)
#define ATTR_CODE16    (ATTR_TYPE_CODE | SEG_ATTR_S | SEG_ATTR_P)
#define ATTR_DATA32    (ATTR_DATA16 | SEG_ATTR_DB | SEG_ATTR_G)
#define ATTR_CODE32    (ATTR_CODE16 | SEG_ATTR_DB | SEG_ATTR_G)
#define ATTR_CODE64    (ATTR_CODE16 | SEG_ATTR_L | SEG_ATTR_G)
#define ATTR_TSS       (ATTR_TYPE_TSS | SEG_ATTR_P)
#define ATTR_LDT       (ATTR_TYPE_LDT | SEG_ATTR_P)

#endif
