/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual pair of 8259A interrupt controllers. Intel 8259A data sheet (231468-003). */

#include "vdev/vpic.h"

#define INPUTS	8
#define CASCADE 2 /* input of the master that the slave's INT is wired to */
#define MASTER	0
#define SLAVE	1

/* Even port: ICW1 (bit 4), OCW3 (bit 3), OCW2. */
#define ICW1	      0x10
#define ICW1_IC4      0x01
#define ICW1_SINGLE   0x02
#define OCW3	      0x08
#define OCW3_READ_ISR 0x01
#define OCW3_READ     0x02
#define OCW3_POLL     0x04
#define OCW3_SMM      0x20
#define OCW3_SET_SMM  0x40
#define OCW2_LEVEL    0x07
#define OCW2_EOI      0x20
#define OCW2_SPECIFIC 0x40
#define OCW2_ROTATE   0x80

/* Odd port while initializing. */
#define ICW2_BASE 0xf8
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10

#define POLL_REQUEST 0x80

#define FIRMWARE_BASE_MASTER 0x08
#define FIRMWARE_BASE_SLAVE  0x70

/* Inputs that the edge/level registers can make level-triggered (ICH data sheets, 4D0h and 4D1h). */
static const uint8_t elcr_writable[2] = {0xf8, 0xde};

/* The input with the highest priority in @set, counted from c->top; INPUTS: none. */
static uint32_t highest(const struct vpic_chip *c, uint8_t set)
{
	uint32_t rotated = ((uint32_t)set | (uint32_t)set << INPUTS) >> c->top & 0xff;

	return rotated ? (uint32_t)__builtin_ctz(rotated) : INPUTS;
}

static uint32_t input_of(const struct vpic_chip *c, uint32_t rank)
{
	return (c->top + rank) & (INPUTS - 1);
}

/* The input that the chip would have acknowledged now, -1: none. */
static int request(const struct vpic *p, uint32_t n)
{
	const struct vpic_chip *c = &p->chip[n];
	uint8_t blocking = c->isr;
	uint32_t rank = highest(c, c->irr & (uint8_t)~c->imr);

	if (c->special_mask)
		blocking &= (uint8_t)~c->imr;
	/* Special fully nested: a slave in service may interrupt again. */
	if (c->fully_nested && n == MASTER)
		blocking &= (uint8_t) ~(1u << CASCADE);
	return rank < highest(c, blocking) ? (int)input_of(c, rank) : -1;
}

static void chip_line(struct vpic_chip *c, uint32_t input, bool level)
{
	uint8_t bit = (uint8_t)(1u << input);

	if (!level) {
		c->lines &= (uint8_t)~bit;
		c->irr &= (uint8_t)~bit;
		return;
	}
	if (c->elcr & bit || !(c->lines & bit))
		c->irr |= bit;
	c->lines |= bit;
}

/* Work out the slave's INT, which is an input of the master, and then the master's. */
static void update(struct vpic *p)
{
	bool output;

	chip_line(&p->chip[MASTER], CASCADE, request(p, SLAVE) >= 0);
	output = request(p, MASTER) >= 0;
	if (output == p->output)
		return;
	p->output = output;
	p->host->pic_output(p->vm, output);
}

void vpic_set(struct vpic *p, uint32_t irq, bool level)
{
	if (irq >= VPIC_IRQS || irq == CASCADE)
		return;
	p->chip[irq / INPUTS].pulses &= (uint8_t) ~(1u << irq % INPUTS);
	chip_line(&p->chip[irq / INPUTS], irq % INPUTS, level);
	update(p);
}

void vpic_pulse(struct vpic *p, uint32_t irq)
{
	if (irq >= VPIC_IRQS || irq == CASCADE)
		return;
	vpic_set(p, irq, false);
	vpic_set(p, irq, true);
	p->chip[irq / INPUTS].pulses |= (uint8_t)(1u << irq % INPUTS);
}

static void chip_end(struct vpic *p, uint32_t n, uint32_t input)
{
	p->chip[n].isr &= (uint8_t) ~(1u << input);
	if (n != MASTER || input != CASCADE)
		p->host->pic_eoi(p->vm, n * INPUTS + input);
}

/* INTA: @input goes into service. */
static void chip_ack(struct vpic *p, uint32_t n, uint32_t input)
{
	struct vpic_chip *c = &p->chip[n];
	uint8_t bit = (uint8_t)(1u << input);

	if (!(c->elcr & bit))
		c->irr &= (uint8_t)~bit;
	c->isr |= bit;
	if (c->pulses & bit) {
		c->pulses &= (uint8_t)~bit;
		chip_line(c, input, false);
	}
	if (!c->auto_eoi)
		return;
	if (c->rotate_auto)
		c->top = (uint8_t)input_of(c, highest(c, bit) + 1);
	chip_end(p, n, input);
}

/* One chip's answer to INTA: the input, INPUTS - 1 if there is none (a spurious interrupt, not in service). */
static uint32_t inta(struct vpic *p, uint32_t n)
{
	int input = request(p, n);

	if (input < 0)
		return INPUTS - 1;
	chip_ack(p, n, (uint32_t)input);
	return (uint32_t)input;
}

uint8_t vpic_ack(struct vpic *p)
{
	bool cascade = request(p, MASTER) == CASCADE;
	uint32_t input;
	uint8_t vector;

	if (cascade) {
		chip_ack(p, MASTER, CASCADE);
		input = inta(p, SLAVE);
		vector = (uint8_t)(p->chip[SLAVE].base + input);
		/* A slave that still asks is a new edge after its two INTA pulses (special fully nested mode). */
		chip_line(&p->chip[MASTER], CASCADE, false);
	} else {
		input = inta(p, MASTER);
		vector = (uint8_t)(p->chip[MASTER].base + input);
	}
	update(p);
	return vector;
}

