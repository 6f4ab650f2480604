/* SPDX-License-Identifier: BSD-2-Clause */
/* Which PCI functions there are, where their capabilities and BARs lie, and which bridges lead to them. */

#include "lib/string.h"
#include "vdev/vpci_priv.h"

#define HASH_MULTIPLIER 0x9e3779b1U /* 2^32 / golden ratio: spreads neighbours */
#define HASH_SHIFT	23
_Static_assert(VPCI_HASH_SIZE == 1 << (32 - HASH_SHIFT), "hash takes the top bits of the product");

/* Registers whose move would take something out of a filter's sight, by device and vendor ID. */
static const struct config_lock {
	uint32_t id;
	uint8_t off, len;
	const char *why;
} locks[] = {
	{0x29c08086, 0x60, 8, "PCIEXBAR places the ECAM window"	       }, /* Intel 3 Series, 5.1.16 */
	{0x29188086, 0x40, 8, "PMBASE and ACPI_CNTL place the PM ports"}, /* ICH9, 13.1.13 */
	{0x29188086, 0xf0, 4, "RCBA places the chip set registers"	  }, /* ICH9, 13.1.37 */
	{0x71138086, 0x40, 4, "PMBA places the PM ports"		}, /* PIIX4, 7.1.10 */
	{0x71138086, 0x80, 1, "PMREGMISC enables the PM ports"	      }, /* PIIX4, 7.1.20 */
};

bool func_log_once(struct vpci_func *f, uint8_t what)
{
	bool first = !(f->logged & what);

	f->logged |= what;
	return first;
}

/* --- the table --- */

static uint32_t hash_slot(uint32_t bdf)
{
	return (bdf * HASH_MULTIPLIER) >> HASH_SHIFT;
}

static void hash_insert(struct vpci *v, uint32_t index)
{
	uint32_t slot = hash_slot(v->funcs[index].bdf);

	while (v->hash[slot])
		slot = (slot + 1) % VPCI_HASH_SIZE;
	v->hash[slot] = (uint16_t)(index + 1);
}

static void hash_rebuild(struct vpci *v)
{
	memset(v->hash, 0, sizeof(v->hash));
	for (uint32_t i = 0; i < v->func_max; i++) {
		if (v->funcs[i].used)
			hash_insert(v, i);
	}
}

struct vpci_func *func_find(struct vpci *v, uint32_t bdf)
{
	uint32_t slot;

	if (likely(v->last && v->last->bdf == bdf))
		return v->last;
	for (slot = hash_slot(bdf); v->hash[slot]; slot = (slot + 1) % VPCI_HASH_SIZE) {
		struct vpci_func *f = &v->funcs[v->hash[slot] - 1];

		if (f->bdf == bdf) {
			v->last = f;
			return f;
		}
	}
	return NULL;
}

static struct vpci_func *func_new(struct vpci *v, uint32_t bdf)
{
	for (uint32_t i = 0; i < v->func_max; i++) {
		struct vpci_func *f = &v->funcs[i];

		if (f->used)
			continue;
		memset(f, 0, sizeof(*f));
		f->used = true;
		f->bdf = bdf;
		v->func_count++;
		hash_insert(v, i);
		return f;
	}
	if (!v->full_logged)
		v->ops->log(v->arg, "PCI: no room for function %08x: it has no capabilities\n",
			    bdf);
	v->full_logged = true;
	return NULL;
}

static void func_release(struct vpci *v, struct vpci_func *f)
{
	if (f->visible) {
		msi_release(v, f);
		msix_release(v, f);
	}
	f->used = false;
	v->func_count--;
	v->last = NULL;
}

void func_forget(struct vpci *v, struct vpci_func *f)
{
	func_release(v, f);
	hash_rebuild(v);
}

void vpci_forget(struct vpci *v, uint32_t i)
{
	if (v->funcs[i].used)
		func_release(v, &v->funcs[i]);
	if (i + 1 == v->func_max)
		memset(v->hash, 0, sizeof(v->hash));
}

/* --- bridges --- */

