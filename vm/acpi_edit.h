/* SPDX-License-Identifier: BSD-2-Clause */
/* Edits of copies of ACPI tables, in place and of the same length, for the guest that sees the firmware's tables. */

#ifndef VM_ACPI_EDIT_H
#define VM_ACPI_EDIT_H

#include "lib/types.h"

/*
 * In all functions @table is a copy of a table with its @len bytes, as hostile as firmware may be. The table's own
 * length must be at least a header's and at most @len, else -EINVAL and nothing is changed. Its checksum is right
 * afterwards. Bounded by @len. They return how many entries were changed, or a negative error.
 */

/* What a hidden table is called: no operating system looks for it. */
#define ACPI_HIDDEN_SIGNATURE "XBKH"

/* Is the processor with this APIC id the guest's? */
typedef bool (*acpi_keep_fn)(void *arg, uint32_t apic_id);

/*
 * Processors of a MADT that are not the guest's: flags "enabled" and "online capable" are cleared, and the APIC id
 * becomes the broadcast one, which names none. The second matters: Linux counts a disabled entry of a MADT before
 * revision 5 as one that may be plugged in, and keeps per-CPU memory for it.
 */
int acpi_edit_madt(void *table, uint32_t len, acpi_keep_fn keep, void *arg);

/* Processors of a SRAT that are not the guest's: "enabled" is cleared. Memory ranges stay: nodes keep their numbers. */
int acpi_edit_srat(void *table, uint32_t len, acpi_keep_fn keep, void *arg);

/* Hide a whole table (HPET, DMAR, IVRS, …): its signature becomes ACPI_HIDDEN_SIGNATURE. Returns 1. */
int acpi_edit_hide(void *table, uint32_t len);

/*
 * Sleep states S1 to S4 of a DSDT or SSDT: Name (_Sx_, Package () {…}) becomes Name (XSx_, …), so that nobody finds
 * them. S5 stays. A state that is defined by a method or an alias stays as well: the PM1 filter refuses it then.
 */
int acpi_edit_sleep(void *table, uint32_t len);

#endif
