/* SPDX-License-Identifier: BSD-2-Clause */
/* MSI-X: the table in the device's memory is trapped; the guest sees a shadow, the device the hypervisor's messages. */

#include "lib/string.h"
#include "vdev/vpci_priv.h"

#define ALL_ONES 0xff

static struct vpci_msix_entry *entry(struct vpci *v, const struct vpci_func *f, uint32_t index)
{
	return &v->entries[f->msix.first + index];
}

static uint64_t table_len(const struct vpci_func *f)
{
	return (uint64_t)f->msix.count * MSIX_ENTRY_SIZE;
}

/* --- the device's side --- */

static void hw_control(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msix *m = &f->msix;
	uint32_t control = m->count - 1U;

	m->on = m->enable && m->clean;
	if (m->on)
		control |= MSIX_CONTROL_ENABLE;
	if (m->mask_all)
		control |= MSIX_CONTROL_MASK_ALL;
	hw_write(v, f, m->off + MSIX_CONTROL, 2, control);
}

static void hw_dword(struct vpci *v, const struct vpci_func *f, uint32_t index, uint32_t at,
		     uint32_t value)
{
	uint64_t hpa = f->msix.base + (uint64_t)index * MSIX_ENTRY_SIZE + at;

	v->ops->mmio_write(v->arg, HPA(hpa), sizeof(value), value);
}

static void hw_entry_mask(struct vpci *v, const struct vpci_func *f, uint32_t index)
{
	hw_dword(v, f, index, MSIX_ENTRY_CTRL, MSIX_ENTRY_MASKED);
}

/* A message changes only while its entry is masked (PCI Local Bus 3.0, 6.8.2). */
static void hw_entry_write(struct vpci *v, const struct vpci_func *f, uint32_t index)
{
	const struct vpci_msix_entry *e = entry(v, f, index);

	hw_entry_mask(v, f, index);
	hw_dword(v, f, index, 0, (uint32_t)e->phys_addr);
	hw_dword(v, f, index, 4, (uint32_t)(e->phys_addr >> 32));
	hw_dword(v, f, index, MSIX_ENTRY_DATA, e->phys_data);
	hw_dword(v, f, index, MSIX_ENTRY_CTRL, e->masked);
}

static void entry_unbind(struct vpci *v, struct vpci_msix_entry *e)
{
	if (!(e->irq.flags & VPCI_IRQ_BOUND))
		return;
	e->irq.flags = 0;
	v->ops->msi_unbind(v->arg, &e->irq);
	e->irq.cookie = 0;
}

/* Make the device's entry what the guest's one asks for, as far as it can be had. The table answers. */
static void entry_update(struct vpci *v, struct vpci_func *f, uint32_t index)
{
	struct vpci_msix_entry *e = entry(v, f, index);
	uint64_t addr;
	uint32_t data;
	int rc;

	if (!f->msix.enable || e->masked) {
		hw_entry_mask(v, f, index);
		return;
	}
	if (e->irq.flags == VPCI_IRQ_BOUND) { /* and not dirty */
		hw_entry_write(v, f, index);
		return;
	}
	rc = v->ops->msi_bind(v->arg, &e->irq, e->addr, e->data, &addr, &data);
	if (rc < 0) {
		hw_entry_mask(v, f, index);
		entry_unbind(v, e);
		if (func_log_once(f, VPCI_LOG_BIND))
			v->ops->log(v->arg, "PCI %08x: MSI-X entry %u stays masked: error %d\n",
				    f->bdf, index, rc);
		return;
	}
	e->irq.flags = VPCI_IRQ_BOUND;
	e->phys_addr = addr;
	e->phys_data = data;
	hw_entry_write(v, f, index);
}

/* Write the whole table, after which it is ours alone. The table answers. */
static void table_sync(struct vpci *v, struct vpci_func *f)
{
	for (uint32_t i = 0; i < f->msix.count; i++)
		entry_update(v, f, i);
	f->msix.clean = true;
}

static void table_unbind(struct vpci *v, struct vpci_func *f)
{
	for (uint32_t i = 0; i < f->msix.count; i++)
		entry_unbind(v, entry(v, f, i));
}

