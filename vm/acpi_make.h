/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI tables for an isolated guest: what its PC has (vdev/vboard.h), and nothing else. */

#ifndef VM_ACPI_MAKE_H
#define VM_ACPI_MAKE_H

#include "lib/types.h"

/*
 * Write RSDP, XSDT, FADT, FACS, MADT, MCFG and DSDT of a PC with @vcpus processors (APIC ids from 0 on), and a fw_cfg
 * device or none, into @buf, as they are to lie in the guest from @base on: the RSDP is the first. @base: a multiple of 64, below 4 GiB. Returns
 * how many bytes that takes; more than @size: it did not fit, and nothing in @buf can be used.
 */
uint32_t acpi_make(uint32_t vcpus, bool fw_cfg, uint32_t base, uint8_t *buf, uint32_t size);

#endif
