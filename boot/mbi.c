/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot2 information block: a table says what each tag is, one walk bounds them all (specification 2.0, 3.4). */

#include "boot/mbi.h"
#include "lib/printf.h"
#include "lib/string.h"

/* Fields at fixed offsets (specification 3.6); every tag starts with its type and its size. */
#define TAG_ALIGN	8ULL
#define TAG_HEADER	8
#define TAG_SIZE	4
#define MMAP_ENTRY_SIZE 8
#define MMAP_ENTRIES	16
#define MMAP_ENTRY_MIN	20 /* address, length, type */
#define MMAP_ENTRY_MAX	1024
#define MMAP_LENGTH	8
#define MMAP_TYPE	16
#define MODULE_END	12
#define MODULE_STRING	16
#define FB_PITCH	16
#define FB_WIDTH	20
#define FB_HEIGHT	24
#define FB_BPP		28
#define FB_TYPE		29
#define FB_COMMON_SIZE	32
#define FB_COLOURS	32
#define FB_RGB_SIZE	38

enum mbi_tag {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_EFI32 = 11,
	TAG_EFI64 = 12,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
	TAG_EFI_MMAP = 17,
	TAG_EFI_BS = 18,
	TAG_LOAD_BASE = 21,
};

struct mbi {
	const uint8_t *tag; /* the tag being read */
	uint32_t size;	    /* its bytes, all inside the block */
	uint32_t offset;    /* of it, for messages */
	struct boot_info *out;
	bool has_map, has_rsdp_new;
	char *err;
	size_t err_size;
};

static uint32_t get32(const struct mbi *m, uint32_t off)
{
	uint32_t v;

	memcpy(&v, m->tag + off, sizeof(v));
	return v;
}

static uint64_t get64(const struct mbi *m, uint32_t off)
{
	uint64_t v;

	memcpy(&v, m->tag + off, sizeof(v));
	return v;
}

static PRINTF(3, 4) int fail(const struct mbi *m, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf_(m->err, m->err_size, fmt, args);
	va_end(args);
	return error;
}

/* The string at @off of the tag: its length, or -EINVAL where no NUL ends it inside the tag. */
static int string_length(const struct mbi *m, uint32_t off)
{
	uint32_t i;

	for (i = off; i < m->size; i++) {
		if (!m->tag[i])
			return (int)(i - off);
	}
	return -EINVAL;
}

/* Copy the string at @off; one that does not fit is an error, a cut command line would mean something else. */
static int string_copy(struct mbi *m, uint32_t off, char *to, uint32_t size, const char *what)
{
	int len = string_length(m, off);

	if (len < 0)
		return fail(m, -EINVAL, "boot information: the %s at offset %u has no end", what,
			    m->offset);
	if ((uint32_t)len >= size)
		return fail(m, -E2BIG,
			    "boot information: the %s has %d characters, at most %u are allowed",
			    what, len, size - 1);
	memcpy(to, m->tag + off, (uint32_t)len + 1);
	return 0;
}

static int read_cmdline(struct mbi *m)
{
	return string_copy(m, TAG_HEADER, m->out->cmdline, BOOT_CMDLINE, "command line");
}

static int read_loader(struct mbi *m)
{
	if (string_length(m, TAG_HEADER) < 0)
		return fail(m, -EINVAL, "boot information: the loader's name has no end");
	strlcpy(m->out->loader, (const char *)m->tag + TAG_HEADER, BOOT_LOADER_NAME);
	return 0;
}

/* A module's name is the first word of its command line. */
static int module_name(struct mbi *m, struct boot_module *mod)
{
	const char *s = mod->cmdline;
	uint32_t len = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	while (s[len] && s[len] != ' ' && s[len] != '\t')
		len++;
	if (len >= BOOT_MODULE_NAME)
		return fail(
			m, -E2BIG,
			"boot information: the name of module %u has %u characters, at most %u are allowed",
			m->out->module_count + 1, len, BOOT_MODULE_NAME - 1);
	memcpy(mod->name, s, len);
	mod->name[len] = '\0';
	return 0;
}

static int read_module(struct mbi *m)
{
	struct boot_module *mod = &m->out->modules[m->out->module_count];
	uint32_t start = get32(m, TAG_HEADER), end = get32(m, MODULE_END);
	int err;

	if (m->out->module_count == BOOT_MODULES)
		return fail(m, -E2BIG, "boot information: more than %u modules", BOOT_MODULES);
	if (end < start)
		return fail(m, -EINVAL,
			    "boot information: module %u ends at 0x%x, before its start at 0x%x",
			    m->out->module_count + 1, end, start);
	mod->start = HPA(start);
	mod->size = end - start;
	err = string_copy(m, MODULE_STRING, mod->cmdline, BOOT_MODULE_ARGS,
			  "command line of a module");
	if (!err)
		err = module_name(m, mod);
	if (!err)
		m->out->module_count++;
	return err;
}