/* --- capability --- */

/* First free run of @count in the pool; false: there is none. */
static bool pool_take(struct vpci *v, uint32_t count, uint16_t *first)
{
	uint32_t at = 0;
	bool moved = true;

	/* Each pass moves @at beyond the end of one range at least: bounded by the number of functions. */
	while (moved && at + count <= v->entry_max) {
		moved = false;
		for (uint32_t i = 0; i < v->func_max; i++) {
			const struct vpci_msix *m = &v->funcs[i].msix;

			if (!v->funcs[i].used || !m->off || at >= (uint32_t)m->first + m->count ||
			    m->first >= at + count)
				continue;
			at = (uint32_t)m->first + m->count;
			moved = true;
		}
	}
	*first = (uint16_t)at;
	return at + count <= v->entry_max;
}

static void entries_reset(struct vpci *v, struct vpci_func *f)
{
	for (uint32_t i = 0; i < f->msix.count; i++) {
		struct vpci_msix_entry *e = entry(v, f, i);

		memset(e, 0, sizeof(*e));
		e->masked = MSIX_ENTRY_MASKED;
		e->irq.bdf = f->bdf;
		e->irq.index = (uint16_t)i;
		e->irq.kind = VPCI_IRQ_MSIX;
	}
}

bool msix_found(struct vpci *v, struct vpci_func *f, uint8_t off)
{
	struct vpci_msix *m = &f->msix;
	uint32_t control, table;
	uint16_t first;

	if (off + MSIX_CAP_LEN > PCI_CONFIG_SIZE)
		return false;
	control = hw_read(v, f, off + MSIX_CONTROL, 2);
	if (control & MSIX_CONTROL_ENABLE)
		hw_write(v, f, off + MSIX_CONTROL, 2, control & MSIX_CONTROL_COUNT);
	table = hw_read(v, f, off + MSIX_TABLE, 4);
	m->bir = table & MSIX_BIR;
	m->offset = table & ~(uint32_t)MSIX_BIR;
	m->count = (uint16_t)((control & MSIX_CONTROL_COUNT) + 1);
	if (m->bir >= f->bar_count || func_bar_is_upper(f, m->bir) || (f->bar[m->bir] & PCI_BAR_IO))
		return false;
	if (!pool_take(v, m->count, &first)) {
		v->ops->log(v->arg, "PCI %08x: no room for %u MSI-X entries: hidden\n", f->bdf,
			    m->count);
		return false;
	}
	m->first = first;
	m->off = off;
	entries_reset(v, f);
	return true;
}

uint16_t msix_control(const struct vpci_func *f)
{
	const struct vpci_msix *m = &f->msix;

	return (uint16_t)((m->enable ? MSIX_CONTROL_ENABLE : 0) |
			  (m->mask_all ? MSIX_CONTROL_MASK_ALL : 0) | (m->count - 1));
}

void msix_control_write(struct vpci *v, struct vpci_func *f, uint16_t control)
{
	struct vpci_msix *m = &f->msix;
	bool was = m->enable;

	m->enable = control & MSIX_CONTROL_ENABLE;
	m->mask_all = control & MSIX_CONTROL_MASK_ALL;
	if (!m->enable) {
		hw_control(v, f);
		if (was)
			table_unbind(v, f);
		return;
	}
	if (!was) {
		m->clean = false;
		if (m->active)
			table_sync(v, f);
	}
	hw_control(v, f);
}

/* --- placement --- */

static uint64_t pages_first(const struct vpci_func *f)
{
	return ALIGN_DOWN(f->msix.base, PAGE_SIZE);
}

static uint64_t pages_end(const struct vpci_func *f)
{
	return ALIGN_UP(f->msix.base + table_len(f), PAGE_SIZE);
}

static bool pages_cover(const struct vpci_func *f, uint64_t gpa)
{
	return f->used && f->msix.armed && gpa >= pages_first(f) && gpa < pages_end(f);
}

