/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot loaders on images built here: what the guest is told, and every way to refuse an image. */
/* sources: vm/load.c vm/load_bzimage.c vm/load_elf.c vm/load_pvh.c vm/load_multiboot.c vm/load_multiboot1.c vm/load_multiboot2.c vm/load_flat.c lib/sha256.c lib/printf.c lib/string.c */

#include "load_fake.h"

#define HEADER	 0x100 /* of either protocol, in the file */
#define CODE	 0x400
#define CODE_LEN 0x800
#define LOAD_PA	 0x200000
#define ENTRY	 (LOAD_PA + 0x10)
#define MB1	 0x1badb002u
#define MB2	 0xe85250d6u

static void code_put(void)
{
	for (uint32_t i = 0; i < CODE_LEN; i++)
		file[CODE + i] = (uint8_t)(i * 7 + 1);
	kernel.size = CODE + CODE_LEN;
	request.name = "kernel.elf";
}

static void header1(uint32_t flags)
{
	set32(HEADER, MB1);
	set32(HEADER + 4, flags);
	set32(HEADER + 8, 0 - MB1 - flags);
}

/* The checksum of a second header that is @len bytes long. */
static void header2(uint32_t len)
{
	set32(HEADER, MB2);
	set32(HEADER + 4, 0);
	set32(HEADER + 8, len);
	set32(HEADER + 12, 0 - MB2 - len);
}

static void tag2(uint32_t at, uint16_t type, uint16_t flags, uint32_t size)
{
	set16(HEADER + at, type);
	set16(HEADER + at + 2, flags);
	set32(HEADER + at + 4, size);
}

static void end2(uint32_t at)
{
	tag2(at, 0, 0, 8);
	header2(at + 8);
}

static void elf_header(bool wide, uint64_t entry)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 1, 1, 1};

	memcpy(file, ident, sizeof(ident));
	set8(4, wide ? 2 : 1);
	set16(16, 2);
	set16(18, wide ? 62 : 3);
	set32(20, 1);
	if (wide) {
		set64(24, entry);
		set64(32, 0x40);
		set16(54, 56);
		set16(56, 1);
	} else {
		set32(24, (uint32_t)entry);
		set32(28, 0x40);
		set16(42, 32);
		set16(44, 1);
	}
}

static void elf_segment(bool wide, uint64_t vaddr, uint64_t paddr, uint64_t filesz, uint64_t memsz)
{
	set32(0x40, 1);
	if (wide) {
		set64(0x48, CODE);
		set64(0x50, vaddr);
		set64(0x58, paddr);
		set64(0x60, filesz);
		set64(0x68, memsz);
	} else {
		set32(0x44, CODE);
		set32(0x48, (uint32_t)vaddr);
		set32(0x4c, (uint32_t)paddr);
		set32(0x50, (uint32_t)filesz);
		set32(0x54, (uint32_t)memsz);
	}
}

static void elf_new(bool wide)
{
	guest_new(NULL);
	elf_header(wide, ENTRY);
	elf_segment(wide, LOAD_PA, LOAD_PA, CODE_LEN, 0x3000);
	code_put();
}

/* The whole file, loaded at LOAD_PA by addresses: header_addr, load_addr, load_end_addr, bss_end_addr, entry. */
static void kludge_new(void)
{
	guest_new(NULL);
	code_put();
	header1(0x10000);
	set32(HEADER + 12, LOAD_PA + HEADER);
	set32(HEADER + 16, LOAD_PA);
	set32(HEADER + 20, LOAD_PA + CODE + CODE_LEN);
	set32(HEADER + 24, LOAD_PA + 0x4000);
	set32(HEADER + 28, LOAD_PA + CODE);
}

static void kludge2_new(void)
{
	guest_new(NULL);
	code_put();
	tag2(16, 2, 0, 24);
	set32(HEADER + 24, LOAD_PA + HEADER);
	set32(HEADER + 28, LOAD_PA);
	set32(HEADER + 32, LOAD_PA + CODE + CODE_LEN);
	set32(HEADER + 36, LOAD_PA + 0x4000);
	tag2(40, 3, 0, 12);
	set32(HEADER + 48, LOAD_PA + CODE);
	end2(56);
}

