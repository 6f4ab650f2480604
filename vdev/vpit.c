/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 8254 interval timer. Intel 8254 data sheet (231164-005). */

#include "vdev/vpit.h"

#define CONTROL_PORT (VPIT_PORT + 3)
#define COUNTERS     3

/* Control word. */
#define CW_SELECT(cw) ((cw) >> 6)
#define CW_READ_BACK  3
#define CW_ACCESS(cw) (((cw) >> 4) & 3) /* 0: counter latch command */
#define CW_MODE(cw)   (((cw) >> 1) & 7)
#define CW_BCD	      0x01
#define ACCESS_LOW    1
#define ACCESS_HIGH   2
#define ACCESS_BOTH   3
#define RB_NO_COUNT   0x20
#define RB_NO_STATUS  0x10
#define RB_COUNTER(n) (2u << (n))

#define STATUS_OUT  0x80
#define STATUS_NULL 0x40

/* Port 0x61. */
#define NMI_GATE2      0x01
#define NMI_WRITABLE   0x0f
#define NMI_REFRESH    0x10
#define NMI_OUT2       0x20
#define REFRESH_CLOCKS 18 /* counter 1's period on a PC: the refresh bit toggles with it */

#define COUNT_MAX     65536u
#define COUNT_MAX_BCD 10000u

static uint64_t now(const struct vpit *p)
{
	return p->host->now(p->vm);
}

static uint64_t tsc_hz(const struct vpit *p)
{
	return p->host->tsc_khz * 1000;
}

static uint64_t clock_at(const struct vpit *p, const struct vpit_counter *c, uint64_t tsc)
{
	return ratio_floor(tsc - c->start, VPIT_HZ, tsc_hz(p));
}

static uint32_t count_max(const struct vpit_counter *c)
{
	return c->bcd ? COUNT_MAX_BCD : COUNT_MAX;
}

/* Clocks for which OUT is high in mode 3. */
static uint32_t high_half(uint32_t count)
{
	return (count + 1) / 2;
}

