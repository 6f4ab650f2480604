/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest loaders on images built here: what lands where, the entry states, and every way to refuse an image. */
/* sources: vm/load.c vm/load_bzimage.c vm/load_elf.c vm/load_pvh.c vm/load_multiboot.c vm/load_multiboot1.c vm/load_multiboot2.c vm/load_flat.c lib/sha256.c lib/printf.c lib/string.c */

#include "load_fake.h"

/* --- bzImage --- */

#define KERNEL_SECTS 3
#define KERNEL_CODE  8192

static void bzimage_new(void)
{
	guest_new(NULL);
	set8(0x1f1, KERNEL_SECTS);
	set32(0x1f4, KERNEL_CODE / 16);
	set16(0x1fe, 0xaa55);
	set8(0x200, 0xeb);
	set8(0x201, 0x6a);
	memcpy(file + 0x202, "HdrS", 4);
	set16(0x206, 0x020f);
	set8(0x211, 0x81);
	set32(0x22c, 0x7fffffff);
	set32(0x230, 0x200000);
	set8(0x234, 1);
	set8(0x235, 21);
	set32(0x238, 2047);
	set64(0x258, 0x1000000);
	set32(0x260, 0x800000);
	for (uint32_t i = 0; i < KERNEL_CODE; i++)
		file[(KERNEL_SECTS + 1) * 512 + i] = (uint8_t)(i * 13);
	kernel.size = (KERNEL_SECTS + 1) * 512 + KERNEL_CODE;
}

static void test_bzimage(void **state)
{
	static uint8_t disk[5000];
	uint64_t zp, rd;

	(void)state;
	bzimage_new();
	memset(disk, 0x5a, sizeof(disk));
	initrd_set(disk, sizeof(disk));
	request.cmdline = "console=ttyS0 quiet";
	assert_int_equal(load_guess(&kernel), LOAD_BZIMAGE);
	assert_int_equal(load(), 0);
	assert_string_equal(result.form, "Linux bzImage");
	state_is_protected(0x1000000);
	assert_memory_equal(ram + 0x1000000, file + (KERNEL_SECTS + 1) * 512, KERNEL_CODE);
	assert_int_equal(ram[0x1000000 + KERNEL_CODE], 0xcc);

	zp = result.gpr[RSI];
	assert_true(zp >= 0x1000 && zp + 0x1000 <= 0x9f000 && IS_ALIGNED(zp, PAGE_SIZE));
	assert_int_equal(mem32(zp + 0x202), 0x53726448);
	assert_int_equal(ram[zp + 0x210], 0xff);
	assert_int_equal(ram[zp + 0x1ef], 0); /* the sentinel */
	assert_int_equal(mem32(zp + 0x214), 0x1000000);
	assert_int_equal(mem64(zp + 0x70), 0xe0010);
	assert_string_equal((char *)ram + mem32(zp + 0x228), "console=ttyS0 quiet");

	rd = mem32(zp + 0x218);
	assert_int_equal(mem32(zp + 0x21c), sizeof(disk));
	assert_true(IS_ALIGNED(rd, PAGE_SIZE) && rd + sizeof(disk) <= GUEST_SIZE &&
		    rd >= 0x1800000);
	assert_memory_equal(ram + rd, disk, sizeof(disk));

	assert_int_equal(ram[zp + 0x1e8], 3);
	assert_int_equal(mem64(zp + 0x2d0 + 2 * 20), 0x100000);
	assert_int_equal(mem64(zp + 0x2d0 + 2 * 20 + 8), GUEST_SIZE - 0x100000);
	assert_int_equal(mem32(zp + 0x2d0 + 20 + 16), 2);
}

