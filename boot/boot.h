/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of start-up share. All of it is .init: gone once guests run. */

#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "arch/percpu.h"
#include "boot/mbi.h"
#include "drivers/acpi.h"
#include "vm/config.h"
#include "vm/load.h"

#define IDENTITY_LIMIT (4 * GIB) /* what the boot tables of boot/entry.asm map at its own address */

extern struct boot_info boot_info;
extern struct config boot_config;
extern struct acpi_info boot_acpi;
extern hpa_t boot_image; /* where the image lies, bytes up to boot_image_size() */
uint64_t boot_image_size(void);

/* Say on screen and serial why nothing starts and what to do; then halt, or reboot as configured. */
NORETURN void boot_refuse(const char *fmt, ...) PRINTF(1, 2);

/* --- boot/memory.c --- */
/*
 * Choose the pool, move the modules to the store, give the boot loader's RSDP a page in memory; with the boot tables.
 * Refuses where memory is too small.
 */
void memory_place(void);
extern hpa_t
	boot_rsdp; /* that page, of type MEM_ACPI in boot_info.map; 0: the boot loader gave no RSDP */
/* Frame ownership, after the final tables are in use. */
void memory_claim(void);
/* A module's content after evacuation. */
struct boot_store {
	hpa_t base;
	uint64_t size;
};
extern struct boot_store boot_store;
/* An image over module @index, for the loaders. */
void module_image(struct image *image, uint32_t index);
int module_index(const char *name);

/* --- boot/describe.c --- */
struct machine;
/* Say what the machine is, for bulkhead-check; with debug=on only. */
void describe_machine(const struct machine *m);

/* Fill in @m's PCI functions, if anybody asks: a VM that wants one, or debug=on. Before describe_machine. */
void describe_functions(struct machine *m);

/* --- boot/smp.c --- */
/* Start every other CPU of the MADT; those that do not start are named and left out. */
void smp_start(void);
/* A CPU's number: its place among the MADT's enabled ones; -ENOENT: it is none of them. */
int smp_index(uint32_t apic_id);
/* Its area, host control block and scheduler; NULL: out of frames. */
struct cpu *smp_cpu_make(uint32_t index, uint32_t apic_id);
/* Wait, bounded, until all of them have left the start-up code for good. */
void smp_settle(void);

#endif