static int read_mmap(struct mbi *m)
{
	uint32_t entry = get32(m, MMAP_ENTRY_SIZE), off = MMAP_ENTRIES, n = 0;
	struct mem_range *r;
	int err;

	if (entry < MMAP_ENTRY_MIN || entry > MMAP_ENTRY_MAX)
		return fail(m, -EINVAL, "boot information: memory map entries of %u bytes", entry);
	if ((m->size - MMAP_ENTRIES) % entry)
		return fail(m, -EINVAL, "boot information: the memory map ends inside an entry");
	for (; off < m->size; off += entry) {
		if (n == MEM_MAP_MAX)
			return fail(m, -E2BIG,
				    "boot information: the memory map has more than %u entries",
				    MEM_MAP_MAX);
		r = &m->out->map[n++];
		r->base = HPA(get64(m, off));
		r->size = get64(m, off + MMAP_LENGTH);
		r->type = get32(m, off + MMAP_TYPE);
	}
	err = mem_map_clean(m->out->map, &n, MEM_MAP_MAX);
	if (err == -ERANGE)
		return fail(m, -EINVAL,
			    "boot information: a range of the memory map ends above all addresses");
	if (err)
		return fail(m, -E2BIG, "boot information: the memory map has too many pieces");
	m->out->map_count = n;
	m->has_map = true;
	return 0;
}

/* Colours inside the pixel, lines inside the pitch, the whole inside the address space. */
static bool fb_is_sane(const struct boot_framebuffer *fb)
{
	if (fb->base.v > MEM_PHYS_LIMIT || !fb->bpp || fb->bpp > 64 || !fb->width || !fb->height)
		return false;
	if (fb->type != BOOT_FB_RGB)
		return true;
	return (uint64_t)fb->width * fb->bpp <= (uint64_t)fb->pitch * 8 &&
	       (uint32_t)fb->red_pos + fb->red_size <= fb->bpp &&
	       (uint32_t)fb->green_pos + fb->green_size <= fb->bpp &&
	       (uint32_t)fb->blue_pos + fb->blue_size <= fb->bpp;
}

static int read_framebuffer(struct mbi *m)
{
	struct boot_framebuffer *fb = &m->out->fb;
	const uint8_t *colours = m->tag + FB_COLOURS;

	fb->base = HPA(get64(m, TAG_HEADER));
	fb->pitch = get32(m, FB_PITCH);
	fb->width = get32(m, FB_WIDTH);
	fb->height = get32(m, FB_HEIGHT);
	fb->bpp = m->tag[FB_BPP];
	fb->type = m->tag[FB_TYPE];
	if (fb->type > BOOT_FB_TEXT)
		return fail(m, -EINVAL, "boot information: a framebuffer of unknown type %u",
			    fb->type);
	if (fb->type == BOOT_FB_RGB) {
		if (m->size < FB_RGB_SIZE)
			return fail(m, -EINVAL,
				    "boot information: the framebuffer's colours are missing");
		fb->red_pos = colours[0];
		fb->red_size = colours[1];
		fb->green_pos = colours[2];
		fb->green_size = colours[3];
		fb->blue_pos = colours[4];
		fb->blue_size = colours[5];
	}
	if (!fb_is_sane(fb))
		return fail(m, -EINVAL,
			    "boot information: a framebuffer of %ux%u pixels of %u bits cannot be",
			    fb->width, fb->height, fb->bpp);
	fb->present = true;
	return 0;
}

static int read_efi32(struct mbi *m)
{
	m->out->efi = true;
	m->out->efi_systab = get32(m, TAG_HEADER);
	return 0;
}

static int read_efi64(struct mbi *m)
{
	m->out->efi = true;
	m->out->efi_systab = get64(m, TAG_HEADER);
	return 0;
}

static int read_efi_mmap(struct mbi *m)
{
	m->out->efi = true;
	m->out->efi_map = true;
	return 0;
}

static int read_efi_bs(struct mbi *m)
{
	m->out->efi_bs = true;
	return 0;
}

static int read_rsdp_old(struct mbi *m)
{
	memcpy(m->out->rsdp_old, m->tag + TAG_HEADER, BOOT_RSDP_V1);
	m->out->has_rsdp_old = true;
	if (!m->has_rsdp_new) {
		memcpy(m->out->rsdp, m->out->rsdp_old, BOOT_RSDP_V1);
		m->out->rsdp_size = BOOT_RSDP_V1;
	}
	return 0;
}

static int read_rsdp_new(struct mbi *m)
{
	memcpy(m->out->rsdp, m->tag + TAG_HEADER, BOOT_RSDP_MAX);
	m->out->rsdp_size = BOOT_RSDP_MAX;
	m->has_rsdp_new = true;
	return 0;
}