/* Does this register 0x18 lead to @bus? Nothing leads back to the bridge's own bus. */
static bool buses_cover(const struct vpci_func *bridge, uint32_t buses, uint32_t bdf)
{
	uint32_t bus = VPCI_BUS(bdf), secondary = (buses >> 8) & 0xff,
		 subordinate = (buses >> 16) & 0xff;

	return VPCI_SEG(bdf) == VPCI_SEG(bridge->bdf) && secondary > VPCI_BUS(bridge->bdf) &&
	       bus >= secondary && bus <= subordinate;
}

static bool leads_to_hidden(const struct vpci *v, const struct vpci_func *bridge, uint32_t buses)
{
	for (uint32_t i = 0; i < v->func_max; i++) {
		const struct vpci_func *f = &v->funcs[i];

		if (f->used && !f->visible && buses_cover(bridge, buses, f->bdf))
			return true;
	}
	return false;
}

static void bridges_lock(struct vpci *v, uint32_t bdf)
{
	for (uint32_t i = 0; i < v->func_max; i++) {
		struct vpci_func *b = &v->funcs[i];

		if (b->used && b->bridge && buses_cover(b, b->buses, bdf))
			b->readonly = true;
	}
}

void func_renumbered(struct vpci *v, struct vpci_func *bridge)
{
	uint32_t old = bridge->buses, now = hw_read(v, bridge, PCI_BRIDGE_BUSES, 4);

	if (now == old)
		return;
	if (leads_to_hidden(v, bridge, now)) {
		hw_write(v, bridge, PCI_BRIDGE_BUSES, 4, old);
		return;
	}
	bridge->buses = now;
	for (uint32_t i = 0; i < v->func_max; i++) {
		struct vpci_func *f = &v->funcs[i];

		if (f->used && f != bridge &&
		    (buses_cover(bridge, old, f->bdf) || buses_cover(bridge, now, f->bdf)))
			func_forget(v, f);
	}
}

/* --- BARs --- */

static bool bar_is_64(const struct vpci_func *f, uint32_t bar)
{
	return !(f->bar[bar] & PCI_BAR_IO) && (f->bar[bar] & PCI_BAR_TYPE) == PCI_BAR_64 &&
	       bar + 1 < f->bar_count;
}

bool func_bar_is_upper(const struct vpci_func *f, uint32_t bar)
{
	uint32_t i = 0;

	while (i < bar)
		i += bar_is_64(f, i) ? 2 : 1;
	return i != bar;
}

static uint64_t lowest_bit(uint64_t n)
{
	return n & -n;
}

static uint64_t bar_size(const struct vpci_func *f, uint32_t bar)
{
	bool io = f->bar[bar] & PCI_BAR_IO;
	uint64_t mask = f->bar_mask[bar] & ~(uint32_t)(io ? PCI_BAR_IO_FLAGS : PCI_BAR_MEM_FLAGS);

	if (mask || !bar_is_64(f, bar))
		return lowest_bit(mask);
	return lowest_bit((uint64_t)f->bar_mask[bar + 1] << 32);
}

/* Where a BAR decodes now, or VPCI_BAR_OFF. */
static uint64_t bar_decodes(const struct vpci_func *f, uint32_t bar)
{
	bool io = f->bar[bar] & PCI_BAR_IO;
	uint64_t base = f->bar[bar] & ~(uint32_t)(io ? PCI_BAR_IO_FLAGS : PCI_BAR_MEM_FLAGS);
	uint32_t registers = (uint32_t)BIT(bar);

	if (!(f->command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEM)))
		return VPCI_BAR_OFF;
	if (bar_is_64(f, bar)) {
		base |= (uint64_t)f->bar[bar + 1] << 32;
		registers |= (uint32_t)BIT(bar + 1);
	}
	if (!base || (f->sizing & registers))
		return VPCI_BAR_OFF;
	return base;
}

bool func_bar(const struct vpci_func *f, uint32_t bar, uint64_t *base, uint64_t *size)
{
	if (bar >= f->bar_count || (f->bar[bar] & PCI_BAR_IO))
		return false;
	*base = bar_decodes(f, bar);
	*size = bar_size(f, bar);
	return *base != VPCI_BAR_OFF;
}

