/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration accesses of the service guest: ports, ECAM, and what is filtered on the way. */

#include "lib/string.h"
#include "vdev/vpci_priv.h"

/* Configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2). */
#define PORT_ADDRESS	0xcf8
#define PORT_DATA	0xcfc
#define PORT_DATA_LAST	0xcff
#define LATCH_ENABLE	BIT(31)
/*
 * Bits that the latch keeps. 27:24 are bits 11:8 of the register on AMD since family 10h (BKDG, "I/O-space
 * accesses"), and reserved elsewhere, where no system writes ones.
 */
#define LATCH_MASK	0x8ffffffcU
#define LATCH_REG_LOW	0xfcU
#define LATCH_REG_HIGH	0x0f000000U
#define LATCH_REG_SHIFT 16
#define LATCH_BDF_SHIFT 8

/* ECAM (PCI Express 3.0, 7.2.2): 4 KiB per function, 1 MiB per bus. */
#define ECAM_BUS_SHIFT	20
#define ECAM_FUNC_SHIFT 12
#define ECAM_BUSES	256

static uint32_t ones(uint32_t size)
{
	return (uint32_t)BITS(8 * size - 1, 0);
}

static bool overlaps(uint32_t off, uint32_t size, uint32_t first, uint32_t len)
{
	return off < first + len && first < off + size;
}

/* --- functions that there is no room for: no capabilities, hence no MSI --- */

static bool stranger_absent(uint32_t id)
{
	uint32_t vendor = id & 0xffff;

	return vendor == PCI_VENDOR_NONE || vendor == PCI_VENDOR_RETRY;
}

static uint8_t stranger_byte(uint32_t off, uint8_t header, uint8_t raw)
{
	uint32_t ptr = header == PCI_HEADER_CARDBUS ? PCI_CARDBUS_CAP_PTR : PCI_CAP_PTR;

	if (off == PCI_STATUS)
		return raw & (uint8_t)~PCI_STATUS_CAPS;
	if (off == ptr || (off >= PCI_HEADER_END && off < PCI_CONFIG_SIZE))
		return 0;
	return raw;
}

static uint8_t stranger_header(struct vpci *v, uint32_t bdf)
{
	return (uint8_t)v->ops->cfg_read(v->arg, bdf, PCI_HEADER_TYPE, 1) & PCI_HEADER_MASK;
}

static uint32_t stranger_read(struct vpci *v, uint32_t bdf, uint32_t id, uint32_t off, uint8_t size)
{
	uint32_t raw, value = 0;
	uint8_t header;

	if (!v->ops->visible(v->arg, bdf))
		return ones(size);
	if (off == PCI_ID && size == sizeof(id))
		return id;
	raw = v->ops->cfg_read(v->arg, bdf, (uint16_t)off, size);
	if (stranger_absent(id))
		return raw;
	header = stranger_header(v, bdf);
	for (uint32_t i = 0; i < size; i++)
		value |= (uint32_t)stranger_byte(off + i, header, (uint8_t)(raw >> (8 * i)))
			 << (8 * i);
	return value;
}

static void stranger_write(struct vpci *v, uint32_t bdf, uint32_t id, uint32_t off, uint8_t size,
			   uint32_t value)
{
	if (stranger_absent(id) || !v->ops->visible(v->arg, bdf))
		return;
	if (off >= PCI_HEADER_END && off < PCI_CONFIG_SIZE)
		return;
	/* A bridge could be above a function that was given away. */
	if (stranger_header(v, bdf) != PCI_HEADER_NORMAL)
		return;
	v->ops->cfg_write(v->arg, bdf, (uint16_t)off, size, value);
}

/* --- known functions --- */

static uint8_t overlay_byte(const struct vpci_func *f, uint32_t off, uint8_t raw)
{
	uint8_t value = raw;
	bool linked = false;

	for (uint32_t i = 0; i < f->hidden_count; i++) {
		const struct vpci_hidden *h = &f->hidden[i];

		if (off == h->link) {
			value = h->target;
			linked = true;
		} else if (off - h->off < h->len) {
			return 0;
		}
	}
	if (linked)
		return value;
	if (f->msi.off && off - f->msi.off < f->msi.len)
		return msi_read(f, off - f->msi.off, raw);
	if (f->msix.off && off == (uint32_t)f->msix.off + MSIX_CONTROL)
		return (uint8_t)msix_control(f);
	if (f->msix.off && off == (uint32_t)f->msix.off + MSIX_CONTROL + 1)
		return (uint8_t)(msix_control(f) >> 8);
	return raw;
}

