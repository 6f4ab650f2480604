/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables that the service guest sees: pages of edited copies in its nested table; originals stay as they are. */

#include "arch/log.h"
#include "arch/paging.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "lib/string.h"
#include "vm/acpi_edit.h"
#include "vm/memory.h"
#include "vm/platform.h"
#include "vm/restart.h"

#define TABLE_MAX (512 * KIB)
#define PAGES_MAX 160
#define KEPT_MAX  512 /* pages of tables that are kept for the next life */

static uint8_t table_copy[TABLE_MAX] INITBSS;
static struct {
	uint64_t page;
	uint8_t *copy;
} pages[PAGES_MAX] INITBSS;
static uint32_t page_count INITDATA;

static INIT bool keep_cpu(void *arg, uint32_t apic_id)
{
	const struct vm *vm = arg;

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		if (vlapic_id(&vm->vcpu[i]->lapic) == apic_id)
			return true;
	}
	return false;
}

/* Edit the copy; how many changes, or negative. */
static INIT int table_edit(struct vm *vm, const struct acpi_table *t)
{
	static const char *const hidden[] = {"HPET", "DMAR", "IVRS"};

	for (uint32_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		if (!memcmp(t->signature, hidden[i], sizeof(t->signature)))
			return acpi_edit_hide(table_copy, t->len);
	}
	if (!memcmp(t->signature, "APIC", 4))
		return acpi_edit_madt(table_copy, t->len, keep_cpu, vm);
	if (!memcmp(t->signature, "SRAT", 4))
		return acpi_edit_srat(table_copy, t->len, keep_cpu, vm);
	if (!memcmp(t->signature, "DSDT", 4) || !memcmp(t->signature, "SSDT", 4))
		return acpi_edit_sleep(table_copy, t->len);
	return 0;
}

/* The overlay page for physical @page, made of the original the first time; NULL: none left. */
static INIT uint8_t *page_get(struct vm *vm, uint64_t page)
{
	uint8_t *copy;
	hpa_t pa;

	for (uint32_t i = 0; i < page_count; i++) {
		if (pages[i].page == page)
			return pages[i].copy;
	}
	copy = page_count < PAGES_MAX ? pool_alloc(&vm->quota, 1, &pa) : NULL;
	if (!copy)
		return NULL;
	phys_read(HPA(page), copy, PAGE_SIZE);
	if (nested_map(&vm->nested, GPA(page), pa, PAGE_SIZE, NESTED_R | NESTED_W | NESTED_X,
		       MEMTYPE_WB))
		return NULL;
	log_debug("ACPI: the service guest has a copy of page %#lx, at %#lx", page, pa.v);
	pages[page_count].page = page;
	pages[page_count++].copy = copy;
	return copy;
}

/* Put the edited bytes of [at, at + len) into overlay pages; pages in which nothing changed get none. */
static INIT int table_place(struct vm *vm, uint64_t at, uint32_t len)
{
	static uint8_t original[PAGE_SIZE] INITBSS;

	for (uint32_t done = 0; done < len;) {
		uint64_t pa = at + done;
		uint32_t n = (uint32_t)min_u64(len - done, PAGE_SIZE - (pa & PAGE_MASK));
		uint8_t *page;

		phys_read(HPA(pa), original, n);
		if (memcmp(original, table_copy + done, n)) {
			page = page_get(vm, pa & ~PAGE_MASK);
			if (!page)
				return -ENOMEM;
			memcpy(page + (pa & PAGE_MASK), table_copy + done, n);
		}
		done += n;
	}
	return 0;
}

INIT int overlay_init(struct vm *vm, const struct acpi_info *acpi)
{
	for (uint32_t i = 0; i < acpi->table_count; i++) {
		const struct acpi_table *t = &acpi->tables[i];
		int err;

		if (!t->intact || t->len > TABLE_MAX)
			continue;
		phys_read(t->at, table_copy, t->len);
		if (table_edit(vm, t) <= 0)
			continue;
		err = table_place(vm, t->at.v, t->len);
		if (err)
			return err;
		log_debug("ACPI: the service guest sees an edited %.4s", t->signature);
	}
	return 0;
}

/* Pages that several tables share are kept once. */
static INIT int page_keep(struct vm *vm, uint64_t page)
{
	static uint64_t done[KEPT_MAX] INITBSS;
	static uint32_t count INITDATA;
	uint8_t *copy = NULL;
	int err;

	for (uint32_t i = 0; i < count; i++) {
		if (done[i] == page)
			return 0;
	}
	if (count == KEPT_MAX)
		return -ENOSPC;
	done[count++] = page;
	for (uint32_t i = 0; i < page_count; i++) {
		if (pages[i].page == page)
			copy = pages[i].copy;
	}
	err = restart_keep_page(vm, page, copy);
	return err == -EFAULT ? 0
			      : err; /* tables where no memory is: the guest cannot change them */
}

INIT int overlay_keep(struct vm *vm, const struct acpi_info *acpi)
{
	int err = page_keep(vm, 0); /* interrupt vectors and the BIOS data area */

	for (uint32_t i = 0; i < acpi->table_count && !err; i++) {
		const struct acpi_table *t = &acpi->tables[i];

		for (uint64_t at = ALIGN_DOWN(t->at.v, PAGE_SIZE); at < t->at.v + t->len && !err;
		     at += PAGE_SIZE)
			err = page_keep(vm, at);
	}
	return err;
}
