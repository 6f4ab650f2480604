/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual I/O APIC: redirection of pins, EOI, registers. */

#include "vdev/vioapic.h"

/* Register page, 82093AA data sheet 3.1; the EOI register is that of version 0x20. */
#define PAGE_IOREGSEL 0x00
#define PAGE_IOWIN    0x10
#define PAGE_EOI      0x40

/* Indirect registers, 3.2. */
#define REG_ID		   0x00
#define REG_VERSION	   0x01
#define REG_ARB		   0x02
#define REG_RTE		   0x10
#define ID_MASK		   0x0f000000u
#define ID_SHIFT	   24
#define VERSION		   0x20u
#define VERSION_PINS_SHIFT 16

#define RTE_READ_ONLY (VIOAPIC_RTE_STATUS | VIOAPIC_RTE_REMOTE_IRR)
#define RTE_WRITABLE  (BITS(63, 56) | (BITS(16, 0) & ~RTE_READ_ONLY))

#define INDEX_MASK (ARRAY_SIZE(((struct vioapic *)0)->rte) - 1)

static bool line_get(const struct vioapic *io, uint32_t pin)
{
	return io->line[pin / 64] & BIT(pin % 64);
}

/* Only these two modes can be level-triggered; the others are edges whatever bit 15 says (3.2.4, bits 10:8). */
static bool is_level(uint64_t rte)
{
	return rte & VIOAPIC_RTE_LEVEL && (VIOAPIC_RTE_MODE(rte) == APIC_MODE_FIXED ||
					   VIOAPIC_RTE_MODE(rte) == APIC_MODE_LOWEST);
}

/* Send the message of @pin, which is not masked. */
static void pin_send(struct vioapic *io, uint32_t pin)
{
	uint64_t rte = io->rte[pin];
	struct apic_msg msg = {
		.dest = VIOAPIC_RTE_DEST(rte),
		.source = APIC_NO_SOURCE,
		.vector = (uint8_t)(rte & VIOAPIC_RTE_VECTOR),
		.mode = VIOAPIC_RTE_MODE(rte),
		.logical = rte & VIOAPIC_RTE_LOGICAL,
		.dest8 = true,
		.level = is_level(rte),
	};

	/* Start-up and the reserved mode are not for I/O APICs (3.2.4, bits 10:8). */
	if (msg.mode == APIC_MODE_SIPI || msg.mode == 3) {
		if (!io->said)
			io->host->log(
				io->vm,
				"I/O APIC pin %u: a reserved delivery mode is ignored (said once)",
				pin);
		io->said = true;
		return;
	}
	if (msg.level)
		io->rte[pin] |= VIOAPIC_RTE_REMOTE_IRR;
	io->host->apic_msg(io->vm, &msg);
}

/* A level pin that is asserted, not masked and not waiting for an EOI sends. */
static void pin_level(struct vioapic *io, uint32_t pin)
{
	uint64_t rte = io->rte[pin];

	if (is_level(rte) && !(rte & (VIOAPIC_RTE_REMOTE_IRR | VIOAPIC_RTE_MASKED)) &&
	    line_get(io, pin))
		pin_send(io, pin);
}

void vioapic_set(struct vioapic *io, uint32_t pin, bool asserted)
{
	bool was;

	if (pin >= io->pins)
		return;
	pin &= INDEX_MASK;
	was = line_get(io, pin);
	if (was == asserted)
		return;
	io->line[pin / 64] ^= BIT(pin % 64);
	if (!asserted)
		return;
	if (is_level(io->rte[pin]))
		pin_level(io, pin);
	else if (!(io->rte[pin] & VIOAPIC_RTE_MASKED))
		pin_send(io, pin);
}

