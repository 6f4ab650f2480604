/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtual 16550A: FIFOs, interrupts, loop-back. PC16550D data sheet, section 8. */

#include "vdev/vuart.h"

enum vuart_reg {
	REG_DATA, /* RBR, THR; DLL with DLAB */
	REG_IER,  /* DLM with DLAB */
	REG_IIR,  /* written: FCR */
	REG_LCR,
	REG_MCR,
	REG_LSR,
	REG_MSR,
	REG_SCR,
};

#define IER_RDA	 0x01
#define IER_THRE 0x02
#define IER_RLS	 0x04
#define IER_MSR	 0x08
#define IER_MASK 0x0f

/* IIR, table IV: values in falling priority. */
#define IIR_RLS	    0x06
#define IIR_RDA	    0x04
#define IIR_TIMEOUT 0x0c
#define IIR_THRE    0x02
#define IIR_MSR	    0x00
#define IIR_NONE    0x01
#define IIR_FIFO    0xc0

#define FCR_ENABLE	 0x01
#define FCR_RX_RESET	 0x02
#define FCR_TX_RESET	 0x04
#define FCR_KEPT	 0xc9 /* enable, DMA mode, trigger level */
#define FCR_TRIGGER(fcr) ((fcr) >> 6)

#define LCR_BITS(lcr) (5u + ((lcr)&3))
#define LCR_STOP2     0x04
#define LCR_PARITY    0x08
#define LCR_DLAB      0x80

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DR	     0x01
#define LSR_OE	     0x02
#define LSR_BI	     0x10
#define LSR_ERRORS   0x1c /* parity, framing, break: of the byte that is read next */
#define LSR_THRE     0x20
#define LSR_TEMT     0x40
#define LSR_FIFO_ERR 0x80

#define MSR_DELTAS 0x0f
#define MSR_TERI   0x04
#define MSR_CTS	   0x10
#define MSR_DSR	   0x20
#define MSR_RI	   0x40
#define MSR_DCD	   0x80
#define MSR_LINES  0xf0

#define CLOCK_HZ       1843200ULL
#define CLOCKS_PER_BIT 16
#define TIMEOUT_CHARS  4
#define DIVISOR_9600   12

static const uint8_t trigger_level[4] = {1, 4, 8, 14};

static bool fifo_on(const struct vuart *u)
{
	return u->fcr & FCR_ENABLE;
}

static uint32_t capacity(const struct vuart *u)
{
	return fifo_on(u) ? VUART_FIFO : 1;
}

static uint32_t trigger(const struct vuart *u)
{
	return fifo_on(u) ? trigger_level[FCR_TRIGGER(u->fcr)] : 1;
}

static uint8_t rx_status(const struct vuart *u)
{
	uint8_t errors = 0;

	for (uint32_t i = 0; i < u->rx_count; i++)
		errors |= u->rx[(u->rx_head + i) % VUART_FIFO].error;
	return (uint8_t)(LSR_DR | u->rx[u->rx_head].error |
			 (fifo_on(u) && errors ? LSR_FIFO_ERR : 0));
}

static uint8_t line_status(const struct vuart *u)
{
	uint8_t lsr = u->overrun ? LSR_OE : 0;

	if (!u->tx_count)
		lsr |= LSR_THRE | LSR_TEMT;
	return u->rx_count ? lsr | rx_status(u) : lsr;
}

/* The most urgent interrupt that IER enables. */
static uint8_t source(const struct vuart *u)
{
	bool rx_error = u->overrun || (u->rx_count && u->rx[u->rx_head].error);

	if (u->ier & IER_RLS && rx_error)
		return IIR_RLS;
	if (u->ier & IER_RDA && u->rx_count >= trigger(u))
		return IIR_RDA;
	if (u->ier & IER_RDA && u->timeout_due)
		return IIR_TIMEOUT;
	if (u->ier & IER_THRE && u->thre_due)
		return IIR_THRE;
	if (u->ier & IER_MSR && u->msr & MSR_DELTAS)
		return IIR_MSR;
	return IIR_NONE;
}