static struct load_module modules[2];
static uint8_t disk[5000];
static struct image env;

static void extras_set(void)
{
	memset(disk, 0x5a, sizeof(disk));
	initrd_set(disk, sizeof(disk));
	env = (struct image){.size = 7, .read = image_read, .arg = "abcdef"};
	modules[0] = (struct load_module){.image = &env, .cmdline = "env x=1"};
	modules[1] = (struct load_module){.image = &env};
	request.modules = modules;
	request.module_count = 2;
	request.cmdline = "a b";
}

/* Nothing of the loader's lies in page 0 or over the image. */
static void own_data_is_apart(void)
{
	uint64_t info = result.gpr[RBX];

	assert_true(info >= 0x1000 && info < 0x9f000);
	assert_true(result.state.gdtr.base >= 0x1000 && result.state.gdtr.base < 0x9f000);
	for (uint32_t i = 0; i < 0x1000; i++)
		assert_int_equal(ram[i], 0xcc);
}

static void module1_is(uint64_t m, const void *bytes, uint32_t size, const char *words)
{
	assert_int_equal(mem32(m) & PAGE_MASK, 0);
	assert_int_equal(mem32(m + 4) - mem32(m), size);
	assert_memory_equal(ram + mem32(m), bytes, size);
	assert_string_equal((char *)ram + mem32(m + 8), words);
}

static void info1_is_complete(void)
{
	uint64_t i = result.gpr[RBX], map_at = mem32(i + 48);

	assert_int_equal(result.gpr[RAX], 0x2badb002);
	assert_string_equal(result.form, "multiboot");
	assert_int_equal(mem32(i), 1 | 4 | 8 | 0x40 | 0x200);
	assert_int_equal(mem32(i + 4), 0x9f000 / 1024);
	assert_int_equal(mem32(i + 8), (GUEST_SIZE - 0x100000) / 1024);
	assert_string_equal((char *)ram + mem32(i + 16), "kernel.elf a b");
	assert_int_equal(mem32(i + 20), 3);
	module1_is(mem32(i + 24), disk, sizeof(disk), "");
	module1_is(mem32(i + 24) + 16, "abcdef", 7, "env x=1");
	module1_is(mem32(i + 24) + 32, "abcdef", 7, "");
	assert_int_equal(mem32(i + 44), 3 * 24);
	assert_int_equal(mem32(map_at), 20);
	assert_int_equal(mem64(map_at + 48 + 4), 0x100000);
	assert_int_equal(mem64(map_at + 48 + 12), GUEST_SIZE - 0x100000);
	assert_int_equal(mem32(map_at + 24 + 20), 2);
	assert_string_equal((char *)ram + mem32(i + 64), "Bulkhead");
	own_data_is_apart();
}

static void test_elf(void **state)
{
	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		elf_new(wide);
		header1(0);
		extras_set();
		assert_int_equal(load_guess(&kernel), LOAD_MULTIBOOT1);
		assert_int_equal(load(), 0);
		state_is_protected(ENTRY);
		assert_memory_equal(ram + LOAD_PA, file + CODE, CODE_LEN);
		for (uint32_t i = CODE_LEN; i < 0x3000; i++)
			assert_int_equal(ram[LOAD_PA + i], 0);
		assert_int_equal(ram[LOAD_PA + 0x3000], 0xcc);
		info1_is_complete();
	}
	elf_new(true);
	header1(3); /* modules aligned, memory told: always done */
	assert_int_equal(load(), 0);
	assert_int_equal(mem32(result.gpr[RBX]), 1 | 4 | 0x40 | 0x200);
	assert_string_equal((char *)ram + mem32(result.gpr[RBX] + 16), "kernel.elf");
}

/* Linked high, loaded low: the entry is linear, or already physical; and outside of both. */
static void test_elf_entry(void **state)
{
	(void)state;
	elf_new(true);
	header1(0);
	elf_header(true, 0xffffffff80000010);
	elf_segment(true, 0xffffffff80000000, LOAD_PA, CODE_LEN, CODE_LEN);
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, ENTRY);
	elf_header(true, ENTRY);
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, ENTRY);
	elf_header(true, LOAD_PA + CODE_LEN);
	expect_refusal(-ENOEXEC, "outside of the image");
	elf_header(true, UINT64_MAX);
	expect_refusal(-ENOEXEC, "outside of the image");
	elf_header(true, 0x100000000 + ENTRY);
	expect_refusal(-ENOEXEC, "outside of the image");
}

