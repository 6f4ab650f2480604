/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot loader says: the multiboot2 information block, every tag checked before it is read. */

#ifndef BOOT_MBI_H
#define BOOT_MBI_H

#include "ept/memmap.h"

#define BOOT_MODULES	 80
#define BOOT_MODULE_NAME 64   /* with its NUL; the first word of a module's command line */
#define BOOT_MODULE_ARGS 512  /* with its NUL */
#define BOOT_CMDLINE	 1024 /* with its NUL */
#define BOOT_LOADER_NAME 64   /* with its NUL; longer ones are cut */
#define BOOT_RSDP_MAX	 36   /* ACPI 6.5, 5.2.5.3: the RSDP of revision 2 */
#define BOOT_RSDP_V1	 20   /* and of revision 0 */

/* The smallest information block: its header and the end tag. */
#define MBI_SIZE_MIN 16

struct boot_module {
	hpa_t start;
	uint64_t size;
	char name[BOOT_MODULE_NAME];
	char cmdline[BOOT_MODULE_ARGS]; /* all of it, the name included */
};

/* Multiboot2 3.6.12, framebuffer_type */
enum boot_fb_type { BOOT_FB_INDEXED = 0, BOOT_FB_RGB = 1, BOOT_FB_TEXT = 2 };

struct boot_framebuffer {
	bool present;
	uint8_t type; /* enum boot_fb_type */
	uint8_t bpp;
	hpa_t base;
	uint32_t pitch;		/* bytes from one line to the next */
	uint32_t width, height; /* pixels; characters for BOOT_FB_TEXT */
	/* BOOT_FB_RGB only: lowest bit and number of bits of each colour */
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct boot_info {
	struct mem_range map[MEM_MAP_MAX]; /* cleaned: see mem_map_clean */
	uint32_t map_count;
	struct boot_module modules[BOOT_MODULES];
	uint32_t module_count;
	char cmdline[BOOT_CMDLINE];
	char loader[BOOT_LOADER_NAME];
	struct boot_framebuffer fb;
	/* The RSDP as firmware has it, not checked against its own checksum; the newer one where there are two. */
	uint8_t rsdp[BOOT_RSDP_MAX];
	uint32_t rsdp_size;		/* 0: none, BOOT_RSDP_V1 or BOOT_RSDP_MAX */
	uint8_t rsdp_old[BOOT_RSDP_V1]; /* tag 14, where both were there */
	bool has_rsdp_old;
	bool has_load_base;
	uint32_t load_base;  /* where a relocatable image was put */
	bool efi;	     /* an EFI system table or memory map was passed */
	bool efi_map;	     /* the EFI memory map was passed */
	bool efi_bs;	     /* boot services are still running */
	uint64_t efi_systab; /* 0: not given */
};

/*
 * Read the information block of which the first @size bytes are at @buf: a private copy, any alignment. @out is
 * overwritten; on an error it holds what was read until then. @err receives one plain sentence.
 * Boot only, on the BSP: it uses static scratch.
 * Source: Multiboot2 Specification 2.0, 3.4 and 3.6.
 * Returns 0, -EINVAL (malformed), -E2BIG (a table of ours is too small), -ENOENT (no memory map).
 */
int mbi_parse(const uint8_t *buf, uint32_t size, struct boot_info *out, char *err, size_t err_size);

/* The module of that name, or NULL. */
const struct boot_module *boot_module_find(const struct boot_info *info, const char *name);

#endif
