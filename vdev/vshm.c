/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared-memory function: configuration space, registers, MSI-X table. PCI Local Bus 3.0, chapter 6. */

#include "vdev/vshm.h"
#include "lib/string.h"

/* Configuration space, by dword. */
#define CFG_ID	      0x00
#define CFG_COMMAND   0x04
#define CFG_CLASS     0x08
#define CFG_HEADER    0x0c
#define CFG_BAR0      0x10
#define CFG_SUBSYSTEM 0x2c
#define CFG_CAPS      0x34
#define CFG_INTERRUPT 0x3c
#define CFG_MSIX      0x40
#define CFG_END	      0x100

#define COMMAND_MEM	 BIT(1)
#define COMMAND_MASTER	 BIT(2)
#define COMMAND_INTX_OFF BIT(10)
#define COMMAND_WRITABLE (COMMAND_MEM | COMMAND_MASTER | COMMAND_INTX_OFF)
#define STATUS_INTX	 BIT(19) /* in the dword at CFG_COMMAND */
#define STATUS_CAPS	 BIT(20)
#define HEADER_MULTI	 BIT(23)
#define CLASS_RAM	 0x05000001U /* memory controller, RAM; revision 1 */
#define SUBSYSTEM	 0x11001af4U
#define PIN_INTA	 BIT(8)

#define BAR_MEMORY 0x0c /* flags of the region's: 64 bits, prefetchable */

#define CAP_MSIX      0x11
#define CAP_VENDOR    0x09
#define MSIX_ENABLE   BIT(15)
#define MSIX_MASK_ALL BIT(14)
#define MSIX_BAR      1U
#define MSIX_PBA      0x800U
#define MSIX_SHIFT    16 /* of the control word in its dword */
#define CAP_NAME_SIZE (4 + VSHM_NAME)

#define VECTOR_SIZE   16
#define VECTOR_DATA   8
#define VECTOR_CTRL   12
#define VECTOR_MASKED 1U

enum { REG_MASK = 0, REG_STATUS = 4, REG_POSITION = 8, REG_DOORBELL = 12 };

_Static_assert(!(VSHM_VECTORS & (VSHM_VECTORS - 1)), "indexes are masked");

/* --- interrupts --- */

static bool msix_on(const struct vshm *s)
{
	return s->msix & MSIX_ENABLE;
}

static void line_update(struct vshm *s)
{
	bool level = s->cfg.irq && !msix_on(s) && !(s->command & COMMAND_INTX_OFF) &&
		     s->status & s->mask;

	if (level == s->asserted)
		return;
	s->asserted = level;
	s->ops->line(s->arg, level);
}

/* Send what waits and is not masked any more. */
static void messages_send(struct vshm *s)
{
	if (!s->pending || !msix_on(s) || s->msix & MSIX_MASK_ALL || !(s->command & COMMAND_MASTER))
		return;
	for (uint32_t i = 0; i < VSHM_VECTORS; i++) {
		if (!(s->pending & BIT(i)) || s->vector[i].masked)
			continue;
		s->pending &= ~(uint32_t)BIT(i);
		s->ops->message(s->arg, s->vector[i].addr, s->vector[i].data);
	}
}

void vshm_ring(struct vshm *s, uint32_t vector)
{
	if (vector >= VSHM_VECTORS)
		return;
	if (msix_on(s)) {
		s->pending |= (uint32_t)BIT(vector);
		messages_send(s);
	} else {
		s->status = 1;
		line_update(s);
	}
}

/* --- configuration space --- */

uint64_t vshm_bar_size(const struct vshm *s, uint32_t n)
{
	if (n != VSHM_MEMORY)
		return VSHM_PAGE;
	return s->cfg.rights == VSHM_NONE ? 0 : s->cfg.size;
}

uint64_t vshm_bar(const struct vshm *s, uint32_t n)
{
	uint64_t base = s->bar[n];

	if (n == VSHM_MEMORY)
		base |= (uint64_t)s->bar[n + 1] << 32;
	return base && s->command & COMMAND_MEM ? base : VSHM_BAR_OFF;
}