static void test_kludge(void **state)
{
	(void)state;
	kludge_new();
	extras_set();
	assert_int_equal(load_guess(&kernel), LOAD_MULTIBOOT1);
	assert_int_equal(load(), 0);
	state_is_protected(LOAD_PA + CODE);
	assert_memory_equal(ram + LOAD_PA, file, CODE + CODE_LEN);
	assert_int_equal(ram[LOAD_PA + CODE + CODE_LEN], 0);
	assert_int_equal(ram[LOAD_PA + 0x3fff], 0);
	assert_int_equal(ram[LOAD_PA + 0x4000], 0xcc);
	info1_is_complete();

	/* No ends: the whole file, and nothing behind it. Part of the file: what stands before the load address not. */
	kludge_new();
	set32(HEADER + 20, 0);
	set32(HEADER + 24, 0);
	assert_int_equal(load(), 0);
	assert_int_equal(result.high.v, LOAD_PA + CODE + CODE_LEN);
	assert_int_equal(ram[LOAD_PA + CODE + CODE_LEN], 0xcc);
	set32(HEADER + 12, LOAD_PA + 8);
	assert_int_equal(load(), 0);
	assert_memory_equal(ram + LOAD_PA, file + HEADER - 8, CODE);
	/* The ELF headers do not count where the addresses do. */
	kludge_new();
	elf_header(false, 1);
	assert_int_equal(load(), 0);
	state_is_protected(LOAD_PA + CODE);
}

static void test_kludge_bad(void **state)
{
	static const struct {
		uint32_t header, load, load_end, bss_end, entry;
		int error;
		const char *words;
	} cases[] = {
		{LOAD_PA + HEADER,	   LOAD_PA + HEADER + 4, 0,				    0,	       ENTRY,		      -ENOEXEC, "does not fit"	      },
		{LOAD_PA + HEADER + 1, LOAD_PA,		0,				   0,	      ENTRY,		     -ENOEXEC, "does not fit"		     },
		{0,		    LOAD_PA,		     0,				0,		   ENTRY,			  -ENOEXEC, "does not fit"		  },
		{0xffffffff,	     0,			0,				   0,	      0,			 -ENOEXEC, "does not fit"		 },
		{LOAD_PA + HEADER,	   LOAD_PA,		    LOAD_PA,			     0,		ENTRY,		       -ENOEXEC, "loads nothing"		},
		{LOAD_PA + HEADER,	   LOAD_PA,		    1,			       0,		  ENTRY,			 -ENOEXEC, "loads nothing"		  },
		{LOAD_PA + HEADER,	   LOAD_PA,		    LOAD_PA + CODE + CODE_LEN + 1, 0,	      ENTRY,		     -ENOEXEC,
		 "truncated"																		 },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0xffffffff,			0,		   ENTRY,			  -ENOEXEC, "truncated"		       },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       LOAD_PA + CODE, ENTRY,		      -ENOEXEC, "ends memory"		     },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       LOAD_PA - 1,    ENTRY,			   -ENOEXEC, "ends memory"		  },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       0,		  LOAD_PA - 1,	       -ENOEXEC, "outside of the image"      },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       0,		  LOAD_PA + CODE + CODE_LEN, -ENOEXEC,
		 "outside of the image"																      },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       GUEST_SIZE + 1, ENTRY,		      -ENOMEM,
		 "not in the guest's memory"																 },
		{LOAD_PA + HEADER,	   LOAD_PA,		    0,			       0xffffffff,	   ENTRY,			  -ENOMEM,
		 "not in the guest's memory"																 },
		{0x9e000 + HEADER,	   0x9e000,		    0,			       0x9f001,	0x9e000,			 -ENOMEM,
		 "not in the guest's memory"																 },
		{0xfffff000 + HEADER,  0xfffff000,		  0,			     0,		0xfffff000,		    -ENOMEM,
		 "not in the guest's memory"																 },
		{0xffffff00,	     0xfffffe00,		 0,				    0,	       0xfffffe00,		   -ENOMEM,  "not in the guest\'s memory"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		kludge_new();
		set32(HEADER + 12, cases[i].header);
		set32(HEADER + 16, cases[i].load);
		set32(HEADER + 20, cases[i].load_end);
		set32(HEADER + 24, cases[i].bss_end);
		set32(HEADER + 28, cases[i].entry);
		expect_refusal(cases[i].error, cases[i].words);
	}
}

