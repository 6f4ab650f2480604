/* SPDX-License-Identifier: BSD-2-Clause */
/* SMBIOS structures for an isolated guest. DMTF DSP0134, System Management BIOS 3.2: 5.2.2 (entry point), 7 (structures). */

#include "vm/smbios_make.h"
#include "lib/string.h"

#define MAJOR	      3
#define MINOR	      2
#define MAKER	      "Bulkhead"
#define STRINGS_MAX   4
#define HANDLE_NONE   0xffff
#define HANDLE_NO_ERR 0xfffe
#define MB_MAX_16     0x7fff /* of a memory device; this value: see the wide field */
#define KB_MAX_32     0x80000000U
#define BYTE_MAX      0xff /* of core counts; this value: see the wide fields */

enum { BIOS = 0, SYSTEM = 1, PROCESSOR = 4, MEMORY_ARRAY = 16, MEMORY = 17, END = 127 };

/* A structure's handle is its type: there is one of each. */
struct head {
	uint8_t type, length;
	uint16_t handle;
} PACKED;

struct entry {
	char anchor[5];
	uint8_t checksum, length, major, minor, revision, entry_revision, reserved;
	uint32_t max_size;
	uint64_t address;
} PACKED;
_Static_assert(sizeof(struct entry) == 24, "DSP0134 5.2.2");

/* In all of these: fields that are not set are "unknown", "none" or "no such string". */
struct bios {
	struct head h;
	uint8_t vendor, version;
	uint16_t segment;
	uint8_t date, rom_size;
	uint64_t flags;
	uint8_t flags2[2], major, minor, ec_major, ec_minor;
} PACKED;
#define BIOS_NO_FLAGS BIT(3)
#define BIOS2_VIRTUAL BIT(4) /* second byte: these tables describe a virtual machine */
#define BIOS_NO_EC    0xff

struct system {
	struct head h;
	uint8_t maker, product, version, serial, uuid[16], wake, sku, family;
} PACKED;
#define WAKE_POWER_SWITCH 6

struct processor {
	struct head h;
	uint8_t socket, kind, family, maker;
	uint32_t signature, features;
	uint8_t version, voltage;
	uint16_t external_mhz, max_mhz, mhz;
	uint8_t status, upgrade;
	uint16_t cache[3];
	uint8_t serial, asset, part, cores, enabled, threads;
	uint16_t flags, family2, cores2, enabled2, threads2;
} PACKED;
_Static_assert(sizeof(struct processor) == 0x30, "DSP0134 7.5");
#define PROCESSOR_CENTRAL 3
#define FAMILY_UNKNOWN	  2
#define STATUS_ENABLED	  0x41 /* the socket is populated */
#define UPGRADE_NONE	  6
#define PROCESSOR_64BIT	  BIT(2)
#define PROCESSOR_CORES	  BIT(3)

struct memory_array {
	struct head h;
	uint8_t location, use, correction;
	uint32_t kb;
	uint16_t error, devices;
	uint64_t bytes;
} PACKED;
#define LOCATION_OTHER	1
#define USE_SYSTEM	3
#define CORRECTION_NONE 3

struct memory {
	struct head h;
	uint16_t array, error, total_width, width, mb;
	uint8_t form, set, locator, bank, type;
	uint16_t detail, speed;
	uint8_t maker, serial, asset, part, attributes;
	uint32_t mb2;
	uint16_t configured_speed, min_voltage, max_voltage, voltage;
} PACKED;
_Static_assert(sizeof(struct memory) == 0x28, "DSP0134 7.18");
#define FORM_OTHER    1
#define TYPE_RAM      7
#define DETAIL_OTHER  BIT(1)
#define WIDTH_UNKNOWN 0xffff

/* The buffer being filled; what does not fit is counted, not written. */
struct maker {
	uint8_t *buf;
	uint32_t size, len;
};

static void put(struct maker *m, const void *from, uint32_t len)
{
	const uint8_t *p = from;

	for (uint32_t i = 0; i < len; i++, m->len++) {
		if (m->len < m->size)
			m->buf[m->len] = p[i];
	}
}

/* A structure and its strings, numbered from 1 on; the last ones may be NULL. */
static void put_structure(struct maker *m, uint8_t type, struct head *h, uint8_t length,
			  const char *const strings[STRINGS_MAX])
{
	h->type = type;
	h->length = length;
	h->handle = type;
	put(m, h, length);
	for (uint32_t i = 0; i < STRINGS_MAX && strings[i]; i++)
		put(m, strings[i], (uint32_t)strlen(strings[i]) + 1);
	put(m, "\0", strings[0] ? 1 : 2);
}

