/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware configuration. QEMU, docs/specs/fw_cfg: "Register Locations", "Guest-side DMA Interface". */

#include "lib/string.h"
#include "vdev/vfwcfg.h"

#define SELECTOR 0
#define DATA	 1
#define DMA_HIGH 4
#define DMA_LOW	 8

#define DMA_SIGNATURE 0x51454d5520434647ULL /* "QEMU CFG" */

/* Commands of an access; the item's number is in bits 31:16. */
#define CTL_ERROR  BIT(0)
#define CTL_READ   BIT(1)
#define CTL_SKIP   BIT(2)
#define CTL_SELECT BIT(3)
#define CTL_WRITE  BIT(4)
#define CTL_KEY	   16

/* Big-endian. */
struct access {
	uint32_t control, length;
	uint64_t address;
};

int vfwcfg_bytes(void *arg, uint64_t off, void *buf, uint32_t len)
{
	memcpy(buf, (const uint8_t *)arg + off, len);
	return 0;
}

static void item_select(struct vfwcfg *f, uint16_t key)
{
	f->item = NULL;
	f->offset = 0;
	for (uint32_t i = 0; i < f->count; i++) {
		if (f->items[i].key == key)
			f->item = &f->items[i];
	}
}

/* How many of the next @n bytes are the item's; behind its end there are zeros. */
static uint32_t item_has(const struct vfwcfg *f, uint32_t n)
{
	return f->item ? (uint32_t)min_u64(n, f->item->size - f->offset) : 0;
}

static void item_read(struct vfwcfg *f, uint8_t *to, uint32_t n)
{
	uint32_t have = item_has(f, n);

	if (have && f->item->read(f->item->arg, (uint64_t)f->item->start + f->offset, to, have))
		memset(to, 0, have);
	memset(to + have, 0, n - have);
	f->offset += have;
}

void vfwcfg_reset(struct vfwcfg *f)
{
	item_select(f, VFWCFG_SIGNATURE);
	f->dma = 0;
	f->busy = false;
}

/* --- DMA --- */

/* The few bytes of a description, which may lie across two pages. */
static bool access_copy(struct vfwcfg *f, uint8_t *buf, uint32_t len, bool write)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t *at = f->map(f->vm, f->access + i, write);

		if (!at)
			return false;
		*(write ? at : buf + i) = *(write ? buf + i : at);
	}
	return true;
}

static void access_start(struct vfwcfg *f)
{
	struct access a;

	f->access = f->dma;
	if (!access_copy(f, (uint8_t *)&a, sizeof(a), false))
		return; /* there is nowhere to say so */
	f->busy = true;
	f->control = __builtin_bswap32(a.control) & ~(uint32_t)CTL_ERROR;
	f->left = __builtin_bswap32(a.length);
	f->address = __builtin_bswap64(a.address);
	if (f->control & CTL_SELECT)
		item_select(f, (uint16_t)(f->control >> CTL_KEY));
}

/* Up to the end of a page of the guest's. */
static void access_read(struct vfwcfg *f)
{
	uint32_t n = (uint32_t)min_u64(f->left, PAGE_SIZE - (f->address & PAGE_MASK));
	void *to = f->map(f->vm, f->address, true);

	if (to)
		item_read(f, to, n);
	else
		f->control |= CTL_ERROR;
	f->address += n;
	f->left -= n;
}

static void access_step(struct vfwcfg *f)
{
	if (f->control & CTL_READ && f->left) {
		access_read(f);
	} else if (f->control & CTL_WRITE && f->left) {
		f->control |= CTL_ERROR; /* no item can be written */
	} else {
		if (f->control & CTL_SKIP)
			f->offset += item_has(f, f->left);
		f->left = 0;
	}
}

/* One step of what is in progress; its control word then says how it ended. */
static bool dma_go_on(struct vfwcfg *f)
{
	bool ours = f->busy ? f->access == f->dma : true;
	uint32_t control;

	if (!f->busy)
		access_start(f);
	if (f->busy) {
		access_step(f);
		if (f->left && !(f->control & CTL_ERROR))
			return false;
		control = __builtin_bswap32(f->control & CTL_ERROR);
		access_copy(f, (uint8_t *)&control, sizeof(control), true);
		f->busy = false;
	}
	if (ours)
		f->dma = 0;
	return ours;
}

/* --- ports --- */

uint32_t vfwcfg_read(struct vfwcfg *f, uint32_t offset, uint8_t size)
{
	uint32_t value = 0;

	if (offset >= DMA_HIGH) {
		/* The signature's first byte is at the lowest port. */
		uint64_t bytes = __builtin_bswap64(DMA_SIGNATURE);

		memcpy(&value, (const uint8_t *)&bytes + (offset - DMA_HIGH),
		       min_u64(size, VFWCFG_PORTS - offset));
		return value;
	}
	if (offset == DATA && size == 1)
		item_read(f, (uint8_t *)&value, 1);
	return value;
}

bool vfwcfg_write(struct vfwcfg *f, uint32_t offset, uint8_t size, uint32_t value)
{
	if (offset == SELECTOR && size == 2)
		item_select(f, (uint16_t)value);
	if (size != 4)
		return true;
	if (offset == DMA_HIGH)
		f->dma = (uint64_t)__builtin_bswap32(value) << 32;
	if (offset != DMA_LOW)
		return true;
	f->dma = (f->dma & ~(uint64_t)UINT32_MAX) | __builtin_bswap32(value);
	return dma_go_on(f);
}
