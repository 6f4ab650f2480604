/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration to VMs that can run: memory, tables, devices, images. Boot only. */

#ifndef VM_BUILD_H
#define VM_BUILD_H

#include "drivers/acpi.h"
#include "ept/frame.h"
#include "vm/config.h"
#include "vm/load.h"

/* What building needs to know of the machine and of the boot loader's modules. */
struct build_input {
	const struct config *config;
	const struct acpi_info *acpi;
	const struct mem_range *map; /* clean memory map of the firmware */
	uint32_t map_count;
	const struct load_screen *screen;
	/* An image over the module of this name. 0 or -ENOENT. */
	int (*module)(const char *name, struct image *image);
	/* Its whole command line as the boot loader gave it, the name first; NULL: there is no such module. */
	const char *(*module_words)(const char *name);
	/* Ranges that stay the hypervisor's for good, beside the pool. */
	const struct mem_range *kept;
	uint32_t kept_count;
	/* What is the hypervisor's until build is done, and the service guest's afterwards. */
	const struct mem_range *temporary;
	uint32_t temporary_count;
	gpa_t rsdp;
};

/* REQUIRE_* bits that this machine has. */
uint64_t build_features(void);

/* Build every VM; a VM whose image is bad is reported and left out. Returns the number that can start, or an error. */
int build_vms(const struct build_input *in);

/* The loaders are done: give the service guest what was temporary. */
int build_finish(const struct build_input *in);

/* Let the vCPUs that start running run: vCPU 0 of every VM. */
void build_start(void);

#endif