static void test_bzimage_screen(void **state)
{
	struct load_screen screen = {.kind = SCREEN_LINEAR,
				     .bpp = 32,
				     .red_pos = 16,
				     .red_size = 8,
				     .green_pos = 8,
				     .green_size = 8,
				     .blue_size = 8,
				     .base = GPA(0x1c0000000),
				     .pitch = 5120,
				     .width = 1280,
				     .height = 800};
	uint64_t zp;

	(void)state;
	bzimage_new();
	request.screen = &screen;
	assert_int_equal(load(), 0);
	zp = result.gpr[RSI];
	assert_int_equal(ram[zp + 0x0f], 0x70);
	assert_int_equal(mem32(zp + 0x12), 800 << 16 | 1280);
	assert_int_equal(mem32(zp + 0x18), 0xc0000000);
	assert_int_equal(mem32(zp + 0x1c), 5120 * 800);
	assert_int_equal(mem32(zp + 0x3a), 1);
	assert_int_equal(mem32(zp + 0x36), 2);
	assert_int_equal(ram[zp + 0x2c], 8); /* bits above the colours */
	assert_int_equal(ram[zp + 0x2d], 24);

	screen.width = 65536;
	expect_refusal(-ERANGE, "too large");

	bzimage_new();
	screen = (struct load_screen){.kind = SCREEN_TEXT, .row = 24};
	request.screen = &screen;
	assert_int_equal(load(), 0);
	zp = result.gpr[RSI];
	assert_int_equal(ram[zp + 0x0f], 1);
	assert_int_equal(ram[zp + 0x07], 80);
	assert_int_equal(ram[zp + 0x0e], 25);
	assert_int_equal(ram[zp + 0x01], 24);

	bzimage_new();
	assert_int_equal(load(), 0);
	zp = result.gpr[RSI];
	assert_int_equal(ram[zp + 0x0f], 0);
}

static void test_bzimage_place(void **state)
{
	(void)state;
	/* A hole at the preferred address: the next aligned place. */
	bzimage_new();
	map_count = 0;
	map_add(0x1000, 0x9e000, 1);
	map_add(0x100000, 0xf80000, 1);
	map_add(0x1080000, GUEST_SIZE - 0x1080000, 1);
	holes[hole_count].base = 0x1070000;
	holes[hole_count++].size = 0x10000;
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, 0x1200000);
	assert_int_equal(result.low.v, 0x1200000);

	/* Never below the preferred address, where it would only move itself up. */
	map[2].base = GPA(0x3900000);
	map[2].size = 0x700000;
	expect_refusal(-ENOMEM, "the kernel");

	/* Not relocatable: at 1 MiB, with everything up to the end of its run-time area. */
	bzimage_new();
	set8(0x234, 0);
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, 0x100000);
	holes[hole_count].base = 0x17ff000;
	holes[hole_count++].size = 0x1000;
	expect_refusal(-ENOMEM, "not relocatable");

	/* No low memory: the loader's own data goes elsewhere, never to page 0. */
	bzimage_new();
	map_count = 0;
	map_add(0, 0x1000, 1);
	map_add(0x100000, GUEST_SIZE - 0x100000, 1);
	assert_int_equal(load(), 0);
	assert_true(result.gpr[RSI] >= 0x1800000);
	map_count = 1;
	expect_refusal(-ENOMEM, "the kernel");

	/* An initrd below initrd_addr_max, over nothing else. */
	bzimage_new();
	set32(0x22c, 0x1801fff);
	initrd_set(file, 0x2000);
	assert_int_equal(load(), 0);
	assert_int_equal(mem32(result.gpr[RSI] + 0x218), 0x1800000);
	initrd.size = 0x2001;
	assert_int_equal(load(), 0);
	assert_int_equal(mem32(result.gpr[RSI] + 0x218), 0x1000000 - 0x3000);
	initrd.size = GUEST_SIZE;
	expect_refusal(-ENOMEM, "the initrd");
	initrd.size = UINT64_MAX - 100;
	expect_refusal(-ENOMEM, "the initrd");
	initrd.size = 0;
	expect_refusal(-ENOEXEC, "the initrd is empty");
}

static void test_bzimage_signed(void **state)
{
	(void)state;
	bzimage_new();
	kernel.size += 1500; /* a signature behind the code comes along */
	assert_int_equal(load(), 0);
	assert_int_equal(result.high.v, 0x1000000 + KERNEL_CODE + 1500);
}

