/* SPDX-License-Identifier: BSD-2-Clause */
/* What multiboot and multiboot2 tell a guest, made into PVH's start_info. */

#include "lib/boot.h"

#define PVH_MAGIC 0x336ec578
#define MB1_MAGIC 0x2badb002
#define MB2_MAGIC 0x36d76289
#define RANGES	  64
#define MODULES	  16

/* Multiboot 0.6.96, 3.3 */
#define MB1_MEMORY  BIT(0)
#define MB1_CMDLINE BIT(2)
#define MB1_MODULES BIT(3)
#define MB1_MAP	    BIT(6)

struct mb1_info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
		mmap_length, mmap_addr;
};

struct mb1_module {
	uint32_t start, end, words, reserved;
};

struct mb1_range {
	uint32_t size;
	uint64_t base, length;
	uint32_t type;
} PACKED;

/* Multiboot2 2.0, 3.6 */
enum { MB2_END = 0, MB2_CMDLINE = 1, MB2_MODULE = 3, MB2_MEMORY = 4, MB2_MAP = 6 };

struct mb2_tag {
	uint32_t type, size;
	uint32_t word[];
};

struct mb2_range {
	uint64_t base, length;
	uint32_t type, reserved;
};

const char *boot_protocol = "PVH";
uint32_t boot_mem_lower, boot_mem_upper;
char boot_name[64];

static struct start_info made;
static struct memmap_entry ranges[RANGES];
static struct module_entry modules[MODULES];

/* The first word is the image's name. */
static void cmdline_set(const char *s)
{
	size_t n = 0;

	for (; *s && *s != ' '; s++) {
		if (n < sizeof(boot_name) - 1)
			boot_name[n++] = *s;
	}
	made.cmdline = (uint64_t)(*s ? s + 1 : s);
}

static bool range_add(uint64_t base, uint64_t size, uint32_t type)
{
	if (made.memmap_entries == RANGES)
		return false;
	ranges[made.memmap_entries++] =
		(struct memmap_entry){.base = base, .size = size, .type = type};
	return true;
}

static bool module_add(uint32_t start, uint32_t end, uint64_t words)
{
	if (made.nr_modules == MODULES)
		return false;
	modules[made.nr_modules++] =
		(struct module_entry){.base = start, .size = end - start, .cmdline = words};
	return true;
}

static bool mb1_read(const struct mb1_info *info)
{
	const uint8_t *at = (const uint8_t *)(uint64_t)info->mmap_addr;
	const uint8_t *end = at + info->mmap_length;
	const struct mb1_module *m = (const struct mb1_module *)(uint64_t)info->mods_addr;
	bool fits = true;

	if (info->flags & MB1_MEMORY) {
		boot_mem_lower = info->mem_lower;
		boot_mem_upper = info->mem_upper;
	}
	if (info->flags & MB1_CMDLINE)
		cmdline_set((const char *)(uint64_t)info->cmdline);
	for (uint32_t i = 0; info->flags & MB1_MODULES && i < info->mods_count; i++)
		fits &= module_add(m[i].start, m[i].end, m[i].words);
	while (info->flags & MB1_MAP && at < end) {
		const struct mb1_range *r = (const struct mb1_range *)at;

		fits &= range_add(r->base, r->length, r->type);
		at += sizeof(r->size) + r->size;
	}
	return fits;
}

static bool mb2_map(const struct mb2_tag *t)
{
	const struct mb2_range *r = (const struct mb2_range *)&t->word[2];
	bool fits = true;

	for (; (const uint8_t *)(r + 1) <= (const uint8_t *)t + t->size; r++)
		fits &= range_add(r->base, r->length, r->type);
	return fits;
}

static bool mb2_read(const uint32_t *info)
{
	const uint8_t *at = (const uint8_t *)(info + 2);
	bool fits = true;

	for (;;) {
		const struct mb2_tag *t = (const struct mb2_tag *)at;

		if (t->type == MB2_END)
			return fits && at + t->size == (const uint8_t *)info + info[0];
		if (t->type == MB2_CMDLINE)
			cmdline_set((const char *)t->word);
		if (t->type == MB2_MODULE)
			fits &= module_add(t->word[0], t->word[1], (uint64_t)&t->word[2]);
		if (t->type == MB2_MEMORY) {
			boot_mem_lower = t->word[0];
			boot_mem_upper = t->word[1];
		}
		if (t->type == MB2_MAP)
			fits &= mb2_map(t);
		at += (t->size + 7) & ~7ULL;
	}
}

const struct start_info *boot_information(uint32_t magic, const void *info)
{
	const struct start_info *pvh = info;

	if (magic == PVH_MAGIC)
		return pvh->magic == PVH_MAGIC ? pvh : NULL;
	made = (struct start_info){.magic = PVH_MAGIC,
				   .version = 1,
				   .modlist = (uint64_t)modules,
				   .memmap = (uint64_t)ranges};
	if (magic == MB1_MAGIC) {
		boot_protocol = "multiboot";
		return mb1_read(info) ? &made : NULL;
	}
	boot_protocol = "multiboot2";
	return magic == MB2_MAGIC && mb2_read(info) ? &made : NULL;
}