uint16_t vpic_mask(const struct vpic *p)
{
	return (uint16_t)(p->chip[MASTER].imr | p->chip[SLAVE].imr << INPUTS);
}

static void icw1_write(struct vpic *p, uint32_t n, uint8_t value)
{
	struct vpic_chip *c = &p->chip[n];
	uint8_t old = c->imr;

	/* Edge sense is cleared: an edge input must fall and rise again. Levels stay. */
	c->lines &= (uint8_t)~c->pulses;
	c->irr = c->lines & c->elcr;
	c->imr = 0;
	c->isr = 0;
	c->top = 0;
	c->pulses = 0;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->single = value & ICW1_SINGLE;
	c->icw4_follows = value & ICW1_IC4;
	c->auto_eoi = false;
	c->fully_nested = false;
	c->rotate_auto = false;
	c->init = 2;
	if (old)
		p->host->pic_masked(p->vm, vpic_mask(p));
}

static void ocw2_write(struct vpic *p, uint32_t n, uint8_t value)
{
	struct vpic_chip *c = &p->chip[n];
	uint32_t input = value & OCW2_LEVEL;
	uint8_t served = c->isr;
	uint32_t rank;

	switch (value & (OCW2_ROTATE | OCW2_SPECIFIC | OCW2_EOI)) {
	case OCW2_EOI:
	case OCW2_ROTATE | OCW2_EOI:
		/* Non-specific. In special mask mode, masked ones are passed over. */
		if (c->special_mask)
			served &= (uint8_t)~c->imr;
		rank = highest(c, served);
		if (rank == INPUTS)
			return;
		input = input_of(c, rank);
		if (value & OCW2_ROTATE)
			c->top = (uint8_t)((input + 1) & (INPUTS - 1));
		chip_end(p, n, input);
		return;
	case OCW2_SPECIFIC | OCW2_EOI:
		chip_end(p, n, input);
		return;
	case OCW2_ROTATE | OCW2_SPECIFIC | OCW2_EOI:
		c->top = (uint8_t)((input + 1) & (INPUTS - 1));
		chip_end(p, n, input);
		return;
	case OCW2_ROTATE | OCW2_SPECIFIC:
		c->top = (uint8_t)((input + 1) & (INPUTS - 1));
		return;
	case OCW2_ROTATE:
		c->rotate_auto = true;
		return;
	case 0:
		c->rotate_auto = false;
		return;
	default: /* OCW2_SPECIFIC: no operation */
		return;
	}
}

static void ocw3_write(struct vpic_chip *c, uint8_t value)
{
	if (value & OCW3_POLL)
		c->poll = true;
	if (value & OCW3_READ)
		c->read_isr = value & OCW3_READ_ISR;
	if (value & OCW3_SET_SMM)
		c->special_mask = value & OCW3_SMM;
}

/* The odd port: the next ICW while initializing, else the mask. */
static void odd_write(struct vpic *p, uint32_t n, uint8_t value)
{
	struct vpic_chip *c = &p->chip[n];

	switch (c->init) {
	case 2:
		c->base = value & ICW2_BASE;
		c->init = c->single ? (c->icw4_follows ? 4 : 0) : 3;
		return;
	case 3: /* the wiring is fixed */
		c->init = c->icw4_follows ? 4 : 0;
		return;
	case 4:
		c->auto_eoi = value & ICW4_AEOI;
		c->fully_nested = value & ICW4_SFNM;
		c->init = 0;
		return;
	default:
		break;
	}
	if (c->imr == value)
		return;
	c->imr = value;
	p->host->pic_masked(p->vm, vpic_mask(p));
}

void vpic_write(struct vpic *p, uint16_t port, uint8_t value)
{
	uint32_t n = (port & 0x80) ? SLAVE : MASTER;

	if ((port & ~1) == VPIC_ELCR_PORT) {
		n = port & 1;
		p->chip[n].elcr = value & elcr_writable[n];
		p->chip[n].irr |= p->chip[n].lines & p->chip[n].elcr;
	} else if (port & 1) {
		odd_write(p, n, value);
	} else if (value & ICW1) {
		icw1_write(p, n, value);
	} else if (value & OCW3) {
		ocw3_write(&p->chip[n], value);
	} else {
		ocw2_write(p, n, value);
	}
	update(p);
}

/* The read after a poll command acknowledges, like INTA. */
static __attribute__((noinline)) uint8_t poll_read(struct vpic *p, uint32_t n)
{
	int input = request(p, n);

	p->chip[n].poll = false;
	if (input < 0)
		return 0;
	chip_ack(p, n, (uint32_t)input);
	update(p);
	return (uint8_t)(POLL_REQUEST | input);
}

uint8_t vpic_read(struct vpic *p, uint16_t port)
{
	uint32_t n = (port & 0x80) ? SLAVE : MASTER;

	if ((port & ~1) == VPIC_ELCR_PORT)
		return p->chip[port & 1].elcr;
	if (p->chip[n].poll)
		return poll_read(p, n);
	if (port & 1)
		return p->chip[n].imr;
	return p->chip[n].read_isr ? p->chip[n].isr : p->chip[n].irr;
}

void vpic_firmware(struct vpic *p)
{
	p->chip[MASTER].base = FIRMWARE_BASE_MASTER;
	p->chip[MASTER].imr = (uint8_t) ~(1u << CASCADE);
	p->chip[SLAVE].base = FIRMWARE_BASE_SLAVE;
	p->chip[SLAVE].imr = 0xff;
	update(p);
}

void vpic_init(struct vpic *p, const struct vdev_host *host, void *vm)
{
	*p = (struct vpic){.host = host, .vm = vm};
}
