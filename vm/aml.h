/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing AML, ACPI's byte code: as much of it as describes devices. */

#ifndef VM_AML_H
#define VM_AML_H

#include "lib/types.h"

/*
 * A buffer being filled. What does not fit is not written, but counted: aml.len > aml.size says so at the end.
 * aml_begin_* opens an object with a body, and returns what aml_end needs to close it.
 */
struct aml {
	uint8_t *buf;
	uint32_t size, len;
};

void aml_byte(struct aml *a, uint8_t value);
void aml_bytes(struct aml *a, const void *from, uint32_t len);
/* The lowest @n bytes of @value, little-endian. */
void aml_raw(struct aml *a, uint64_t value, uint32_t n);

/* An integer in its shortest form. ACPI 6.5, 20.2.3. */
void aml_integer(struct aml *a, uint64_t value);

/* @path: up to four characters a segment, "\\" for the root; "_SB_.PCI0" has two segments. */
uint32_t aml_begin_scope(struct aml *a, const char *path);
uint32_t aml_begin_device(struct aml *a, const char *name);
void aml_end(struct aml *a, uint32_t begin);

/* Name (@name, value). The _HID forms: an EISA id ("PNP0501"), or a string. */
void aml_name_integer(struct aml *a, const char *name, uint64_t value);
void aml_name_string(struct aml *a, const char *name, const char *value);
void aml_name_eisaid(struct aml *a, const char *name, const char *id);
/* Name (_PRT, …) with one line: @pin (0: INTA) of all functions of @device is GSI @gsi. ACPI 6.5, 6.2.13. */
void aml_name_route(struct aml *a, uint8_t device, uint8_t pin, uint32_t gsi);
void aml_name_package(struct aml *a, const char *name, const uint8_t *values, uint8_t count);

/* Name (_CRS, ResourceTemplate () {…}); the descriptors in between (ACPI 6.5, 6.4). */
uint32_t aml_begin_resources(struct aml *a);
void aml_end_resources(struct aml *a, uint32_t begin);
void aml_io(struct aml *a, uint16_t first, uint8_t count);
void aml_irq(struct aml *a, uint32_t irq);
void aml_memory_fixed(struct aml *a, uint32_t base, uint32_t size);
/* What a host bridge passes on: bus numbers, ports, memory; both ends included. */
void aml_window_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_window_memory(struct aml *a, uint32_t first, uint32_t last);

#endif