/* Cut anywhere: refused, with a reason, by whatever form the rest still looks like. */
static void cut_everywhere(void (*make)(void))
{
	uint64_t full;

	make();
	full = kernel.size;
	for (uint64_t size = 0; size < full; size++) {
		kernel.size = size;
		assert_int_equal(load(), -ENOEXEC);
	}
	kernel.size = full;
	assert_int_equal(load(), 0);
}

static void elf1_new(void)
{
	elf_new(true);
	header1(0);
}

static void elf1_32_new(void)
{
	elf_new(false);
	header1(0);
}

static void elf2_new(void)
{
	elf_new(true);
	end2(16);
}

static void test_truncated(void **state)
{
	(void)state;
	cut_everywhere(elf1_new);
	cut_everywhere(elf1_32_new);
	cut_everywhere(elf2_new);
	cut_everywhere(kludge_new);
	cut_everywhere(kludge2_new);
}

static void test_header(void **state)
{
	(void)state;
	elf_new(true);
	header1(4);
	expect_refusal(-ENOSYS, "video mode");
	header1(0x8000);
	expect_refusal(-ENOSYS, "unknown");
	header1(0x20000); /* may be passed over */
	assert_int_equal(load(), 0);
	/* A wrong checksum is no header; the next one counts. */
	header1(4);
	set32(HEADER + 8, 0);
	expect_refusal(-ENOEXEC, "no PVH entry");
	set32(HEADER + 0x80, MB1);
	set32(HEADER + 0x84, 0);
	set32(HEADER + 0x88, 0 - MB1);
	assert_int_equal(load(), 0);
	/* Not an ELF file, and no addresses. */
	guest_new(NULL);
	code_put();
	header1(0);
	expect_refusal(-ENOEXEC, "no ELF file");
	end2(16);
	expect_refusal(-ENOEXEC, "no ELF file");
}

