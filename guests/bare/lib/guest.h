/* SPDX-License-Identifier: BSD-2-Clause */
/* What every bare guest has: its start, console, command line and end. */

#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include "lib/types.h"

/* A bare guest is this function; what it returns is its exit value. On the boot vCPU, interrupts off. */
uint32_t guest_main(void);

/* End the VM with @value, by the debug-exit port 0xf4. */
NORETURN void guest_exit(uint32_t value);

/* %d %u %x %c %s %p %%, with l, width and 0. Whole calls do not mix when several vCPUs print. */
void print(const char *fmt, ...) PRINTF(1, 2);
/* The same into @buf, cut to @size with its NUL; returns the whole length. */
int format(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);
int vformat(char *buf, size_t size, const char *fmt, __builtin_va_list ap);

/* The word NAME=VALUE of the command line: VALUE, or NULL. NAME alone gives "". Static storage of the next call. */
const char *cmdline_word(const char *name);
uint64_t cmdline_number(const char *name, uint64_t otherwise);
/* Is @word one of the comma-separated words of @list? */
bool list_has(const char *list, const char *word);

/*
 * PVH's start_info and its memory map (Xen: include/public/arch-x86/hvm/start_info.h). A guest started by one of the
 * multiboot protocols has it too: lib/boot.c makes it of what it was given, the image's name cut off the command line.
 */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct memmap_entry {
	uint64_t base, size;
	uint32_t type, reserved;
};

#define MEMMAP_RAM 1

struct module_entry {
	uint64_t base, size, cmdline, reserved;
};

extern const struct start_info *start_info;

/* "PVH", "multiboot" or "multiboot2"; and what the last two say of memory, in KiB, and the image's name. */
extern const char *boot_protocol;
extern uint32_t boot_mem_lower, boot_mem_upper;
extern char boot_name[64];

/* Is [@base, @base + @size) RAM in the memory map? */
bool memmap_is_ram(uint64_t base, uint64_t size);

/* Number of the vCPU in order of its start, 0 on the boot vCPU. Its stack says so. */
uint32_t vcpu_number(void);

#define STACK_SIZE 8192
extern uint8_t stacks[GUEST_VCPUS][STACK_SIZE];

/* Map [@base, @base + @size) of guest-physical space above 4 GiB to itself, in pages of 2 MiB. False: out of tables. */
bool map_identity(uint64_t base, uint64_t size);
/* The page-table entry (2 MiB page) of an address below 4 GiB. */
uint64_t *page_entry(uint64_t va);
extern uint64_t page_tables[6][512];

#endif
