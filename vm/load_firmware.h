/* SPDX-License-Identifier: BSD-2-Clause */
/* What a guest's firmware is told by its fw_cfg device: memory, processors, tables, and what it is to boot. */

#ifndef VM_LOAD_FIRMWARE_H
#define VM_LOAD_FIRMWARE_H

#include "vdev/vboard.h"
#include "vdev/vfwcfg.h"
#include "vm/config.h"
#include "vm/load.h"
#include "vm/smbios_make.h"

#define FIRMWARE_FILES	  32 /* ours and the configuration's modules */
#define FIRMWARE_ITEMS	  (24 + FIRMWARE_FILES)
#define FIRMWARE_SETUP	  ((64 + 1) * 512) /* bytes of a bzImage's real-mode part at most */
#define FIRMWARE_COMMANDS 16
#define FIRMWARE_SMBIOS	  1024

/* QEMU, hw/acpi/bios-linker-loader.c: BiosLinkerLoaderEntry. Little-endian. */
struct firmware_command {
	uint32_t command;
	union {
		struct {
			char file[VFWCFG_NAME];
			uint32_t align;
			uint8_t zone;
		} PACKED alloc;
		struct {
			char file[VFWCFG_NAME], target[VFWCFG_NAME];
			uint32_t offset;
			uint8_t size;
		} PACKED pointer;
		struct {
			char file[VFWCFG_NAME];
			uint32_t offset, start, length;
		} PACKED checksum;
		uint8_t space[124];
	};
} PACKED;
_Static_assert(sizeof(struct firmware_command) == 128, "QEMU, BiosLinkerLoaderEntry");

struct firmware_e820 {
	uint64_t base, size;
	uint32_t type;
} PACKED;

/* The device's items and everything that they show, but for boot modules. */
struct firmware {
	struct vfwcfg_item items[FIRMWARE_ITEMS];
	uint32_t item_count, file_count, command_count, number_count;
	struct {
		uint32_t count; /* big-endian */
		struct vfwcfg_file files[FIRMWARE_FILES];
	} directory;
	uint64_t numbers[20];
	struct firmware_e820 e820[2];
	struct firmware_command commands[FIRMWARE_COMMANDS];
	char cmdline[CONFIG_CMDLINE];
	uint8_t setup[FIRMWARE_SETUP];
	uint8_t tables[VBOARD_ACPI_SPACE];
	uint8_t smbios[FIRMWARE_SMBIOS];
};

struct firmware_request {
	uint32_t vcpus;
	uint64_t low, high; /* bytes of RAM below and above 4 GiB */
	struct smbios_vm smbios;
	const struct image *kernel, *initrd; /* NULL: none */
	const char *cmdline;		     /* NULL: empty */
	const struct load_module
		*modules; /* each a file: the second word of its command line, else its first */
	uint32_t module_count;
};

/*
 * Fill @f, which is zeroed and stays where it is; images are read while the guest runs, too. @err receives one plain
 * sentence on failure. 0, -ENOEXEC (the kernel is no bzImage, or cut), -ENOSPC (too many files, too long a name), -ENOMEM
 * (no room for the initrd), or what reading an image returned.
 */
int firmware_describe(struct firmware *f, const struct firmware_request *r, char *err,
		      size_t err_size);

#endif