/* The whole header must lie in the first 8192 bytes, at a multiple of 4; of the second protocol 32768, 8. */
static void test_header_place(void **state)
{
	static const struct {
		uint32_t at;
		bool found;
	} first[] =
		{
			{8192 - 12, true },
			   {8192 - 8,  false},
			      {8192,	     false},
			{0x102,	false},
			   {0x504,	   true },
	},
	  second[] = {{32768 - 24, true}, {32768 - 20, false}, {32768, false}, {0x104, false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		elf_new(true);
		kernel.size = 40000;
		set32(first[i].at, MB1);
		set32(first[i].at + 4, 0);
		set32(first[i].at + 8, 0 - MB1);
		assert_int_equal(load_guess(&kernel), first[i].found ? LOAD_MULTIBOOT1 : LOAD_PVH);
	}
	for (size_t i = 0; i < ARRAY_SIZE(second); i++) {
		elf_new(true);
		kernel.size = 40000;
		set32(second[i].at, MB2);
		set32(second[i].at + 8, 24);
		set32(second[i].at + 12, 0 - MB2 - 24);
		set32(second[i].at + 20, 8);
		assert_int_equal(load(), second[i].found ? 0 : -ENOEXEC);
	}
}

/* --- the second protocol --- */

static uint64_t info2_find(uint32_t type, uint32_t nth)
{
	uint64_t base = result.gpr[RBX], at = base + 8;

	for (;;) {
		assert_true(at + 8 <= base + mem32(base));
		assert_int_equal(at & 7, 0);
		if (mem32(at) == type && !nth--)
			return at;
		assert_int_not_equal(mem32(at), 0);
		at += ALIGN_UP(mem32(at + 4), UINT64_C(8));
	}
}

static void module2_is(uint64_t m, const void *bytes, uint32_t size, const char *words)
{
	assert_int_equal(mem32(m + 4), 16 + strlen(words) + 1);
	assert_int_equal(mem32(m + 12) - mem32(m + 8), size);
	assert_memory_equal(ram + mem32(m + 8), bytes, size);
	assert_string_equal((char *)ram + m + 16, words);
}

static void info2_is_complete(void)
{
	uint64_t end = info2_find(0, 0), map_at = info2_find(6, 0);

	assert_int_equal(result.gpr[RAX], 0x36d76289);
	assert_string_equal(result.form, "multiboot2");
	assert_int_equal(result.gpr[RBX] & 7, 0);
	assert_int_equal(end + 8, result.gpr[RBX] + mem32(result.gpr[RBX]));
	assert_string_equal((char *)ram + info2_find(1, 0) + 8, "kernel.elf a b");
	assert_string_equal((char *)ram + info2_find(2, 0) + 8, "Bulkhead");
	module2_is(info2_find(3, 0), disk, sizeof(disk), "");
	module2_is(info2_find(3, 1), "abcdef", 7, "env x=1");
	module2_is(info2_find(3, 2), "abcdef", 7, "");
	assert_int_equal(mem32(info2_find(4, 0) + 8), 0x9f000 / 1024);
	assert_int_equal(mem32(info2_find(4, 0) + 12), (GUEST_SIZE - 0x100000) / 1024);
	assert_int_equal(mem32(map_at + 4), 16 + 3 * 24);
	assert_int_equal(mem32(map_at + 8), 24);
	assert_int_equal(mem64(map_at + 16 + 48), 0x100000);
	assert_int_equal(mem32(map_at + 16 + 24 + 16), 2);
	assert_int_equal(mem32(info2_find(21, 0) + 8), LOAD_PA);
	own_data_is_apart();
}

static void test_second(void **state)
{
	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		elf_new(wide);
		end2(16);
		extras_set();
		assert_int_equal(load_guess(&kernel), LOAD_MULTIBOOT2);
		assert_int_equal(load(), 0);
		state_is_protected(ENTRY);
		assert_memory_equal(ram + LOAD_PA, file + CODE, CODE_LEN);
		info2_is_complete();
	}
	kludge2_new();
	extras_set();
	assert_int_equal(load(), 0);
	state_is_protected(LOAD_PA + CODE);
	assert_memory_equal(ram + LOAD_PA, file, CODE + CODE_LEN);
	assert_int_equal(ram[LOAD_PA + 0x3fff], 0);
	assert_int_equal(ram[LOAD_PA + 0x4000], 0xcc);
	info2_is_complete();
	set32(HEADER + 28, 0xffffffff); /* from the file's first byte */
	assert_int_equal(load(), 0);
	assert_int_equal(result.low.v, LOAD_PA);
}

/* An entry tag counts before the ELF header's; it is physical. */
static void test_second_entry(void **state)
{
	(void)state;
	elf_new(true);
	tag2(16, 3, 0, 12);
	set32(HEADER + 24, LOAD_PA + 0x20);
	end2(32);
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, LOAD_PA + 0x20);
	set32(HEADER + 24, LOAD_PA + CODE_LEN);
	expect_refusal(-ENOEXEC, "outside of the image");
	kludge2_new();
	tag2(40, 6, 0, 12);
	expect_refusal(-ENOEXEC, "no entry address");
}

