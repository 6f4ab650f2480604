/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest loaders: an image put into a VM's memory as its boot protocol says, and the state its first vCPU starts in. */

#ifndef VM_LOAD_H
#define VM_LOAD_H

#include "arch/vcpu.h"
#include "lib/sha256.h"
#include "vm/config.h"

#define LOAD_MODULES 16

/* A file to load from: its content is hostile, but it does not change while it is being loaded. */
struct image {
	uint64_t size; /* bytes */
	/* Read @len bytes at @off (always inside size) to @buf. 0 or negative. */
	int (*read)(void *arg, uint64_t off, void *buf, uint32_t len);
	void *arg;
};

/* Types of guest memory: the numbers of E820 (ACPI 6.5, table 15.4), and so of MEM_*. */
#define LOAD_RAM 1

/* One entry of the memory map that the guest is told. */
struct load_range {
	gpa_t base;
	uint64_t size; /* bytes */
	uint32_t type;
};

/*
 * The guest's memory. The loader never reads it back, so that an implementation may queue the operations and do
 * them later in steps, in the same order. Each is called only for ranges that is_ram has said yes to.
 */
struct load_target {
	int (*write)(void *arg, gpa_t gpa, const void *buf, uint32_t len);
	int (*copy)(void *arg, gpa_t gpa, uint64_t image_off, uint64_t len,
		    const struct image *from);
	int (*zero)(void *arg, gpa_t gpa, uint64_t len);
	/* Is all of [gpa, gpa + len) memory of this guest that the loader may write? */
	bool (*is_ram)(void *arg, gpa_t gpa, uint64_t len);
	void *arg;
	const struct load_range *map; /* sorted, disjoint; what the guest is told */
	uint32_t map_count;
};

/* The screen that the guest finds. */
enum load_screen_kind { SCREEN_NONE, SCREEN_TEXT, SCREEN_LINEAR };

struct load_screen {
	uint8_t kind;	     /* enum load_screen_kind; TEXT is EGA/VGA 80x25 */
	uint8_t row, column; /* of the cursor, SCREEN_TEXT */
	/* SCREEN_LINEAR */
	uint8_t bpp;
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
	gpa_t base;
	uint32_t pitch; /* bytes */
	uint32_t width, height;
};

struct load_module {
	const struct image *image;
	const char *cmdline; /* NULL: none */
};

struct load_request {
	const struct image *kernel;
	const char *
		name; /* the kernel's, for protocols that put it before the command line; NULL: none */
	const struct image *initrd; /* NULL: none */
	const struct load_module *modules;
	uint32_t module_count;
	const char *cmdline;		  /* NULL: empty */
	gpa_t rsdp;			  /* 0: none, or found by the guest itself */
	const struct load_screen *screen; /* NULL: none */
	enum config_flat flat;		  /* FLAT_NONE: the image says itself what it is */
	uint64_t flat_base;
	const struct load_target *target;
};

struct load_result {
	struct guest_state state; /* complete; state.rip, rsp and rflags too */
	uint64_t gpr[GPR_COUNT];  /* gpr[RSP] equals state.rsp */
	gpa_t low, high;	  /* the kernel image's span in guest memory, for messages */
	const char *form;	  /* "Linux bzImage", "PVH", "multiboot", "multiboot2", "flat" */
};

enum load_form {
	LOAD_UNKNOWN,
	LOAD_BZIMAGE,
	LOAD_PVH,
	LOAD_MULTIBOOT1,
	LOAD_MULTIBOOT2,
	LOAD_FLAT
};

/*
 * What is this image, by its content alone? Where it is several things, the first of: PVH, bzImage, multiboot2,
 * multiboot. LOAD_PVH for every other ELF file (the loader then says what it lacks), LOAD_UNKNOWN where it is none of
 * them or cannot be read. Never LOAD_FLAT: only a configuration can say that.
 */
enum load_form load_guess(const struct image *image);

/*
 * Load @r as the form that it has (r->flat, else by content) and say in @out how its first vCPU starts. @err
 * receives one plain sentence on failure; guest memory may then be partly written. Not for an exit path: time is
 * that of copying the images, through the target's callbacks; less than 4 KiB of stack.
 * Returns 0, -ENOEXEC (malformed, truncated or foreign image), -E2BIG (an image's limit), -ENOMEM (the guest has no
 * suitable memory), -ENOSYS (a part of the request that this form cannot carry), or what a callback returned.
 */
int load_guest(const struct load_request *r, struct load_result *out, char *err, size_t err_size);

/* Hash a whole image in steps of @buf_size bytes through @buf. 0, -EINVAL (no buffer), or what read returned. */
int image_sha256(const struct image *image, void *buf, uint32_t buf_size,
		 uint8_t digest[SHA256_SIZE]);

#endif
