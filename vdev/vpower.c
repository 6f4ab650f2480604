/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports that switch the machine off, put it to sleep or reset it: a guest's accesses become requests. */

#include "lib/string.h"
#include "vdev/vpower.h"

#define PORTS 0x10000U

/* PM1 control and status registers (ACPI 6.4, 4.8.3.1 and 4.8.3.2). */
#define PM1_BYTES	  2
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP	  7
#define PM1_SLP_EN	  0x2000U
#define PM1_WAK_STS	  0x8000U

/* TCO1_CNT (Intel ICH9, 13.9.7). */
#define TCO1_CNT      0x08
#define TCO1_BYTES    2
#define TCO1_NMI_NOW  0x0100U /* write 1: raise an NMI */
#define TCO1_TMR_HALT 0x0800U
#define TCO1_ABSENT   0xffffU

/* Reset control register (Intel ICH9, 13.7.5). */
#define PORT_RESET_CONTROL   0xcf9
#define RESET_CONTROL_CPU    0x04 /* rising: reset, of the kind that the other bits say */
#define RESET_CONTROL_STORED 0x0a /* SYS_RST and FULL_RST */

/* Port 92 (Intel ICH9, 13.7.3). */
#define PORT_92	     0x92
#define PORT_92_INIT 0x01 /* rising: INIT to the processor */
#define PORT_92_A20  0x02

/* Keyboard controller (8042; IBM PS/2 technical reference, "Keyboard/Auxiliary Device Controller"). */
#define PORT_KBD_DATA	      0x60
#define PORT_KBD_COMMAND      0x64
#define KBD_WRITE_OUTPUT_PORT 0xd1
#define KBD_A20_OFF	      0xdd
#define KBD_A20_ON	      0xdf
#define KBD_PULSE	      0xf0 /* pulse low those of output port bits 3:0 that are 0 */
#define KBD_OUT_RESET	      0x01 /* low: reset */
#define KBD_OUT_A20	      0x02

/*
 * One access to one register: @lane and @count say which of its bytes, @value holds them at their place in the register
 * and zeros elsewhere.
 */
struct access {
	const struct vpower_reg *reg;
	uint32_t lane, count;
	uint32_t value;
};

static uint32_t pass_read(struct vpower *p, const struct vpower_reg *reg)
{
	return p->ops->pass_read(p->arg, reg->port, reg->len);
}

static void pass_write(struct vpower *p, const struct vpower_reg *reg, uint32_t value)
{
	p->ops->pass_write(p->arg, reg->port, reg->len, value);
}

static uint32_t access_mask(const struct access *a)
{
	return (uint32_t)BITS(8 * (a->lane + a->count) - 1, 8 * a->lane);
}

/* The register's whole value after the write; bytes that are not written keep what they read as, without @strobes. */
static uint32_t access_merge(struct vpower *p, const struct access *a, uint32_t strobes)
{
	if (a->count == a->reg->len)
		return a->value;
	return (pass_read(p, a->reg) & ~access_mask(a) & ~strobes) | a->value;
}

/* --- PM1 --- */

static const char *const sleep_names[VPOWER_SLEEP_STATES] = {"S0", "S1", "S2", "S3", "S4", "S5"};

enum { S4 = 4, S5 = 5 };

/* Which state a SLP_TYP value means; S5 first, for it may be shared with a state that is refused. */
static const char *sleep_state(const uint8_t *types, uint32_t type, uint32_t *state)
{
	for (*state = S5; *state > 0; (*state)--) {
		if (types[*state] == type)
			return sleep_names[*state];
	}
	return "a sleep type that no _Sx object names";
}

static void sleep_refuse(struct vpower *p, const char *how)
{
	p->woken = p->config.fake_wake;
	p->ops->request(p->arg, POWER_SLEEP_REFUSED, how);
}

/* SLP_EN was written with @type. True: the guest asked for S5, and nothing goes to the hardware. */
static bool sleep_enter(struct vpower *p, const uint8_t *types, uint32_t control)
{
	uint32_t state, type = (control >> PM1_SLP_TYP_SHIFT) & PM1_SLP_TYP;
	const char *how;

	/*
	 * ACPICA writes a bare SLP_EN ten seconds after an S4 that did not happen, before it looks at WAK_STS. On
	 * machines where S5 is type 0 that would switch off what was refused.
	 */
	if (p->refused_s4 && control == PM1_SLP_EN) {
		sleep_refuse(p, sleep_names[S4]);
		return false;
	}
	how = sleep_state(types, type, &state);
	p->refused_s4 = state == S4;
	if (state == S5) {
		p->ops->request(p->arg, POWER_OFF, how);
		return true;
	}
	sleep_refuse(p, how);
	return false;
}

static void pm1_control_write(struct vpower *p, const struct access *a)
{
	const uint8_t *types =
		a->reg->kind == VPOWER_PM1A_CONTROL ? p->config.slp_typ_a : p->config.slp_typ_b;
	uint32_t control = access_merge(p, a, PM1_SLP_EN);

	if ((control & PM1_SLP_EN) && sleep_enter(p, types, control))
		return;
	pass_write(p, a->reg, control & ~PM1_SLP_EN);
}

