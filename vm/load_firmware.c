/* SPDX-License-Identifier: BSD-2-Clause */
/* The items of a firmware guest's fw_cfg device. QEMU, docs/specs/fw_cfg; hw/i386/x86.c for what a kernel's items say. */

#include "vm/load_firmware.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/acpi_make.h"

#define FILE_RSDP   "etc/acpi/rsdp"
#define FILE_TABLES "etc/acpi/tables"

#define RSDP_SIZE     36
#define RSDP_OLD_SIZE 20 /* what its first checksum covers */
#define TABLES_AT     64 /* where acpi_make puts the first table */
#define SMBIOS_ENTRY  24 /* bytes of a 64-bit entry point */
#define E820_RAM      1
#define SIGNATURE     0x554d4551 /* "QEMU" */

/* Where a PC's boot loader puts a kernel's parts (boot.rst, "Memory Layout"). */
#define SETUP_ADDR   0x10000
#define CMDLINE_ADDR 0x20000
#define KERNEL_ADDR  0x100000
#define TOP_KEPT     MIB /* of low RAM, for the firmware's own tables */

/* boot.rst, "The Real-Mode Kernel Header". */
#define SECTOR		 512
#define HDR_SETUP_SECTS	 0x1f1
#define HDR_MAGIC	 0x202
#define HDR_LOADER	 0x210
#define HDR_LOADFLAGS	 0x211
#define HDR_INITRD_ADDR	 0x218
#define HDR_INITRD_SIZE	 0x21c
#define HDR_HEAP_END	 0x224
#define HDR_CMDLINE	 0x228
#define HDR_INITRD_MAX	 0x22c
#define HDR_END		 0x230
#define LOADFLAGS_HEAP	 0x80
#define LOADER_UNDEFINED 0xff
#define SETUP_SECTS_OLD	 4
#define HEAP_BASE	 0x200 /* heap_end_ptr counts from there */

enum { COMMAND_ALLOCATE = 1, COMMAND_POINTER = 2, COMMAND_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

static void item_add(struct firmware *f, uint16_t key, struct image image)
{
	f->items[f->item_count++] = (struct vfwcfg_item){
		.key = key, .size = (uint32_t)image.size, .read = image.read, .arg = image.arg};
}

static struct image bytes(const void *at, uint64_t size)
{
	return (struct image){.size = size, .read = vfwcfg_bytes, .arg = (void *)(uintptr_t)at};
}

/* The lowest @size bytes of @value, little-endian. */
static void number_add(struct firmware *f, uint16_t key, uint64_t value, uint32_t size)
{
	uint64_t *at = &f->numbers[f->number_count++];

	*at = value;
	item_add(f, key, bytes(at, size));
}

static int file_add(struct firmware *f, const char *name, struct image image)
{
	struct vfwcfg_file *file = &f->directory.files[f->file_count];
	uint16_t key = (uint16_t)(VFWCFG_FILE + f->file_count);

	if (f->file_count == FIRMWARE_FILES || strlen(name) >= VFWCFG_NAME ||
	    image.size > UINT32_MAX)
		return -ENOSPC;
	f->file_count++;
	f->directory.count = __builtin_bswap32(f->file_count);
	file->size = __builtin_bswap32((uint32_t)image.size);
	file->key = __builtin_bswap16(key);
	strlcpy(file->name, name, sizeof(file->name));
	item_add(f, key, image);
	return 0;
}

/* --- ACPI: the firmware places the tables, and makes pointers and sums right by these commands --- */

static struct firmware_command *command_add(struct firmware *f, uint32_t command)
{
	struct firmware_command *c = &f->commands[f->command_count++];

