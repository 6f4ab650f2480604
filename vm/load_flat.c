/* SPDX-License-Identifier: BSD-2-Clause */
/* Flat binaries: an image at an address, entered at its first byte in real, protected or long mode. */

#include "vm/load_priv.h"
#include "arch/cpu.h"
#include "arch/msr.h"

#define REAL_LIMIT     0xffff
#define REAL_IDT_LIMIT 0x3ff
#define REAL_SPACE     0x100000 /* what segments can address */
#define PARAGRAPH      16

/* Page-table entries of the long mode identity map (SDM vol. 3, 4.5). */
#define PTE_P  BIT(0)
#define PTE_RW BIT(1)
#define PTE_PS BIT(7)

#define TABLE_ENTRIES 512
#define LONG_PD_COUNT (LOAD_4G / PAGE_SIZE_1G)
#define LONG_TABLES   (2 + LONG_PD_COUNT) /* PML4, PDPT, one directory per GiB */
#define PART_ENTRIES  64		  /* entries that are built and written at a time */

/* Fill @count entries of the table at @gpa, the i-th being @first + i * @step. */
static int table_fill(struct load *l, uint64_t gpa, uint32_t count, uint64_t first, uint64_t step)
{
	uint64_t part[PART_ENTRIES];
	uint32_t i, n = 0;
	int err = 0;

	for (i = 0; i < count && !err; i++) {
		part[n++] = first + i * step;
		if (n < PART_ENTRIES && i + 1 < count)
			continue;
		err = load_write(l, gpa + (i + 1 - n) * sizeof(part[0]), part,
				 n * (uint32_t)sizeof(part[0]));
		n = 0;
	}
	return err;
}

/* Map the first 4 GiB to themselves in 2 MiB pages, readable, writable and executable; the root goes to CR3. */
static int identity_map_put(struct load *l)
{
	uint64_t pml4, pdpt, pd;
	int err = load_alloc_own(l, LONG_TABLES * PAGE_SIZE, PAGE_SIZE, "page tables", &pml4);

	if (err)
		return err;
	pdpt = pml4 + PAGE_SIZE;
	pd = pdpt + PAGE_SIZE;
	err = load_zero(l, pml4, LONG_TABLES * PAGE_SIZE);
	if (!err)
		err = table_fill(l, pml4, 1, pdpt | PTE_P | PTE_RW, 0);
	if (!err)
		err = table_fill(l, pdpt, LONG_PD_COUNT, pd | PTE_P | PTE_RW, PAGE_SIZE);
	if (!err)
		err = table_fill(l, pd, LONG_PD_COUNT * TABLE_ENTRIES, PTE_P | PTE_RW | PTE_PS,
				 PAGE_SIZE_2M);
	l->out->state.cr3 = pml4;
	return err;
}

static int enter_real(struct load *l)
{
	struct guest_state *s = &l->out->state;
	uint16_t sel = (uint16_t)(l->r->flat_base / PARAGRAPH);
	uint32_t i;

	if (l->r->cmdline && l->r->cmdline[0])
		return load_fail(l, -ENOSYS, "a real mode binary takes no command line");
	if (l->r->flat_base >= REAL_SPACE || !IS_ALIGNED(l->r->flat_base, PARAGRAPH))
		return load_fail(l, -EINVAL,
				 "a real mode binary starts below 1 MiB, at a multiple of 16");
	load_state_common(l, 0);
	for (i = SEG_ES; i <= SEG_GS; i++)
		s->seg[i] = (struct segment){.sel = sel,
					     .attr = ATTR_DATA16,
					     .limit = REAL_LIMIT,
					     .base = l->r->flat_base};
	s->seg[SEG_CS].attr = ATTR_CODE16;
	s->idtr.limit = REAL_IDT_LIMIT;
	return 0;
}

/* Protected and long mode get their command line in RSI, and a stack that grows down from the image. */
static int enter_flat(struct load *l, bool long_mode)
{
	struct guest_state *s = &l->out->state;
	uint64_t cmdline = 0;
	int err = load_put_gdt(l, long_mode);

	if (!err && l->r->cmdline && l->r->cmdline[0])
		err = load_put_string(l, l->r->cmdline, "the command line", &cmdline);
	if (!err && long_mode)
		err = identity_map_put(l);
	if (err)
		return err;
	load_state_protected(l, l->r->flat_base);
	s->rsp = l->r->flat_base;
	l->out->gpr[RSP] = s->rsp;
	l->out->gpr[RSI] = cmdline;
	if (long_mode) {
		s->cr0 |= CR0_PG;
		s->cr4 = CR4_PAE;
		s->efer = EFER_LME | EFER_LMA;
		s->seg[SEG_CS].attr = ATTR_CODE64;
	}
	return 0;
}

int load_flat(struct load *l)
{
	const struct image *image = l->r->kernel;
	int err;

	if (l->r->initrd || l->r->module_count)
		return load_fail(l, -ENOSYS, "a flat binary takes neither an initrd nor modules");
	if (!image->size)
		return load_fail(l, -ENOEXEC, "the image is empty");
	err = load_claim(l, l->r->flat_base, image->size, "the flat binary");
	if (!err)
		err = load_copy(l, l->r->flat_base, image, 0, image->size);
	if (!err)
		err = l->r->flat == FLAT_REAL ? enter_real(l)
					      : enter_flat(l, l->r->flat == FLAT_LONG);
	if (err)
		return err;
	l->out->low = GPA(l->r->flat_base);
	l->out->high = GPA(l->r->flat_base + image->size);
	l->out->form = "flat";
	return 0;
}