static uint32_t read_overlay(struct vpci *v, struct vpci_func *f, uint32_t off, uint8_t size)
{
	uint32_t raw = hw_read(v, f, off, size), value = 0;

	if (off == PCI_ID) {
		if (size == sizeof(f->id) && raw != f->id)
			func_forget(v, f); /* unplugged, or another one in its place */
		return raw;
	}
	for (uint32_t i = 0; i < size; i++)
		value |= (uint32_t)overlay_byte(f, off + i, (uint8_t)(raw >> (8 * i))) << (8 * i);
	return value;
}

/* @off is a multiple of @size. */
static uint32_t read_aligned(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size)
{
	struct vpci_func *f = func_find(v, bdf);
	uint32_t value;

	if (v->ops->own && v->ops->own(v->arg, bdf, off, size, false, &value))
		return value;
	if (unlikely(!f)) {
		uint32_t id;

		f = func_discover(v, bdf, &id);
		if (!f)
			return stranger_read(v, bdf, id, off, size);
	}
	if (unlikely(!f->visible))
		return ones(size);
	if (off < PCI_CONFIG_SIZE && (f->overlay & dword_mask(off, size)))
		return read_overlay(v, f, off, size);
	return hw_read(v, f, off, size);
}

/* Where a written byte goes. */
enum sink { SINK_DEVICE, SINK_NOWHERE, SINK_MSI, SINK_MSIX };

static enum sink byte_sink(const struct vpci_func *f, uint32_t off)
{
	for (uint32_t i = 0; i < f->hidden_count; i++) {
		if (off - f->hidden[i].off < f->hidden[i].len)
			return SINK_NOWHERE;
	}
	if (f->msi.off && off - f->msi.off < f->msi.len)
		return SINK_MSI;
	if (f->msix.off && off - f->msix.off < MSIX_TABLE)
		return SINK_MSIX;
	return SINK_DEVICE;
}

static void write_device(struct vpci *v, struct vpci_func *f, uint32_t off, uint8_t size,
			 uint32_t value, uint32_t bytes)
{
	if (bytes == BIT(size) - 1) {
		hw_write(v, f, off, size, value);
		return;
	}
	for (uint32_t i = 0; i < size; i++) {
		if (bytes & BIT(i))
			hw_write(v, f, off + i, 1, (uint8_t)(value >> (8 * i)));
	}
}

/* What the device decodes may have changed. */
static void write_header(struct vpci *v, struct vpci_func *f, uint32_t off, uint8_t size,
			 uint32_t value)
{
	uint32_t bars = PCI_BAR0 + 4U * f->bar_count;

	if (off >= PCI_BAR0 && off < bars)
		func_bar_written(v, f, (off - PCI_BAR0) / 4, size == 4, value);
	if (overlaps(off, size, PCI_COMMAND, 2) || (off >= PCI_BAR0 && off < bars))
		func_moved(v, f);
	if (f->bridge && overlaps(off, size, PCI_BRIDGE_BUSES, 4))
		func_renumbered(v, f);
}

static void write_watched(struct vpci *v, struct vpci_func *f, uint32_t off, uint8_t size,
			  uint32_t value)
{
	uint32_t bytes = 0;
	bool msi = false, msix = false;
	uint16_t control = msix_control(f);
	const char *why = func_locked(f, off, size);

	if (why) {
		if (func_log_once(f, VPCI_LOG_LOCK))
			v->ops->log(v->arg, "PCI %08x: write to register %x dropped: %s\n", f->bdf,
				    off, why);
		return;
	}
	for (uint32_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)(value >> (8 * i));
		uint32_t at = off + i;

		switch (byte_sink(f, at)) {
		case SINK_DEVICE:
			bytes |= (uint32_t)BIT(i);
			break;
		case SINK_NOWHERE:
			break;
		case SINK_MSI:
			msi_write(f, at - f->msi.off, byte);
			msi = true;
			break;
		case SINK_MSIX:
			if (at == (uint32_t)f->msix.off + MSIX_CONTROL + 1)
				control = (uint16_t)((control & 0xff) | (byte << 8));
			msix = true;
			break;
		}
	}
	write_device(v, f, off, size, value, bytes);
	if (msi)
		msi_update(v, f);
	if (msix)
		msix_control_write(v, f, control);
	write_header(v, f, off, size, value);
}