static bool page_shared(const struct vpci *v, const struct vpci_func *f, uint64_t gpa)
{
	for (uint32_t i = 0; i < v->func_max; i++) {
		if (&v->funcs[i] != f && pages_cover(&v->funcs[i], gpa))
			return true;
	}
	return false;
}

static void disarm(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msix *m = &f->msix;

	if (!m->armed)
		return;
	for (uint64_t page = pages_first(f); page < pages_end(f); page += PAGE_SIZE) {
		if (!page_shared(v, f, page))
			(void)v->ops->trap_mmio(v->arg, GPA(page), PAGE_SIZE, false);
	}
	m->armed = false;
	v->armed_count--;
	if (v->last_msix == f)
		v->last_msix = NULL;
}

/* Trap the pages around the table at @base. 0, or why it must not be there. */
static int arm(struct vpci *v, struct vpci_func *f, uint64_t base)
{
	struct vpci_msix *m = &f->msix;
	int rc;

	disarm(v, f);
	m->base = base;
	rc = v->ops->trap_mmio(v->arg, GPA(pages_first(f)), pages_end(f) - pages_first(f), true);
	if (rc < 0)
		return rc;
	m->armed = true;
	v->armed_count++;
	return 0;
}

/* Nobody can say what the device's table holds now: it must not send. */
static void expose(struct vpci *v, struct vpci_func *f)
{
	f->msix.active = false;
	f->msix.clean = false;
	if (f->msix.on)
		hw_control(v, f);
}

static bool table_fits(const struct vpci_func *f, uint64_t base, uint64_t size)
{
	uint64_t end = f->msix.offset + table_len(f);

	return (!size || end <= size) && !range_wraps(base, end + PAGE_SIZE);
}

/*
 * While nothing decodes, the trap stays where it is: after BAR sizing the table is there again, and should another
 * device move in, its first access takes the trap away.
 */
void msix_place(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msix *m = &f->msix;
	uint64_t base, size;

	if (!func_bar(f, m->bir, &base, &size)) {
		m->active = false;
		if (f->command & PCI_COMMAND_MEM)
			expose(v, f);
		return;
	}
	if (!table_fits(f, base, size)) {
		expose(v, f);
		return;
	}
	base += m->offset;
	if (!m->armed || m->base != base) {
		int rc;

		expose(v, f);
		rc = arm(v, f, base);
		if (rc < 0) {
			if (func_log_once(f, VPCI_LOG_PLACE))
				v->ops->log(v->arg,
					    "PCI %08x: MSI-X table must not be at %llx: error %d\n",
					    f->bdf, (unsigned long long)base, rc);
			return;
		}
	}
	m->active = true;
	if (!m->clean) {
		table_sync(v, f);
		hw_control(v, f);
	}
}

void msix_release(struct vpci *v, struct vpci_func *f)
{
	if (!f->msix.off)
		return;
	table_unbind(v, f);
	disarm(v, f);
}

void msix_reset(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msix *m = &f->msix;

	if (!m->off)
		return;
	m->enable = false;
	m->mask_all = false;
	m->clean = false;
	hw_control(v, f);
	table_unbind(v, f);
}

/* --- the guest's accesses to trapped pages --- */

/* The function whose table answers at @gpa; else one whose trap covers it, and which *@covered says; else NULL. */
static struct vpci_func *table_at(struct vpci *v, uint64_t gpa, bool *hit)
{
	struct vpci_func *f = v->last_msix, *cover = NULL;

	*hit = true;
	if (f && f->msix.active && gpa - f->msix.base < table_len(f))
		return f;
	for (uint32_t i = 0; v->armed_count && i < v->func_max; i++) {
		f = &v->funcs[i];
		if (!pages_cover(f, gpa))
			continue;
		if (f->msix.active && gpa - f->msix.base < table_len(f)) {
			v->last_msix = f;
			return f;
		}
		if (!cover || f->msix.active)
			cover = f;
	}
	*hit = false;
	return cover;
}

static uint32_t entry_dword(const struct vpci_msix_entry *e, uint32_t at)
{
	switch (at) {
	case 0:
		return (uint32_t)e->addr;
	case 4:
		return (uint32_t)(e->addr >> 32);
	case MSIX_ENTRY_DATA:
		return e->data;
	default:
		return e->masked;
	}
}

