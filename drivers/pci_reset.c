/* SPDX-License-Identifier: BSD-2-Clause */
/* The reset of one PCI function, or of a bus. Specifications are named at each way. */

#include "arch/io.h"
#include "drivers/pci.h"
#include "drivers/pci_reset.h"
#include "lib/string.h"

#define MS	   1000 /* us */
#define POLL	   (10 * MS)
#define POLL_TRIES 100 /* 1 s */

/* PCI Express 3.0, 7.8 and 6.6.2 */
#define PCIE_DEVCAP	 4
#define PCIE_DEVCAP_FLR	 BIT(28)
#define PCIE_DEVCTL	 8
#define PCIE_DEVCTL_FLR	 BIT(15)
#define PCIE_DEVSTA	 10
#define PCIE_DEVSTA_TP	 BIT(5)
/* Advanced Capabilities for Conventional PCI, ECN of 2006 */
#define PCI_CAP_AF	 0x13
#define AF_CAPS		 3
#define AF_CAPS_TP_FLR	 0x03
#define AF_CONTROL	 4
#define AF_STATUS	 5
#define AF_STATUS_TP	 BIT(0)
#define FLR_WAIT	 (100 * MS) /* for both */
#define PENDING_TRIES	 10	    /* of POLL: 100 ms for what is under way */
/* PCI Bus Power Management 1.2, 3.2.4 and 5.4 */
#define PCI_CAP_PM	 0x01
#define PM_CONTROL	 4
#define PM_STATE	 0x0003
#define PM_D3HOT	 0x0003
#define PM_NO_SOFT_RESET BIT(3)
#define PM_WAIT		 (10 * MS)
/* PCI-to-PCI Bridge 1.2, 3.2.5.18; PCI 3.0, 4.3.2 */
#define BRIDGE_CONTROL	 0x3e
#define BRIDGE_RESET_BUS BIT(6)
#define BUS_RESET_WAIT	 (2 * MS)
#define BUS_READY_WAIT	 (100 * MS)

#define RETRY 0x0001 /* a vendor ID that says: not ready (PCI Express 3.0, 2.3.2) */

/* AHCI 1.3.1, 3.1.2 and 10.4.3 */
#define AHCI_BAR	   5
#define AHCI_GHC	   0x04
#define AHCI_GHC_HR	   BIT(0)
#define AHCI_GHC_AE	   BIT(31)
/* xHCI 1.1, 5.3.1, 5.4.1 and 5.4.2 */
#define XHCI_COMMAND	   0
#define XHCI_COMMAND_RUN   BIT(0)
#define XHCI_COMMAND_RESET BIT(1)
#define XHCI_STATUS	   4
#define XHCI_STATUS_HALTED BIT(0)
#define XHCI_STATUS_CNR	   BIT(11)
/* UHCI 1.1, 2.1.1; EHCI 1.0, 2.3.1 and 2.3.2 */
#define UHCI_BAR	   4
#define UHCI_COMMAND_RESET BIT(1)
#define EHCI_STATUS_HALTED BIT(12)
/* Programming Interface for Bus Master IDE Controller 1.0 */
#define IDE_BAR		   4
#define IDE_SECONDARY	   8
/* virtio 1.1, 4.1.4.3 and 4.1.4.8 */
#define VIRTIO_VENDOR	   0x1af4
#define VIRTIO_FIRST	   0x1000
#define VIRTIO_LAST	   0x107f
#define VIRTIO_LEGACY_IO   0x12
#define VIRTIO_STATUS	   0x14
#define PCI_CAP_VENDOR	   0x09
#define VIRTIO_CAP_TYPE	   3
#define VIRTIO_CAP_BAR	   4
#define VIRTIO_CAP_OFF	   8
#define VIRTIO_COMMON	   1
#define VIRTIO_CAPS	   8 /* at most: five are defined */
/* PCI/PCI-X Family of Gigabit Ethernet Controllers, 13.4.1, 13.4.22, 13.4.33 */
#define E1000_CTRL	   0x0000
#define E1000_CTRL_RST	   BIT(26)
#define E1000_RCTL	   0x0100
#define E1000_TCTL	   0x0400

static int next(struct pci_reset *r, int wait)
{
	r->phase++;
	r->tries = 0;
	return wait;
}

static int again(struct pci_reset *r, uint32_t tries)
{
	return ++r->tries > tries ? -EIO : POLL;
}

/* Until its configuration space answers. */
static int back(struct pci_reset *r)
{
	uint32_t vendor = pci_read(r->bdf, PCI_VENDOR, 2);

	return vendor != PCI_VENDOR_NONE && vendor != RETRY ? 0 : again(r, POLL_TRIES);
}

/* --- what every function may have --- */