	c->command = command;
	return c;
}

static void link_allocate(struct firmware *f, const char *file, uint32_t align, uint8_t zone)
{
	struct firmware_command *c = command_add(f, COMMAND_ALLOCATE);

	strlcpy(c->alloc.file, file, VFWCFG_NAME);
	c->alloc.align = align;
	c->alloc.zone = zone;
}

/* @size bytes at @offset of @file hold an offset in the tables' file. */
static void link_pointer(struct firmware *f, const char *file, uint32_t offset, uint8_t size)
{
	struct firmware_command *c = command_add(f, COMMAND_POINTER);

	strlcpy(c->pointer.file, file, VFWCFG_NAME);
	strlcpy(c->pointer.target, FILE_TABLES, VFWCFG_NAME);
	c->pointer.offset = offset;
	c->pointer.size = size;
}

/* The byte at @start + @offset becomes the sum of @length bytes from @start on; it is 0 before that. */
static void link_checksum(struct firmware *f, const char *file, uint8_t *base, uint32_t start,
			  uint32_t offset, uint32_t length)
{
	struct firmware_command *c = command_add(f, COMMAND_CHECKSUM);

	strlcpy(c->checksum.file, file, VFWCFG_NAME);
	c->checksum.offset = start + offset;
	c->checksum.start = start;
	c->checksum.length = length;
	base[start + offset] = 0;
}

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

#define TABLE_LENGTH   4 /* ACPI 6.5, table 5.4 */
#define TABLE_CHECKSUM 9
#define XSDT_ENTRIES   36
#define FADT_FACS      36 /* and the DSDT's address behind it; table 5.9 */
#define FADT_X_DSDT    140
#define RSDP_XSDT      24 /* table 5.3 */
#define RSDP_CHECKSUM  8
#define RSDP_CHECKSUM2 32

static int acpi_add(struct firmware *f, uint32_t vcpus)
{
	/* With this base what the tables hold as addresses are offsets in their file. */
	uint32_t size = acpi_make(vcpus, true, 0U - TABLES_AT, f->tables, sizeof(f->tables));
	uint8_t *rsdp = f->tables, *t = rsdp + TABLES_AT;
	uint32_t xsdt, fadt, len;
	int err;

	if (size > sizeof(f->tables))
		return -ENOSPC;
	xsdt = word(rsdp + RSDP_XSDT);
	fadt = word(t + xsdt + XSDT_ENTRIES); /* its first entry */
	len = word(t + xsdt + TABLE_LENGTH);
	link_allocate(f, FILE_RSDP, 16, ZONE_FSEG);
	link_allocate(f, FILE_TABLES, TABLES_AT, ZONE_HIGH);
	link_pointer(f, FILE_RSDP, RSDP_XSDT, 8);
	for (uint32_t i = XSDT_ENTRIES; i < len; i += 8)
		link_pointer(f, FILE_TABLES, xsdt + i, 8);
	link_pointer(f, FILE_TABLES, fadt + FADT_FACS, 4);
	link_pointer(f, FILE_TABLES, fadt + FADT_FACS + 4, 4);
	link_pointer(f, FILE_TABLES, fadt + FADT_X_DSDT, 8);
	link_checksum(f, FILE_TABLES, t, fadt, TABLE_CHECKSUM, word(t + fadt + TABLE_LENGTH));
	link_checksum(f, FILE_TABLES, t, xsdt, TABLE_CHECKSUM, len);
	link_checksum(f, FILE_RSDP, rsdp, 0, RSDP_CHECKSUM, RSDP_OLD_SIZE);
	link_checksum(f, FILE_RSDP, rsdp, 0, RSDP_CHECKSUM2, RSDP_SIZE);
	err = file_add(f, FILE_RSDP, bytes(rsdp, RSDP_SIZE));
	if (!err)
		err = file_add(f, FILE_TABLES, bytes(t, size - TABLES_AT));
	if (!err)
		err = file_add(f, "etc/table-loader",
			       bytes(f->commands, f->command_count * sizeof(f->commands[0])));
	return err;
}

static int smbios_add(struct firmware *f, const struct smbios_vm *vm)
{
	uint32_t size = smbios_make(vm, VBOARD_SMBIOS, f->smbios, sizeof(f->smbios));
	int err;

	if (size > sizeof(f->smbios))
		return -ENOSPC;
	err = file_add(f, "etc/smbios/smbios-anchor", bytes(f->smbios, SMBIOS_ENTRY));
	if (!err)
		err = file_add(f, "etc/smbios/smbios-tables",
			       bytes(f->smbios + SMBIOS_ENTRY, size - SMBIOS_ENTRY));
	return err;
}

static int memory_add(struct firmware *f, const struct firmware_request *r)
{
	f->e820[0] = (struct firmware_e820){0, r->low, E820_RAM};
	f->e820[1] = (struct firmware_e820){4 * GIB, r->high, E820_RAM};
	number_add(f, VFWCFG_RAM_SIZE, r->low + r->high, 8);
	return file_add(f, "etc/e820", bytes(f->e820, sizeof(f->e820[0]) * (r->high ? 2 : 1)));
}

/* --- the kernel: a bzImage in two parts, its header as a boot loader leaves it --- */

struct fail {
	char *err;
	size_t size;
};

static int fail(const struct fail *to, int error, const char *what)
{
	snprintf_(to->err, to->size, "%s", what);
	return error;
}

static void put_word(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static int initrd_add(struct firmware *f, const struct firmware_request *r, const struct fail *to)
{
	uint64_t top = min_u64(r->low - TOP_KEPT, (uint64_t)word(f->setup + HDR_INITRD_MAX) + 1);
	uint64_t at;

	if (r->low < TOP_KEPT || top < r->initrd->size || top - r->initrd->size < KERNEL_ADDR)
		return fail(to, -ENOMEM, "there is no room for the initrd");
	at = ALIGN_DOWN(top - r->initrd->size, PAGE_SIZE);
	put_word(f->setup + HDR_INITRD_ADDR, (uint32_t)at);
	put_word(f->setup + HDR_INITRD_SIZE, (uint32_t)r->initrd->size);
	number_add(f, VFWCFG_INITRD_ADDR, at, 4);
	number_add(f, VFWCFG_INITRD_SIZE, r->initrd->size, 4);
	item_add(f, VFWCFG_INITRD_DATA, *r->initrd);
	return 0;
}

/* The real-mode part, patched; the rest of the file is the kernel. */
static int kernel_add(struct firmware *f, const struct firmware_request *r, const struct fail *to)
{
	const struct image *k = r->kernel;
	uint32_t setup, cmdline = (uint32_t)strlen(f->cmdline) + 1;
	int err;

	if (k->size < HDR_END || k->size > UINT32_MAX)
		return fail(to, -ENOEXEC, "the kernel is no Linux bzImage");
	err = k->read(k->arg, 0, f->setup, HDR_END);
	if (err)
		return fail(to, err, "the kernel cannot be read");
	setup = f->setup[HDR_SETUP_SECTS] ? f->setup[HDR_SETUP_SECTS] : SETUP_SECTS_OLD;
	setup = (setup + 1) * SECTOR;
	if (memcmp(f->setup + HDR_MAGIC, "HdrS", 4) || setup > FIRMWARE_SETUP || setup >= k->size)
		return fail(to, -ENOEXEC, "firmware boots a Linux bzImage only");
	err = k->read(k->arg, 0, f->setup, setup);
	if (err)
		return fail(to, err, "the kernel cannot be read");
	f->setup[HDR_LOADER] = LOADER_UNDEFINED;
	f->setup[HDR_LOADFLAGS] |= LOADFLAGS_HEAP;
	put_word(f->setup + HDR_HEAP_END, CMDLINE_ADDR - SETUP_ADDR - HEAP_BASE);
	put_word(f->setup + HDR_CMDLINE, CMDLINE_ADDR);
	if (r->initrd)
		err = initrd_add(f, r, to);
	number_add(f, VFWCFG_SETUP_ADDR, SETUP_ADDR, 4);
	number_add(f, VFWCFG_SETUP_SIZE, setup, 4);
	item_add(f, VFWCFG_SETUP_DATA, bytes(f->setup, setup));
	number_add(f, VFWCFG_CMDLINE_ADDR, CMDLINE_ADDR, 4);
	number_add(f, VFWCFG_CMDLINE_SIZE, cmdline, 4);
	item_add(f, VFWCFG_CMDLINE_DATA, bytes(f->cmdline, cmdline));
	number_add(f, VFWCFG_KERNEL_ADDR, KERNEL_ADDR, 4);
	number_add(f, VFWCFG_KERNEL_SIZE, k->size - setup, 4);
	item_add(f, VFWCFG_KERNEL_DATA, *k);
	f->items[f->item_count - 1].start = setup;
	f->items[f->item_count - 1].size -= setup;
	return err;
}

static size_t word_length(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != ' ')
		n++;
	return n;
}

/* A module is a file: the second word of its command line is the name, or else the first. */
static int module_add(struct firmware *f, const struct load_module *m)
{
	char name[VFWCFG_NAME];
	const char *s = m->cmdline;
	size_t n = word_length(s);

	if (s[n] && s[n + 1]) {
		s += n + 1;
		n = word_length(s);
	}
	if (n >= sizeof(name))
		return -ENOSPC;
	memcpy(name, s, n);
	name[n] = '\0';
	return file_add(f, name, *m->image);
}

int firmware_describe(struct firmware *f, const struct firmware_request *r, char *err,
		      size_t err_size)
{
	const struct fail to = {err, err_size};
	int e;

	strlcpy(f->cmdline, r->cmdline ? r->cmdline : "", sizeof(f->cmdline));
	number_add(f, VFWCFG_SIGNATURE, SIGNATURE, 4);
	number_add(f, VFWCFG_ID, VFWCFG_ID_TRADITIONAL | VFWCFG_ID_DMA, 4);
	number_add(f, VFWCFG_NO_GRAPHIC, 1, 2); /* the console is the serial port */
	number_add(f, VFWCFG_BOOT_MENU, 1, 2);
	number_add(f, VFWCFG_CPUS, r->vcpus, 2);
	number_add(f, VFWCFG_MAX_CPUS, r->vcpus, 2);
	number_add(f, VFWCFG_IRQ0_OVERRIDE, 1, 1);
	e = memory_add(f, r);
	if (!e)
		e = acpi_add(f, r->vcpus);
	if (!e)
		e = smbios_add(f, &r->smbios);
	for (uint32_t i = 0; i < r->module_count && !e; i++)
		e = module_add(f, &r->modules[i]);
	if (e)
		return fail(&to, e, "too many files for the firmware, or one with too long a name");
	if (r->kernel)
		e = kernel_add(f, r, &to);
	item_add(f, VFWCFG_DIRECTORY, bytes(&f->directory, sizeof(f->directory)));
	return e;
}