static uint64_t table_read(struct vpci *v, const struct vpci_func *f, uint64_t off, uint8_t size)
{
	const struct vpci_msix_entry *e = entry(v, f, (uint32_t)(off / MSIX_ENTRY_SIZE));
	uint32_t at = off % MSIX_ENTRY_SIZE;
	uint64_t value = entry_dword(e, at & ~3U);

	if (size == sizeof(uint64_t))
		return value | (uint64_t)entry_dword(e, at + 4) << 32;
	return (value >> (8 * (at & 3))) & BITS(8 * size - 1, 0);
}

static void entry_dword_write(struct vpci_msix_entry *e, uint32_t at, uint32_t value)
{
	uint64_t addr = e->addr;
	uint32_t data = e->data;

	switch (at) {
	case 0:
		e->addr = (addr & ~0xffffffffULL) | (value & ~3U);
		break;
	case 4:
		e->addr = (addr & 0xffffffff) | (uint64_t)value << 32;
		break;
	case MSIX_ENTRY_DATA:
		e->data = value;
		break;
	default:
		e->masked = value & MSIX_ENTRY_MASKED;
		break;
	}
	if (e->addr != addr || e->data != data)
		e->irq.flags |= VPCI_IRQ_DIRTY;
}

/* Only aligned dwords and quadwords are defined (PCI Local Bus 3.0, 6.8.2); others are dropped. */
static void table_write(struct vpci *v, struct vpci_func *f, uint64_t off, uint8_t size,
			uint64_t value)
{
	uint32_t index = (uint32_t)(off / MSIX_ENTRY_SIZE), at = off % MSIX_ENTRY_SIZE;
	struct vpci_msix_entry *e = entry(v, f, index);
	uint32_t was_masked = e->masked;

	if (size < sizeof(uint32_t))
		return;
	entry_dword_write(e, at, (uint32_t)value);
	if (size == sizeof(uint64_t))
		entry_dword_write(e, at + 4, (uint32_t)(value >> 32));
	/* A masked entry's message goes to the device when it is unmasked. */
	if (f->msix.enable && !(was_masked && e->masked))
		entry_update(v, f, index);
}

/* The access is for whatever decodes here now, not for the device that @f's trap is left over from. */
static void trap_leave(struct vpci *v, struct vpci_func *f)
{
	if (f->msix.active)
		return;
	expose(v, f);
	disarm(v, f);
}

/* @gpa is a multiple of @size. */
static bool read_aligned(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t *value)
{
	bool hit;
	struct vpci_func *f = table_at(v, gpa, &hit);

	if (!f)
		return false;
	if (hit) {
		*value = table_read(v, f, gpa - f->msix.base, size);
		return true;
	}
	*value = v->ops->mmio_read(v->arg, HPA(gpa), size);
	trap_leave(v, f);
	return true;
}

static bool write_aligned(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t value)
{
	bool hit;
	struct vpci_func *f = table_at(v, gpa, &hit);

	if (!f)
		return false;
	if (hit) {
		table_write(v, f, gpa - f->msix.base, size, value);
		return true;
	}
	trap_leave(v, f);
	v->ops->mmio_write(v->arg, HPA(gpa), size, value);
	return true;
}

bool msix_mmio_read(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t *value)
{
	bool any = false;

	if (likely((gpa & (size - 1U)) == 0))
		return read_aligned(v, gpa, size, value);
	*value = 0;
	for (uint32_t i = 0; i < size; i++) {
		uint64_t byte = ALL_ONES;

		any |= read_aligned(v, gpa + i, 1, &byte);
		*value |= (byte & ALL_ONES) << (8 * i);
	}
	return any;
}

bool msix_mmio_write(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t value)
{
	bool any = false;

	if (likely((gpa & (size - 1U)) == 0))
		return write_aligned(v, gpa, size, value);
	for (uint32_t i = 0; i < size; i++)
		any |= write_aligned(v, gpa + i, 1, (uint8_t)(value >> (8 * i)));
	return any;
}