/* @pin's interrupt is over: its driver may lower it; what is asserted still, or again, is sent anew. */
static void pin_end(struct vioapic *io, uint32_t pin)
{
	io->rte[pin] &= ~VIOAPIC_RTE_REMOTE_IRR;
	io->host->pin_eoi(io->vm, io->number, pin);
	pin_level(io, pin);
}

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
	for (uint32_t pin = 0; pin < io->pins; pin++)
		if (io->rte[pin] & VIOAPIC_RTE_REMOTE_IRR &&
		    (io->rte[pin] & VIOAPIC_RTE_VECTOR) == vector)
			pin_end(io, pin);
}

uint64_t vioapic_rte(const struct vioapic *io, uint32_t pin)
{
	return pin < io->pins ? io->rte[pin & INDEX_MASK] : VIOAPIC_RTE_MASKED;
}

static void rte_write(struct vioapic *io, uint32_t pin, bool high, uint32_t value)
{
	uint64_t old = io->rte[pin];
	uint64_t rte =
		high ? (old & 0xffffffff) | (uint64_t)value << 32 : (old & ~0xffffffffULL) | value;

	rte = (rte & RTE_WRITABLE) | (old & RTE_READ_ONLY);
	io->rte[pin] = rte;
	if ((rte ^ old) & RTE_WRITABLE)
		io->host->pin_changed(io->vm, io->number, pin);
	/* Edge mode has no remote IRR: software ends interrupts by a visit there where it has no EOI register. */
	if (old & VIOAPIC_RTE_REMOTE_IRR && !is_level(rte))
		pin_end(io, pin);
	else
		pin_level(io, pin);
}

static uint32_t window_read(const struct vioapic *io)
{
	uint32_t pin = (uint32_t)(io->select - REG_RTE) / 2;

	switch (io->select) {
	case REG_ID:
	case REG_ARB: /* loaded with the id (3.2.3) */
		return io->id;
	case REG_VERSION:
		return VERSION | (io->pins - 1) << VERSION_PINS_SHIFT;
	default:
		if (io->select < REG_RTE || pin >= io->pins)
			return 0;
		return (uint32_t)(io->rte[pin & INDEX_MASK] >> (io->select & 1) * 32);
	}
}

static void window_write(struct vioapic *io, uint32_t value)
{
	uint32_t pin = (uint32_t)(io->select - REG_RTE) / 2;

	if (io->select == REG_ID)
		io->id = value & ID_MASK;
	else if (io->select >= REG_RTE && pin < io->pins)
		rte_write(io, pin & INDEX_MASK, io->select & 1, value);
}

uint64_t vioapic_mmio_read(struct vioapic *io, uint32_t offset, uint8_t size)
{
	if (offset == PAGE_IOREGSEL)
		return io->select;
	if (offset == PAGE_IOWIN && size == sizeof(uint32_t))
		return window_read(io);
	return 0;
}

void vioapic_mmio_write(struct vioapic *io, uint32_t offset, uint8_t size, uint64_t value)
{
	if (offset == PAGE_IOREGSEL)
		io->select = (uint8_t)value;
	else if (size != sizeof(uint32_t))
		return;
	else if (offset == PAGE_IOWIN)
		window_write(io, (uint32_t)value);
	else if (offset == PAGE_EOI)
		vioapic_eoi(io, (uint8_t)value);
}

static void vioapic_reset(struct vioapic *io)
{
	io->select = 0;
	for (uint32_t pin = 0; pin < ARRAY_SIZE(io->rte); pin++)
		io->rte[pin] = VIOAPIC_RTE_MASKED;
}

void vioapic_init(struct vioapic *io, uint32_t number, uint32_t pins, uint8_t id,
		  const struct vdev_host *host, void *vm)
{
	*io = (struct vioapic){
		.host = host,
		.vm = vm,
		.number = number,
		.pins = (uint32_t)min_u64(max_u64(pins, 1), VIOAPIC_PINS_MAX),
		.id = (uint32_t)id << ID_SHIFT & ID_MASK,
	};
	vioapic_reset(io);
}
