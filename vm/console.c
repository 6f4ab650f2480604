/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port: whose bytes go out next, and who gets what is typed. */

#include "vm/console.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "sched/timer.h"
#include "vm/irq.h"

#define COM1_PORT  0x3f8
#define COM1_IRQ   4
#define RING_SIZE  8192
/* The ring is filled from the consoles' own rings only when it is nearly empty: the rest is the log's. */
#define TURN_BELOW 256
#define TURN_RAW   64	 /* bytes that the focused console gets in one turn */
#define TURN_LINE  160	 /* the others get a line of so many */
#define FLUSH_MAX  16384 /* bytes written when the machine goes down */

#define FOCUS_NONE VMS_MAX /* else the VM's number */

/* What is typed faster than the focused VM takes it waits here, then in the port. */
#define HELD_MAX	 64
#define HELD_PATIENCE_MS 5000

static struct uart *port;
static struct lock lock; /* the rings, the port's registers, the focus */
static uint8_t ring[RING_SIZE];
static uint32_t head, used;
static bool line_open;	/* raw output stands in the middle of a line */
static bool tx_busy;	/* the transmitter will interrupt when it is empty */
static bool tx_stalled; /* a byte of the owner was turned away (atomic) */
static bool rx_wanted;	/* the focused receiver was full, and has room again (atomic) */
static uint32_t lines_lost;
static uint32_t focus = FOCUS_NONE;
static uint32_t turn_next;
static struct vm *owner;
static struct irq_source irq;
static bool polled;
static bool several; /* there is more than one console: CONSOLE_KEY means something */

/* Fewer bytes than a FIFO holds wait so long for more: an interrupt for each byte would cost more than all the rest. */
#define TX_PATIENCE_US 100
static struct timer tx_timer;
static bool tx_waits; /* the timer is armed, or about to be */

static struct lock rx_lock; /* one CPU at a time feeds what was typed; before any other lock here */
static uint8_t held[HELD_MAX];
static uint32_t held_count;
static bool rx_escaped; /* CONSOLE_KEY was typed */
static struct timer rx_timer;

static struct conring *ring_of(uint32_t who)
{
	return who < VMS_MAX && vms[who] && vms[who]->con.bytes ? &vms[who]->con : NULL;
}

static bool port_alive(void)
{
	return port && !port->dead;
}

/* --- the port's ring; lock held --- */

static void ring_put(uint8_t byte)
{
	ring[(head + used++) % RING_SIZE] = byte;
}

static void ring_text(const char *text)
{
	while (*text && used < RING_SIZE)
		ring_put((uint8_t)*text++);
}

static void line_begin(void)
{
	if (line_open)
		ring_text("\r\n");
	line_open = false;
}

