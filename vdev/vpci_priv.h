/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the PCI device model share: register names and each other's functions. */

#ifndef VDEV_VPCI_PRIV_H
#define VDEV_VPCI_PRIV_H

#include "vdev/vpci.h"

/* Configuration header (PCI Local Bus 3.0, 6.1 and 6.2; PCI-to-PCI Bridge 1.2, 3.2). */
#define PCI_ID		    0x00
#define PCI_COMMAND	    0x04
#define PCI_COMMAND_IO	    0x0001
#define PCI_COMMAND_MEM	    0x0002
#define PCI_COMMAND_MASTER  0x0004
#define PCI_STATUS	    0x06
#define PCI_STATUS_CAPS	    0x0010
#define PCI_HEADER_TYPE	    0x0e
#define PCI_HEADER_MASK	    0x7f
#define PCI_HEADER_NORMAL   0
#define PCI_HEADER_BRIDGE   1
#define PCI_HEADER_CARDBUS  2
#define PCI_BAR0	    0x10
#define PCI_BRIDGE_BUSES    0x18 /* primary, secondary, subordinate, latency timer */
#define PCI_CAP_PTR	    0x34
#define PCI_CARDBUS_CAP_PTR 0x14
#define PCI_HEADER_END	    0x40
#define PCI_CONFIG_SIZE	    0x100
#define PCIE_CONFIG_SIZE    0x1000
#define PCI_VENDOR_NONE	    0xffff
#define PCI_VENDOR_RETRY    0x0001 /* not ready yet (PCI Express 3.0, 2.3.2) */

#define PCI_BAR_IO	  0x1
#define PCI_BAR_IO_FLAGS  0x3
#define PCI_BAR_TYPE	  0x6
#define PCI_BAR_64	  0x4
#define PCI_BAR_MEM_FLAGS 0xf

/* Capabilities (PCI Local Bus 3.0, 6.7 and 6.8). */
#define PCI_CAP_NEXT  1
#define PCI_CAP_MSI   0x05
#define PCI_CAP_MSIX  0x11
#define PCI_CAP_MOST  48 /* that fit between header and end */
#define PCI_CAP_ALIGN 0xfc

#define MSI_CONTROL	    2
#define MSI_CONTROL_ENABLE  0x0001
#define MSI_CONTROL_MME	    0x0070
#define MSI_CONTROL_64	    0x0080
#define MSI_CONTROL_MASKING 0x0100
#define MSI_ADDR	    4
#define MSI_ADDR_HI	    8

#define MSIX_CONTROL	      2
#define MSIX_CONTROL_ENABLE   0x8000
#define MSIX_CONTROL_MASK_ALL 0x4000
#define MSIX_CONTROL_COUNT    0x07ff
#define MSIX_TABLE	      4
#define MSIX_BIR	      0x7
#define MSIX_CAP_LEN	      12
#define MSIX_ENTRY_SIZE	      16
#define MSIX_ENTRY_DATA	      8
#define MSIX_ENTRY_CTRL	      12
#define MSIX_ENTRY_MASKED     0x1U

#define VPCI_IRQ_BOUND 0x01 /* msi_bind has succeeded, the phys_* values are good */
#define VPCI_IRQ_DIRTY 0x02 /* the guest has changed the message since */

/* Things that are logged once per function. */
#define VPCI_LOG_LOCK	  0x01
#define VPCI_LOG_READONLY 0x02
#define VPCI_LOG_BIND	  0x04
#define VPCI_LOG_PLACE	  0x08

/* The dwords of the first 256 bytes that an access touches, as a mask. @off and the access end inside them. */
static inline uint64_t dword_mask(uint32_t off, uint32_t size)
{
	uint32_t first = (off >> 2) & 63, last = ((off + size - 1) >> 2) & 63;

	return BITS(last, first);
}

static inline uint32_t hw_read(struct vpci *v, const struct vpci_func *f, uint32_t off,
			       uint8_t size)
{
	return v->ops->cfg_read(v->arg, f->bdf, (uint16_t)off, size);
}

static inline void hw_write(struct vpci *v, const struct vpci_func *f, uint32_t off, uint8_t size,
			    uint32_t value)
{
	v->ops->cfg_write(v->arg, f->bdf, (uint16_t)off, size, value);
}

/* True the first time that @what is asked of this function: then it may be logged. */
bool func_log_once(struct vpci_func *f, uint8_t what);

/* --- vpci_func.c: which functions there are, where their capabilities and BARs lie --- */

/* The function, or NULL if it is not known. */
struct vpci_func *func_find(struct vpci *v, uint32_t bdf);
/* The function, learned about now if need be; NULL: none there, no room, or not ready. @id: its register at 0. */
struct vpci_func *func_discover(struct vpci *v, uint32_t bdf, uint32_t *id);
/* It is gone, or somewhere else now: all that it holds is given back; the device is not touched. */
void func_forget(struct vpci *v, struct vpci_func *f);
/* The guest's write touched the command register or BARs: see where they are now. */
void func_moved(struct vpci *v, struct vpci_func *f);
/* The guest has written @value to a BAR register as a whole. */
void func_bar_written(struct vpci *v, struct vpci_func *f, uint32_t bar, bool whole,
		      uint32_t value);
/* A bridge's bus numbers may have changed: what was behind it is unknown now. */
void func_renumbered(struct vpci *v, struct vpci_func *bridge);
/* Base and size of a memory BAR; false: no memory BAR, decodes nothing, or is being sized. @size 0: not known. */
bool func_bar(const struct vpci_func *f, uint32_t bar, uint64_t *base, uint64_t *size);
bool func_bar_is_upper(const struct vpci_func *f, uint32_t bar);
/* A register that the guest must not write, by the chip set table; NULL: none, else why. */
const char *func_locked(const struct vpci_func *f, uint32_t off, uint32_t size);

/* --- vpci_msi.c --- */

/* False: malformed, to be hidden. */
bool msi_found(struct vpci *v, struct vpci_func *f, uint8_t off);
uint8_t msi_read(const struct vpci_func *f, uint32_t index, uint8_t raw);
void msi_write(struct vpci_func *f, uint32_t index, uint8_t value);
/* After one or more msi_write: make the device follow. */
void msi_update(struct vpci *v, struct vpci_func *f);
void msi_release(struct vpci *v, struct vpci_func *f);
void msi_reset(struct vpci *v, struct vpci_func *f);

/* --- vpci_msix.c --- */

/* False: it cannot be offered (malformed, or no room in the pool) and is to be hidden. */
bool msix_found(struct vpci *v, struct vpci_func *f, uint8_t off);
uint16_t msix_control(const struct vpci_func *f);
void msix_control_write(struct vpci *v, struct vpci_func *f, uint16_t control);
/* BARs or decoding changed: trap the table where it is now. */
void msix_place(struct vpci *v, struct vpci_func *f);
void msix_release(struct vpci *v, struct vpci_func *f);
void msix_reset(struct vpci *v, struct vpci_func *f);
bool msix_mmio_read(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t *value);
bool msix_mmio_write(struct vpci *v, uint64_t gpa, uint8_t size, uint64_t value);

#endif
