/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine from a boot log's lines, from files, or as the configuration would like it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/desk/desk.h"

#define MARK	  "machine: "
#define WORD_MAX  64
#define HASH_STEP 65536

static const char *const memory_words[] = {"ram", "reserved", "acpi", "nvs", "bad"};

static void feature_add(struct desk *d, const char *word)
{
	for (uint32_t bit = 0; bit < 64; bit++) {
		const char *name = config_require_name(BIT(bit));

		if (name && !strcmp(name, word))
			d->machine.features |= BIT(bit);
	}
}

static bool memory_add(struct desk *d, const char *line)
{
	unsigned long long base, size;
	char word[WORD_MAX];

	if (sscanf(line, "%llx %llx %63s", &base, &size, word) != 3 ||
	    d->machine.range_count == MEM_MAP_MAX)
		return false;
	for (uint32_t i = 0; i < ARRAY_SIZE(memory_words); i++) {
		if (strcmp(word, memory_words[i]))
			continue;
		d->ranges[d->machine.range_count++] =
			(struct mem_range){.base = HPA(base), .size = size, .type = MEM_RAM + i};
		return true;
	}
	return false;
}

static struct machine_module *module_slot(struct desk *d, const char *name)
{
	int known = machine_module_find(&d->machine, name);
	uint32_t i = d->machine.module_count;

	if (known >= 0)
		return &d->modules[known];
	if (i == DESK_MODULES || strlen(name) >= sizeof(d->names[i]))
		usage_error("too many modules, or one with a long name: %s", name);
	strcpy(d->names[i], name);
	d->modules[i].name = d->names[i];
	d->machine.modules = d->modules;
	d->machine.module_count++;
	return &d->modules[i];
}

static bool module_add(struct desk *d, const char *line)
{
	char name[CONFIG_MODULE_NAME];
	unsigned long long size;
	struct machine_module *m;

	if (sscanf(line, "%63s %llu", name, &size) != 2)
		return false;
	m = module_slot(d, name);
	if (!d->files[m - d->modules])
		m->size = size;
	return true;
}

