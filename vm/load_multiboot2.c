/* SPDX-License-Identifier: BSD-2-Clause */
/* Kernels by the second multiboot protocol (Multiboot2 Specification 2.0), as ELF or by the header's addresses. */

#include "vm/load_priv.h"
#include "lib/string.h"

#define HEADER_MAGIC   0xe85250d6
#define HEADER_LIMIT   32768 /* 3.1: all of the header lies below this */
#define HEADER_ALIGN   8
#define LOADER_MAGIC   0x36d76289 /* 3.5: EAX */
#define ARCH_I386      0
#define TAG_ALIGN      8ULL
#define LOADER_NAME    "Bulkhead"
#define OPTIONAL       BIT(0)
#define INFO_TYPES_MAX 21 /* 3.6: the last type that the specification knows */

/* 3.1.2 */
struct header {
	uint32_t magic, arch, length, checksum;
};

/* 3.1.3 to 3.1.13 */
enum header_tag {
	WANT_END,
	WANT_INFORMATION,
	WANT_ADDRESS,
	WANT_ENTRY,
	WANT_CONSOLE,
	WANT_FRAMEBUFFER,
	WANT_ALIGNED,
	WANT_EFI_SERVICES,
	WANT_EFI_ENTRY32,
	WANT_EFI_ENTRY64,
	WANT_RELOCATABLE,
};

#define CONSOLE_NEEDED BIT(0)

struct want {
	uint16_t type, flags;
	uint32_t size;
};

/* 3.6 */
enum info_tag {
	INFO_END = 0,
	INFO_CMDLINE = 1,
	INFO_LOADER = 2,
	INFO_MODULE = 3,
	INFO_MEMORY = 4,
	INFO_MAP = 6,
	INFO_LOAD_BASE = 21,
};

struct info {
	uint32_t type, size;
};

struct info_module {
	struct info tag;
	uint32_t start, end;
};

struct info_memory {
	struct info tag;
	uint32_t lower, upper;
};

struct info_map {
	struct info tag;
	uint32_t entry_size, version;
};

struct info_range {
	uint64_t base, length;
	uint32_t type, reserved;
};

struct info_base {
	struct info tag;
	uint32_t base;
};

/* What the header asks for. */
struct wants {
	uint64_t off; /* of the header in the file */
	bool has_address, has_entry;
	struct multiboot_address address;
	uint32_t entry;
};

/* The information block as it grows. With @dry nothing is written: that tells its size. */
struct block {
	struct load *l;
	uint64_t at;
	bool dry;
};

static bool header_find(struct load *l, uint64_t *off, struct header *h)
{
	return multiboot_find(l, HEADER_MAGIC, HEADER_ALIGN, HEADER_LIMIT, h, sizeof(*h), off);
}

bool multiboot2_is(struct load *l)
{
	struct header h;
	uint64_t off;

	return header_find(l, &off, &h);
}

/* Every kind of information may be asked for: what there is not is left out, as the specification has it. */
static int information_check(struct load *l, const struct want *w, uint64_t off)
{
	uint32_t type, i;
	int err;

	for (i = sizeof(*w); i + sizeof(type) <= w->size; i += sizeof(type)) {
		err = load_read(l, l->r->kernel, off + i, &type, sizeof(type), "a multiboot tag");
		if (err)
			return err;
		if (type > INFO_TYPES_MAX)
			return load_fail(
				l, -ENOSYS,
				"the multiboot2 header asks for information of the unknown type %u",
				type);
	}
	return 0;
}

/* Read the body of a tag that has @len bytes after its head. */
static int body_read(struct load *l, const struct want *w, uint64_t off, void *buf, uint32_t len)
{
	if (w->size < sizeof(*w) + len)
		return load_fail(l, -ENOEXEC, "the multiboot2 header's tag %u has %u bytes only",
				 w->type, w->size);
	return load_read(l, l->r->kernel, off + sizeof(*w), buf, len, "a multiboot tag");
}

static int tag_read(struct load *l, struct wants *o, const struct want *w, uint64_t off)
{
	uint32_t console = 0;
	int err;

	switch (w->type) {
	case WANT_ADDRESS:
		o->has_address = true;
		return body_read(l, w, off, &o->address, sizeof(o->address));
	case WANT_ENTRY:
		o->has_entry = true;
		return body_read(l, w, off, &o->entry, sizeof(o->entry));
	case WANT_INFORMATION:
		return w->flags & OPTIONAL ? 0 : information_check(l, w, off);
	case WANT_CONSOLE:
		err = body_read(l, w, off, &console, sizeof(console));
		if (err || w->flags & OPTIONAL || !(console & CONSOLE_NEEDED))
			return err;
		return load_fail(
			l, -ENOSYS,
			"the multiboot2 header demands a screen, which this loader does not describe");
	case WANT_FRAMEBUFFER: /* a wish, whatever its flags say (3.1.10) */
	case WANT_ALIGNED:
	case WANT_EFI_ENTRY32:
	case WANT_EFI_ENTRY64:
	case WANT_RELOCATABLE:
		return 0;
	default:
		if (w->flags & OPTIONAL)
			return 0;
		return load_fail(l, -ENOSYS,
				 "the multiboot2 header asks for what there is not (tag %u)",
				 w->type);
	}
}