static int step_flr(struct pci_reset *r)
{
	uint32_t control;

	if (r->phase)
		return back(r);
	if (pci_read(r->bdf, r->cap + PCIE_DEVSTA, 2) & PCIE_DEVSTA_TP &&
	    again(r, PENDING_TRIES) > 0)
		return POLL;
	control = pci_read(r->bdf, r->cap + PCIE_DEVCTL, 2);
	pci_write(r->bdf, r->cap + PCIE_DEVCTL, 2, control | PCIE_DEVCTL_FLR);
	return next(r, FLR_WAIT);
}

static int step_af(struct pci_reset *r)
{
	if (r->phase)
		return back(r);
	if (pci_read(r->bdf, r->cap + AF_STATUS, 1) & AF_STATUS_TP && again(r, PENDING_TRIES) > 0)
		return POLL;
	pci_write(r->bdf, r->cap + AF_CONTROL, 1, 1);
	return next(r, FLR_WAIT);
}

static int step_pm(struct pci_reset *r)
{
	uint32_t control;

	if (r->phase == 2)
		return back(r);
	control = pci_read(r->bdf, r->cap + PM_CONTROL, 2) & ~(uint32_t)PM_STATE;
	pci_write(r->bdf, r->cap + PM_CONTROL, 2, control | (r->phase ? 0 : PM_D3HOT));
	return next(r, PM_WAIT);
}

static int step_bus(struct pci_reset *r)
{
	uint32_t control = pci_read(r->bdf, BRIDGE_CONTROL, 2) & ~(uint32_t)BRIDGE_RESET_BUS;

	if (r->phase == 2)
		return 0;
	pci_write(r->bdf, BRIDGE_CONTROL, 2, control | (r->phase ? 0 : BRIDGE_RESET_BUS));
	return next(r, r->phase ? BUS_READY_WAIT : BUS_RESET_WAIT);
}

/* --- what a class of them has --- */

static volatile uint32_t *reg(const struct pci_reset *r, uint32_t off)
{
	return r->page(r->base + off);
}

static int step_none(struct pci_reset *r)
{
	(void)r;
	return 0;
}

static int step_ahci(struct pci_reset *r)
{
	volatile uint32_t *ghc = reg(r, AHCI_GHC);

	if (r->phase)
		return *ghc & AHCI_GHC_HR ? again(r, POLL_TRIES) : 0;
	*ghc = AHCI_GHC_AE;
	*ghc = AHCI_GHC_AE | AHCI_GHC_HR;
	return next(r, MS);
}

/* The operational registers lie behind the capability registers, whose length the first byte says. EHCI is like xHCI. */
static int step_usb(struct pci_reset *r, uint32_t halted, uint32_t not_ready)
{
	uint32_t op = *reg(r, 0) & 0xff;

	if (r->phase == 0) {
		*reg(r, op + XHCI_COMMAND) &= ~(uint32_t)XHCI_COMMAND_RUN;
		return next(r, MS);
	}
	if (r->phase == 1) {
		if (!(*reg(r, op + XHCI_STATUS) & halted) && again(r, 2) > 0)
			return POLL;
		*reg(r, op + XHCI_COMMAND) = XHCI_COMMAND_RESET;
		return next(r, MS);
	}
	if (*reg(r, op + XHCI_COMMAND) & XHCI_COMMAND_RESET ||
	    *reg(r, op + XHCI_STATUS) & not_ready)
		return again(r, POLL_TRIES);
	return 0;
}

static int step_xhci(struct pci_reset *r)
{
	return step_usb(r, XHCI_STATUS_HALTED, XHCI_STATUS_CNR);
}

static int step_ehci(struct pci_reset *r)
{
	return step_usb(r, EHCI_STATUS_HALTED, 0);
}

static int step_uhci(struct pci_reset *r)
{
	if (r->phase)
		return io_in16((uint16_t)r->base) & UHCI_COMMAND_RESET ? again(r, POLL_TRIES) : 0;
	io_out16((uint16_t)r->base, 0);
	io_out16((uint16_t)r->base, UHCI_COMMAND_RESET);
	return next(r, MS);
}

/* Neither channel transfers until its start bit is set again, which takes a new table of descriptors. */
static int step_ide(struct pci_reset *r)
{
	io_out8((uint16_t)r->base, 0);
	io_out8((uint16_t)(r->base + IDE_SECONDARY), 0);
	return 0;
}

static int step_virtio(struct pci_reset *r)
{
	volatile uint8_t *status = (volatile uint8_t *)r->page(r->base + VIRTIO_STATUS);

	if (r->phase)
		return *status ? again(r, POLL_TRIES) : 0;
	*status = 0;
	return next(r, MS);
}

static int step_virtio_legacy(struct pci_reset *r)
{
	uint16_t status = (uint16_t)(r->base + VIRTIO_LEGACY_IO);

	if (r->phase)
		return io_in8(status) ? again(r, POLL_TRIES) : 0;
	io_out8(status, 0);
	return next(r, MS);
}