static void test_bzimage_bad(void **state)
{
	uint64_t full;

	(void)state;
	bzimage_new();
	full = kernel.size;
	for (kernel.size = 0; kernel.size < full; kernel.size++)
		assert_int_equal(load(), -ENOEXEC);

	bzimage_new();
	set16(0x206, 0x020b);
	expect_refusal(-ENOEXEC, "2.11");
	bzimage_new();
	set8(0x201, 0x61);
	expect_refusal(-ENOEXEC, "too early");
	bzimage_new();
	set8(0x211, 0);
	expect_refusal(-ENOEXEC, "zImage");
	bzimage_new();
	set32(0x230, 0);
	expect_refusal(-ENOEXEC, "alignment");
	set32(0x230, 0x300000);
	expect_refusal(-ENOEXEC, "alignment");
	bzimage_new();
	set32(0x260, 0);
	expect_refusal(-ENOEXEC, "no size");
	set32(0x260, KERNEL_CODE - 1);
	expect_refusal(-ENOEXEC, "larger");
	bzimage_new();
	set32(0x260, 0xffffffff);
	expect_refusal(-ENOMEM, "the kernel");
	bzimage_new();
	set32(0x1f4, 0xffffffff);
	expect_refusal(-ENOEXEC, "truncated");
	bzimage_new();
	set8(0x1f1, 0); /* means 4: one sector too many for this file */
	expect_refusal(-ENOEXEC, "truncated");
	bzimage_new();
	set64(0x258, 0xfffffffffffff000);
	expect_refusal(-ENOEXEC, "wants to run");
	set64(0x258, 0x1000);
	expect_refusal(-ENOEXEC, "wants to run");
	bzimage_new();
	set32(0x238, 4);
	request.cmdline = "12345";
	expect_refusal(-E2BIG, "command line");
	request.cmdline = "1234";
	assert_int_equal(load(), 0);
	bzimage_new();
	request.module_count = 1;
	expect_refusal(-ENOSYS, "modules");
	bzimage_new();
	while (map_count < 129)
		map_add(GUEST_SIZE + map_count * PAGE_SIZE, 0x1000, 2);
	expect_refusal(-E2BIG, "129 entries");
	map_count = 128;
	assert_int_equal(load(), 0);
}

/* Whatever a byte of the header says: no access outside, and an answer. */
static void test_bzimage_every_byte(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

	(void)state;
	bzimage_new();
	for (uint32_t off = 0x1f1; off < 0x281; off++) {
		uint8_t was = file[off];

		for (size_t v = 0; v < sizeof(values); v++) {
			file[off] = values[v];
			load();
		}
		file[off] = was;
	}
}

/* --- PVH --- */

#define PH_LOAD1 0x40
#define PH_LOAD2 0x78
#define PH_NOTE	 0xb0
#define NOTE	 0x100
#define CODE	 0x1000
#define CODE_LEN 0x800
#define ENTRY	 0x1000010

static void phdr64(uint32_t at, uint32_t type, uint64_t off, uint64_t paddr, uint64_t filesz,
		   uint64_t memsz)
{
	set32(at, type);
	set32(at + 4, 7);
	set64(at + 8, off);
	set64(at + 16, 0xffffffff80000000 + paddr);
	set64(at + 24, paddr);
	set64(at + 32, filesz);
	set64(at + 40, memsz);
	set64(at + 48, 4);
}

/* Another vendor's note first, then the entry, in a descriptor of 8 bytes. */
static void notes_put(void)
{
	set32(NOTE, 4);
	set32(NOTE + 4, 5);
	set32(NOTE + 8, 18);
	memcpy(file + NOTE + 12, "Xen\x01", 4);
	set32(NOTE + 24, 4);
	set32(NOTE + 28, 8);
	set32(NOTE + 32, 18);
	memcpy(file + NOTE + 36, "Xen", 4);
	set64(NOTE + 40, ENTRY);
}

static void code_put(void)
{
	for (uint32_t i = 0; i < CODE_LEN; i++)
		file[CODE + i] = (uint8_t)(i * 3 + 1);
	kernel.size = CODE + CODE_LEN;
}

