/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware configuration: named pieces of data that a guest's firmware reads. QEMU, docs/specs/fw_cfg. */

#ifndef VDEV_VFWCFG_H
#define VDEV_VFWCFG_H

#include "lib/types.h"

#define VFWCFG_PORTS \
	12 /* selector, data; from 4 on: the address of a DMA access, high half first */

/* The items with numbers of their own; files have those from VFWCFG_FILE on. QEMU, standard-headers/linux/qemu_fw_cfg.h. */
enum {
	VFWCFG_SIGNATURE = 0x00,
	VFWCFG_ID = 0x01, /* VFWCFG_ID_* */
	VFWCFG_RAM_SIZE = 0x03,
	VFWCFG_NO_GRAPHIC = 0x04,
	VFWCFG_CPUS = 0x05,
	VFWCFG_KERNEL_ADDR = 0x07,
	VFWCFG_KERNEL_SIZE = 0x08,
	VFWCFG_INITRD_ADDR = 0x0a,
	VFWCFG_INITRD_SIZE = 0x0b,
	VFWCFG_BOOT_MENU = 0x0e,
	VFWCFG_MAX_CPUS = 0x0f,
	VFWCFG_KERNEL_DATA = 0x11,
	VFWCFG_INITRD_DATA = 0x12,
	VFWCFG_CMDLINE_ADDR = 0x13,
	VFWCFG_CMDLINE_SIZE = 0x14,
	VFWCFG_CMDLINE_DATA = 0x15,
	VFWCFG_SETUP_ADDR = 0x16,
	VFWCFG_SETUP_SIZE = 0x17,
	VFWCFG_SETUP_DATA = 0x18,
	VFWCFG_DIRECTORY = 0x19,
	VFWCFG_FILE = 0x20,
	VFWCFG_IRQ0_OVERRIDE = 0x8002, /* PCs' own: the timer is on pin 2 of the I/O APIC */
};
#define VFWCFG_ID_TRADITIONAL BIT(0)
#define VFWCFG_ID_DMA	      BIT(1)

/* Its numbers are big-endian, and the directory is a 32-bit count with the files behind it. */
#define VFWCFG_NAME 56 /* with its NUL */
struct vfwcfg_file {
	uint32_t size;
	uint16_t key, reserved;
	char name[VFWCFG_NAME];
};
_Static_assert(sizeof(struct vfwcfg_file) == 64, "QEMU, fw_cfg, \"File Directory\"");

struct vfwcfg_item {
	uint16_t key;
	uint32_t size;	/* bytes */
	uint32_t start; /* where they begin for read */
	/* Read [off, off + len), always inside [start, start + size), to buf. 0 or negative. */
	int (*read)(void *arg, uint64_t off, void *buf, uint32_t len);
	void *arg;
};

/* Everything here: any CPU, but one at a time. */
struct vfwcfg {
	const struct vfwcfg_item *items;
	uint32_t count;
	/* The VM's memory from @gpa to the end of its page; NULL: it has none there, or may not write there. */
	void *(*map)(void *vm, uint64_t gpa, bool write);
	void *vm;

	const struct vfwcfg_item *item; /* that is selected; NULL: there is none of that number */
	uint32_t offset;		/* of what is read next */
	uint64_t dma;			/* the address register */
	/* A DMA access in progress. */
	bool busy;
	uint64_t access;  /* where its description is */
	uint32_t control; /* its commands, and the error bit */
	uint32_t left;	  /* bytes */
	uint64_t address; /* of the next one */
};

/* For items in memory: @arg is where they are. */
int vfwcfg_bytes(void *arg, uint64_t off, void *buf, uint32_t len);

/* As after power-up: nothing is in progress. Items and functions, set by the caller, stay. */
void vfwcfg_reset(struct vfwcfg *f);

/* @offset: below VFWCFG_PORTS; @size: 1, 2 or 4. */
uint32_t vfwcfg_read(struct vfwcfg *f, uint32_t offset, uint8_t size);

/*
 * False: a DMA access that this write started, or another one, is not done. Do the same write again, later: each goes on
 * by a page at most. So an access of any size is done in bounded steps, and whoever asked does not see it half done.
 */
bool vfwcfg_write(struct vfwcfg *f, uint32_t offset, uint8_t size, uint32_t value);

#endif