/* @off is a multiple of @size. */
static void write_aligned(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size, uint32_t value)
{
	struct vpci_func *f = func_find(v, bdf);

	if (v->ops->own && v->ops->own(v->arg, bdf, off, size, true, &value))
		return;
	if (unlikely(!f)) {
		uint32_t id;

		f = func_discover(v, bdf, &id);
		if (!f) {
			stranger_write(v, bdf, id, off, size, value);
			return;
		}
	}
	if (unlikely(!f->visible))
		return;
	if (unlikely(f->readonly)) {
		if (func_log_once(f, VPCI_LOG_READONLY))
			v->ops->log(v->arg,
				    "PCI %08x: bridge above a function given away: read-only\n",
				    bdf);
		return;
	}
	if (off < PCI_CONFIG_SIZE && (f->watch & dword_mask(off, size)))
		write_watched(v, f, off, size, value);
	else
		hw_write(v, f, off, size, value);
	if (off >= PCI_CONFIG_SIZE && f->msix.off)
		func_moved(v, f); /* Resizable BAR is among the extended capabilities */
}

uint32_t vpci_cfg_read(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size)
{
	uint32_t value = 0;

	if (likely((off & (size - 1U)) == 0 && off < PCIE_CONFIG_SIZE))
		return read_aligned(v, bdf, off, size);
	for (uint32_t i = 0; i < size; i++) {
		uint32_t byte = 0xff;

		if (off + i < PCIE_CONFIG_SIZE)
			byte = read_aligned(v, bdf, off + i, 1);
		value |= byte << (8 * i);
	}
	return value;
}

void vpci_cfg_write(struct vpci *v, uint32_t bdf, uint32_t off, uint8_t size, uint32_t value)
{
	if (likely((off & (size - 1U)) == 0 && off < PCIE_CONFIG_SIZE)) {
		write_aligned(v, bdf, off, size, value);
		return;
	}
	for (uint32_t i = 0; i < size && off + i < PCIE_CONFIG_SIZE; i++)
		write_aligned(v, bdf, off + i, 1, (uint8_t)(value >> (8 * i)));
}

/* --- ports --- */

static uint32_t latch_bdf(const struct vpci *v)
{
	return (v->latch >> LATCH_BDF_SHIFT) & 0xffff;
}

static uint32_t latch_off(const struct vpci *v)
{
	return (v->latch & LATCH_REG_LOW) | ((v->latch & LATCH_REG_HIGH) >> LATCH_REG_SHIFT);
}

bool vpci_io_read(struct vpci *v, uint16_t port, uint8_t size, uint32_t *value)
{
	uint32_t lane = port & 3U;

	if (port >= PORT_DATA && port <= PORT_DATA_LAST) {
		if (unlikely(!(v->latch & LATCH_ENABLE))) {
			*value = ones(size);
		} else if (likely(lane + size <= 4)) {
			*value = vpci_cfg_read(v, latch_bdf(v), latch_off(v) + lane, size);
		} else { /* bytes beyond 0xcff are nobody's */
			*value = ones(size);
			for (uint32_t i = 0; lane + i < 4; i++) {
				*value &= ~(0xffU << (8 * i));
				*value |= vpci_cfg_read(v, latch_bdf(v), latch_off(v) + lane + i, 1)
					  << (8 * i);
			}
		}
		return true;
	}
	if (port != PORT_ADDRESS || size != 4)
		return false;
	*value = v->latch;
	return true;
}