static void elf_new(void)
{
	guest_new(NULL);
	memcpy(file,
	       "\x7f"
	       "ELF\x02\x01\x01",
	       7);
	set16(16, 2);
	set16(18, 62);
	set32(20, 1);
	set64(24, 0x123456789);
	set64(32, PH_LOAD1);
	set16(52, 64);
	set16(54, 56);
	set16(56, 3);
	phdr64(PH_LOAD1, 1, CODE, 0x1000000, CODE_LEN, 0x3000);
	phdr64(PH_LOAD2, 1, CODE + 0x400, 0x1003000, 0x10, 0x10);
	phdr64(PH_NOTE, 4, NOTE, 0x1003000, 48, 48);
	notes_put();
	code_put();
}

static void elf32_phdr(uint32_t at, uint32_t type, uint32_t off, uint32_t paddr, uint32_t filesz,
		       uint32_t memsz)
{
	set32(at, type);
	set32(at + 4, off);
	set32(at + 8, 0xc0000000 + paddr);
	set32(at + 12, paddr);
	set32(at + 16, filesz);
	set32(at + 20, memsz);
	set32(at + 24, 7);
	set32(at + 28, 4);
}

static void elf32_new(void)
{
	guest_new(NULL);
	memcpy(file,
	       "\x7f"
	       "ELF\x01\x01\x01",
	       7);
	set16(16, 2);
	set16(18, 3);
	set32(20, 1);
	set32(28, 52);
	set16(40, 52);
	set16(42, 32);
	set16(44, 2);
	elf32_phdr(52, 1, CODE, 0x1000000, CODE_LEN, 0x3000);
	elf32_phdr(84, 4, NOTE, 0x1000000, 24, 24);
	set32(NOTE, 4);
	set32(NOTE + 4, 4);
	set32(NOTE + 8, 18);
	memcpy(file + NOTE + 12, "Xen", 4);
	set32(NOTE + 16, ENTRY);
	code_put();
}

static void test_pvh(void **state)
{
	static uint8_t disk[4097], env[] = "a=b";
	struct image env_image = {.size = sizeof(env), .read = image_read, .arg = env};
	struct load_module modules[] = {
		{&env_image, "env x"},
		       {&env_image, NULL	}
	 };
	uint64_t si, mods, mm;

	(void)state;
	elf_new();
	memset(disk, 0xa5, sizeof(disk));
	initrd_set(disk, sizeof(disk));
	request.cmdline = "quiet";
	request.modules = modules;
	request.module_count = 2;
	assert_int_equal(load_guess(&kernel), LOAD_PVH);
	assert_int_equal(load(), 0);
	assert_string_equal(result.form, "PVH");
	state_is_protected(ENTRY);
	assert_memory_equal(ram + 0x1000000, file + CODE, CODE_LEN);
	for (uint32_t i = CODE_LEN; i < 0x3000; i++)
		assert_int_equal(ram[0x1000000 + i], 0);
	assert_memory_equal(ram + 0x1003000, file + CODE + 0x400, 0x10);
	assert_int_equal(ram[0x1003010], 0xcc);
	assert_int_equal(result.low.v, 0x1000000);
	assert_int_equal(result.high.v, 0x1003010);

	si = result.gpr[RBX];
	assert_true(si >= 0x1000 && si < 0x9f000);
	assert_int_equal(mem32(si), 0x336ec578);
	assert_int_equal(mem32(si + 4), 1);
	assert_int_equal(mem32(si + 12), 3);
	assert_string_equal((char *)ram + mem64(si + 24), "quiet");
	assert_int_equal(mem64(si + 32), 0xe0010);
	mm = mem64(si + 40);
	assert_int_equal(mem32(si + 48), 3);
	assert_int_equal(mem64(mm + 48), 0x100000);
	assert_int_equal(mem64(mm + 56), GUEST_SIZE - 0x100000);
	assert_int_equal(mem32(mm + 24 + 16), 2);
	mods = mem64(si + 16);
	assert_int_equal(mem64(mods + 8), sizeof(disk));
	assert_memory_equal(ram + mem64(mods), disk, sizeof(disk));
	assert_int_equal(mem64(mods + 16), 0);
	assert_string_equal((char *)ram + mem64(mods + 32), "a=b");
	assert_string_equal((char *)ram + mem64(mods + 32 + 16), "env x");
	assert_int_equal(mem64(mods + 64 + 16), 0);
}