static uint32_t name_dword(const struct vshm *s, uint32_t off)
{
	uint32_t value;

	memcpy(&value, &s->cfg.name[off % VSHM_NAME], sizeof(value));
	return value;
}

static uint32_t config_dword(const struct vshm *s, uint32_t off)
{
	switch (off) {
	case CFG_ID:
		return VSHM_ID;
	case CFG_COMMAND:
		return (uint32_t)(s->command | STATUS_CAPS | (s->asserted ? STATUS_INTX : 0));
	case CFG_CLASS:
		return CLASS_RAM;
	case CFG_HEADER:
		return s->cfg.multi ? HEADER_MULTI : 0;
	case CFG_BAR0:
	case CFG_BAR0 + 4:
	case CFG_BAR0 + 12:
		return s->bar[(off - CFG_BAR0) / 4];
	case CFG_BAR0 + 8:
		return s->bar[VSHM_MEMORY] | (s->cfg.rights == VSHM_NONE ? 0 : BAR_MEMORY);
	case CFG_SUBSYSTEM:
		return SUBSYSTEM;
	case CFG_CAPS:
		return CFG_MSIX;
	case CFG_INTERRUPT:
		return s->int_line | (s->cfg.irq ? (uint32_t)PIN_INTA : 0);
	case CFG_MSIX:
		return CAP_MSIX | VSHM_CAP_NAME << 8 |
		       (uint32_t)(s->msix | (VSHM_VECTORS - 1)) << MSIX_SHIFT;
	case CFG_MSIX + 4:
		return MSIX_BAR;
	case CFG_MSIX + 8:
		return MSIX_BAR | MSIX_PBA;
	case VSHM_CAP_NAME:
		return CAP_VENDOR | CAP_NAME_SIZE << 16 | (uint32_t)s->cfg.rights << 24;
	default:
		return off > VSHM_CAP_NAME && off < VSHM_CAP_NAME + CAP_NAME_SIZE
			       ? name_dword(s, off - VSHM_CAP_NAME - 4)
			       : 0;
	}
}

uint32_t vshm_config_read(const struct vshm *s, uint32_t off, uint8_t size)
{
	uint32_t lane = off & 3;

	if (off >= CFG_END || lane + size > 4)
		return ~0U;
	return config_dword(s, off - lane) >> 8 * lane & (uint32_t)BITS(8 * size - 1, 0);
}

static void bar_write(struct vshm *s, uint32_t n, uint32_t value)
{
	uint64_t mask = ~(vshm_bar_size(s, n == 3 ? VSHM_MEMORY : n) - 1);

	if (n >= VSHM_MEMORY && s->cfg.rights == VSHM_NONE)
		return;
	s->bar[n] = value & (uint32_t)(n == 3 ? mask >> 32 : mask);
}

void vshm_config_write(struct vshm *s, uint32_t off, uint8_t size, uint32_t value)
{
	uint32_t lane = off & 3, bytes;

	if (off >= CFG_END || lane + size > 4)
		return;
	off -= lane;
	bytes = (uint32_t)BITS(8 * size - 1, 0) << 8 * lane;
	value = (config_dword(s, off) & ~bytes) | (value << 8 * lane & bytes);
	switch (off) {
	case CFG_COMMAND:
		s->command = (uint16_t)(value & COMMAND_WRITABLE);
		break;
	case CFG_BAR0:
	case CFG_BAR0 + 4:
	case CFG_BAR0 + 8:
	case CFG_BAR0 + 12:
		bar_write(s, (off - CFG_BAR0) / 4, value);
		return;
	case CFG_INTERRUPT:
		s->int_line = (uint8_t)value;
		return;
	case CFG_MSIX:
		s->msix = (uint16_t)(value >> MSIX_SHIFT & (MSIX_ENABLE | MSIX_MASK_ALL));
		break;
	default:
		return;
	}
	line_update(s);
	messages_send(s);
}

/* --- registers and the MSI-X table --- */