static void test_second_header(void **state)
{
	static const struct {
		uint16_t type, flags;
		uint32_t size, body;
		int error;
		const char *words; /* NULL: accepted */
	} cases[] = {
		{1,	    0, 12,	   21,       0,	  NULL			      },
		{1,	    0, 12,	   22,       -ENOSYS,	"unknown type 22"		 },
		{1,	    1, 12,	   22,       0,	  NULL			      },
		{1,	    0, 8,	  22,	      0,	 NULL			     },
		{2,	    0, 16,	   0,	      -ENOEXEC, "16 bytes only"	       },
		{3,	    0, 8,	  0,	     -ENOEXEC, "8 bytes only"	     },
		{4,	    0, 12,	   2,	      0,	 NULL			     },
		{4,	    0, 12,	   3,	      -ENOSYS,  "demands a screen"	 },
		{4,	    1, 12,	   3,	      0,	 NULL			     },
		{4,	    0, 8,	  3,	     -ENOEXEC, "8 bytes only"	     },
		{5,	    0, 20,	   1024,	 0,	    NULL			},
		{6,	    0, 8,	  0,	     0,	NULL			    },
		{7,	    0, 8,	  0,	     -ENOSYS,  "what there is not (tag 7)"},
		{7,	    1, 8,	  0,	     0,	NULL			    },
		{10,     0, 24,	    0x100000, 0,	 NULL			     },
		{11,     0, 8,	   0,	      -ENOSYS,  "(tag 11)"		 },
		{11,     1, 8,	   0,	      0,	 NULL			     },
		{0xffff, 0, 8,	       0,	  -ENOSYS,  "(tag 65535)"		},
		{6,	    0, 7,	  0,	     -ENOEXEC, "ends outside"	     },
		{6,	    0, 0,	  0,	     -ENOEXEC, "ends outside"	     },
		{6,	    0, 41,	   0,	      -ENOEXEC, "ends outside"	      },
		{6,	    0, 0xffffffff, 0,	      -ENOEXEC, "ends outside"	      },
		{6,	    0, 32,	   0,	      -ENOEXEC, "no end tag"		    },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		elf_new(true);
		tag2(40, 0, 0, 8);
		tag2(16, cases[i].type, cases[i].flags, cases[i].size);
		if (cases[i].size > 8)
			set32(HEADER + 24, cases[i].body);
		else
			tag2(24, 0, 0, 8);
		if (cases[i].size <= 16)
			tag2(32, 0, 0, 8);
		header2(48);
		if (cases[i].size == 32)
			header2(16 + 32);
		if (cases[i].words)
			expect_refusal(cases[i].error, cases[i].words);
		else
			assert_int_equal(load(), 0);
	}
	elf_new(true);
	end2(16);
	set32(HEADER + 4, 4);
	set32(HEADER + 12, 0 - MB2 - 4 - 24);
	expect_refusal(-ENOEXEC, "another processor");
	elf_new(true);
	header2(0xffffffff);
	expect_refusal(-ENOEXEC, "not all there");
	header2(0);
	expect_refusal(-ENOEXEC, "no end tag");
	header2(40000);
	kernel.size = 50000;
	expect_refusal(-ENOEXEC, "not all there");
}

/* Modules that do not fit, and an image that fills low memory. */
static void test_no_room(void **state)
{
	(void)state;
	kludge_new();
	extras_set();
	initrd.size = GUEST_SIZE;
	expect_refusal(-ENOMEM, "a module");
	initrd.size = 0;
	expect_refusal(-ENOEXEC, "is empty");
	kludge_new();
	kernel.read = image_read_fails;
	expect_refusal(-ENOEXEC, "neither");
	/* Low memory full of the image: the loader's data goes above it. */
	kludge_new();
	set32(HEADER + 12, 0x1000 + HEADER);
	set32(HEADER + 16, 0x1000);
	set32(HEADER + 20, 0);
	set32(HEADER + 24, 0x9f000);
	set32(HEADER + 28, 0x1000 + CODE);
	assert_int_equal(load(), 0);
	assert_true(result.gpr[RBX] >= 0x100000);
	assert_int_equal(ram[0x9efff], 0);
}

static void test_every_byte(void **state)
{
	static void (*const make[])(void) = {elf1_new, elf1_32_new, elf2_new, kludge_new,
					     kludge2_new};
	static const uint8_t values[] = {0x00, 0x01, 0x04, 0x7f, 0x80, 0xff};

	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(make); m++) {
		make[m]();
		extras_set();
		for (uint32_t off = 0; off < HEADER + 72; off++) {
			uint8_t was = file[off];

			if (off == 0x80)
				off = HEADER;
			for (size_t v = 0; v < sizeof(values); v++) {
				file[off] = values[v];
				load();
			}
			file[off] = was;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elf),	     cmocka_unit_test(test_elf_entry),
		cmocka_unit_test(test_kludge),	     cmocka_unit_test(test_kludge_bad),
		cmocka_unit_test(test_truncated),    cmocka_unit_test(test_header),
		cmocka_unit_test(test_header_place), cmocka_unit_test(test_second),
		cmocka_unit_test(test_second_entry), cmocka_unit_test(test_second_header),
		cmocka_unit_test(test_no_room),	     cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests_name("load_multiboot", tests, guest_new, guest_free);
}
