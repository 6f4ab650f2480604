/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels by their PVH entry (Xen's docs/misc/pvh.pandoc; ELF gABI chapters 4 and 5). */

#include "vm/load_priv.h"
#include "lib/string.h"

#define ELF_MAGIC	0x464c457f /* 0x7f "ELF" */
#define ELF_CLASS32	1
#define ELF_CLASS64	2
#define ELF_LITTLE	1
#define ELF_VERSION	1
#define ELF_TYPE_EXEC	2
#define ELF_MACHINE_386 3
#define ELF_MACHINE_X64 62
#define ELF_PT_LOAD	1
#define ELF_PT_NOTE	4
#define ELF_PHDRS_MAX	64

#define NOTE_NAME      "Xen"
#define NOTE_PVH_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTES_SIZE_MAX (64 * KIB)

struct elf_ident {
	uint32_t magic;
	uint8_t class, data, version, pad[9];
};

struct elf_tail32 {
	uint16_t type, machine;
	uint32_t version, entry, phoff, shoff, flags;
	uint16_t ehsize, phentsize, phnum;
} PACKED;

struct elf_tail64 {
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum;
} PACKED;

struct elf_phdr32 {
	uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};

struct elf_phdr64 {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

struct elf_note {
	uint32_t namesz, descsz, type;
};

/* include/public/arch-x86/hvm/start_info.h of Xen */
#define START_MAGIC   0x336ec578
#define START_VERSION 1

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info.h");

struct start_module {
	uint64_t base, size, cmdline, reserved;
};

struct start_memmap {
	uint64_t base, size;
	uint32_t type, reserved;
};
_Static_assert(sizeof(struct start_memmap) == 24, "start_info.h");

/* An ELF file, its two widths made one. */
struct elf {
	bool wide;
	uint64_t phoff;
	uint32_t phnum;
	uint64_t entry; /* of PVH */
	bool has_entry;
};

bool elf_is(const struct image *image)
{
	uint32_t magic;

	return image->size >= sizeof(magic) &&
	       image->read(image->arg, 0, &magic, sizeof(magic)) >= 0 && magic == ELF_MAGIC;
}

/* Check what both widths have; @phentsize is as the file says, @wanted what its class demands. */
static int header_check(struct load *l, uint32_t type, uint32_t machine, uint32_t phentsize,
			uint32_t wanted, uint32_t phnum)
{
	if (machine != ELF_MACHINE_386 && machine != ELF_MACHINE_X64)
		return load_fail(l, -ENOEXEC, "the ELF file is for another processor (machine %u)",
				 machine);
	if (type != ELF_TYPE_EXEC)
		return load_fail(l, -ENOEXEC, "the ELF file is not an executable (type %u)", type);
	if (phentsize != wanted)
		return load_fail(l, -ENOEXEC,
				 "the ELF file's program headers have %u bytes instead of %u",
				 phentsize, wanted);
	if (!phnum || phnum > ELF_PHDRS_MAX)
		return load_fail(l, -ENOEXEC,
				 "the ELF file has %u program headers, 1 to %u are allowed", phnum,
				 ELF_PHDRS_MAX);
	return 0;
}

static int header_read(struct load *l, struct elf *e)
{
	const struct image *image = l->r->kernel;
	struct elf_ident id;
	struct elf_tail32 t32;
	struct elf_tail64 t64;
	int err = load_read(l, image, 0, &id, sizeof(id), "the ELF header");

	if (err)
		return err;
	if (id.data != ELF_LITTLE || id.version != ELF_VERSION ||
	    (id.class != ELF_CLASS32 && id.class != ELF_CLASS64))
		return load_fail(
			l, -ENOEXEC,
			"the ELF file is of an unknown kind (class %u, data %u, version %u)",
			id.class, id.data, id.version);
	e->wide = id.class == ELF_CLASS64;
	if (e->wide) {
		err = load_read(l, image, sizeof(id), &t64, sizeof(t64), "the ELF header");
		if (err)
			return err;
		e->phoff = t64.phoff;
		e->phnum = t64.phnum;
		return header_check(l, t64.type, t64.machine, t64.phentsize,
				    sizeof(struct elf_phdr64), t64.phnum);
	}
	err = load_read(l, image, sizeof(id), &t32, sizeof(t32), "the ELF header");
	if (err)
		return err;
	e->phoff = t32.phoff;
	e->phnum = t32.phnum;
	return header_check(l, t32.type, t32.machine, t32.phentsize, sizeof(struct elf_phdr32),
			    t32.phnum);
}

/* Program header @i in the wide form. */
static int phdr_read(struct load *l, const struct elf *e, uint32_t i, struct elf_phdr64 *p)
{
	struct elf_phdr32 p32;
	uint64_t off;
	int err;

	if (__builtin_add_overflow(e->phoff, (uint64_t)i * (e->wide ? sizeof(*p) : sizeof(p32)),
				   &off))
		return load_fail(l, -ENOEXEC, "the ELF file's program headers are outside of it");
	if (e->wide)
		return load_read(l, l->r->kernel, off, p, sizeof(*p), "a program header");
	err = load_read(l, l->r->kernel, off, &p32, sizeof(p32), "a program header");
	if (err)
		return err;
	*p = (struct elf_phdr64){.type = p32.type,
				 .flags = p32.flags,
				 .offset = p32.offset,
				 .vaddr = p32.vaddr,
				 .paddr = p32.paddr,
				 .filesz = p32.filesz,
				 .memsz = p32.memsz,
				 .align = p32.align};
	return 0;
}

static bool in_file(const struct load *l, const struct elf_phdr64 *p)
{
	return p->offset <= l->r->kernel->size && p->filesz <= l->r->kernel->size - p->offset;
}

/* Is this note the PVH entry? Then its descriptor at @desc is read: a pointer of 4 or 8 bytes. */
static int note_read(struct load *l, struct elf *e, const struct elf_note *note, uint64_t name,
		     uint64_t desc)
{
	char text[sizeof(NOTE_NAME)];
	uint64_t entry = 0;
	int err;

	if (note->type != NOTE_PVH_ENTRY || note->namesz != sizeof(NOTE_NAME))
		return 0;
	err = load_read(l, l->r->kernel, name, text, sizeof(text), "a note's name");
	if (err || memcmp(text, NOTE_NAME, sizeof(text)))
		return err;
	if (note->descsz != sizeof(uint32_t) && note->descsz != sizeof(uint64_t))
		return load_fail(l, -ENOEXEC, "the PVH entry note has %u bytes instead of 4 or 8",
				 note->descsz);
	err = load_read(l, l->r->kernel, desc, &entry, note->descsz, "the PVH entry note");
	e->entry = entry;
	e->has_entry = !err;
	return err;
}

/* Walk the notes of one segment that lies in the file. Every turn moves on by a note's header at least. */
static int notes_walk(struct load *l, struct elf *e, const struct elf_phdr64 *p)
{
	uint64_t align = p->align == 8 ? 8 : 4, off = p->offset, end = p->offset + p->filesz, name,
		 desc, next;
	struct elf_note note;
	int err;

	if (p->filesz > NOTES_SIZE_MAX)
		return load_fail(l, -ENOEXEC, "the ELF file has 0x%llx bytes of notes",
				 (unsigned long long)p->filesz);
	while (!e->has_entry && off < end && end - off >= sizeof(note)) {
		err = load_read(l, l->r->kernel, off, &note, sizeof(note), "a note");
		if (err)
			return err;
		name = off + sizeof(note);
		desc = p->offset + ALIGN_UP(name - p->offset + note.namesz, align);
		next = p->offset + ALIGN_UP(desc - p->offset + note.descsz, align);
		if (desc > end || note.descsz > end - desc)
			return load_fail(l, -ENOEXEC,
					 "a note of the ELF file ends outside of its segment");
		err = note_read(l, e, &note, name, desc);
		if (err)
			return err;
		off = next;
	}
	return 0;
}

static int segment_claim(struct load *l, const struct elf_phdr64 *p)
{
	struct load_result *out = l->out;
	int err;

	if (p->filesz > p->memsz)
		return load_fail(
			l, -ENOEXEC,
			"a segment has more bytes in the file (0x%llx) than in memory (0x%llx)",
			(unsigned long long)p->filesz, (unsigned long long)p->memsz);
	if (!p->memsz)
		return 0;
	err = load_claim(l, p->paddr, p->memsz, "a segment");
	if (err)
		return err;
	if (!out->high.v || p->paddr < out->low.v)
		out->low = GPA(p->paddr);
	out->high = GPA(max_u64(out->high.v, p->paddr + p->memsz));
	return 0;
}

/* First pass: claim every segment, find the entry. Nothing is written before all of it is known to be sound. */
static int segments_check(struct load *l, struct elf *e)
{
	struct elf_phdr64 p = {0};
	uint32_t i;
	int err;

	for (i = 0; i < e->phnum; i++) {
		err = phdr_read(l, e, i, &p);
		if (err)
			return err;
		if (p.type != ELF_PT_LOAD && p.type != ELF_PT_NOTE)
			continue;
		if (!in_file(l, &p))
			return load_fail(
				l, -ENOEXEC,
				"the image is truncated: part %u (0x%llx bytes at 0x%llx) is not all there",
				i, (unsigned long long)p.filesz, (unsigned long long)p.offset);
		err = p.type == ELF_PT_LOAD ? segment_claim(l, &p) : notes_walk(l, e, &p);
		if (err)
			return err;
	}
	if (!l->used_count)
		return load_fail(l, -ENOEXEC, "the ELF file has nothing to load");
	if (!e->has_entry)
		return load_fail(l, -ENOEXEC, "the ELF file has no PVH entry (Linux: CONFIG_PVH)");
	return 0;
}

/* Second pass: copy. The entry must be in what the file brought. */
static int segments_copy(struct load *l, const struct elf *e)
{
	bool entry_seen = false;
	struct elf_phdr64 p = {0};
	uint32_t i;
	int err;

	for (i = 0; i < e->phnum; i++) {
		err = phdr_read(l, e, i, &p);
		if (err)
			return err;
		if (p.type != ELF_PT_LOAD || !p.memsz)
			continue;
		err = load_copy(l, p.paddr, l->r->kernel, p.offset, p.filesz);
		if (!err)
			err = load_zero(l, p.paddr + p.filesz, p.memsz - p.filesz);
		if (err)
			return err;
		if (e->entry >= p.paddr && e->entry - p.paddr < p.filesz)
			entry_seen = true;
	}
	if (!entry_seen)
		return load_fail(l, -ENOEXEC, "the PVH entry 0x%llx is outside of the image",
				 (unsigned long long)e->entry);
	return 0;
}

static int memmap_put(struct load *l, uint64_t base)
{
	struct start_memmap m = {0};
	uint32_t i;
	int err = 0;

	for (i = 0; i < l->t->map_count && !err; i++) {
		m.base = l->t->map[i].base.v;
		m.size = l->t->map[i].size;
		m.type = l->t->map[i].type;
		err = load_write(l, base + i * sizeof(m), &m, sizeof(m));
	}
	return err;
}

static int module_put(struct load *l, const struct image *image, const char *cmdline,
		      const char *what, uint64_t gpa)
{
	struct start_module m = {.size = image->size};
	int err = load_put_image(l, image, LOAD_4G, what, &m.base);

	if (!err && cmdline)
		err = load_put_string(l, cmdline, "a module's command line", &m.cmdline);
	return err ? err : load_write(l, gpa, &m, sizeof(m));
}

/* The initrd is the first module, which is how PVH kernels know it. */
static int modlist_put(struct load *l, uint64_t gpa)
{
	const struct load_module *m = l->r->modules;
	uint32_t i;
	int err = 0;

	if (l->r->initrd) {
		err = module_put(l, l->r->initrd, NULL, "the initrd", gpa);
		gpa += sizeof(struct start_module);
	}
	for (i = 0; i < l->r->module_count && !err; i++, gpa += sizeof(struct start_module))
		err = module_put(l, m[i].image, m[i].cmdline, "a module", gpa);
	return err;
}

/* One block: start_info, then the memory map, then the module list. */
static int start_info_put(struct load *l, uint64_t *base)
{
	struct start_info s = {
		.magic = START_MAGIC, .version = START_VERSION, .rsdp = l->r->rsdp.v};
	uint64_t map_size = l->t->map_count * sizeof(struct start_memmap), size, modlist;
	int err;

	s.nr_modules = l->r->module_count + (l->r->initrd ? 1 : 0);
	s.memmap_entries = l->t->map_count;
	size = sizeof(s) + map_size + s.nr_modules * sizeof(struct start_module);
	err = load_alloc_own(l, size, sizeof(uint64_t), "start_info", base);
	if (err)
		return err;
	s.memmap = *base + sizeof(s);
	modlist = s.memmap + map_size;
	if (s.nr_modules)
		s.modlist = modlist;
	err = load_put_string(l, l->r->cmdline ? l->r->cmdline : "", "the command line",
			      &s.cmdline);
	if (!err)
		err = modlist_put(l, modlist);
	if (!err)
		err = memmap_put(l, s.memmap);
	return err ? err : load_write(l, *base, &s, sizeof(s));
}

int load_pvh(struct load *l)
{
	struct elf e = {0};
	uint64_t start_info;
	int err = header_read(l, &e);

	if (!err)
		err = segments_check(l, &e);
	if (!err)
		err = segments_copy(l, &e);
	if (!err)
		err = start_info_put(l, &start_info);
	if (!err)
		err = load_put_gdt(l, false);
	if (err)
		return err;
	load_state_protected(l, e.entry);
	l->out->gpr[RBX] = start_info;
	l->out->form = "PVH";
	return 0;
}
