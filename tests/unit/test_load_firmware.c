/* SPDX-License-Identifier: BSD-2-Clause */
/* What firmware is told: files, tables placed as SeaBIOS and OVMF do it, and a kernel by QEMU's items. */
/* sources: vm/load_firmware.c vm/acpi_make.c vm/aml.c vm/smbios_make.c vdev/vfwcfg.c lib/printf.c lib/string.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "vm/load_firmware.h"

#define SETUP	     (4 * 512 + 512)
#define KERNEL	     (SETUP + 10000)
#define HIGH_ADDRESS 0x0f000000U /* where the tests' firmware puts what goes high */
#define FSEG	     0x000f5000U

static struct firmware *f;
static struct firmware_request request;
static uint8_t kernel_bytes[KERNEL], initrd_bytes[5000];
static char err[160];

static int read_bytes(void *arg, uint64_t off, void *buf, uint32_t len)
{
	memcpy(buf, (uint8_t *)arg + off, len);
	return 0;
}

static int read_fails(void *arg, uint64_t off, void *buf, uint32_t len)
{
	(void)arg;
	(void)off;
	(void)buf;
	(void)len;
	return -EIO;
}

static struct image kernel = {KERNEL, read_bytes, kernel_bytes},
		    initrd = {sizeof(initrd_bytes), read_bytes, initrd_bytes};

static int start(void **state)
{
	(void)state;
	free(f);
	f = calloc(1, sizeof(*f));
	assert_non_null(f);
	for (uint32_t i = 0; i < KERNEL; i++)
		kernel_bytes[i] = (uint8_t)(i * 13 + i / 256);
	kernel_bytes[0x1f1] = 4;
	memcpy(kernel_bytes + 0x202, "HdrS\x0f\x02", 6);
	memcpy(kernel_bytes + 0x22c, "\xff\xff\xff\x7f", 4);
	kernel = (struct image){KERNEL, read_bytes, kernel_bytes};
	request = (struct firmware_request){
		.vcpus = 3,
		.low = 256 * MIB,
		.smbios = {.version = "1", .name = "g", .vcpus = 3, .memory = 256 * MIB},
	};
	return 0;
}

static void describe(void)
{
	err[0] = '\0';
	if (firmware_describe(f, &request, err, sizeof(err)))
		fail_msg("%s", err);
	assert_in_range(f->item_count, 1, FIRMWARE_ITEMS);
}

static const struct vfwcfg_item *find(uint32_t key)
{
	const struct vfwcfg_item *found = NULL;

	for (uint32_t i = 0; i < f->item_count; i++) {
		if (f->items[i].key != key)
			continue;
		assert_null(found);
		found = &f->items[i];
	}
	return found;
}

/* The content of an item, from malloc. */
static uint8_t *content(uint32_t key, uint32_t *size)
{
	const struct vfwcfg_item *i = find(key);
	uint8_t *buf;

	assert_non_null(i);
	buf = malloc(i->size ? i->size : 1);
	assert_non_null(buf);
	assert_int_equal(i->read(i->arg, i->start, buf, i->size), 0);
	*size = i->size;
	return buf;
}

static uint64_t number(uint32_t key)
{
	uint64_t value = 0;
	uint32_t size;
	uint8_t *p = content(key, &size);

	assert_in_range(size, 1, 8);
	memcpy(&value, p, size);
	free(p);
	return value;
}

/* By the directory, as firmware finds it. */
static uint8_t *file(const char *name, uint32_t *size)
{
	uint32_t len, count;
	uint8_t *dir = content(VFWCFG_DIRECTORY, &len), *found = NULL;

	memcpy(&count, dir, 4);
	count = __builtin_bswap32(count);
	assert_in_range(count, 1, (len - 4) / 64);
	for (uint32_t i = 0; i < count; i++) {
		struct vfwcfg_file e;

		memcpy(&e, dir + 4 + i * sizeof(e), sizeof(e));
		if (strcmp(e.name, name))
			continue;
		found = content(__builtin_bswap16(e.key), size);
		assert_int_equal(*size, __builtin_bswap32(e.size));
	}
	free(dir);
	return found;
}

static void numbers(void **state)
{
	(void)state;
	request.high = 3 * GIB;
	describe();
	assert_int_equal(number(VFWCFG_SIGNATURE), 0x554d4551);
	assert_int_equal(number(VFWCFG_ID), 3);
	assert_int_equal(number(VFWCFG_CPUS), 3);
	assert_int_equal(number(VFWCFG_MAX_CPUS), 3);
	assert_int_equal(number(VFWCFG_RAM_SIZE), 256 * MIB + 3 * GIB);
	assert_null(find(VFWCFG_KERNEL_DATA));
	assert_null(find(VFWCFG_INITRD_DATA));
}

