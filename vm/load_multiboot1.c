/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels by the first multiboot protocol (Multiboot Specification 0.6.96), as ELF or by the header's addresses. */

#include "vm/load_priv.h"
#include "lib/string.h"

#define HEADER_MAGIC 0x1badb002
#define HEADER_LIMIT 8192 /* 3.1: all of the header lies below this */
#define HEADER_ALIGN 4
#define LOADER_MAGIC 0x2badb002 /* 3.2: EAX */
#define LOADER_NAME  "Bulkhead"

/* 3.1.2: what the image wants. Of bits 0 to 15 those that are unknown must be obeyed, so they cannot be. */
#define WANT_PAGE_ALIGN BIT(0)
#define WANT_MEMORY	BIT(1)
#define WANT_VIDEO	BIT(2)
#define WANT_MUST	0xffff
#define WANT_ADDRESS	BIT(16)

struct header {
	uint32_t magic, flags, checksum;
};

/* 3.1.3: behind the header, where WANT_ADDRESS is set */
struct header_address {
	struct multiboot_address a;
	uint32_t entry;
};

/* 3.3: the information's parts that are valid */
#define INFO_MEMORY  BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)
#define INFO_MAP     BIT(6)
#define INFO_LOADER  BIT(9)

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
		mmap_length, mmap_addr, drives_length, drives_addr, config_table, loader_name, apm,
		vbe[4];
};
_Static_assert(offsetof(struct info, mmap_length) == 44, "3.3");
_Static_assert(offsetof(struct info, loader_name) == 64, "3.3");
_Static_assert(sizeof(struct info) == 88, "3.3, without the framebuffer");

struct info_module {
	uint32_t start, end, words, reserved;
};

struct info_range {
	uint32_t size; /* of what follows it */
	uint64_t base, length;
	uint32_t type;
} PACKED;
_Static_assert(sizeof(struct info_range) == 24, "3.3");

static bool header_find(struct load *l, uint64_t *off, struct header *h)
{
	return multiboot_find(l, HEADER_MAGIC, HEADER_ALIGN, HEADER_LIMIT, h, sizeof(*h), off);
}

bool multiboot1_is(struct load *l)
{
	struct header h;
	uint64_t off;

	return header_find(l, &off, &h);
}

/* Put the image where its header or its ELF headers say; the entry's address. */
static int image_put(struct load *l, uint64_t *entry)
{
	struct header_address at = {0};
	struct header h = {0};
	uint64_t off;
	int err;

	if (!header_find(l, &off, &h))
		return load_fail(l, -ENOEXEC, "the image has no multiboot header");
	if (h.flags & WANT_VIDEO)
		return load_fail(l, -ENOSYS,
				 "the multiboot header asks for a video mode (flags 0x%x)",
				 h.flags);
	if (h.flags & WANT_MUST & ~(uint32_t)(WANT_PAGE_ALIGN | WANT_MEMORY))
		return load_fail(l, -ENOSYS,
				 "the multiboot header asks for what is unknown (flags 0x%x)",
				 h.flags);
	if (!(h.flags & WANT_ADDRESS))
		return multiboot_place_elf(l, false, 0, entry);
	err = load_read(l, l->r->kernel, off + sizeof(h), &at, sizeof(at), "the multiboot header");
	*entry = at.entry;
	return err ? err : multiboot_place_address(l, off, &at.a, at.entry);
}

static int modules_put(struct load *l, uint64_t gpa)
{
	uint32_t i, count = multiboot_modules(l);
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		struct info_module m = {0};
		uint64_t start = 0, end = 0, text = 0;

		err = multiboot_module_put(l, i, &start, &end);
		if (!err)
			err = load_put_string(l, multiboot_module_words(l, i),
					      "a module's command line", &text);
		m.start = (uint32_t)start;
		m.end = (uint32_t)end;
		m.words = (uint32_t)text;
		if (!err)
			err = load_write(l, gpa + i * sizeof(m), &m, sizeof(m));
	}
	return err;
}

static int map_put(struct load *l, uint64_t gpa)
{
	struct info_range r = {.size = sizeof(r) - sizeof(r.size)};
	uint32_t i;
	int err = 0;

	for (i = 0; i < l->t->map_count && !err; i++) {
		r.base = l->t->map[i].base.v;
		r.length = l->t->map[i].size;
		r.type = l->t->map[i].type;
		err = load_write(l, gpa + i * sizeof(r), &r, sizeof(r));
	}
	return err;
}

/* One block: the information, the modules' list, the memory map, the loader's name, the command line. */
static int info_put(struct load *l, uint64_t *base)
{
	struct info info = {.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MAP | INFO_LOADER};
	uint64_t mods = sizeof(info), map, loader, cmdline, size;
	int err;

	info.mods_count = multiboot_modules(l);
	map = mods + info.mods_count * sizeof(struct info_module);
	info.mmap_length = l->t->map_count * (uint32_t)sizeof(struct info_range);
	loader = map + info.mmap_length;
	cmdline = loader + sizeof(LOADER_NAME);
	size = cmdline + multiboot_cmdline_size(l);
	err = load_alloc_own(l, size, sizeof(uint64_t), "the multiboot information", base);
	if (err)
		return err;
	if (info.mods_count)
		info.flags |= INFO_MODULES;
	info.mods_addr = (uint32_t)(*base + mods);
	info.mmap_addr = (uint32_t)(*base + map);
	info.loader_name = (uint32_t)(*base + loader);
	info.cmdline = (uint32_t)(*base + cmdline);
	multiboot_memory(l, &info.mem_lower, &info.mem_upper);
	err = load_write(l, *base, &info, sizeof(info));
	if (!err)
		err = modules_put(l, *base + mods);
	if (!err)
		err = map_put(l, *base + map);
	if (!err)
		err = load_write(l, *base + loader, LOADER_NAME, sizeof(LOADER_NAME));
	return err ? err : multiboot_cmdline_put(l, *base + cmdline);
}

int load_multiboot1(struct load *l)
{
	uint64_t entry = 0, info = 0;
	int err = image_put(l, &entry);

	if (!err)
		err = info_put(l, &info);
	if (!err)
		err = load_put_gdt(l, false);
	if (err)
		return err;
	load_state_protected(l, entry);
	l->out->gpr[RAX] = LOADER_MAGIC;
	l->out->gpr[RBX] = info;
	l->out->form = "multiboot";
	return 0;
}
