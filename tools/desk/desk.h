/* SPDX-License-Identifier: BSD-2-Clause */
/* bulkhead-check: what its files share. */

#ifndef DESK_H
#define DESK_H

#include "ept/memmap.h"
#include "vm/admit.h"

#define DESK_MODULES   80
#define DESK_FUNCTIONS 1024

/* A machine as a file describes it. */
struct desk {
	struct machine machine;
	struct mem_range ranges[MEM_MAP_MAX];
	struct machine_module modules[DESK_MODULES];
	char names[DESK_MODULES][CONFIG_MODULE_NAME];
	char *files[DESK_MODULES]; /* NULL: only its size is known */
	struct machine_function functions[DESK_FUNCTIONS];
	char iommu[16];			      /* "": none */
	unsigned long long image, image_kept; /* bytes of the hypervisor's; 0: not known */
};

/* A whole file; exits with 2 where it cannot be read. */
char *file_read(const char *path, size_t *size);

/* Say what is wrong with the user's files or words, and exit with 2. */
void usage_error(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/*
 * Read the lines of @path that hold "machine: " (a boot log will do); others are passed over. A file without any is a
 * usage error.
 */
void machine_read(struct desk *d, const char *path);

/* What the hypervisor's image and the modules take of its memory. When all files are read. */
void machine_occupy(struct desk *d);

/* A machine that has what the configuration asks for: CPUs, features, memory enough; modules are not checked. */
void machine_assume(struct desk *d, const struct config *c);

/* A module NAME=FILE: its size and content. */
void machine_module(struct desk *d, const char *text);

/* The machine's memory, who gets how much of it. */
void draw_memory(const struct config *c, const struct desk *d);

/* What else there is: IOMMU, PCI functions. */
void draw_devices(const struct config *c, const struct desk *d);

/* Each CPU's frame, one line with a character per part of it, then who it is. */
void draw_cpus(const struct config *c, const struct machine *m);

#endif