static void test_pvh32(void **state)
{
	(void)state;
	elf32_new();
	assert_int_equal(load(), 0);
	state_is_protected(ENTRY);
	assert_memory_equal(ram + 0x1000000, file + CODE, CODE_LEN);
	assert_int_equal(mem32(result.gpr[RBX] + 12), 0);
	assert_int_equal(mem64(result.gpr[RBX] + 16), 0);
}

/* The loader's data keeps away from an image in low memory. */
static void test_pvh_low_image(void **state)
{
	(void)state;
	elf_new();
	phdr64(PH_LOAD1, 1, CODE, 0x1000, CODE_LEN, 0x9d000);
	set64(NOTE + 40, 0x1000);
	assert_int_equal(load(), 0);
	assert_true(result.gpr[RBX] >= 0x9e000);
	assert_memory_equal(ram + 0x1000, file + CODE, CODE_LEN);
	phdr64(PH_LOAD1, 1, CODE, 0x0, CODE_LEN, 0x9f000);
	set64(NOTE + 40, 0x10);
	assert_int_equal(load(), 0);
	assert_true(result.gpr[RBX] >= 0x1004000);
}

static void test_pvh_bad_header(void **state)
{
	static const struct {
		uint32_t off;
		uint16_t value;
		const char *words;
	} cases[] = {
		{4,  0x0103, "unknown kind"	  },
		{5,  0x0102, "unknown kind"	  },
		{16, 3,	"not an executable"	   },
		{18, 183,	  "another processor"    },
		{54, 55,	 "have 55 bytes"	},
		{54, 0,	"have 0 bytes"	      },
		{56, 0,	"0 program headers"	   },
		{56, 65,	 "65 program headers"   },
		{56, 0xffff, "65535 program headers"},
	};
	uint64_t full;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		elf_new();
		set16(cases[i].off, cases[i].value);
		expect_refusal(-ENOEXEC, cases[i].words);
	}
	elf_new();
	full = kernel.size;
	for (kernel.size = 0; kernel.size < full; kernel.size++)
		assert_int_equal(load(), -ENOEXEC);
	elf32_new();
	full = kernel.size;
	for (kernel.size = 0; kernel.size < full; kernel.size++)
		assert_int_equal(load(), -ENOEXEC);
	elf_new();
	set64(32, UINT64_MAX - 8);
	expect_refusal(-ENOEXEC, "truncated");
	set64(32, UINT64_MAX - 60);
	expect_refusal(-ENOEXEC, "truncated");
}