static void memory_map(void **state)
{
	uint32_t size;
	uint8_t *p;
	struct firmware_e820 e[2];

	(void)state;
	describe();
	p = file("etc/e820", &size);
	assert_int_equal(size, 20);
	free(p);
	start(NULL);
	request.high = 3 * GIB;
	describe();
	p = file("etc/e820", &size);
	assert_int_equal(size, 40);
	memcpy(e, p, size);
	assert_int_equal(e[0].base, 0);
	assert_int_equal(e[0].size, 256 * MIB);
	assert_int_equal(e[1].base, 4 * GIB);
	assert_int_equal(e[1].size, 3 * GIB);
	assert_int_equal(e[0].type, 1);
	assert_int_equal(e[1].type, 1);
	free(p);
}

/* --- the table loader's commands, carried out --- */

static struct blob {
	char name[56];
	uint8_t *at;
	uint32_t size, address;
} blobs[8];
static uint32_t blob_count;

static struct blob *blob(const char *name)
{
	for (uint32_t i = 0; i < blob_count; i++) {
		if (!strcmp(blobs[i].name, name))
			return &blobs[i];
	}
	fail_msg("%s was not allocated", name);
	return NULL;
}

static uint8_t sum(const uint8_t *p, uint32_t n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void command(const struct firmware_command *c)
{
	struct blob *b, *target;
	uint64_t value = 0;

	switch (c->command) {
	case 1:
		b = &blobs[blob_count++];
		strcpy(b->name, c->alloc.file);
		b->at = file(c->alloc.file, &b->size);
		assert_non_null(b->at);
		assert_in_range(c->alloc.zone, 1, 2);
		b->address = c->alloc.zone == 1 ? HIGH_ADDRESS : FSEG;
		assert_int_equal(b->address % c->alloc.align, 0);
		break;
	case 2:
		b = blob(c->pointer.file);
		target = blob(c->pointer.target);
		assert_true(c->pointer.offset + c->pointer.size <= b->size);
		memcpy(&value, b->at + c->pointer.offset, c->pointer.size);
		assert_true(value < target->size);
		value += target->address;
		memcpy(b->at + c->pointer.offset, &value, c->pointer.size);
		break;
	case 3:
		b = blob(c->checksum.file);
		assert_true(c->checksum.start + c->checksum.length <= b->size);
		/* OVMF writes the sum's negative, SeaBIOS subtracts it: the same only from 0 */
		assert_int_equal(b->at[c->checksum.offset], 0);
		b->at[c->checksum.offset] =
			(uint8_t)-sum(b->at + c->checksum.start, c->checksum.length);
		break;
	default:
		fail_msg("command %u", c->command);
	}
}

static uint8_t *table(uint64_t address, const char *signature)
{
	struct blob *b = blob("etc/acpi/tables");
	uint32_t len;

	assert_in_range(address, b->address, b->address + b->size - 36);
	assert_memory_equal(b->at + (address - b->address), signature, 4);
	memcpy(&len, b->at + (address - b->address) + 4, 4);
	assert_true(address - b->address + len <= b->size);
	if (strcmp(signature, "FACS"))
		assert_int_equal(sum(b->at + (address - b->address), len), 0);
	return b->at + (address - b->address);
}

static uint64_t field(const uint8_t *p, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

static void tables_are_placed(void **state)
{
	uint32_t size;
	uint8_t *script, *rsdp, *xsdt, *fadt;

	(void)state;
	describe();
	script = file("etc/table-loader", &size);
	assert_int_equal(size % 128, 0);
	blob_count = 0;
	for (uint32_t i = 0; i < size; i += 128) {
		struct firmware_command c;

		memcpy(&c, script + i, sizeof(c));
		command(&c);
	}
	free(script);
	rsdp = blob("etc/acpi/rsdp")->at;
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	xsdt = table(field(rsdp + 24, 8), "XSDT");
	fadt = table(field(xsdt + 36, 8), "FACP");
	table(field(xsdt + 44, 8), "APIC");
	table(field(xsdt + 52, 8), "MCFG");
	table(field(fadt + 36, 4), "FACS");
	assert_memory_equal(table(field(fadt + 40, 4), "DSDT"), "DSDT", 4);
	assert_int_equal(field(fadt + 140, 8), field(fadt + 40, 4));
	assert_int_equal(field(fadt + 36, 4) % 64, 0);
	while (blob_count--)
		free(blobs[blob_count].at);
}

static void smbios_is_in_two_files(void **state)
{
	uint32_t anchor_size, size;
	uint8_t *anchor, *tables;

	(void)state;
	describe();
	anchor = file("etc/smbios/smbios-anchor", &anchor_size);
	tables = file("etc/smbios/smbios-tables", &size);
	assert_int_equal(anchor_size, 24);
	assert_memory_equal(anchor, "_SM3_", 5);
	assert_int_equal(field(anchor + 12, 4), size);
	assert_int_equal(tables[0], 0);
	assert_int_equal(tables[size - 6], 127);
	free(anchor);
	free(tables);
}

/* --- what it boots --- */

static void kernel_in_two_parts(void **state)
{
	uint32_t size, rest;
	uint8_t *setup, *data;

	(void)state;
	request.kernel = &kernel;
	request.initrd = &initrd;
	request.cmdline = "quiet";
	describe();
	setup = content(VFWCFG_SETUP_DATA, &size);
	data = content(VFWCFG_KERNEL_DATA, &rest);
	assert_int_equal(size, SETUP);
	assert_int_equal(number(VFWCFG_SETUP_SIZE), SETUP);
	assert_int_equal(rest, KERNEL - SETUP);
	assert_int_equal(number(VFWCFG_KERNEL_SIZE), rest);
	assert_memory_equal(data, kernel_bytes + SETUP, rest);
	assert_int_equal(number(VFWCFG_SETUP_ADDR), 0x10000);
	assert_int_equal(number(VFWCFG_CMDLINE_ADDR), 0x20000);
	assert_int_equal(number(VFWCFG_KERNEL_ADDR), 0x100000);
	assert_int_equal(setup[0x210], 0xff);
	assert_int_equal(setup[0x211] & 0x80, 0x80);
	assert_int_equal(field(setup + 0x224, 2), 0xfe00);
	assert_int_equal(field(setup + 0x228, 4), 0x20000);
	assert_int_equal(field(setup + 0x218, 4), number(VFWCFG_INITRD_ADDR));
	assert_int_equal(field(setup + 0x21c, 4), sizeof(initrd_bytes));
	assert_memory_equal(setup, kernel_bytes, 0x210);
	free(setup);
	free(data);
	data = content(VFWCFG_CMDLINE_DATA, &size);
	assert_int_equal(number(VFWCFG_CMDLINE_SIZE), size);
	assert_string_equal((char *)data, "quiet");
	free(data);
}

static void initrd_lies_high_and_fits(void **state)
{
	uint64_t at;

	(void)state;
	request.kernel = &kernel;
	request.initrd = &initrd;
	describe();
	at = number(VFWCFG_INITRD_ADDR);
	assert_int_equal(at % 4096, 0);
	assert_true(at + sizeof(initrd_bytes) <= 255 * MIB);
	start(NULL);
	memcpy(kernel_bytes + 0x22c, "\xff\xff\xff\x03", 4);
	request.kernel = &kernel;
	request.initrd = &initrd;
	describe();
	at = number(VFWCFG_INITRD_ADDR);
	assert_true(at + sizeof(initrd_bytes) <= 64 * MIB);
	start(NULL);
	request.kernel = &kernel;
	request.initrd = &initrd;
	request.low = 2 * MIB;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOMEM);
	start(NULL);
	request.kernel = &kernel;
	request.initrd = &initrd;
	request.low = MIB / 2;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOMEM);
}

