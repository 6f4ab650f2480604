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

/* --- ELF: vm/load_elf.c --- */

#define ELF_PT_LOAD 1
#define ELF_PT_NOTE 4

struct elf_phdr64 {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* An ELF file, its two widths made one. */
struct elf {
	bool wide;
	uint64_t phoff;
	uint32_t phnum;
	uint64_t start; /* e_entry as the file has it */
	uint64_t start_pa;
	bool has_start; /* start is in a segment's linear addresses */
	uint64_t entry; /* of PVH */
	bool has_entry;
};

/* Read and check the headers of the kernel; program header @i in the wide form; is its content all in the file? */
int elf_open(struct load *l, struct elf *e);
int elf_phdr(struct load *l, const struct elf *e, uint32_t i, struct elf_phdr64 *p);
int elf_in_file(struct load *l, const struct elf_phdr64 *p, uint32_t i);

/* Claim every segment; nothing is written before all of it is known to be sound. Sets start_pa and the image's span. */
int elf_claim(struct load *l, struct elf *e);

/* Then copy. @entry (physical) must be in what the file brings. */
int elf_copy(struct load *l, const struct elf *e, uint64_t entry);

/* The forms. */
int load_bzimage(struct load *l);
int load_pvh(struct load *l);
int load_multiboot1(struct load *l);
int load_multiboot2(struct load *l);
int load_flat(struct load *l);

/* Are these the first bytes of one? */
bool bzimage_is(const struct image *image);
bool elf_is(const struct image *image);
bool multiboot1_is(struct load *l);
bool multiboot2_is(struct load *l);

/* An ELF file with a PVH entry? May leave a sentence in l->err. */
bool pvh_is(struct load *l);

/* What both multiboot protocols share: the "address" fields of their headers, and what a loader can say. */
struct multiboot_address {
	uint32_t header, load, load_end, bss_end;
};

/*
 * Find the header of @len bytes in the first @limit of the kernel, at a multiple of @align: it begins with @magic, and its
 * words add up to 0. To @header and *off.
 */
bool multiboot_find(struct load *l, uint32_t magic, uint32_t align, uint32_t limit, void *header,
		    uint32_t len, uint64_t *off);

/* Place an image that says itself where it goes (the header lies at @off), or by its ELF headers; the entry's address. */
int multiboot_place_address(struct load *l, uint64_t off, const struct multiboot_address *a,
			    uint32_t entry);
int multiboot_place_elf(struct load *l, bool has_entry, uint32_t entry, uint64_t *start);

/* KiB of RAM from 0 (at most 640) and from 1 MiB up to the first gap. */
void multiboot_memory(const struct load *l, uint32_t *lower, uint32_t *upper);

/* The kernel's command line as GRUB has it, its name first: bytes with the NUL, and the same written to @gpa. */
uint32_t multiboot_cmdline_size(const struct load *l);
int multiboot_cmdline_put(struct load *l, uint64_t gpa);

/* How many modules there are (the initrd is number 0, where there is one); the words of one; place one. */
uint32_t multiboot_modules(const struct load *l);
const char *multiboot_module_words(const struct load *l, uint32_t i);
int multiboot_module_put(struct load *l, uint32_t i, uint64_t *start, uint64_t *end);

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