static int header_read(struct load *l, struct wants *o)
{
	struct header h = {0};
	uint64_t off, end;
	struct want w;
	int err;

	if (!header_find(l, &o->off, &h))
		return load_fail(l, -ENOEXEC, "the image has no multiboot2 header");
	if (h.arch != ARCH_I386)
		return load_fail(l, -ENOEXEC, "the multiboot2 header is for another processor (%u)",
				 h.arch);
	end = o->off + h.length;
	if (end > HEADER_LIMIT || end > l->r->kernel->size)
		return load_fail(l, -ENOEXEC,
				 "the multiboot2 header (0x%x bytes at 0x%llx) is not all there",
				 h.length, (unsigned long long)o->off);
	for (off = o->off + sizeof(h); off < end && end - off >= sizeof(w);
	     off = ALIGN_UP(off + w.size, TAG_ALIGN)) {
		err = load_read(l, l->r->kernel, off, &w, sizeof(w), "a multiboot tag");
		if (err)
			return err;
		if (w.type == WANT_END)
			return 0;
		if (w.size < sizeof(w) || w.size > end - off)
			return load_fail(
				l, -ENOEXEC,
				"the multiboot2 header's tag %u (%u bytes) ends outside of it",
				w.type, w.size);
		err = tag_read(l, o, &w, off);
		if (err)
			return err;
	}
	return load_fail(l, -ENOEXEC, "the multiboot2 header has no end tag");
}

static int image_put(struct load *l, uint64_t *entry)
{
	struct wants o = {0};
	int err = header_read(l, &o);

	if (err)
		return err;
	if (!o.has_address)
		return multiboot_place_elf(l, o.has_entry, o.entry, entry);
	if (!o.has_entry)
		return load_fail(l, -ENOEXEC,
				 "the multiboot2 header has addresses, but no entry address");
	*entry = o.entry;
	return multiboot_place_address(l, o.off, &o.address, o.entry);
}

/* --- the information block --- */

static int block_add(struct block *b, const void *buf, uint32_t len)
{
	int err = b->dry ? 0 : load_write(b->l, b->at, buf, len);

	b->at += len;
	return err;
}

static void block_align(struct block *b)
{
	b->at = ALIGN_UP(b->at, TAG_ALIGN);
}

static int cmdline_add(struct block *b)
{
	uint32_t len = multiboot_cmdline_size(b->l);
	struct info tag = {.type = INFO_CMDLINE, .size = (uint32_t)sizeof(tag) + len};
	int err = block_add(b, &tag, sizeof(tag));

	if (!err && !b->dry)
		err = multiboot_cmdline_put(b->l, b->at);
	b->at += len;
	block_align(b);
	return err;
}

static int loader_add(struct block *b)
{
	struct info tag = {.type = INFO_LOADER, .size = sizeof(tag) + sizeof(LOADER_NAME)};
	int err = block_add(b, &tag, sizeof(tag));

	if (!err)
		err = block_add(b, LOADER_NAME, sizeof(LOADER_NAME));
	block_align(b);
	return err;
}

static int modules_add(struct block *b)
{
	uint32_t i, count = multiboot_modules(b->l);
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		struct info_module m = {.tag = {.type = INFO_MODULE}};
		const char *words = multiboot_module_words(b->l, i);
		uint64_t start = 0, end = 0;
		uint32_t len = (uint32_t)strlen(words) + 1;

		if (!b->dry)
			err = multiboot_module_put(b->l, i, &start, &end);
		m.tag.size = (uint32_t)sizeof(m) + len;
		m.start = (uint32_t)start;
		m.end = (uint32_t)end;
		if (!err)
			err = block_add(b, &m, sizeof(m));
		if (!err)
			err = block_add(b, words, len);
		block_align(b);
	}
	return err;
}

static int memory_add(struct block *b)
{
	const struct load_target *t = b->l->t;
	struct info_memory m = {
		.tag = {.type = INFO_MEMORY, .size = sizeof(m)}
	       };
	struct info_map map = {.tag = {.type = INFO_MAP}, .entry_size = sizeof(struct info_range)};
	uint32_t i;
	int err;

	multiboot_memory(b->l, &m.lower, &m.upper);
	err = block_add(b, &m, sizeof(m));
	map.tag.size = (uint32_t)(sizeof(map) + t->map_count * sizeof(struct info_range));
	if (!err)
		err = block_add(b, &map, sizeof(map));
	for (i = 0; i < t->map_count && !err; i++) {
		struct info_range r = {
			.base = t->map[i].base.v, .length = t->map[i].size, .type = t->map[i].type};

		err = block_add(b, &r, sizeof(r));
	}
	return err;
}

static int base_add(struct block *b)
{
	struct info_base base = {
		.tag = {.type = INFO_LOAD_BASE, .size = sizeof(base)}
	     };
	int err;

	base.base = (uint32_t)b->l->out->low.v;
	err = block_add(b, &base, sizeof(base));
	block_align(b);
	return err;
}

/* The whole block from b->at on; its first word is its size. */
static int block_build(struct block *b, uint32_t size)
{
	uint32_t head[2] = {size, 0};
	struct info end = {.type = INFO_END, .size = sizeof(end)};
	int err = block_add(b, head, sizeof(head));

	if (!err)
		err = cmdline_add(b);
	if (!err)
		err = loader_add(b);
	if (!err)
		err = modules_add(b);
	if (!err)
		err = memory_add(b);
	if (!err)
		err = base_add(b);
	return err ? err : block_add(b, &end, sizeof(end));
}

int load_multiboot2(struct load *l)
{
	struct block size = {.l = l, .dry = true}, b = {.l = l};
	uint64_t entry = 0, base = 0;
	int err = image_put(l, &entry);

	if (err)
		return err;
	block_build(&size, 0);
	err = load_alloc_own(l, size.at, TAG_ALIGN, "the multiboot2 information", &base);
	b.at = base;
	if (!err)
		err = block_build(&b, (uint32_t)size.at);
	if (!err)
		err = load_put_gdt(l, false);
	if (err)
		return err;
	load_state_protected(l, entry);
	l->out->gpr[RAX] = LOADER_MAGIC;
	l->out->gpr[RBX] = base;
	l->out->form = "multiboot2";
	return 0;
}
