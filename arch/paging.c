/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's own address space, in tables from the pool. */

#include "arch/paging.h"
#include "arch/cpu.h"
#include "arch/msr.h"
#include "arch/panic.h"
#include "arch/percpu.h"
#include "arch/pool.h"
#include "lib/ptab_format.h"
#include "lib/string.h"

#define LEVELS		4
/* PA0 WB, PA1 WC, PA2 UC-, PA3 UC, and again. SDM vol. 3, 11.12; PWT, PCD, PAT select. */
#define PAT_OURS	0x0007010600070106ULL
#define ATTR_UC		(PTE_PWT | PTE_PCD)
#define ATTR_WC		PTE_PWT
#define CPUID7_EBX_SMEP BIT(7)
#define CPUID7_EBX_SMAP BIT(20)
#define MMIO_MAPS	48
/* A one-page window for boot's reads and writes of physical memory. */
#define BOOT_WINDOW_VA	(MMIO_VA + MMIO_VA_SIZE)

extern const uint8_t image_start[], image_text_end[], image_rodata_end[], image_data_end[],
	image_inittext_end[], image_end[];

static struct ptab tables;
static uint64_t mmio_next = MMIO_VA;
static struct {
	uint64_t pa, size, va;
	bool wc;
} mmio_maps[MMIO_MAPS];
static uint32_t mmio_count;

static int table_alloc(void *arg, hpa_t *out)
{
	(void)arg;
	return pool_alloc(&pool_quota_hv, 1, out) ? 0 : -ENOMEM;
}

static void table_free(void *arg, hpa_t frame)
{
	(void)arg;
	pool_free(&pool_quota_hv, pool_va(frame), 1);
}

static uint64_t *table_ptr(void *arg, hpa_t frame)
{
	(void)arg;
	return pool_va(frame);
}

static const struct ptab_mem table_mem = {table_alloc, table_free, table_ptr};

static uint64_t attr_of(uint32_t rights)
{
	uint64_t attr = PTE_P | PTE_A | PTE_D;

	if (rights & MAP_WRITE)
		attr |= PTE_W;
	if (!(rights & MAP_EXEC))
		attr |= PTE_NX;
	if (rights & MAP_UNCACHED)
		attr |= ATTR_UC;
	if (rights & MAP_WRITE_COMBINE)
		attr |= ATTR_WC;
	return attr;
}

int paging_map(uint64_t va, hpa_t pa, uint64_t size, uint32_t rights)
{
	if (rights & MAP_WRITE && rights & MAP_EXEC)
		return -EINVAL;
	return ptab_map(&tables, va, pa, size, attr_of(rights));
}

void paging_unmap(uint64_t va, uint64_t size)
{
	ASSERT(ptab_unmap(&tables, va, size, 0) == 0);
	for (uint64_t i = 0; i < size; i += PAGE_SIZE)
		tlb_flush_page((void *)(va + i));
}

static INIT int image_map(hpa_t image)
{
	const struct {
		const uint8_t *start, *end;
		uint32_t rights;
	} parts[] = {
		{image_start,	      image_text_end,     MAP_EXEC },
		{image_text_end,	 image_rodata_end,   0	    },
		{image_rodata_end,   image_data_end,	   MAP_WRITE},
		{image_data_end,	 image_inittext_end, MAP_EXEC },
		{image_inittext_end, image_end,		MAP_WRITE},
	};

	for (uint32_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t offset = (uint64_t)(parts[i].start - image_start);
		int err = paging_map((uint64_t)parts[i].start, HPA(image.v + offset),
				     (uint64_t)(parts[i].end - parts[i].start), parts[i].rights);

		if (err)
			return err;
	}
	return 0;
}

INIT int paging_init(hpa_t image)
{
	hpa_t pool = pool_base();
	int err = ptab_init(&tables, &ptab_format_x86, LEVELS, PTAB_2M, &table_mem, NULL);

	if (err)
		return err;
	err = image_map(image);
	if (!err)
		err = paging_map((uint64_t)pool_va(pool), pool, pool_total() * PAGE_SIZE,
				 MAP_WRITE);
	if (!err)
		err = paging_window_init(BOOT_WINDOW_VA);
	return err;
}

