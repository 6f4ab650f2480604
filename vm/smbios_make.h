/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS structures for an isolated guest: who made its PC, which processor and how much memory it has. */

#ifndef VM_SMBIOS_MAKE_H
#define VM_SMBIOS_MAKE_H

#include "lib/types.h"

struct smbios_vm {
	const char *version; /* of the hypervisor */
	const char *name;    /* of the VM */
	uint32_t vcpus;	     /* one package, a core each */
	uint32_t signature;  /* CPUID leaf 1, EAX */
	uint32_t features;   /* and EDX */
	uint32_t mhz;
	uint64_t memory; /* bytes */
};

/*
 * Write the entry point and, behind it, types 0, 1, 4, 16, 17 and 127 into @buf, as they are to lie in the guest from
 * @base on: a multiple of 16 in 0xF0000-0xFFFFF. Returns how many bytes that takes; more than @size: it did not fit,
 * and nothing in @buf can be used.
 */
uint32_t smbios_make(const struct smbios_vm *vm, uint32_t base, uint8_t *buf, uint32_t size);

#endif