static int step_e1000(struct pci_reset *r)
{
	if (r->phase)
		return *reg(r, E1000_CTRL) & E1000_CTRL_RST ? again(r, POLL_TRIES) : 0;
	*reg(r, E1000_RCTL) = 0;
	*reg(r, E1000_TCTL) = 0;
	*reg(r, E1000_CTRL) |= E1000_CTRL_RST;
	return next(r, POLL);
}

/* Class, subclass and interface in 23:0, and which of these bits count; or device and vendor. */
static const struct {
	uint32_t id, class, mask;
	uint8_t bar;
	bool io;
	int (*step)(struct pci_reset *r);
} ways[] = {
	{0x11111234, 0,	0,	   0,	      false, step_none }, /* QEMU's and Bochs' display adapter */
	{0x100e8086, 0,	0,	   0,	      false, step_e1000}, /* 82540EM */
	{0,	    0x060000, 0xff0000, 0,	   false, step_none }, /* bridges have no DMA of their own */
	{0,	    0x0c0500, 0xffff00, 0,	   false, step_none }, /* SMBus */
	{0,	    0x010601, 0xffffff, AHCI_BAR, false, step_ahci },
	{0,	    0x0c0330, 0xffffff, 0,	   false, step_xhci },
	{0,	    0x0c0320, 0xffffff, 0,	   false, step_ehci },
	{0,	    0x0c0300, 0xffffff, UHCI_BAR, true,	step_uhci },
	{0,	    0x010180, 0xffff80, IDE_BAR,	 true,  step_ide  },
};

static bool bar_take(struct pci_reset *r, uint32_t bar, bool io)
{
	struct pci_bar b = pci_bar_read(r->bdf, bar);

	r->base = b.base;
	return r->page && b.present && b.base && b.io == io;
}

/* All registers that are used lie in the first 4 KiB. */
static bool mapped(const struct pci_reset *r)
{
	return r->page(r->base) && r->page(r->base + PAGE_SIZE - 1);
}

static bool class_take(struct pci_reset *r)
{
	uint32_t id = pci_read(r->bdf, PCI_VENDOR, 4),
		 class = pci_read(r->bdf, PCI_REVISION, 4) >> 8;

	for (uint32_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].id ? ways[i].id != id : (class & ways[i].mask) != ways[i].class)
			continue;
		r->step = ways[i].step;
		return r->step == step_none ||
		       (bar_take(r, ways[i].bar, ways[i].io) && (ways[i].io || mapped(r)));
	}
	return false;
}

/* The common registers are where a vendor capability of type 1 says; a device of before 1.0 has them in BAR 0. */
static bool virtio_take(struct pci_reset *r)
{
	uint32_t id = pci_read(r->bdf, PCI_VENDOR, 4), device = id >> 16;
	uint8_t cap = pci_capability(r->bdf, PCI_CAP_VENDOR);

	if ((id & 0xffff) != VIRTIO_VENDOR || device < VIRTIO_FIRST || device > VIRTIO_LAST)
		return false;
	for (uint32_t i = 0; cap && i < VIRTIO_CAPS;
	     i++, cap = pci_capability_next(r->bdf, cap, PCI_CAP_VENDOR)) {
		if (pci_read(r->bdf, cap + VIRTIO_CAP_TYPE, 1) != VIRTIO_COMMON)
			continue;
		r->step = step_virtio;
		if (!bar_take(r, pci_read(r->bdf, cap + VIRTIO_CAP_BAR, 1), false))
			return false;
		r->base += pci_read(r->bdf, cap + VIRTIO_CAP_OFF, 4);
		return mapped(r);
	}
	r->step = step_virtio_legacy;
	return bar_take(r, 0, true);
}

int pci_reset_begin(struct pci_reset *r, uint16_t bdf, volatile void *(*page)(uint64_t hpa))
{
	uint8_t pm;

	*r = (struct pci_reset){.bdf = bdf, .page = page, .step = step_flr};
	r->cap = pci_capability(bdf, PCI_CAP_PCIE);
	if (r->cap && pci_read(bdf, r->cap + PCIE_DEVCAP, 4) & PCIE_DEVCAP_FLR)
		return 0;
	r->step = step_af;
	r->cap = pci_capability(bdf, PCI_CAP_AF);
	if (r->cap && (pci_read(bdf, r->cap + AF_CAPS, 1) & AF_CAPS_TP_FLR) == AF_CAPS_TP_FLR)
		return 0;
	if (class_take(r) || virtio_take(r))
		return 0;
	r->step = step_pm;
	r->cap = pm = pci_capability(bdf, PCI_CAP_PM);
	return pm && !(pci_read(bdf, pm + PM_CONTROL, 2) & PM_NO_SOFT_RESET) ? 0 : -ENOSYS;
}

void pci_bus_reset_begin(struct pci_reset *r, uint16_t bdf)
{
	*r = (struct pci_reset){.bdf = bdf, .step = step_bus};
}

int pci_reset_step(struct pci_reset *r)
{
	return r->step(r);
}