/* Modes that repeat: 2 and 3. */
static bool is_periodic(const struct vpit_counter *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Modes that a rising gate starts: 1 and 5. */
static bool is_triggered(const struct vpit_counter *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* Does the count that waits take force in the middle of a square wave? */
static bool next_at_half(const struct vpit_counter *c)
{
	return (c->next_at - c->origin) % c->count != 0;
}

/* Origin once the count that waits is in force. */
static uint64_t next_origin(const struct vpit_counter *c)
{
	return c->next_at - (next_at_half(c) ? high_half(c->next) : 0);
}

/*
 * Clocks counted at @tsc, negative: the count is not loaded yet. A new count whose time has come is put in force
 * first.
 */
static int64_t elapsed(const struct vpit *p, struct vpit_counter *c, uint64_t tsc)
{
	uint64_t clock;

	if (!c->counting)
		return c->frozen;
	clock = clock_at(p, c, tsc);
	if (c->next && is_periodic(c) && (int64_t)(clock - c->next_at) >= 0) {
		c->origin = next_origin(c);
		c->count = c->next;
		c->next = 0;
	}
	return (int64_t)(clock - c->origin);
}

/* OUT after @e clocks; data sheet, "mode definitions". */
static bool out(const struct vpit_counter *c, int64_t e)
{
	int64_t n = c->count;

	if (!n || e < 0)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
		return e >= n;
	case 1:
		return !c->counting || e >= n;
	case 2:
		return !c->counting || n == 1 || e % n != n - 1;
	case 3:
		return !c->counting || e % n < high_half(c->count);
	default:
		return !c->counting || e != n;
	}
}

/* The counting element in mode 3: it counts by twos, an odd count less one (data sheet, figure 18). */
static uint32_t square_value(const struct vpit_counter *c, int64_t e)
{
	uint32_t pos = (uint32_t)(e % c->count);
	uint32_t half = high_half(c->count);

	if (pos >= half)
		pos -= half;
	return (c->count & ~1u) - 2 * pos;
}

static uint32_t to_bcd(uint32_t n)
{
	return n % 10 | n / 10 % 10 << 4 | n / 100 % 10 << 8 | n / 1000 % 10 << 12;
}

static uint32_t from_bcd(uint32_t n)
{
	return (n & 0xf) + (n >> 4 & 0xf) * 10 + (n >> 8 & 0xf) * 100 + (n >> 12 & 0xf) * 1000;
}

/* What a read of the counter sees. */
static uint16_t value(const struct vpit_counter *c, int64_t e)
{
	int64_t max = count_max(c);
	uint32_t n;

	if (e < 0 || !c->count)
		n = c->count;
	else if (c->mode == 2)
		n = c->count - (uint32_t)(e % c->count);
	else if (c->mode == 3)
		n = square_value(c, e);
	else
		n = (uint32_t)((c->count + max - e % max) % max);
	return (uint16_t)(c->bcd ? to_bcd(n % COUNT_MAX_BCD) : n);
}

/* The clock at which OUT of counter 0 rises next after @e, 0: it does not. Its gate is always high. */
static uint64_t next_rise(const struct vpit_counter *c, int64_t e)
{
	uint64_t n = c->count;

	if (!c->counting || n <= 1)
		return c->counting && n && c->mode == 0 && e < 1 ? c->origin + 1 : 0;
	switch (c->mode) {
	case 0:
		return e < (int64_t)n ? c->origin + n : 0;
	case 2:
	case 3:
		if (c->next && next_at_half(c))
			return next_origin(c) + c->next;
		return c->origin + (e < 0 ? n : ((uint64_t)e / n + 1) * n);
	case 4:
		return e <= (int64_t)n ? c->origin + n + 1 : 0;
	default:
		return 0;
	}
}

static void output_set(struct vpit *p, bool level)
{
	if (p->output == level)
		return;
	p->output = level;
	p->host->pit_output(p->vm, level);
}

/* Set the timer to counter 0's next rising edge. */
static void arm(struct vpit *p, uint64_t tsc)
{
	struct vpit_counter *c = &p->counter[0];
	uint64_t at;

	p->edge = next_rise(c, elapsed(p, c, tsc));
	if (!p->edge) {
		p->host->timer_cancel(p->vm, &p->timer);
		return;
	}
	at = c->start + ratio_ceil(p->edge, tsc_hz(p), VPIT_HZ);
	if (is_periodic(c))
		at = max_u64(at, tsc + p->host->tsc_khz * VDEV_TIMER_FLOOR_NS / NS_PER_MS);
	p->host->timer_set(p->vm, &p->timer, at);
}

static void timer_fired(struct timer *t)
{
	struct vpit *p = container_of(t, struct vpit, timer);
	uint64_t tsc;

	p->host->chips_lock(p->vm);
	tsc = now(p);
	/*
	 * One edge, however many have passed. Low phases are shown only here: the line stays high until just before
	 * it rises again, which is all that an edge-triggered input asks for.
	 */
	if (p->edge && clock_at(p, &p->counter[0], tsc) >= p->edge) {
		output_set(p, false);
		output_set(p, true);
	}
	if (p->edge)
		arm(p, tsc);
	p->host->chips_unlock(p->vm);
}

/* A complete count was written: 1 to COUNT_MAX. It is loaded with the next clock. */
static void count_load(struct vpit *p, struct vpit_counter *c, uint32_t count, uint64_t tsc)
{
	int64_t e = elapsed(p, c, tsc);
	uint64_t n = c->count;

	if (n && (is_periodic(c) || (is_triggered(c) && c->counting))) {
		c->next = count;
		if (!is_periodic(c) || !c->counting)
			return;
		c->next_at = c->origin + (e < 0 ? n : ((uint64_t)e / n + 1) * n);
		if (c->mode == 3 && (e < 0 || (uint64_t)e % n < high_half(c->count)))
			c->next_at -= n - high_half(c->count);
		return;
	}
	c->count = count;
	c->frozen = 0;
	c->start = tsc;
	c->origin = 1;
	c->counting = c->gate && !is_triggered(c);
}

static void count_write(struct vpit *p, uint32_t n, uint8_t byte, uint64_t tsc)
{
	struct vpit_counter *c = &p->counter[n];
	uint32_t count = byte;

	if (c->access == ACCESS_BOTH && !c->write_high) {
		c->low = byte;
		c->write_high = true;
		/* In mode 0 the first byte stops counting, and OUT goes low. */
		if (c->mode == 0) {
			c->counting = false;
			c->count = 0;
			c->frozen = 0;
		}
	} else {
		c->write_high = false;
		if (c->access == ACCESS_BOTH)
			count = (uint32_t)byte << 8 | c->low;
		else if (c->access == ACCESS_HIGH)
			count = (uint32_t)byte << 8;
		if (c->bcd)
			count = from_bcd(count) % COUNT_MAX_BCD;
		count_load(p, c, count ? count : count_max(c), tsc);
	}
	if (n)
		return;
	if (c->mode == 0)
		output_set(p, false);
	arm(p, tsc);
}

static void latch_count(const struct vpit *p, struct vpit_counter *c, uint64_t tsc)
{
	if (c->latched)
		return;
	c->latch = value(c, elapsed(p, c, tsc));
	c->latched = c->access == ACCESS_BOTH ? 2 : 1;
}

static void latch_status(const struct vpit *p, struct vpit_counter *c, uint64_t tsc)
{
	int64_t e = elapsed(p, c, tsc);
	bool null_count = !c->count || c->next || e < 0;

	if (c->status_latched)
		return;
	c->status_latched = true;
	c->status = (uint8_t)((out(c, e) ? STATUS_OUT : 0) | (null_count ? STATUS_NULL : 0) |
			      c->access << 4 | c->mode << 1 | (c->bcd ? CW_BCD : 0));
}

static void read_back(struct vpit *p, uint8_t cw, uint64_t tsc)
{
	for (uint32_t n = 0; n < COUNTERS; n++) {
		if (!(cw & RB_COUNTER(n)))
			continue;
		if (!(cw & RB_NO_COUNT))
			latch_count(p, &p->counter[n], tsc);
		if (!(cw & RB_NO_STATUS))
			latch_status(p, &p->counter[n], tsc);
	}
}

static void control_write(struct vpit *p, uint8_t cw, uint64_t tsc)
{
	uint32_t n = CW_SELECT(cw);
	struct vpit_counter *c;

	if (n == CW_READ_BACK) {
		read_back(p, cw, tsc);
		return;
	}
	c = &p->counter[n];
	if (!CW_ACCESS(cw)) {
		latch_count(p, c, tsc);
		return;
	}
	*c = (struct vpit_counter){
		.access = CW_ACCESS(cw),
		/* Of modes 2 and 3 the highest bit does not count. */
		.mode = (uint8_t)(CW_MODE(cw) & (CW_MODE(cw) & 2 ? 3 : 7)),
		.bcd = cw & CW_BCD,
		.gate = c->gate,
	};
	if (n)
		return;
	output_set(p, c->mode != 0);
	arm(p, tsc);
}

static uint8_t counter_read(const struct vpit *p, struct vpit_counter *c)
{
	uint16_t n;
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	n = c->latched ? c->latch : value(c, elapsed(p, c, now(p)));
	if (c->latched)
		c->latched--;
	c->read_high = c->access == ACCESS_BOTH && !c->read_high;
	return (uint8_t)(high ? n >> 8 : n);
}

/* The gate as the data sheet's "gate pin operations summary" has it. */
static void gate_set(const struct vpit *p, struct vpit_counter *c, bool gate, uint64_t tsc)
{
	int64_t e = elapsed(p, c, tsc);

	if (c->gate == gate)
		return;
	c->gate = gate;
	if (!gate) {
		if (is_triggered(c))
			return;
		c->frozen = e < 0 ? 0 : e;
		c->counting = false;
		return;
	}
	if (!c->count)
		return;
	c->start = tsc;
	c->counting = true;
	if (c->mode == 0 || c->mode == 4) {
		c->origin = 0 - (uint64_t)c->frozen;
		return;
	}
	if (c->next)
		c->count = c->next;
	c->next = 0;
	c->origin = 1;
}

static uint8_t nmi_port_read(struct vpit *p)
{
	struct vpit_counter *c = &p->counter[2];
	uint64_t tsc = now(p);
	bool refresh = ratio_floor(tsc, VPIT_HZ, tsc_hz(p)) / REFRESH_CLOCKS & 1;

	return (uint8_t)(p->control | (refresh ? NMI_REFRESH : 0) |
			 (out(c, elapsed(p, c, tsc)) ? NMI_OUT2 : 0));
}

uint8_t vpit_read(struct vpit *p, uint16_t port)
{
	if (port == VPIT_NMI_PORT)
		return nmi_port_read(p);
	if (port < VPIT_PORT || port >= CONTROL_PORT)
		return 0xff; /* the control word cannot be read */
	return counter_read(p, &p->counter[port - VPIT_PORT]);
}

void vpit_write(struct vpit *p, uint16_t port, uint8_t byte)
{
	uint64_t tsc = now(p);

	if (port == VPIT_NMI_PORT) {
		p->control = byte & NMI_WRITABLE;
		gate_set(p, &p->counter[2], byte & NMI_GATE2, tsc);
	} else if (port == CONTROL_PORT) {
		control_write(p, byte, tsc);
	} else if (port >= VPIT_PORT && port < CONTROL_PORT) {
		count_write(p, port - VPIT_PORT, byte, tsc);
	}
}

void vpit_stop(struct vpit *p)
{
	p->edge = 0;
	p->host->timer_cancel(p->vm, &p->timer);
}

void vpit_reset(struct vpit *p)
{
	vpit_stop(p);
	p->control = 0;
	/* The data sheet leaves the state at power-up open: square wave without a count. */
	for (uint32_t n = 0; n < COUNTERS; n++)
		p->counter[n] =
			(struct vpit_counter){.access = ACCESS_BOTH, .mode = 3, .gate = n != 2};
	output_set(p, true);
}

void vpit_init(struct vpit *p, const struct vdev_host *host, void *vm)
{
	*p = (struct vpit){.host = host, .vm = vm, .timer.fn = timer_fired, .output = true};
	vpit_reset(p);
}