static void test_pvh_bad_segments(void **state)
{
	static const struct {
		uint64_t off, paddr, filesz, memsz;
		int error;
		const char *words;
	} cases[] = {
		{CODE,       0x1000000,	  0x801,	 0x1000,	 -ENOEXEC, "truncated"		      },
		{UINT64_MAX, 0x1000000,		1,	   0x1000,	   -ENOEXEC, "truncated"		},
		{CODE,       0x1000000,	  UINT64_MAX, UINT64_MAX, -ENOEXEC, "truncated"		       },
		{CODE,       0x1000000,	  0x800,	 0x7ff,	-ENOEXEC, "more bytes in the file"	  },
		{CODE,       0x1000000,	  0x800,	 UINT64_MAX, -ENOMEM,  "not in the guest's memory"},
		{CODE,       UINT64_MAX - 0x800, 0x800,	  0x1000,	  -ENOMEM,  "not in the guest's memory"},
		{CODE,       0x9f000,		0x800,      0x70000000, -ENOMEM,  "not in the guest's memory"},
		{CODE,       GUEST_SIZE - 0x7ff, 0x800,	  0x800,	 -ENOMEM,  "not in the guest's memory"},
		{CODE,       0x100000000,	    0x800,	   0x800,	  -ENOMEM,  "below 4 GiB"		},
		{CODE,       0x1000000,	  0x800,	 0x3001,	 -ENOEXEC, "over another part"	      },
		{CODE,       0x1000000,	  0x10,	0x3000,	-ENOEXEC, "outside of the image"	},
		{CODE,       0x1000011,	  0x800,	 0x1000,	 -ENOEXEC, "outside of the image"	 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		elf_new();
		phdr64(PH_LOAD1, 1, cases[i].off, cases[i].paddr, cases[i].filesz, cases[i].memsz);
		expect_refusal(cases[i].error, cases[i].words);
	}
	elf_new();
	holes[hole_count].base = 0x1002000;
	holes[hole_count++].size = 0x1000;
	expect_refusal(-ENOMEM, "not in the guest's memory");
	elf_new();
	set16(56, 0);
	expect_refusal(-ENOEXEC, "0 program headers");
	elf_new();
	set32(PH_LOAD1, 0);
	set32(PH_LOAD2, 0);
	expect_refusal(-ENOEXEC, "nothing to load");
	elf_new();
	request.module_count = LOAD_MODULES + 1;
	expect_refusal(-E2BIG, "modules");
}

static void test_pvh_bad_notes(void **state)
{
	(void)state;
	elf_new();
	set32(NOTE + 32, 17);
	expect_refusal(-ENOEXEC, "no PVH entry");
	elf_new();
	set32(PH_NOTE, 0);
	expect_refusal(-ENOEXEC, "no PVH entry");
	elf_new();
	set32(NOTE + 28, 2);
	expect_refusal(-ENOEXEC, "2 bytes instead");
	elf_new();
	set32(NOTE + 28, 0xfffffffc);
	expect_refusal(-ENOEXEC, "outside of its segment");
	elf_new();
	set32(NOTE, 0xffffffff);
	expect_refusal(-ENOEXEC, "outside of its segment");
	elf_new();
	set32(NOTE + 4, 100);
	expect_refusal(-ENOEXEC, "outside of its segment");
	elf_new();
	set64(PH_NOTE + 32, 40); /* the second note loses its end */
	expect_refusal(-ENOEXEC, "outside of its segment");
	elf_new();
	set64(NOTE + 40, 0x100000000 + ENTRY);
	expect_refusal(-ENOEXEC, "outside of the image");
	elf_new();
	phdr64(PH_NOTE, 4, 0, 0, 0x10001, 0x10001);
	expect_refusal(-ENOEXEC, "truncated");
	elf_new();
	kernel.size = sizeof(file);
	phdr64(PH_NOTE, 4, 0, 0, sizeof(file), sizeof(file));
	load();
}

static void test_pvh_every_byte(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x04, 0x7f, 0x80, 0xff};

	(void)state;
	elf_new();
	for (uint32_t off = 0; off < NOTE + 48; off++) {
		uint8_t was = file[off];

		for (size_t v = 0; v < sizeof(values); v++) {
			file[off] = values[v];
			load();
		}
		file[off] = was;
	}
}

/* --- Flat binaries and the rest --- */

static void test_flat_real(void **state)
{
	(void)state;
	guest_new(NULL);
	memset(file, 0xf4, 512);
	kernel.size = 512;
	request.flat = FLAT_REAL;
	request.flat_base = 0x7c00;
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.rip, 0);
	assert_int_equal(result.state.seg[SEG_CS].sel, 0x7c0);
	segment_is(SEG_CS, 0x9b, 0xffff, 0x7c00);
	segment_is(SEG_SS, 0x93, 0xffff, 0x7c00);
	assert_int_equal(result.state.cr0, CR0_ET);
	assert_memory_equal(ram + 0x7c00, file, 512);
	request.cmdline = "x";
	expect_refusal(-ENOSYS, "command line");
	request.cmdline = NULL;
	request.flat_base = 0x100000;
	expect_refusal(-EINVAL, "below 1 MiB");
	request.flat_base = 0x7c01;
	expect_refusal(-EINVAL, "multiple of 16");
}

static void test_flat_protected(void **state)
{
	(void)state;
	guest_new(NULL);
	kernel.size = 100;
	request.flat = FLAT_PROTECTED;
	request.flat_base = 0x200000;
	request.cmdline = "hello";
	assert_int_equal(load(), 0);
	state_is_protected(0x200000);
	assert_int_equal(result.state.rsp, 0x200000);
	assert_int_equal(result.gpr[RSP], 0x200000);
	assert_string_equal((char *)ram + result.gpr[RSI], "hello");
	initrd_set(file, 1);
	expect_refusal(-ENOSYS, "initrd");
	request.initrd = NULL;
	kernel.size = 0;
	expect_refusal(-ENOEXEC, "empty");
}

