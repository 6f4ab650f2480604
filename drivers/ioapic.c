/* SPDX-License-Identifier: BSD-2-Clause */
/* A physical IOAPIC: its redirection table. */

#include "arch/io.h"
#include "drivers/ioapic.h"

/* Memory-mapped registers (82093AA data sheet, 3.1; EOI: ICH9 data sheet, 13.5.4) */
#define IOREGSEL 0x00
#define IOWIN	 0x10

/* Behind the index (82093AA, 3.2) */
#define IOAPICID       0x00
#define IOAPICVER      0x01
#define IOREDTBL       0x10 /* two words per pin */
#define ID_SHIFT       24
#define ID_MASK	       0x0f
#define VERSION_MASK   0xff
#define LAST_PIN_SHIFT 16
#define LAST_PIN_MASK  0xff
#define NOTHING_THERE  0xffffffffu

static uint32_t reg_read(struct ioapic *io, uint32_t index)
{
	mmio_write32(io->regs + IOREGSEL, index);
	return mmio_read32(io->regs + IOWIN);
}

static void reg_write(struct ioapic *io, uint32_t index, uint32_t value)
{
	mmio_write32(io->regs + IOREGSEL, index);
	mmio_write32(io->regs + IOWIN, value);
}

static void low_write(struct ioapic *io, uint32_t pin, uint32_t low)
{
	io->low[pin] = low;
	reg_write(io, IOREDTBL + 2 * pin, low);
}

int ioapic_init(struct ioapic *io, volatile void *regs, uint32_t gsi_base)
{
	uint32_t version;

	*io = (struct ioapic){.regs = regs, .gsi_base = gsi_base};
	version = reg_read(io, IOAPICVER);
	if (version == NOTHING_THERE)
		return -ENODEV;
	io->version = (uint8_t)(version & VERSION_MASK);
	io->id = (reg_read(io, IOAPICID) >> ID_SHIFT) & ID_MASK;
	io->pins = (uint16_t)(((version >> LAST_PIN_SHIFT) & LAST_PIN_MASK) + 1);
	if (io->pins > IOAPIC_PINS_MAX)
		io->pins = IOAPIC_PINS_MAX;
	for (uint32_t pin = 0; pin < io->pins; pin++)
		low_write(io, pin, IOAPIC_RTE_MASKED);
	return 0;
}

void ioapic_write(struct ioapic *io, uint32_t pin, uint64_t rte)
{
	if (pin >= io->pins)
		return;
	lock_acquire(&io->lock);
	low_write(io, pin, io->low[pin] | IOAPIC_RTE_MASKED);
	reg_write(io, IOREDTBL + 2 * pin + 1, (uint32_t)(rte >> 32));
	low_write(io, pin, (uint32_t)rte);
	lock_release(&io->lock);
}

void ioapic_mask(struct ioapic *io, uint32_t pin)
{
	if (pin >= io->pins)
		return;
	lock_acquire(&io->lock);
	low_write(io, pin, io->low[pin] | IOAPIC_RTE_MASKED);
	lock_release(&io->lock);
}
