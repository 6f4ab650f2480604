/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables, as far as a bare guest needs them. ACPI 6.4, chapter 5. */

#ifndef GUEST_ACPI_H
#define GUEST_ACPI_H

#include "lib/types.h"

/* The table with this signature, or NULL. Its checksum is right. */
const void *acpi_table(const char *signature);

/* APIC ids of the enabled processors of the MADT, in its order; returns how many, at most @max are written. */
uint32_t madt_cpus(uint32_t *ids, uint32_t max);
/* Address of I/O APIC @index of the MADT and its first interrupt; false: there is none. */
bool madt_ioapic(uint32_t index, uint64_t *base, uint32_t *gsi);

#endif