/* Walk the tables that the guest starts with, as its processor would. */
static void test_flat_long(void **state)
{
	(void)state;
	guest_new(NULL);
	kernel.size = 100;
	request.flat = FLAT_LONG;
	request.flat_base = 0x200000;
	assert_int_equal(load(), 0);
	assert_int_equal(result.state.efer, EFER_LME | EFER_LMA);
	assert_int_equal(result.state.cr0, CR0_PE | CR0_ET | CR0_PG);
	assert_int_equal(result.state.cr4, CR4_PAE);
	segment_is(SEG_CS, 0xa9b, 0xffffffff, 0);
	assert_int_equal(mem64(result.state.gdtr.base + 0x10), 0x00af9b000000ffff);
	assert_int_equal(result.gpr[RSI], 0);
	for (uint64_t va = 0; va < 4 * GIB; va += PAGE_SIZE_2M) {
		uint64_t e = mem64(result.state.cr3);

		assert_int_equal(e & PAGE_MASK, 3);
		e = mem64((e & ~PAGE_MASK) + (va >> 30) * 8);
		assert_int_equal(e & PAGE_MASK, 3);
		e = mem64((e & ~PAGE_MASK) + (va >> 21) % 512 * 8);
		assert_int_equal(e, va | 0x83);
	}
	assert_int_equal(mem64((mem64(result.state.cr3) & ~PAGE_MASK) + 4 * 8), 0);
}

static void test_flat_bad_place(void **state)
{
	static const uint64_t bases[] = {GUEST_SIZE - 99, UINT64_MAX, UINT64_MAX - 100,
					 0x100000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		guest_new(NULL);
		kernel.size = 100;
		request.flat = FLAT_PROTECTED;
		request.flat_base = bases[i];
		expect_refusal(-ENOMEM, "not in the guest's memory");
	}
}

static void test_foreign(void **state)
{
	(void)state;
	guest_new(NULL);
	memcpy(file, "#!/bin/sh", 9);
	kernel.size = 9;
	assert_int_equal(load_guess(&kernel), LOAD_UNKNOWN);
	expect_refusal(-ENOEXEC, "neither");
	kernel.size = 0;
	expect_refusal(-ENOEXEC, "neither");
	elf_new();
	kernel.read = image_read_fails;
	expect_refusal(-ENOEXEC, "neither");
}

static void test_image_sha256(void **state)
{
	static const uint8_t want[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
	struct image abc = {.size = 3, .read = image_read, .arg = "abc"};
	uint8_t digest[SHA256_SIZE], buf[2];

	(void)state;
	assert_int_equal(image_sha256(&abc, buf, sizeof(buf), digest), 0);
	assert_memory_equal(digest, want, sizeof(want));
	assert_int_equal(image_sha256(&abc, buf, 0, digest), -EINVAL);
	abc.read = image_read_fails;
	assert_int_equal(image_sha256(&abc, buf, sizeof(buf), digest), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bzimage),
		cmocka_unit_test(test_bzimage_screen),
		cmocka_unit_test(test_bzimage_place),
		cmocka_unit_test(test_bzimage_signed),
		cmocka_unit_test(test_bzimage_bad),
		cmocka_unit_test(test_bzimage_every_byte),
		cmocka_unit_test(test_pvh),
		cmocka_unit_test(test_pvh32),
		cmocka_unit_test(test_pvh_low_image),
		cmocka_unit_test(test_pvh_bad_header),
		cmocka_unit_test(test_pvh_bad_segments),
		cmocka_unit_test(test_pvh_bad_notes),
		cmocka_unit_test(test_pvh_every_byte),
		cmocka_unit_test(test_flat_real),
		cmocka_unit_test(test_flat_protected),
		cmocka_unit_test(test_flat_long),
		cmocka_unit_test(test_flat_bad_place),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_image_sha256),
	};

	return cmocka_run_group_tests_name("load", tests, guest_new, guest_free);
}