/* On a PC, OUT2 gates the interrupt; loop-back forces it off. */
static void irq_update(struct vuart *u)
{
	bool irq = source(u) != IIR_NONE && (u->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	if (irq == u->irq)
		return;
	u->irq = irq;
	u->ops->irq(u->arg, irq);
}

/* Four characters' time, in host TSC ticks. */
static uint64_t timeout_ticks(const struct vuart *u)
{
	uint64_t bits =
		1 + LCR_BITS(u->lcr) + (u->lcr & LCR_PARITY ? 1 : 0) + (u->lcr & LCR_STOP2 ? 2 : 1);
	uint64_t divisor = u->divisor ? u->divisor : 1;

	return ratio_ceil(TIMEOUT_CHARS * bits * CLOCKS_PER_BIT * divisor, u->host->tsc_khz * 1000,
			  CLOCK_HZ);
}

/* Something happened to the receiver: the character time-out starts anew, if it is of use. */
static void timeout_start(struct vuart *u)
{
	if (fifo_on(u) && u->rx_count && u->ier & IER_RDA && !u->timeout_due)
		u->host->timer_set(u->vm, &u->timer, u->host->now(u->vm) + timeout_ticks(u));
}

static void timer_fired(struct timer *t)
{
	struct vuart *u = container_of(t, struct vuart, timer);

	u->ops->lock(u->arg);
	u->timeout_due = fifo_on(u) && u->rx_count;
	irq_update(u);
	u->ops->unlock(u->arg);
}

static void rx_push(struct vuart *u, uint8_t byte, uint8_t error)
{
	if (u->rx_count >= capacity(u)) {
		u->overrun = true;
		/* Without FIFOs the new character replaces the old one; with them it is the one lost. */
		if (!fifo_on(u))
			u->rx[u->rx_head] = (struct vuart_byte){byte, error};
		return;
	}
	u->rx[(u->rx_head + u->rx_count) % VUART_FIFO] = (struct vuart_byte){byte, error};
	u->rx_count++;
	timeout_start(u);
}

static void rx_clear(struct vuart *u)
{
	u->rx_count = 0;
	u->timeout_due = false;
}

/* Send what the back end, or the loop, takes. */
static void tx_drain(struct vuart *u)
{
	if (!u->tx_count)
		return;
	while (u->tx_count) {
		uint8_t byte = u->tx[u->tx_head];

		if (u->mcr & MCR_LOOP)
			rx_push(u, byte, 0);
		else if (!u->ops->tx(u->arg, byte))
			return;
		u->tx_head = (uint8_t)((u->tx_head + 1) % VUART_FIFO);
		u->tx_count--;
	}
	u->thre_due = true;
}

static void tx_write(struct vuart *u, uint8_t byte)
{
	u->thre_due = false;
	/* Written without looking at THRE: lost, as on the chip. */
	if (u->tx_count < capacity(u)) {
		u->tx[(u->tx_head + u->tx_count) % VUART_FIFO] = byte;
		u->tx_count++;
	}
	tx_drain(u);
}

static uint8_t rx_read(struct vuart *u)
{
	uint8_t byte = u->rx[u->rx_head].data;

	/* Empty: the last byte again, as the register still holds it. */
	if (!u->rx_count)
		return u->rx[(u->rx_head + VUART_FIFO - 1) % VUART_FIFO].data;
	u->rx_head = (uint8_t)((u->rx_head + 1) % VUART_FIFO);
	u->rx_count--;
	u->timeout_due = false;
	timeout_start(u);
	return byte;
}

/* Reading LSR ends overrun and the errors of the byte on top. */
static uint8_t lsr_read(struct vuart *u)
{
	uint8_t lsr = line_status(u);

	u->overrun = false;
	if (u->rx_count)
		u->rx[u->rx_head].error = 0;
	return lsr;
}

/* Modem status from the lines, or in loop-back from our own outputs (data sheet, 8.6.3). */
static void msr_update(struct vuart *u)
{
	uint8_t lines = u->lines;
	uint8_t changed;

	if (u->mcr & MCR_LOOP)
		lines = (uint8_t)((u->mcr & MCR_RTS ? MSR_CTS : 0) |
				  (u->mcr & MCR_DTR ? MSR_DSR : 0) |
				  (u->mcr & MCR_OUT1 ? MSR_RI : 0) |
				  (u->mcr & MCR_OUT2 ? MSR_DCD : 0));
	changed = (lines ^ u->msr) & MSR_LINES;
	/* RI is noted only when it ends. */
	if (lines & MSR_RI)
		changed &= (uint8_t)~MSR_RI;
	u->msr = (uint8_t)(lines | (u->msr & MSR_DELTAS) | changed >> 4);
}

static uint8_t msr_read(struct vuart *u)
{
	uint8_t msr = u->msr;

	u->msr &= MSR_LINES;
	return msr;
}

static uint8_t iir_read(struct vuart *u)
{
	uint8_t iir = source(u);

	if (iir == IIR_THRE)
		u->thre_due = false;
	return fifo_on(u) ? iir | IIR_FIFO : iir;
}

static void ier_write(struct vuart *u, uint8_t value)
{
	uint8_t on = value & (uint8_t)~u->ier;

	u->ier = value & IER_MASK;
	/* Enabling THRE while it holds interrupts at once. */
	if (on & IER_THRE && !u->tx_count)
		u->thre_due = true;
	if (on & IER_RDA)
		timeout_start(u);
}

static void fcr_write(struct vuart *u, uint8_t value)
{
	bool toggled = (value ^ u->fcr) & FCR_ENABLE;

	/* Without the enable bit the others are not programmed. */
	u->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
	if (toggled || (value & (FCR_ENABLE | FCR_RX_RESET)) == (FCR_ENABLE | FCR_RX_RESET))
		rx_clear(u);
	if ((toggled || (value & (FCR_ENABLE | FCR_TX_RESET)) == (FCR_ENABLE | FCR_TX_RESET)) &&
	    u->tx_count) {
		u->tx_count = 0;
		u->thre_due = true;
	}
}

static void mcr_write(struct vuart *u, uint8_t value)
{
	u->mcr = value & MCR_MASK;
	msr_update(u);
	tx_drain(u);
}

static __attribute__((noinline)) uint8_t register_read(struct vuart *u, uint32_t reg)
{
	uint32_t room;
	uint8_t value;

	switch (reg & (VUART_PORTS - 1)) {
	case REG_DATA:
		room = vuart_rx_room(u);
		value = u->lcr & LCR_DLAB ? (uint8_t)u->divisor : rx_read(u);
		irq_update(u);
		if (vuart_rx_room(u) > room)
			u->ops->rx_taken(u->arg);
		return value;
	case REG_IER:
		return u->lcr & LCR_DLAB ? (uint8_t)(u->divisor >> 8) : u->ier;
	case REG_IIR:
		value = iir_read(u);
		break;
	case REG_LCR:
		return u->lcr;
	case REG_MCR:
		return u->mcr;
	case REG_LSR:
		value = lsr_read(u);
		break;
	case REG_MSR:
		value = msr_read(u);
		break;
	default:
		return u->scr;
	}
	irq_update(u);
	return value;
}

uint8_t vuart_read(struct vuart *u, uint32_t reg)
{
	/* What drivers poll, while reading it changes nothing. */
	if (likely((reg & (VUART_PORTS - 1)) == REG_LSR && !u->rx_count && !u->overrun))
		return line_status(u);
	return register_read(u, reg);
}

void vuart_write(struct vuart *u, uint32_t reg, uint8_t value)
{
	uint32_t room = vuart_rx_room(u);

	switch (reg & (VUART_PORTS - 1)) {
	case REG_DATA:
		if (u->lcr & LCR_DLAB)
			u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
		else
			tx_write(u, value);
		break;
	case REG_IER:
		if (u->lcr & LCR_DLAB)
			u->divisor = (uint16_t)((u->divisor & 0xff) | value << 8);
		else
			ier_write(u, value);
		break;
	case REG_IIR:
		fcr_write(u, value);
		break;
	case REG_LCR:
		u->lcr = value;
		break;
	case REG_MCR:
		mcr_write(u, value);
		break;
	case REG_SCR:
		u->scr = value;
		break;
	default: /* LSR and MSR: factory test only, not supported */
		break;
	}
	irq_update(u);
	if (vuart_rx_room(u) > room)
		u->ops->rx_taken(u->arg);
}

uint32_t vuart_rx_room(const struct vuart *u)
{
	if (u->mcr & MCR_LOOP || u->rx_count >= capacity(u))
		return 0;
	return capacity(u) - u->rx_count;
}

void vuart_rx(struct vuart *u, uint8_t byte)
{
	if (u->mcr & MCR_LOOP)
		return; /* SIN is disconnected */
	rx_push(u, byte, 0);
	irq_update(u);
}

void vuart_rx_break(struct vuart *u)
{
	if (u->mcr & MCR_LOOP)
		return;
	rx_push(u, 0, LSR_BI);
	irq_update(u);
}

void vuart_tx_room(struct vuart *u)
{
	tx_drain(u);
	irq_update(u);
}

void vuart_set_lines(struct vuart *u, uint8_t msr)
{
	u->lines = msr & MSR_LINES;
	msr_update(u);
	irq_update(u);
}

static void vuart_stop(struct vuart *u)
{
	u->host->timer_cancel(u->vm, &u->timer);
}

void vuart_reset(struct vuart *u)
{
	vuart_stop(u);
	rx_clear(u);
	u->tx_count = 0;
	u->ier = 0;
	u->fcr = 0;
	u->lcr = 0;
	u->mcr = 0;
	u->scr = 0;
	u->divisor = DIVISOR_9600;
	u->msr = u->lines;
	u->overrun = false;
	u->thre_due = false;
	irq_update(u);
}

void vuart_init(struct vuart *u, const struct vuart_ops *ops, void *arg,
		const struct vdev_host *host, void *vm)
{
	*u = (struct vuart){
		.ops = ops,
		.arg = arg,
		.host = host,
		.vm = vm,
		.timer.fn = timer_fired,
		.lines = MSR_CTS | MSR_DSR | MSR_DCD,
	};
	vuart_reset(u);
}
