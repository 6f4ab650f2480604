/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSI capability: the guest's message in a shadow, the hypervisor's in the device. */

#include "lib/string.h"
#include "vdev/vpci_priv.h"

/* Layout after the address (PCI Local Bus 3.0, 6.8.1, figure 6-9): by address size; masking adds two dwords. */
#define MSI_DATA_32    0x08
#define MSI_DATA_64    0x0c
#define MSI_DATA_BYTES 2
#define MSI_DATA_SPAN \
	4 /* data, and two bytes that are reserved or hold extended data, which is not offered */
#define MSI_MASK_BYTES 4
#define MSI_ADDR_ALIGN 0xfc
#define MSI_ONE	       0x01 /* the one message's bit in mask and pending registers */

static uint32_t shadow_dword(const struct vpci_msi *m, uint32_t at)
{
	uint32_t value;

	memcpy(&value, &m->reg[at], sizeof(value));
	return value;
}

static uint64_t shadow_addr(const struct vpci_msi *m)
{
	uint64_t addr = shadow_dword(m, MSI_ADDR);

	if (m->data_off == MSI_DATA_64)
		addr |= (uint64_t)shadow_dword(m, MSI_ADDR_HI) << 32;
	return addr;
}

static bool shadow_enabled(const struct vpci_msi *m)
{
	return m->reg[MSI_CONTROL] & MSI_CONTROL_ENABLE;
}

/* Enable or disable in the device; one message only. */
static void hw_control(struct vpci *v, struct vpci_func *f, bool on)
{
	struct vpci_msi *m = &f->msi;
	uint32_t control = hw_read(v, f, m->off + MSI_CONTROL, 2);

	control &= ~(uint32_t)(MSI_CONTROL_ENABLE | MSI_CONTROL_MME);
	if (on)
		control |= MSI_CONTROL_ENABLE;
	hw_write(v, f, m->off + MSI_CONTROL, 2, control);
	m->on = on;
}

static void hw_mask(struct vpci *v, struct vpci_func *f)
{
	if (f->msi.mask_off)
		hw_write(v, f, f->msi.off + f->msi.mask_off, 4,
			 f->msi.reg[f->msi.mask_off] & MSI_ONE);
}

/*
 * Give the device its message. It is disabled meanwhile: a half-written message would be some other CPU's vector. An
 * interrupt that falls into the gap waits in the device if it can mask; other devices keep their cause and the
 * guest's driver finds it as after any edge that was merged.
 */
static void hw_message(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msi *m = &f->msi;

	if (m->on)
		hw_control(v, f, false);
	hw_write(v, f, m->off + MSI_ADDR, 4, (uint32_t)m->phys_addr);
	if (m->data_off == MSI_DATA_64)
		hw_write(v, f, m->off + MSI_ADDR_HI, 4, (uint32_t)(m->phys_addr >> 32));
	hw_write(v, f, m->off + m->data_off, MSI_DATA_BYTES, (uint16_t)m->phys_data);
	hw_mask(v, f);
	hw_control(v, f, true);
}

bool msi_found(struct vpci *v, struct vpci_func *f, uint8_t off)
{
	struct vpci_msi *m = &f->msi;
	uint32_t control;

	control = hw_read(v, f, off + MSI_CONTROL, 2);
	if (control & MSI_CONTROL_ENABLE)
		hw_write(v, f, off + MSI_CONTROL, 2, control & ~(uint32_t)MSI_CONTROL_ENABLE);
	m->off = off;
	m->data_off = control & MSI_CONTROL_64 ? MSI_DATA_64 : MSI_DATA_32;
	m->len = m->data_off + MSI_DATA_SPAN;
	if (control & MSI_CONTROL_MASKING) {
		m->mask_off = m->len;
		m->pending_off = m->mask_off + MSI_MASK_BYTES;
		m->len = m->pending_off + MSI_MASK_BYTES;
	}
	if ((uint32_t)off + m->len > PCI_CONFIG_SIZE) {
		memset(m, 0, sizeof(*m));
		return false;
	}
	m->irq.bdf = f->bdf;
	m->irq.kind = VPCI_IRQ_MSI;
	m->reg[0] = PCI_CAP_MSI;
	m->reg[PCI_CAP_NEXT] = (uint8_t)hw_read(v, f, off + PCI_CAP_NEXT, 1);
	m->reg[MSI_CONTROL] = control & MSI_CONTROL_64;
	m->reg[MSI_CONTROL + 1] = (uint8_t)((control & MSI_CONTROL_MASKING) >> 8);
	return true;
}