static void bad_kernels(void **state)
{
	(void)state;
	request.kernel = &kernel;
	kernel.size = 100;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOEXEC);
	start(NULL);
	request.kernel = &kernel;
	kernel.size = SETUP;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOEXEC);
	start(NULL);
	request.kernel = &kernel;
	kernel_bytes[0x1f1] = 65;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOEXEC);
	start(NULL);
	request.kernel = &kernel;
	kernel_bytes[0x202] = 'X';
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOEXEC);
	start(NULL);
	request.kernel = &kernel;
	kernel.read = read_fails;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -EIO);
}

static void modules_are_files(void **state)
{
	static const char *words[] = {"boot genroms/x.bin and more", "plain", "blank ", "a b"};
	struct load_module modules[40];
	uint8_t *p;
	uint32_t size;

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		modules[i] = (struct load_module){&initrd, words[i % 4]};
	request.modules = modules;
	request.module_count = 4;
	describe();
	for (uint32_t i = 0; i < 4; i++) {
		static const char *names[] = {"genroms/x.bin", "plain", "blank", "b"};

		p = file(names[i], &size);
		assert_non_null(p);
		assert_int_equal(size, sizeof(initrd_bytes));
		free(p);
	}
	start(NULL);
	request.modules = modules;
	request.module_count = 40;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOSPC);
	start(NULL);
	modules[0].cmdline = "x 12345678901234567890123456789012345678901234567890123456";
	request.modules = modules;
	request.module_count = 1;
	assert_int_equal(firmware_describe(f, &request, err, sizeof(err)), -ENOSPC);
}

static int stop(void **state)
{
	(void)state;
	free(f);
	f = NULL;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(numbers, start),
		cmocka_unit_test_setup(memory_map, start),
		cmocka_unit_test_setup(tables_are_placed, start),
		cmocka_unit_test_setup(smbios_is_in_two_files, start),
		cmocka_unit_test_setup(kernel_in_two_parts, start),
		cmocka_unit_test_setup(initrd_lies_high_and_fits, start),
		cmocka_unit_test_setup(bad_kernels, start),
		cmocka_unit_test_setup(modules_are_files, start),
	};

	return cmocka_run_group_tests(tests, NULL, stop);
}
