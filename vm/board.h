/* SPDX-License-Identifier: BSD-2-Clause */
/* The board of an isolated guest's PC: ACPI registers, clock, PCI host bridge, and the tables that describe it. */

#ifndef VM_BOARD_H
#define VM_BOARD_H

#include "vm/load.h"
#include "vm/smbios_make.h"
#include "vm/vm.h"

/* Make @vm's devices, their ports and pages; its interrupt controllers are there. Boot. 0 or -ENOSPC. */
int board_vm_init(struct vm *vm);

/* As after power-up: for a VM that starts again. None of its vCPUs runs. */
void board_reset(struct vm *vm);

/*
 * Write ACPI and SMBIOS tables into @vm's memory by way of @target, as its loader writes; returns where the RSDP is, 0 if it
 * has too little memory for any. Boot.
 */
gpa_t board_tables(struct vm *vm, const struct load_target *target);

/*
 * Before its firmware starts: what its fw_cfg device shows, and what its clock's memory holds for firmware. @items stay
 * where they are. Its RAM is at least 1 MiB. Boot.
 */
void board_firmware(struct vm *vm, const struct vfwcfg_item *items, uint32_t count);
struct smbios_vm board_smbios(const struct vm *vm);

/* Its timers come no more. */
void board_stop(struct vm *vm);

/* Behind the power filter: @arg is the VM. Ports where nobody is read as zeros, as the filter's own registers do. */
uint32_t board_read(void *arg, uint16_t port, uint8_t size);
void board_write(void *arg, uint16_t port, uint8_t size, uint32_t value);

#endif