static uint32_t register_read(struct vshm *s, uint32_t off)
{
	uint32_t value;

	switch (off) {
	case REG_MASK:
		return s->mask;
	case REG_STATUS:
		value = s->status;
		s->status = 0;
		line_update(s);
		return value;
	case REG_POSITION:
		return s->cfg.peer;
	default:
		return 0;
	}
}

static bool register_write(struct vshm *s, uint32_t off, uint32_t value, uint32_t *doorbell)
{
	if (off == REG_DOORBELL) {
		*doorbell = value;
		return true;
	}
	if (off == REG_MASK)
		s->mask = value;
	else if (off == REG_STATUS)
		s->status = value & 1;
	line_update(s);
	return false;
}

static uint32_t table_dword(const struct vshm *s, uint32_t off)
{
	const struct vshm_vector *v = &s->vector[off / VECTOR_SIZE & (VSHM_VECTORS - 1)];

	if (off == MSIX_PBA)
		return s->pending;
	if (off >= VSHM_VECTORS * VECTOR_SIZE)
		return 0;
	switch (off % VECTOR_SIZE) {
	case 0:
		return (uint32_t)v->addr;
	case 4:
		return (uint32_t)(v->addr >> 32);
	case VECTOR_DATA:
		return v->data;
	default:
		return v->masked ? VECTOR_MASKED : 0;
	}
}

static void table_dword_write(struct vshm *s, uint32_t off, uint32_t value)
{
	struct vshm_vector *v = &s->vector[off / VECTOR_SIZE & (VSHM_VECTORS - 1)];

	if (off >= VSHM_VECTORS * VECTOR_SIZE)
		return;
	switch (off % VECTOR_SIZE) {
	case 0:
		v->addr = (v->addr & ~0xffffffffULL) | (value & ~3U);
		break;
	case 4:
		v->addr = (v->addr & 0xffffffff) | (uint64_t)value << 32;
		break;
	case VECTOR_DATA:
		v->data = value;
		break;
	default:
		v->masked = value & VECTOR_MASKED;
		messages_send(s);
		break;
	}
}

uint64_t vshm_read(struct vshm *s, uint32_t n, uint32_t off, uint8_t size)
{
	uint64_t value;

	if (n == 0) /* reading the status changes it: only whole registers */
		return size == 4 && !(off & 3) ? register_read(s, off) : 0;
	if ((off & 3) + size > 4 && (size != 8 || off & 7))
		return 0;
	value = table_dword(s, off & ~3U) >> 8 * (off & 3);
	if (size == 8)
		return value | (uint64_t)table_dword(s, off + 4) << 32;
	return value & BITS(8 * size - 1, 0);
}

/* Only aligned dwords and, in the table, quadwords are defined; others are dropped. */
bool vshm_write(struct vshm *s, uint32_t n, uint32_t off, uint8_t size, uint64_t value,
		uint32_t *doorbell)
{
	if (size < 4 || off & (size - 1U))
		return false;
	if (n == 0)
		return size == 4 && register_write(s, off, (uint32_t)value, doorbell);
	table_dword_write(s, off, (uint32_t)value);
	if (size == 8)
		table_dword_write(s, off + 4, (uint32_t)(value >> 32));
	return false;
}

/* --- life --- */

void vshm_reset(struct vshm *s)
{
	const struct vshm_config *c = &s->cfg;

	s->command = 0;
	s->msix = 0;
	s->mask = 0;
	s->status = 0;
	s->pending = 0;
	line_update(s);
	s->int_line = c->irq;
	for (uint32_t i = 0; i < VSHM_VECTORS; i++)
		s->vector[i] = (struct vshm_vector){.masked = true};
	for (uint32_t i = 0; i < VSHM_BARS; i++)
		s->bar[i] = (uint32_t)c->base[i];
	s->bar[3] = (uint32_t)(c->base[VSHM_MEMORY] >> 32);
	if (c->base[0])
		s->command = COMMAND_MEM;
}

void vshm_init(struct vshm *s, const struct vshm_config *cfg, const struct vshm_ops *ops, void *arg)
{
	*s = (struct vshm){.ops = ops, .arg = arg, .cfg = *cfg};
	vshm_reset(s);
}