static PRINTF(1, 2) void ring_line(const char *fmt, ...)
{
	char text[TURN_LINE + CONFIG_NAME + 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_begin();
	ring_text(text);
	ring_text("\r\n");
}

/* --- whose turn it is; lock held --- */

static bool turn_raw(struct conring *r)
{
	uint8_t chunk[TURN_RAW];
	uint32_t n = conring_take(r, chunk, sizeof(chunk));

	for (uint32_t i = 0; i < n; i++)
		ring_put(chunk[i]);
	if (n)
		line_open = chunk[n - 1] != '\n';
	return n;
}

static bool turn_of(uint32_t who, bool unended)
{
	struct conring *r = ring_of(who);
	char text[TURN_LINE];
	uint64_t lost;

	if (!r)
		return false;
	lost = conring_lost(r);
	if (lost)
		ring_line("%s| [%lu bytes lost]", vms[who]->name, lost);
	if (who == focus)
		return turn_raw(r) || lost;
	if (!conring_line(r, text, sizeof(text), unended))
		return lost;
	ring_line("%s| %s", vms[who]->name, text);
	return true;
}

/* The next console that has something to print; each gets a turn before any gets another. */
static bool turn(void)
{
	if (lines_lost) {
		ring_line("bulkhead: [%u lines of the log lost]", lines_lost);
		lines_lost = 0;
	}
	for (uint32_t i = 0; i < VMS_MAX; i++) {
		uint32_t who = turn_next;

		turn_next = (turn_next + 1) % VMS_MAX;
		if (turn_of(who, false))
			return true;
	}
	return false;
}

/* Without an interrupt all is written at once. */
static void tx_poll(void)
{
	do {
		for (; used; used--) {
			uart_put_poll(port, ring[head]);
			head = (head + 1) % RING_SIZE;
		}
	} while (turn());
}

/* Move bytes into the transmitter if it is empty, and have it interrupt when it is empty again. */
static void tx_start(void)
{
	uint8_t chunk[UART_FIFO_SIZE];
	uint32_t n = 0;

	if (polled) {
		tx_poll();
		return;
	}
	if (used < TURN_BELOW)
		turn();
	while (n < sizeof(chunk) && n < used) {
		chunk[n] = ring[(head + n) % RING_SIZE];
		n++;
	}
	n = uart_tx_fill(port, chunk, n);
	head = (head + n) % RING_SIZE;
	used -= n;
	if (!used && !n)
		uart_irq_disable(port, UART_IRQ_THRE);
	else if (!tx_busy)
		uart_irq_enable(port, UART_IRQ_THRE);
	tx_busy = used || n;
}

/* --- the log's lines --- */

static void log_put(const char *text, uint32_t len)
{
	lock_acquire(&lock);
	if (RING_SIZE - used < len + 4) {
		lines_lost++;
	} else {
		line_begin();
		for (uint32_t i = 0; i < len; i++) {
			if (text[i] == '\n')
				ring_put('\r');
			ring_put((uint8_t)text[i]);
		}
	}
	tx_start();
	lock_release(&lock);
}

static void log_put_crash(const char *text, uint32_t len)
{
	uart_write_poll(port, text, len);
}

static struct log_sink sink = {.write = log_put, .crash_write = log_put_crash, .level = LOG_INFO};

/* --- consoles --- */

/*
 * Lock held. Without a port nobody takes anything: what is kept is then all there is. True: tx_timer is to be armed,
 * by nobody else, when the lock is released.
 */
static bool console_put(struct conring *r, uint32_t who, uint8_t byte)
{
	bool arm;

	conring_put(r, byte);
	if (!port_alive()) {
		r->tail = r->head;
		r->lost = 0;
		return false;
	}
	if (tx_busy || (who != focus && byte != '\n'))
		return false;
	if (polled || who != focus || conring_waiting(r) >= UART_FIFO_SIZE) {
		tx_start();
		return false;
	}
	arm = !tx_waits;
	tx_waits = true;
	return arm;
}

static void tx_timer_arm(void)
{
	timer_set(&tx_timer, tsc_read() + TX_PATIENCE_US * tsc_khz / 1000);
}

static void tx_patience_over(struct timer *t)
{
	(void)t;
	lock_acquire(&lock);
	tx_waits = false;
	if (!tx_busy)
		tx_start();
	lock_release(&lock);
}

static bool guest_tx(void *arg, uint8_t byte)
{
	struct vm *vm = arg;
	bool room, arm = false;

	lock_acquire(&lock);
	room = vm != owner || focus != vm->id || conring_waiting(&vm->con) < CONRING_SIZE;
	if (room)
		arm = console_put(&vm->con, vm->id, byte);
	else
		atomic_store_bool(&tx_stalled, true);
	lock_release(&lock);
	if (arm)
		tx_timer_arm();
	return room;
}

static void guest_irq(void *arg, bool level)
{
	irq_line(arg, COM1_IRQ, level);
}

static void guest_rx_taken(void *arg)
{
	struct vm *vm = arg;

	if (vm->id != __atomic_load_n(&focus, __ATOMIC_RELAXED))
		return;
	atomic_store_bool(&rx_wanted, true);
	atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
}

static void guest_lock(void *arg)
{
	struct vm *vm = arg;

	lock_acquire(&vm->uart_lock);
}

static void guest_unlock(void *arg)
{
	struct vm *vm = arg;

	lock_release(&vm->uart_lock);
}

static const struct vuart_ops guest_ops = {
	.tx = guest_tx,
	.irq = guest_irq,
	.rx_taken = guest_rx_taken,
	.lock = guest_lock,
	.unlock = guest_unlock,
};

void console_settle(struct vm *vm)
{
	lock_acquire(&lock);
	while (vm->con.bytes && port_alive() && used < RING_SIZE / 2 && turn_of(vm->id, true))
		;
	lock_release(&lock);
}

/* --- the focus --- */

static void focus_to(uint32_t who)
{
	lock_acquire(&lock);
	line_begin();
	if (RING_SIZE - used > TURN_LINE)
		ring_line("[console of %s; %s n: the next]", vms[who]->name, CONSOLE_KEY_NAME);
	__atomic_store_n(&focus, who, __ATOMIC_RELAXED);
	if (port_alive() && !tx_busy)
		tx_start();
	lock_release(&lock);
}

static uint32_t focus_next(void)
{
	uint32_t from = focus == FOCUS_NONE ? VMS_MAX - 1 : focus;

	for (uint32_t i = 1; i <= VMS_MAX; i++) {
		uint32_t who = (from + i) % VMS_MAX;

		if (ring_of(who))
			return who;
	}
	return focus;
}

/* --- input; rx_lock held --- */

/* Give the console in focus one byte; false: it has no room. */
static bool rx_give(uint8_t byte)
{
	struct vm *vm;
	bool room;

	if (focus == FOCUS_NONE)
		return true;
	vm = vms[focus];
	if (atomic_load_bool(&vm->ended))
		return true;
	lock_acquire(&vm->uart_lock);
	room = vuart_rx_room(&vm->uart);
	if (room)
		vuart_rx(&vm->uart, byte);
	lock_release(&vm->uart_lock);
	return room;
}

static void rx_hold(uint8_t byte)
{
	if (held_count || !rx_give(byte))
		held[held_count++] = byte;
}

static void rx_command(uint8_t byte)
{
	uint32_t who = focus;

	if (byte == CONSOLE_KEY)
		rx_hold(byte);
	else if (byte == 'n')
		who = focus_next();
	else if (byte == 's' && owner)
		who = owner->id;
	if (who == focus)
		return;
	held_count = 0; /* it was not meant for the next one */
	focus_to(who);
}

static void rx_byte(uint8_t byte)
{
	if (rx_escaped) {
		rx_escaped = false;
		rx_command(byte);
	} else if (byte == CONSOLE_KEY && several) {
		rx_escaped = true;
	} else {
		rx_hold(byte);
	}
}

static bool rx_read(uint8_t *byte)
{
	bool some;

	lock_acquire(&lock);
	some = uart_rx(port, byte, 1);
	lock_release(&lock);
	return some;
}

static void held_give(void)
{
	uint32_t n = 0;

	while (n < held_count && rx_give(held[n]))
		n++;
	held_count -= n;
	memmove(held, held + n, held_count);
}

/*
 * Hand on what came in, as much as there is room for. The rest stays in the port's FIFO, whose sender then sees RTS
 * fall; the receive interrupt is off until something has been taken, or somebody has lost patience.
 */
static void rx_feed(void)
{
	uint8_t byte;
	bool full;

	lock_acquire(&rx_lock);
	held_give();
	for (uint32_t i = 0; i < HELD_MAX && held_count < HELD_MAX && rx_read(&byte); i++)
		rx_byte(byte);
	full = held_count == HELD_MAX;
	lock_acquire(&lock);
	uart_rts(port, !held_count);
	if (full)
		uart_irq_disable(port, UART_IRQ_RX);
	else
		uart_irq_enable(port, UART_IRQ_RX);
	lock_release(&lock);
	if (full)
		timer_set(&rx_timer, tsc_read() + HELD_PATIENCE_MS * tsc_khz);
	else if (rx_timer.cpu)
		timer_cancel(&rx_timer);
	lock_release(&rx_lock);
}

/* A VM that takes no input must not keep the keys that move the focus away from it. */
static void rx_impatient(struct timer *t)
{
	(void)t;
	lock_acquire(&rx_lock);
	held_count = 0;
	lock_release(&rx_lock);
	rx_feed();
}

/* --- the physical side --- */

static void tx_resume(void)
{
	bool room;

	if (!owner || !atomic_load_bool(&tx_stalled))
		return;
	lock_acquire(&lock);
	room = focus != owner->id || conring_waiting(&owner->con) < CONRING_SIZE / 2;
	lock_release(&lock);
	if (!room)
		return;
	atomic_store_bool(&tx_stalled, false);
	lock_acquire(&owner->uart_lock);
	vuart_tx_room(&owner->uart);
	lock_release(&owner->uart_lock);
}

#define IRQ_ROUNDS 4

static void console_irq(struct irq_source *source)
{
	uint8_t kinds = 0, now;

	(void)source;
	lock_acquire(&lock);
	for (uint32_t i = 0; i < IRQ_ROUNDS && (now = uart_irq(port)) && !(kinds & UART_IRQ_RX);
	     i++) {
		kinds |= now;
		if (now & UART_IRQ_THRE)
			tx_start();
	}
	lock_release(&lock);
	if (kinds & UART_IRQ_RX)
		rx_feed();
	tx_resume();
}

void console_poll(void)
{
	if (likely(!atomic_load_relaxed_bool(&rx_wanted)))
		return;
	if (atomic_xchg_bool(&rx_wanted, false) && port_alive() && !polled)
		rx_feed();
}

void console_flush(void)
{
	uint32_t n = 0;

	if (!port_alive())
		return;
	lock_acquire(&lock);
	do {
		for (; used && n < FLUSH_MAX; used--, n++) {
			uart_put_poll(port, ring[head]);
			head = (head + 1) % RING_SIZE;
		}
	} while (n < FLUSH_MAX && turn());
	uart_drain(port);
	lock_release(&lock);
}

/* --- start-up --- */

INIT void console_init(struct uart *uart, struct log_sink *early)
{
	port = uart;
	if (uart->dead)
		return;
	irq.fn = console_irq;
	rx_timer.fn = rx_impatient;
	tx_timer.fn = tx_patience_over;
	if (uart->port != COM1_PORT || irq_isa_claim(COM1_IRQ, &irq)) {
		polled = true;
		log_warn(
			"the console port has no interrupt; output is synchronous and there is no input");
		return;
	}
	log_sink_remove(early);
	/* What the ring holds has been printed: join at level none, then raise it. */
	sink.level = -1;
	log_sink_add(&sink);
	sink.level = early->level;
	uart_irq_enable(port, UART_IRQ_RX);
}

static void uart_port(struct vcpu *v, void *arg, uint16_t at, uint8_t size, bool in,
		      uint32_t *value)
{
	struct vm *vm = arg;

	(void)v;
	if (size != 1)
		return;
	lock_acquire(&vm->uart_lock);
	if (in)
		*value = vuart_read(&vm->uart, at - COM1_PORT);
	else
		vuart_write(&vm->uart, at - COM1_PORT, (uint8_t)*value);
	lock_release(&vm->uart_lock);
}

INIT int console_vm_init(struct vm *vm, bool is_owner)
{
	vm->con.bytes = pool_alloc(&vm->quota, 1, NULL);
	if (!vm->con.bytes)
		return -ENOMEM;
	vuart_init(&vm->uart, &guest_ops, vm, &vm->host, vm);
	if (is_owner && port_alive()) {
		owner = vm;
		focus = vm->id;
	}
	return port_add(vm, COM1_PORT, COM1_PORT + VUART_PORTS - 1, uart_port, vm);
}

INIT void console_banner(void)
{
	several = port_alive() && !polled && vm_count > 1;
	if (!several)
		return;
	log_info(
		"console: %s n moves the focus to the next VM, %s s to the service guest, %s twice sends it on",
		CONSOLE_KEY_NAME, CONSOLE_KEY_NAME, CONSOLE_KEY_NAME);
}