static uint32_t pm1_status_read(struct vpower *p, const struct vpower_reg *reg)
{
	return pass_read(p, reg) | (p->woken ? PM1_WAK_STS : 0);
}

/* Write 1 to clear: bytes that are not written are zeros. */
static void pm1_status_write(struct vpower *p, const struct access *a)
{
	if (a->value & PM1_WAK_STS) {
		p->woken = false;
		p->refused_s4 = false;
	}
	pass_write(p, a->reg, a->value);
}

/* --- TCO --- */

/* A halted timer never expires; the rest of the block may be written at will. */
static void tco1_control_write(struct vpower *p, const struct access *a)
{
	uint32_t control = access_merge(p, a, TCO1_NMI_NOW);

	pass_write(p, a->reg, (control | TCO1_TMR_HALT) & ~TCO1_NMI_NOW);
}

static INIT void tco_halt(struct vpower *p, const struct vpower_reg *reg)
{
	uint32_t control = pass_read(p, reg);

	if (control != TCO1_ABSENT && !(control & TCO1_TMR_HALT))
		pass_write(p, reg, (control | TCO1_TMR_HALT) & ~TCO1_NMI_NOW);
}

/* --- reset --- */

static void reset_reg_write(struct vpower *p, const struct access *a)
{
	pass_write(p, a->reg, a->value); /* its reset value does not come here, see reg_write */
}

static uint32_t reset_control_read(struct vpower *p, const struct vpower_reg *reg)
{
	(void)reg;
	return p->reset_control;
}

/* Nothing of it reaches the hardware. The kind of reset (INIT, hard, power cycle) makes no difference to a VM. */
static void reset_control_write(struct vpower *p, const struct access *a)
{
	p->reset_control = a->value & RESET_CONTROL_STORED;
	if (a->value & RESET_CONTROL_CPU)
		p->ops->request(p->arg, POWER_RESET, "port 0xcf9");
}

static uint32_t port92_read(struct vpower *p, const struct vpower_reg *reg)
{
	return pass_read(p, reg) | PORT_92_A20;
}

static void port92_write(struct vpower *p, const struct access *a)
{
	uint32_t old = pass_read(p, a->reg);

	if ((a->value & PORT_92_INIT) && !(old & PORT_92_INIT)) {
		p->ops->request(p->arg, POWER_RESET, "port 0x92");
		return;
	}
	pass_write(p, a->reg, a->value | PORT_92_A20);
}

static void kbd_command_write(struct vpower *p, const struct access *a)
{
	uint32_t command = a->value;

	p->output_port_next = command == KBD_WRITE_OUTPUT_PORT;
	if (command == KBD_A20_OFF || command == KBD_A20_ON)
		return;
	if ((command & KBD_PULSE) == KBD_PULSE) {
		if (!(command & KBD_OUT_RESET)) {
			p->ops->request(p->arg, POWER_RESET, "keyboard controller command");
			return;
		}
		if (!(command & KBD_OUT_A20))
			return;
	}
	pass_write(p, a->reg, command);
}

static void kbd_data_write(struct vpower *p, const struct access *a)
{
	bool output_port = p->output_port_next;

	p->output_port_next = false;
	if (!output_port) {
		pass_write(p, a->reg, a->value);
		return;
	}
	/* The controller waits for its byte, whatever becomes of the guest. */
	pass_write(p, a->reg, a->value | KBD_OUT_A20 | KBD_OUT_RESET);
	if (!(a->value & KBD_OUT_RESET))
		p->ops->request(p->arg, POWER_RESET, "keyboard controller output port");
}

/* --- dispatch --- */

static const struct {
	uint32_t (*read)(struct vpower *p, const struct vpower_reg *reg);
	void (*write)(struct vpower *p, const struct access *a);
} kinds[] = {
	[VPOWER_PM1A_CONTROL] = {pass_read,	    pm1_control_write  },
	[VPOWER_PM1B_CONTROL] = {pass_read,	    pm1_control_write  },
	[VPOWER_PM1_STATUS] = {pm1_status_read,	pm1_status_write	},
	[VPOWER_TCO1_CONTROL] = {pass_read,	    tco1_control_write },
	[VPOWER_RESET_REG] = {pass_read,		 reset_reg_write	},
	[VPOWER_RESET_CONTROL] = {reset_control_read, reset_control_write},
	[VPOWER_PORT92] = {port92_read,	port92_write	    },
	[VPOWER_KBD_DATA] = {pass_read,		kbd_data_write     },
	[VPOWER_KBD_COMMAND] = {pass_read,	   kbd_command_write  },
};

static const struct vpower_reg *reg_find(const struct vpower *p, uint32_t port)
{
	for (uint32_t i = 0; i < p->reg_count; i++) {
		if (port - p->regs[i].port < p->regs[i].len)
			return &p->regs[i];
	}
	return NULL;
}