static bool function_add(struct desk *d, const char *line)
{
	unsigned int segment, bus, dev, fn;
	const char *end = strchr(line, '\n');

	if (sscanf(line, "%x:%x:%x.%x", &segment, &bus, &dev, &fn) != 4 || bus > 255 || dev > 31 ||
	    fn > 7 || d->machine.function_count == DESK_FUNCTIONS)
		return false;
	while (end > line && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	d->functions[d->machine.function_count++] = (struct machine_function){
		.segment = (uint16_t)segment,
		.bdf = (uint16_t)(bus << 8 | dev << 3 | fn),
		.bridge = end - line >= 6 && !strncmp(end - 6, "bridge", 6)};
	d->machine.functions = d->functions;
	return true;
}

static bool line_read(struct desk *d, const char *line)
{
	char word[WORD_MAX];

	if (sscanf(line, "cpus %u", &d->machine.cpus) == 1)
		return d->machine.cpus > 0 && d->machine.cpus <= CONFIG_CPUS;
	if (sscanf(line, "has %63s", word) == 1) {
		feature_add(d, word);
		return true;
	}
	if (sscanf(line, "image %llu %llu", &d->image, &d->image_kept) == 2)
		return d->image < MEM_PHYS_LIMIT && d->image_kept <= d->image;
	if (sscanf(line, "iommu %15s", d->iommu) == 1)
		return true;
	if (!strncmp(line, "memory ", 7))
		return memory_add(d, line + 7);
	if (!strncmp(line, "module ", 7))
		return module_add(d, line + 7);
	if (!strncmp(line, "pci ", 4))
		return function_add(d, line + 4);
	return false;
}

void machine_read(struct desk *d, const char *path)
{
	size_t size;
	char *text = file_read(path, &size), *line, *next, *mark;

	text = realloc(text, size + 2);
	if (!text)
		usage_error("%s is too large", path);
	memcpy(text + size, "\n", 2);
	for (line = text; *line; line = next) {
		next = strchr(line, '\n');
		if (!next)
			break; /* a NUL byte in the middle: not a log */
		*next = '\0';
		mark = strstr(line, MARK);
		*next++ = '\n';
		if (mark && !line_read(d, mark + strlen(MARK)))
			usage_error("%s: this line cannot be read: %.*s", path,
				    (int)(next - 1 - mark), mark);
	}
	if (!d->machine.cpus || !d->machine.range_count)
		usage_error("%s describes no machine (boot it with debug=on)", path);
	if (mem_map_clean(d->ranges, &d->machine.range_count, MEM_MAP_MAX))
		usage_error("%s: the memory map cannot be read", path);
	d->machine.ranges = d->ranges;
	/* This version drives none: it counts only where that is passed over. */
	if (*d->iommu && d->machine.final)
		d->machine.features |= REQUIRE_IOMMU;
	free(text);
}

void machine_occupy(struct desk *d)
{
	d->machine.occupied = d->image;
	for (uint32_t i = 0; d->image && i < d->machine.module_count; i++)
		d->machine.occupied += ALIGN_UP(d->modules[i].size, PAGE_SIZE);
}

static uint32_t cpus_wanted(const struct config *c)
{
	uint32_t most = 0;

	for (uint32_t i = 0; i < c->vm_count; i++) {
		for (uint32_t k = 0; k < c->vms[i].vcpu_count; k++)
			most = (uint32_t)max_u64(most, c->vms[i].vcpu_cpu[k] + 1U);
	}
	return most ? most : 1;
}

void machine_assume(struct desk *d, const struct config *c)
{
	uint64_t size = c->reserve + 2 * ADMIT_SERVICE_MIN, shared = admit_shared(c);

	for (uint32_t i = 0; i < c->vm_count; i++) {
		if (__builtin_add_overflow(size, c->vms[i].memory, &size))
			usage_error("more memory is asked for than any machine has");
	}
	if (__builtin_add_overflow(size, shared, &size) || size > MEM_PHYS_LIMIT / 2)
		usage_error("more memory is asked for than any machine has");
	d->machine.cpus = cpus_wanted(c);
	d->machine.features = UINT64_MAX;
	d->ranges[0] =
		(struct mem_range){HPA(0x100000), ALIGN_UP(size, UINT64_C(1) << 20), MEM_RAM};
	d->machine.ranges = d->ranges;
	d->machine.range_count = 1;
	printf("no --machine: a machine with %u CPUs, %llu MiB and everything else that is asked for\n",
	       d->machine.cpus, (unsigned long long)(d->ranges[0].size / MIB));
}

static int digest(void *arg, uint32_t index, uint8_t out[SHA256_SIZE])
{
	struct desk *d = arg;
	struct sha256 h;
	size_t size;
	char *text;

	/* A log has sizes only. A pin that cannot be checked is not admitted. */
	if (!d->files[index])
		return -EIO;
	text = file_read(d->files[index], &size);
	sha256_init(&h);
	for (size_t off = 0; off < size; off += HASH_STEP)
		sha256_update(&h, text + off, (uint32_t)min_u64(HASH_STEP, size - off));
	sha256_final(&h, out);
	free(text);
	return 0;
}

void machine_module(struct desk *d, const char *text)
{
	const char *equals = strchr(text, '=');
	char name[CONFIG_MODULE_NAME];
	struct machine_module *m;
	size_t size;

	if (!equals || (size_t)(equals - text) >= sizeof(name) || equals == text)
		usage_error("--module needs NAME=FILE, not %s", text);
	snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	m = module_slot(d, name);
	d->files[m - d->modules] = strdup(equals + 1);
	free(file_read(equals + 1, &size));
	m->size = size;
	d->machine.digest = digest;
	d->machine.arg = d;
}