uint8_t msi_read(const struct vpci_func *f, uint32_t index, uint8_t raw)
{
	const struct vpci_msi *m = &f->msi;

	if (m->pending_off && index >= m->pending_off)
		return index == m->pending_off ? raw & MSI_ONE : 0;
	return m->reg[index];
}

/* Bits of a byte of the capability that the guest may write. */
static uint8_t writable(const struct vpci_msi *m, uint32_t index)
{
	if (index == MSI_CONTROL)
		return MSI_CONTROL_ENABLE;
	if (index < MSI_ADDR)
		return 0;
	if (index == MSI_ADDR)
		return MSI_ADDR_ALIGN;
	if (index < (uint32_t)m->data_off + MSI_DATA_BYTES)
		return 0xff;
	return m->mask_off && index == m->mask_off ? MSI_ONE : 0;
}

void msi_write(struct vpci_func *f, uint32_t index, uint8_t value)
{
	uint8_t mask = writable(&f->msi, index);
	uint8_t *reg = &f->msi.reg[index];

	*reg = (uint8_t)((*reg & ~mask) | (value & mask));
}

void msi_release(struct vpci *v, struct vpci_func *f)
{
	struct vpci_irq *irq = &f->msi.irq;

	if (!(irq->flags & VPCI_IRQ_BOUND))
		return;
	irq->flags = 0;
	v->ops->msi_unbind(v->arg, irq);
	irq->cookie = 0;
}

static void msi_off(struct vpci *v, struct vpci_func *f)
{
	if (f->msi.on)
		hw_control(v, f, false);
	msi_release(v, f);
}

void msi_update(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msi *m = &f->msi;
	uint64_t addr = shadow_addr(m), phys_addr;
	uint32_t data = shadow_dword(m, m->data_off) & 0xffff, phys_data;
	bool bound = m->irq.flags & VPCI_IRQ_BOUND;
	int rc;

	if (!shadow_enabled(m)) {
		msi_off(v, f);
		hw_mask(v, f);
		return;
	}
	if (bound && m->on && addr == m->addr && data == m->data) {
		hw_mask(v, f);
		return;
	}
	rc = v->ops->msi_bind(v->arg, &m->irq, addr, data, &phys_addr, &phys_data);
	if (rc < 0) {
		msi_off(v, f);
		if (func_log_once(f, VPCI_LOG_BIND))
			v->ops->log(v->arg, "PCI %08x: MSI stays off: error %d\n", f->bdf, rc);
		return;
	}
	m->irq.flags = VPCI_IRQ_BOUND;
	m->addr = addr;
	m->data = data;
	if (m->on && phys_addr == m->phys_addr && phys_data == m->phys_data) {
		hw_mask(v, f);
		return;
	}
	m->phys_addr = phys_addr;
	m->phys_data = phys_data;
	hw_message(v, f);
}

void msi_reset(struct vpci *v, struct vpci_func *f)
{
	struct vpci_msi *m = &f->msi;

	if (!m->off)
		return;
	m->reg[MSI_CONTROL] &= (uint8_t)~MSI_CONTROL_ENABLE;
	memset(&m->reg[MSI_ADDR], 0, VPCI_MSI_BYTES - MSI_ADDR);
	msi_off(v, f);
	hw_mask(v, f);
}
