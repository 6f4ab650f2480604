/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels by their PVH entry (Xen's docs/misc/pvh.pandoc). */

#include "vm/load_priv.h"
#include "lib/string.h"

#define NOTE_NAME      "Xen"
#define NOTE_PVH_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define NOTES_SIZE_MAX (64 * KIB)

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

/* Find the entry among all notes. */
static int notes_find(struct load *l, struct elf *e)
{
	struct elf_phdr64 p = {0};
	uint32_t i;
	int err = 0;

	for (i = 0; i < e->phnum && !err; i++) {
		err = elf_phdr(l, e, i, &p);
		if (err || p.type != ELF_PT_NOTE)
			continue;
		err = elf_in_file(l, &p, i);
		if (!err)
			err = notes_walk(l, e, &p);
	}
	return err;
}

bool pvh_is(struct load *l)
{
	struct elf e = {0};

	return elf_is(l->r->kernel) && !elf_open(l, &e) && !notes_find(l, &e) && e.has_entry;
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
	int err = elf_open(l, &e);

	if (!err)
		err = elf_claim(l, &e);
	if (!err)
		err = notes_find(l, &e);
	if (!err && !e.has_entry)
		return load_fail(
			l, -ENOEXEC,
			"the ELF file has no PVH entry (Linux: CONFIG_PVH) and no multiboot header");
	if (!err)
		err = elf_copy(l, &e, e.entry);
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