void func_bar_written(struct vpci *v, struct vpci_func *f, uint32_t bar, bool whole, uint32_t value)
{
	uint32_t flags = PCI_BAR_MEM_FLAGS;

	if (func_bar_is_upper(f, bar))
		flags = 0;
	else if (f->bar[bar] & PCI_BAR_IO)
		flags = PCI_BAR_IO_FLAGS;
	if (!whole || (value | flags) != ~0U) {
		f->sizing &= (uint8_t)~BIT(bar);
		return;
	}
	f->sizing |= (uint8_t)BIT(bar);
	f->bar_mask[bar] = hw_read(v, f, PCI_BAR0 + 4 * bar, 4);
}

/* Read command and BARs as they are in the device now; report what decodes elsewhere than it did. */
static void bars_read(struct vpci *v, struct vpci_func *f)
{
	uint64_t old[VPCI_BARS];

	for (uint32_t i = 0; i < f->bar_count; i++)
		old[i] = bar_decodes(f, i);
	f->command = (uint16_t)hw_read(v, f, PCI_COMMAND, 2);
	f->mastered |= (f->command & PCI_COMMAND_MASTER) != 0;
	for (uint32_t i = 0; i < f->bar_count; i++)
		f->bar[i] = hw_read(v, f, PCI_BAR0 + 4 * i, 4);
	if (!v->ops->bar_changed)
		return;
	for (uint32_t i = 0; i < f->bar_count; i++) {
		uint64_t now = bar_decodes(f, i);

		if (now != old[i] && !func_bar_is_upper(f, i))
			v->ops->bar_changed(v->arg, f->bdf, i, now, bar_size(f, i),
					    !(f->bar[i] & PCI_BAR_IO));
	}
}

void func_moved(struct vpci *v, struct vpci_func *f)
{
	bars_read(v, f);
	if (f->msix.off)
		msix_place(v, f);
}

/* --- discovery --- */

/* A bitmap of dwords, as far as they lie in the first 256 bytes. */
static uint64_t dwords(uint32_t off, uint32_t len)
{
	uint32_t end = off + len;

	if (end > PCI_CONFIG_SIZE)
		end = PCI_CONFIG_SIZE;
	return dword_mask(off, end - off);
}

static void cap_hide(struct vpci *v, struct vpci_func *f, uint8_t off, uint8_t len, uint8_t link,
		     uint8_t next)
{
	struct vpci_hidden *h;

	if (f->hidden_count == VPCI_HIDDEN_MAX) {
		v->ops->log(v->arg, "PCI %08x: too many interrupt capabilities: hidden\n", f->bdf);
		f->visible = false;
		return;
	}
	h = &f->hidden[f->hidden_count++];
	h->off = off;
	h->len = len;
	h->link = link;
	h->target = next;
	f->overlay |= dwords(off, len) | dwords(link, 1);
}

/* Take a capability into the model. 0, or the length of one that must be hidden. */
static uint8_t cap_take(struct vpci *v, struct vpci_func *f, uint8_t id, uint8_t off)
{
	if (id == PCI_CAP_MSI) {
		if (f->msi.off || !msi_found(v, f, off))
			return VPCI_MSI_BYTES;
		f->overlay |= dwords(off, f->msi.len);
	} else if (id == PCI_CAP_MSIX) {
		if (f->msix.off || !msix_found(v, f, off))
			return MSIX_CAP_LEN;
		f->overlay |= dwords(off, MSIX_TABLE);
	}
	return 0;
}