static int read_load_base(struct mbi *m)
{
	m->out->has_load_base = true;
	m->out->load_base = get32(m, TAG_HEADER);
	return 0;
}

/* The tags that we read; all others are passed over. */
static const struct tag_reader {
	uint8_t type;
	bool many; /* may come more than once */
	uint32_t min_size;
	const char *name;
	int (*read)(struct mbi *m);
} readers[] = {
	{TAG_CMDLINE,     false, TAG_HEADER + 1,	     "command line",	     read_cmdline	 },
	{TAG_LOADER,	     false, TAG_HEADER + 1,		    "loader name",	   read_loader     },
	{TAG_MODULE,	     true,  MODULE_STRING + 1,	      "module",		read_module	   },
	{TAG_MMAP,	   false, MMAP_ENTRIES,		"memory map",	      read_mmap       },
	{TAG_FRAMEBUFFER, false, FB_COMMON_SIZE,		 "framebuffer",	read_framebuffer},
	{TAG_EFI32,	    false, TAG_HEADER + 4,		   "EFI system table",  read_efi32	 },
	{TAG_EFI64,	    false, TAG_HEADER + 8,		   "EFI system table",  read_efi64	 },
	{TAG_RSDP_OLD,    false, TAG_HEADER + BOOT_RSDP_V1,	 "RSDP (revision 0)", read_rsdp_old   },
	{TAG_RSDP_NEW,    false, TAG_HEADER + BOOT_RSDP_MAX, "RSDP (revision 2)", read_rsdp_new   },
	{TAG_EFI_MMAP,    false, TAG_HEADER + 8,	      "EFI memory map",	read_efi_mmap   },
	{TAG_EFI_BS,	     false, TAG_HEADER,			"EFI boot services", read_efi_bs	},
	{TAG_LOAD_BASE,	false, TAG_HEADER + 4,	       "load address",      read_load_base  },
};

/* Read the tag at m->tag, once per kind (@seen: a bit for each row of the table). */
static int read_tag(struct mbi *m, uint32_t type, uint32_t *seen)
{
	const struct tag_reader *r;
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(readers); i++) {
		r = &readers[i];
		if (r->type != type)
			continue;
		if (m->size < r->min_size)
			return fail(
				m, -EINVAL,
				"boot information: the %s tag at offset %u is cut short (%u bytes)",
				r->name, m->offset, m->size);
		if (!r->many && (*seen & (1U << i)))
			return fail(m, -EINVAL, "boot information: a second %s tag at offset %u",
				    r->name, m->offset);
		*seen |= 1U << i;
		return r->read(m);
	}
	return 0;
}

static int walk(struct mbi *m, const uint8_t *buf, uint32_t total)
{
	uint32_t off = TAG_HEADER, seen = 0, type;
	int err;

	for (;;) {
		if (total - off < TAG_HEADER)
			return fail(m, -EINVAL, "boot information: the end tag is missing");
		m->tag = buf + off;
		m->offset = off;
		type = get32(m, 0);
		m->size = get32(m, TAG_SIZE);
		if (m->size < TAG_HEADER || m->size > total - off)
			return fail(
				m, -EINVAL,
				"boot information: tag %u at offset %u has %u bytes, %u are left",
				type, off, m->size, total - off);
		if (type == TAG_END)
			return 0;
		err = read_tag(m, type, &seen);
		if (err)
			return err;
		if (ALIGN_UP((uint64_t)off + m->size, TAG_ALIGN) > total)
			return fail(m, -EINVAL, "boot information: the end tag is missing");
		off = (uint32_t)ALIGN_UP((uint64_t)off + m->size, TAG_ALIGN);
	}
}

int mbi_parse(const uint8_t *buf, uint32_t size, struct boot_info *out, char *err, size_t err_size)
{
	struct mbi m = {.tag = buf, .out = out, .err = err, .err_size = err_size};
	uint32_t total;
	int error;

	memset(out, 0, sizeof(*out));
	if (size < MBI_SIZE_MIN)
		return fail(&m, -EINVAL, "boot information: %u bytes are too few", size);
	total = get32(&m, 0);
	if (total < MBI_SIZE_MIN || total > size)
		return fail(&m, -EINVAL, "boot information: it claims %u bytes, %u are there",
			    total, size);
	if (!IS_ALIGNED(total, TAG_ALIGN))
		return fail(&m, -EINVAL, "boot information: its size %u is not a multiple of 8",
			    total);
	error = walk(&m, buf, total);
	if (error)
		return error;
	if (!m.has_map)
		return fail(&m, -ENOENT, "boot information: the boot loader passed no memory map");
	return 0;
}

const struct boot_module *boot_module_find(const struct boot_info *info, const char *name)
{
	uint32_t i;

	for (i = 0; i < info->module_count; i++) {
		if (!strcmp(info->modules[i].name, name))
			return &info->modules[i];
	}
	return NULL;
}
