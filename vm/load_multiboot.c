/* SPDX-License-Identifier: BSD-2-Clause */
/* What both multiboot protocols share: the header's search, placing the image, modules, command line, memory sizes. */

#include "vm/load_priv.h"
#include "lib/string.h"

#define FIND_STEP  512 /* bytes of the image that are looked through at a time */
#define LOWER_END  0xa0000
#define UPPER_BASE 0x100000

/* MULTIBOOT2 3.1.3: a load address that means "the file's first byte" */
#define LOAD_WHOLE UINT32_MAX

/* @magic at a multiple of @align, from *off on, with whole @len bytes. */
static bool magic_find(struct load *l, uint32_t magic, uint32_t align, uint32_t limit, uint32_t len,
		       uint64_t *off)
{
	const struct image *image = l->r->kernel;
	uint64_t end = min_u64(image->size, limit), at = *off;
	uint32_t part[FIND_STEP / sizeof(uint32_t)];

	while (at < end && end - at >= len) {
		uint32_t n = (uint32_t)min_u64(ALIGN_DOWN(end - at, sizeof(part[0])), sizeof(part));

		if (image->read(image->arg, at, part, n) < 0)
			return false;
		for (uint32_t i = 0; i < n; i += align) {
			*off = at + i;
			if (part[i / sizeof(part[0])] == magic)
				return end - *off >= len;
		}
		at += n;
	}
	return false;
}

static uint32_t words_sum(const uint8_t *bytes, uint32_t len)
{
	uint32_t sum = 0, word;

	for (uint32_t i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

bool multiboot_find(struct load *l, uint32_t magic, uint32_t align, uint32_t limit, void *header,
		    uint32_t len, uint64_t *off)
{
	const struct image *image = l->r->kernel;

	for (*off = 0; magic_find(l, magic, align, limit, len, off); *off += align) {
		if (image->read(image->arg, *off, header, len) < 0)
			return false;
		if (!words_sum(header, len))
			return true;
	}
	return false;
}

/* The parts of the file and of memory that the address fields mean, or what is wrong with them. */
static int address_span(struct load *l, uint64_t off, const struct multiboot_address *a,
			uint64_t *from, uint64_t *base, uint64_t *filesz, uint64_t *memsz)
{
	uint64_t size = l->r->kernel->size, load = a->load;

	if (a->load == LOAD_WHOLE)
		load = a->header - min_u64(off, a->header);
	if (load > a->header || a->header - load > off)
		return load_fail(
			l, -ENOEXEC,
			"the multiboot header's load address 0x%x does not fit to its own, 0x%x",
			a->load, a->header);
	*base = load;
	*from = off - (a->header - load);
	*filesz = a->load_end ? (uint64_t)a->load_end - load : size - *from;
	if (a->load_end && a->load_end <= load)
		return load_fail(l, -ENOEXEC, "the multiboot header loads nothing (0x%x to 0x%x)",
				 (uint32_t)load, a->load_end);
	if (*filesz > size - *from)
		return load_fail(l, -ENOEXEC,
				 "the image is truncated: 0x%llx bytes at 0x%llx are not all there",
				 (unsigned long long)*filesz, (unsigned long long)*from);
	*memsz = *filesz;
	if (a->bss_end && a->bss_end < load + *filesz)
		return load_fail(l, -ENOEXEC,
				 "the multiboot header ends memory (0x%x) before the data (0x%llx)",
				 a->bss_end, (unsigned long long)(load + *filesz));
	if (a->bss_end)
		*memsz = a->bss_end - load;
	return 0;
}

int multiboot_place_address(struct load *l, uint64_t off, const struct multiboot_address *a,
			    uint32_t entry)
{
	uint64_t from = 0, base = 0, filesz = 0, memsz = 0;
	int err = address_span(l, off, a, &from, &base, &filesz, &memsz);

	if (!err)
		err = load_claim(l, base, memsz, "the image");
	if (err)
		return err;
	if (entry < base || entry - base >= filesz)
		return load_fail(l, -ENOEXEC, "the entry 0x%x is outside of the image", entry);
	l->out->low = GPA(base);
	l->out->high = GPA(base + memsz);
	err = load_copy(l, base, l->r->kernel, from, filesz);
	return err ? err : load_zero(l, base + filesz, memsz - filesz);
}

int multiboot_place_elf(struct load *l, bool has_entry, uint32_t entry, uint64_t *start)
{
	struct elf e = {0};
	int err;

	if (!elf_is(l->r->kernel))
		return load_fail(
			l, -ENOEXEC,
			"the multiboot image is no ELF file, and its header has no addresses");
	err = elf_open(l, &e);
	if (!err)
		err = elf_claim(l, &e);
	*start = has_entry ? entry : e.start_pa;
	return err ? err : elf_copy(l, &e, *start);
}

/* Where RAM that begins at @from ends, as the guest is told; the map is sorted. */
static uint64_t ram_end(const struct load *l, uint64_t from)
{
	const struct load_range *r;
	uint32_t i;

	for (i = 0; i < l->t->map_count; i++) {
		r = &l->t->map[i];
		if (r->type == LOAD_RAM && r->base.v <= from && from - r->base.v < r->size)
			from = r->base.v + r->size;
	}
	return from;
}

void multiboot_memory(const struct load *l, uint32_t *lower, uint32_t *upper)
{
	uint64_t end = min_u64(ram_end(l, UPPER_BASE), LOAD_4G);

	*lower = (uint32_t)(min_u64(ram_end(l, 0), LOWER_END) / KIB);
	*upper = (uint32_t)((end - UPPER_BASE) / KIB);
}

static const char *text_or_empty(const char *s)
{
	return s ? s : "";
}

uint32_t multiboot_cmdline_size(const struct load *l)
{
	size_t words = strlen(text_or_empty(l->r->cmdline));

	return (uint32_t)(strlen(text_or_empty(l->r->name)) + (words ? 1 + words : 0) + 1);
}

int multiboot_cmdline_put(struct load *l, uint64_t gpa)
{
	const char *name = text_or_empty(l->r->name), *words = text_or_empty(l->r->cmdline);
	uint32_t len = (uint32_t)strlen(name);
	int err = len ? load_write(l, gpa, name, len) : 0;

	gpa += len;
	if (!err && *words)
		err = load_write(l, gpa++, " ", 1);
	return err ? err : load_write(l, gpa, words, (uint32_t)strlen(words) + 1);
}

uint32_t multiboot_modules(const struct load *l)
{
	return l->r->module_count + (l->r->initrd ? 1 : 0);
}

/* Module @i, or NULL for the initrd. */
static const struct load_module *module_of(const struct load *l, uint32_t i)
{
	if (!l->r->initrd)
		return &l->r->modules[i];
	return i ? &l->r->modules[i - 1] : NULL;
}

const char *multiboot_module_words(const struct load *l, uint32_t i)
{
	const struct load_module *m = module_of(l, i);

	return m ? text_or_empty(m->cmdline) : "";
}

int multiboot_module_put(struct load *l, uint32_t i, uint64_t *start, uint64_t *end)
{
	const struct load_module *m = module_of(l, i);
	const struct image *image = m ? m->image : l->r->initrd;
	int err = load_put_image(l, image, LOAD_4G, "a module", start);

	*end = *start + image->size;
	return err;
}