static void caps_scan(struct vpci *v, struct vpci_func *f, uint8_t header)
{
	uint8_t link = header == PCI_HEADER_CARDBUS ? PCI_CARDBUS_CAP_PTR : PCI_CAP_PTR;
	uint8_t at;
	uint64_t seen = 0;

	if (!(hw_read(v, f, PCI_STATUS, 2) & PCI_STATUS_CAPS))
		return;
	at = (uint8_t)hw_read(v, f, link, 1) & PCI_CAP_ALIGN;
	for (uint32_t i = 0; i < PCI_CAP_MOST; i++) {
		uint32_t head;
		uint8_t next, len;

		if (at < PCI_HEADER_END || (seen & dwords(at, 1)))
			return;
		seen |= dwords(at, 1);
		head = hw_read(v, f, at, 2);
		next = (uint8_t)(head >> 8) & PCI_CAP_ALIGN;
		len = cap_take(v, f, (uint8_t)head, at);
		if (len)
			cap_hide(v, f, at, len, link, next);
		else
			link = at + PCI_CAP_NEXT;
		at = next;
	}
}

static void locks_find(struct vpci_func *f)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(locks); i++) {
		if (locks[i].id != f->id)
			continue;
		if (!f->lock_count)
			f->lock_row = (uint8_t)i;
		f->lock_count++;
		f->watch |= dwords(locks[i].off, locks[i].len);
	}
}

const char *func_locked(const struct vpci_func *f, uint32_t off, uint32_t size)
{
	for (uint32_t i = 0; i < f->lock_count; i++) {
		const struct config_lock *l = &locks[f->lock_row + i];

		if (off < (uint32_t)l->off + l->len && l->off < off + size)
			return l->why;
	}
	return NULL;
}

static void func_learn(struct vpci *v, struct vpci_func *f)
{
	static const uint8_t bars[] = {
		[PCI_HEADER_NORMAL] = 6, [PCI_HEADER_BRIDGE] = 2, [PCI_HEADER_CARDBUS] = 1};
	uint8_t header = (uint8_t)hw_read(v, f, PCI_HEADER_TYPE, 1) & PCI_HEADER_MASK;

	if (header == PCI_HEADER_BRIDGE || header == PCI_HEADER_CARDBUS) {
		f->bridge = true;
		f->buses = hw_read(v, f, PCI_BRIDGE_BUSES, 4);
		f->watch |= dwords(PCI_BRIDGE_BUSES, 4);
		f->readonly = leads_to_hidden(v, f, f->buses);
	}
	if (header < ARRAY_SIZE(bars))
		f->bar_count = bars[header];
	bars_read(v, f);
	f->overlay |= dwords(PCI_ID, 4);
	f->watch |= dwords(PCI_COMMAND, 2) | dwords(PCI_BAR0, 4U * f->bar_count);
	locks_find(f);
	if (header < ARRAY_SIZE(bars))
		caps_scan(v, f, header);
	f->watch |= f->overlay;
	if (f->visible && f->msix.off)
		msix_place(v, f);
}

struct vpci_func *func_discover(struct vpci *v, uint32_t bdf, uint32_t *id)
{
	struct vpci_func *f;
	uint32_t vendor;

	*id = v->ops->cfg_read(v->arg, bdf, PCI_ID, 4);
	vendor = *id & 0xffff;
	if (vendor == PCI_VENDOR_NONE || vendor == PCI_VENDOR_RETRY)
		return NULL;
	f = func_new(v, bdf);
	if (!f)
		return NULL;
	f->id = *id;
	f->visible = v->ops->visible(v->arg, bdf);
	if (f->visible)
		func_learn(v, f);
	else
		bridges_lock(v, bdf);
	return f;
}

void vpci_init(struct vpci *v, const struct vpci_ops *ops, void *arg, struct vpci_func *funcs,
	       uint32_t func_max, struct vpci_msix_entry *entries, uint32_t entry_max)
{
	memset(v, 0, sizeof(*v));
	v->ops = ops;
	v->arg = arg;
	v->funcs = funcs;
	v->func_max = func_max < VPCI_FUNCS_MAX ? func_max : VPCI_FUNCS_MAX;
	v->entries = entries;
	v->entry_max = entry_max < VPCI_ENTRIES_MAX ? entry_max : VPCI_ENTRIES_MAX;
}

int vpci_add(struct vpci *v, uint32_t bdf)
{
	uint32_t id;

	if (func_find(v, bdf))
		return -EEXIST;
	if (func_discover(v, bdf, &id))
		return 0;
	return v->func_count == v->func_max ? -ENOSPC : -ENODEV;
}