/* The FADT's reset register may be one of the others: its value is a request wherever it lies. */
static bool is_reset(const struct vpower *p, const struct access *a)
{
	uint32_t lane = (uint32_t)p->config.reset_port - a->reg->port;

	return p->config.reset_port && lane - a->lane < a->count &&
	       ((a->value >> (8 * lane)) & 0xff) == p->config.reset_value;
}

static void reg_write(struct vpower *p, const struct access *a)
{
	if (is_reset(p, a)) {
		p->ops->request(p->arg, POWER_RESET, "ACPI reset register");
		return;
	}
	kinds[a->reg->kind].write(p, a);
}

/* How many bytes of an access of @size bytes at @port are one piece: in one register, or in none. */
static uint32_t piece(const struct vpower *p, uint32_t port, uint32_t size)
{
	const struct vpower_reg *reg = reg_find(p, port);
	uint32_t n = 1;

	while (n < size && reg_find(p, port + n) == reg)
		n++;
	if (reg)
		return n;
	while ((n & (n - 1)) || (port & (n - 1))) /* the largest aligned power of two */
		n--;
	return n;
}

uint32_t vpower_read(struct vpower *p, uint16_t port, uint8_t size)
{
	uint32_t value = 0, n;

	for (uint32_t i = 0; i < size; i += n) {
		uint32_t at = (port + i) % PORTS, part;
		const struct vpower_reg *reg = reg_find(p, at);

		n = piece(p, at, size - i);
		if (reg)
			part = kinds[reg->kind].read(p, reg) >> (8 * (at - reg->port));
		else
			part = p->ops->pass_read(p->arg, (uint16_t)at, (uint8_t)n);
		value |= (part & (uint32_t)BITS(8 * n - 1, 0)) << (8 * i);
	}
	return value;
}

void vpower_write(struct vpower *p, uint16_t port, uint8_t size, uint32_t value)
{
	uint32_t n;

	for (uint32_t i = 0; i < size; i += n) {
		uint32_t at = (port + i) % PORTS, part;
		struct access a = {.reg = reg_find(p, at)};

		n = piece(p, at, size - i);
		part = (value >> (8 * i)) & (uint32_t)BITS(8 * n - 1, 0);
		if (!a.reg) {
			p->ops->pass_write(p->arg, (uint16_t)at, (uint8_t)n, part);
			continue;
		}
		a.lane = at - a.reg->port;
		a.count = n;
		a.value = part << (8 * a.lane);
		reg_write(p, &a);
	}
}

bool vpower_covers(const struct vpower *p, uint16_t port, uint8_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		if (reg_find(p, (uint32_t)port + i))
			return true;
	}
	return false;
}

bool vpower_ports(const struct vpower *p, uint32_t index, uint16_t *port, uint16_t *count)
{
	if (index >= p->reg_count)
		return false;
	*port = p->regs[index].port;
	*count = p->regs[index].len;
	return true;
}

/* Firmware's tables may place registers over each other: the first one has the port, NULL for the other. */
static INIT const struct vpower_reg *reg_add(struct vpower *p, enum vpower_kind kind, uint32_t port,
					     uint8_t len)
{
	struct vpower_reg *reg = &p->regs[p->reg_count];

	if (!port || port % len || port + len > PORTS || vpower_covers(p, (uint16_t)port, len))
		return NULL;
	reg->port = (uint16_t)port;
	reg->len = len;
	reg->kind = (uint8_t)kind;
	p->reg_count++;
	return reg;
}

void vpower_reset(struct vpower *p)
{
	p->woken = false;
	p->refused_s4 = false;
	p->output_port_next = false;
	p->reset_control = 0;
}

INIT void vpower_init(struct vpower *p, const struct vpower_ops *ops, void *arg,
		      const struct vpower_config *config)
{
	const struct vpower_reg *tco = NULL;

	memset(p, 0, sizeof(*p));
	p->ops = ops;
	p->arg = arg;
	p->config = *config;
	(void)reg_add(p, VPOWER_KBD_DATA, PORT_KBD_DATA, 1);
	(void)reg_add(p, VPOWER_KBD_COMMAND, PORT_KBD_COMMAND, 1);
	(void)reg_add(p, VPOWER_PORT92, PORT_92, 1);
	(void)reg_add(p, VPOWER_RESET_CONTROL, PORT_RESET_CONTROL, 1);
	(void)reg_add(p, VPOWER_PM1A_CONTROL, config->pm1a_control, PM1_BYTES);
	(void)reg_add(p, VPOWER_PM1B_CONTROL, config->pm1b_control, PM1_BYTES);
	if (config->fake_wake)
		(void)reg_add(p, VPOWER_PM1_STATUS, config->pm1a_status, PM1_BYTES);
	if (config->tco_base)
		tco = reg_add(p, VPOWER_TCO1_CONTROL, (uint32_t)config->tco_base + TCO1_CNT,
			      TCO1_BYTES);
	(void)reg_add(p, VPOWER_RESET_REG, config->reset_port, 1);
	if (tco)
		tco_halt(p, tco);
}