bool vpci_io_write(struct vpci *v, uint16_t port, uint8_t size, uint32_t value)
{
	uint32_t lane = port & 3U;

	if (port == PORT_ADDRESS && size == 4) {
		v->latch = value & LATCH_MASK;
		return true;
	}
	if (port < PORT_DATA || port > PORT_DATA_LAST)
		return false;
	if (unlikely(!(v->latch & LATCH_ENABLE)))
		return true;
	if (likely(lane + size <= 4)) {
		vpci_cfg_write(v, latch_bdf(v), latch_off(v) + lane, size, value);
		return true;
	}
	for (uint32_t i = 0; lane + i < 4; i++)
		vpci_cfg_write(v, latch_bdf(v), latch_off(v) + lane + i, 1,
			       (uint8_t)(value >> (8 * i)));
	return true;
}

/* --- memory --- */

int vpci_ecam_add(struct vpci *v, uint16_t segment, uint64_t base, uint8_t first, uint8_t last)
{
	struct vpci_ecam *w = &v->ecam[v->ecam_count];
	int rc;

	if (v->ecam_count == VPCI_ECAM_MAX)
		return -ENOSPC;
	if (last < first || !IS_ALIGNED(base, BIT(ECAM_BUS_SHIFT)) ||
	    range_wraps(base, (uint64_t)ECAM_BUSES << ECAM_BUS_SHIFT))
		return -EINVAL;
	w->segment = segment;
	w->first_bus = first;
	w->base = base + ((uint64_t)first << ECAM_BUS_SHIFT);
	w->len = (uint64_t)(last - first + 1) << ECAM_BUS_SHIFT;
	rc = v->ops->trap_mmio(v->arg, GPA(w->base), w->len, true);
	if (rc < 0)
		return rc;
	v->ecam_count++;
	return 0;
}

static const struct vpci_ecam *ecam_find(const struct vpci *v, uint64_t gpa)
{
	for (uint32_t i = 0; i < v->ecam_count; i++) {
		if (gpa - v->ecam[i].base < v->ecam[i].len)
			return &v->ecam[i];
	}
	return NULL;
}

static uint32_t ecam_bdf(const struct vpci_ecam *w, uint64_t gpa)
{
	uint64_t offset = gpa - w->base;

	return VPCI_BDF(w->segment, w->first_bus, 0, 0) + (uint32_t)(offset >> ECAM_FUNC_SHIFT);
}

bool vpci_mmio_read(struct vpci *v, gpa_t gpa, uint8_t size, uint64_t *value)
{
	const struct vpci_ecam *w = ecam_find(v, gpa.v);
	uint32_t off = gpa.v & PAGE_MASK, bdf;

	if (!w)
		return msix_mmio_read(v, gpa.v, size, value);
	bdf = ecam_bdf(w, gpa.v);
	if (size <= 4) {
		*value = vpci_cfg_read(v, bdf, off, size);
		return true;
	}
	*value = vpci_cfg_read(v, bdf, off, 4);
	*value |= (uint64_t)vpci_cfg_read(v, bdf, off + 4, 4) << 32;
	return true;
}

bool vpci_mmio_write(struct vpci *v, gpa_t gpa, uint8_t size, uint64_t value)
{
	const struct vpci_ecam *w = ecam_find(v, gpa.v);
	uint32_t off = gpa.v & PAGE_MASK, bdf;

	if (!w)
		return msix_mmio_write(v, gpa.v, size, value);
	bdf = ecam_bdf(w, gpa.v);
	if (size <= 4) {
		vpci_cfg_write(v, bdf, off, size, (uint32_t)value);
		return true;
	}
	vpci_cfg_write(v, bdf, off, 4, (uint32_t)value);
	vpci_cfg_write(v, bdf, off + 4, 4, (uint32_t)(value >> 32));
	return true;
}

/* --- the rest --- */

void vpci_quiesce(struct vpci *v, uint32_t i)
{
	struct vpci_func *f = &v->funcs[i];
	uint32_t command;

	v->latch = 0;
	if (!f->used || !f->visible || f->readonly)
		return;
	command = hw_read(v, f, PCI_COMMAND, 2) & ~(uint32_t)PCI_COMMAND_MASTER;
	hw_write(v, f, PCI_COMMAND, 2, command);
	msi_reset(v, f);
	msix_reset(v, f);
}