static void put_bios(struct maker *m, const struct smbios_vm *vm)
{
	struct bios s = {
		.vendor = 1,
		.version = 2,
		.flags = BIOS_NO_FLAGS,
		.flags2 = {0, BIOS2_VIRTUAL},
		.ec_major = BIOS_NO_EC,
		.ec_minor = BIOS_NO_EC,
	};

	put_structure(m, BIOS, &s.h, sizeof(s),
		      (const char *const[STRINGS_MAX]){MAKER, vm->version});
}

static void put_system(struct maker *m, const struct smbios_vm *vm)
{
	struct system s = {
		.maker = 1, .product = 2, .version = 3, .serial = 4, .wake = WAKE_POWER_SWITCH};

	put_structure(
		m, SYSTEM, &s.h, sizeof(s),
		(const char *const[STRINGS_MAX]){MAKER, "Compartment", vm->version, vm->name});
}

static void put_processor(struct maker *m, const struct smbios_vm *vm)
{
	struct processor s = {
		.socket = 1,
		.kind = PROCESSOR_CENTRAL,
		.family = FAMILY_UNKNOWN,
		.signature = vm->signature,
		.features = vm->features,
		.max_mhz = (uint16_t)vm->mhz,
		.mhz = (uint16_t)vm->mhz,
		.status = STATUS_ENABLED,
		.upgrade = UPGRADE_NONE,
		.cache = {HANDLE_NONE, HANDLE_NONE, HANDLE_NONE},
		.cores = (uint8_t)min_u64(vm->vcpus, BYTE_MAX),
		.enabled = (uint8_t)min_u64(vm->vcpus, BYTE_MAX),
		.threads = (uint8_t)min_u64(vm->vcpus, BYTE_MAX),
		.flags = PROCESSOR_64BIT | (vm->vcpus > 1 ? PROCESSOR_CORES : 0),
		.family2 = FAMILY_UNKNOWN,
		.cores2 = (uint16_t)vm->vcpus,
		.enabled2 = (uint16_t)vm->vcpus,
		.threads2 = (uint16_t)vm->vcpus,
	};

	put_structure(m, PROCESSOR, &s.h, sizeof(s), (const char *const[STRINGS_MAX]){"CPU"});
}

static void put_memory(struct maker *m, const struct smbios_vm *vm)
{
	uint64_t kb = vm->memory / KIB, mb = vm->memory / MIB;
	struct memory_array a = {
		.location = LOCATION_OTHER,
		.use = USE_SYSTEM,
		.correction = CORRECTION_NONE,
		.kb = kb < KB_MAX_32 ? (uint32_t)kb : KB_MAX_32,
		.error = HANDLE_NO_ERR,
		.devices = 1,
		.bytes = kb < KB_MAX_32 ? 0 : vm->memory,
	};
	struct memory d = {
		.array = MEMORY_ARRAY,
		.error = HANDLE_NO_ERR,
		.total_width = WIDTH_UNKNOWN,
		.width = WIDTH_UNKNOWN,
		.mb = (uint16_t)min_u64(mb, MB_MAX_16),
		.form = FORM_OTHER,
		.locator = 1,
		.type = TYPE_RAM,
		.detail = DETAIL_OTHER,
		.mb2 = mb < MB_MAX_16 ? 0 : (uint32_t)mb,
	};

	put_structure(m, MEMORY_ARRAY, &a.h, sizeof(a), (const char *const[STRINGS_MAX]){NULL});
	put_structure(m, MEMORY, &d.h, sizeof(d), (const char *const[STRINGS_MAX]){"RAM"});
}

uint32_t smbios_make(const struct smbios_vm *vm, uint32_t base, uint8_t *buf, uint32_t size)
{
	struct entry e = {
		.anchor = "_SM3_",
		.length = sizeof(e),
		.major = MAJOR,
		.minor = MINOR,
		.entry_revision = 1,
		.address = base + sizeof(e),
	};
	struct maker m = {.buf = buf, .size = size};
	struct head end;
	uint8_t sum = 0;

	put(&m, &e, sizeof(e)); /* its place; filled in last */
	put_bios(&m, vm);
	put_system(&m, vm);
	put_processor(&m, vm);
	put_memory(&m, vm);
	put_structure(&m, END, &end, sizeof(end), (const char *const[STRINGS_MAX]){NULL});
	e.max_size = m.len - (uint32_t)sizeof(e);
	for (uint32_t i = 0; i < sizeof(e); i++)
		sum = (uint8_t)(sum + ((const uint8_t *)&e)[i]);
	e.checksum = (uint8_t)-sum;
	if (m.len <= size)
		memcpy(buf, &e, sizeof(e));
	return m.len;
}
