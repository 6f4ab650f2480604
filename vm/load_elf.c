/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF executables of both widths: headers checked, segments claimed, then copied (ELF gABI chapters 4 and 5). */

#include "vm/load_priv.h"

#define ELF_MAGIC	0x464c457f /* 0x7f "ELF" */
#define ELF_CLASS32	1
#define ELF_CLASS64	2
#define ELF_LITTLE	1
#define ELF_VERSION	1
#define ELF_TYPE_EXEC	2
#define ELF_MACHINE_386 3
#define ELF_MACHINE_X64 62
#define ELF_PHDRS_MAX	64

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

int elf_open(struct load *l, struct elf *e)
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
		e->start = t64.entry;
		e->phoff = t64.phoff;
		e->phnum = t64.phnum;
		return header_check(l, t64.type, t64.machine, t64.phentsize,
				    sizeof(struct elf_phdr64), t64.phnum);
	}
	err = load_read(l, image, sizeof(id), &t32, sizeof(t32), "the ELF header");
	if (err)
		return err;
	e->start = t32.entry;
	e->phoff = t32.phoff;
	e->phnum = t32.phnum;
	return header_check(l, t32.type, t32.machine, t32.phentsize, sizeof(struct elf_phdr32),
			    t32.phnum);
}

int elf_phdr(struct load *l, const struct elf *e, uint32_t i, struct elf_phdr64 *p)
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

int elf_in_file(struct load *l, const struct elf_phdr64 *p, uint32_t i)
{
	uint64_t size = l->r->kernel->size;

	if (p->offset <= size && p->filesz <= size - p->offset)
		return 0;
	return load_fail(
		l, -ENOEXEC,
		"the image is truncated: part %u (0x%llx bytes at 0x%llx) is not all there", i,
		(unsigned long long)p->filesz, (unsigned long long)p->offset);
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

int elf_claim(struct load *l, struct elf *e)
{
	struct elf_phdr64 p = {0};
	bool any = false;
	uint32_t i;
	int err;

	for (i = 0; i < e->phnum; i++) {
		err = elf_phdr(l, e, i, &p);
		if (err)
			return err;
		if (p.type != ELF_PT_LOAD)
			continue;
		err = elf_in_file(l, &p, i);
		if (!err)
			err = segment_claim(l, &p);
		if (err)
			return err;
		any |= p.memsz != 0;
		/* Linked high and loaded low: the entry is a linear address of the segment that it lies in. */
		if (!e->has_start && e->start >= p.vaddr && e->start - p.vaddr < p.filesz) {
			e->start_pa = p.paddr + (e->start - p.vaddr);
			e->has_start = true;
		}
	}
	if (!any)
		return load_fail(l, -ENOEXEC, "the ELF file has nothing to load");
	if (!e->has_start)
		e->start_pa = e->start;
	return 0;
}

int elf_copy(struct load *l, const struct elf *e, uint64_t entry)
{
	bool entry_seen = false;
	struct elf_phdr64 p = {0};
	uint32_t i;
	int err;

	for (i = 0; i < e->phnum; i++) {
		err = elf_phdr(l, e, i, &p);
		if (err)
			return err;
		if (p.type != ELF_PT_LOAD || !p.memsz)
			continue;
		err = load_copy(l, p.paddr, l->r->kernel, p.offset, p.filesz);
		if (!err)
			err = load_zero(l, p.paddr + p.filesz, p.memsz - p.filesz);
		if (err)
			return err;
		if (entry >= p.paddr && entry - p.paddr < p.filesz)
			entry_seen = true;
	}
	if (!entry_seen)
		return load_fail(l, -ENOEXEC, "the entry 0x%llx is outside of the image",
				 (unsigned long long)entry);
	return 0;
}