void paging_load(void)
{
	uint32_t features = cpuid(0, 0).eax >= 7 ? cpuid(7, 0).ebx : 0;
	uint64_t cr4 = cr4_read() | CR4_PGE;

	msr_write(MSR_PAT, PAT_OURS);
	cr3_write(tables.root.v);
	if (features & CPUID7_EBX_SMEP)
		cr4 |= CR4_SMEP;
	if (features & CPUID7_EBX_SMAP)
		cr4 |= CR4_SMAP;
	cr4_write(cr4 | CR4_MCE);
	cr0_write((cr0_read() | CR0_WP) & ~(CR0_CD | CR0_NW));
}

hpa_t paging_root(void)
{
	return tables.root;
}

static volatile void *device_map(hpa_t pa, uint64_t size, bool wc)
{
	uint64_t base = pa.v & ~PAGE_MASK;
	uint64_t span = ALIGN_UP(pa.v + size, PAGE_SIZE) - base;
	uint64_t va;

	for (uint32_t i = 0; i < mmio_count; i++) {
		if (mmio_maps[i].pa <= base && base + span <= mmio_maps[i].pa + mmio_maps[i].size)
			return (volatile void *)(mmio_maps[i].va + (pa.v - mmio_maps[i].pa));
	}
	if (mmio_count == MMIO_MAPS || mmio_next + span + 2 * PAGE_SIZE_2M > MMIO_VA + MMIO_VA_SIZE)
		return NULL;
	/* What is large is placed so that it can have large pages; small things share a table. */
	va = span < PAGE_SIZE_2M ? mmio_next
				 : ALIGN_UP(mmio_next, PAGE_SIZE_2M) + (base & (PAGE_SIZE_2M - 1));
	if (paging_map(va, HPA(base), span, MAP_WRITE | (wc ? MAP_WRITE_COMBINE : MAP_UNCACHED)))
		return NULL;
	mmio_next = va + span;
	mmio_maps[mmio_count].pa = base;
	mmio_maps[mmio_count].size = span;
	mmio_maps[mmio_count].va = va;
	mmio_maps[mmio_count++].wc = wc;
	return (volatile void *)(va + (pa.v - base));
}

volatile void *mmio_map(hpa_t pa, uint64_t size)
{
	return device_map(pa, size, false);
}

volatile void *mmio_map_wc(hpa_t pa, uint64_t size)
{
	return device_map(pa, size, true);
}

/* The entry of a window's page, whose tables paging_window_init has made; NULL never happens after that. */
static uint64_t *window_entry(uint64_t va)
{
	uint64_t path[PTAB_LEVELS_MAX];
	uint32_t n = ptab_walk_path(&tables, va, path);
	uint64_t *table;

	if (n < LEVELS)
		return NULL;
	table = pool_va(HPA(path[LEVELS - 2] & PTE_ADDR));
	return &table[va / PAGE_SIZE % PTAB_ENTRIES];
}

/* Mapping once makes the tables; they stay when the page is unmapped. */
int paging_window_init(uint64_t va)
{
	int err = ptab_map(&tables, va, pool_base(), PAGE_SIZE, attr_of(0));

	if (!err)
		paging_unmap(va, PAGE_SIZE);
	return err;
}

void paging_window_set(uint64_t va, hpa_t pa, uint32_t rights)
{
	uint64_t *entry = window_entry(va);

	ASSERT(entry);
	*(volatile uint64_t *)entry = pa.v | attr_of(rights);
	tlb_flush_page((void *)va);
}

void paging_window_clear(uint64_t va)
{
	uint64_t *entry = window_entry(va);

	ASSERT(entry);
	*(volatile uint64_t *)entry = 0;
	tlb_flush_page((void *)va);
}

static INIT void phys_copy(hpa_t pa, uint8_t *buf, uint64_t len, bool write)
{
	while (len) {
		uint64_t n = min_u64(len, PAGE_SIZE - (pa.v & PAGE_MASK));
		uint8_t *p = (uint8_t *)BOOT_WINDOW_VA + (pa.v & PAGE_MASK);

		paging_window_set(BOOT_WINDOW_VA, HPA(pa.v & ~PAGE_MASK), write ? MAP_WRITE : 0);
		if (write)
			memcpy(p, buf, n);
		else
			memcpy(buf, p, n);
		pa.v += n;
		buf += n;
		len -= n;
	}
	paging_window_clear(BOOT_WINDOW_VA);
}

INIT void phys_read(hpa_t pa, void *buf, uint64_t len)
{
	phys_copy(pa, buf, len, false);
}

INIT void phys_write(hpa_t pa, const void *buf, uint64_t len)
{
	phys_copy(pa, (uint8_t *)(uintptr_t)buf, len, true);
}
