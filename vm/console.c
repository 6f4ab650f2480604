/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port: whose bytes go out next. */

#include "vm/console_priv.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/printf.h"
#include "sched/timer.h"
#include "vm/irq.h"
#include "vm/prompt.h"

#define COM1_PORT  0x3f8
#define COM1_IRQ   4
#define RING_SIZE  1024
/* The ring is filled from the log and the consoles' own rings only when it is nearly empty. */
#define TURN_BELOW 256
#define TURN_RAW   64	 /* bytes that the focused console gets in one turn */
#define TURN_LINE  160	 /* the others get a line of so many */
#define FLUSH_MAX  32768 /* bytes written when the machine goes down */

struct console console = {.focus = FOCUS_NONE};

static uint8_t ring[RING_SIZE];
static uint32_t head, used;
static bool tx_busy;	/* the transmitter will interrupt when it is empty */
static bool tx_stalled; /* a byte of the owner was turned away (atomic) */
static uint32_t turn_next;
static uint64_t
	ending; /* VMs that have ended: what they printed goes before the log's word of it */
_Static_assert(VMS_MAX <= 64, "a bit each");
static struct irq_source irq;
static struct log_reader log_at;
static int log_level = -1; /* of the lines that are shown */
static struct conring prompt_con;

/* Fewer bytes than a FIFO holds wait so long for more: an interrupt for each byte would cost more than all the rest. */
#define TX_PATIENCE_US 100
static struct timer tx_timer;
static bool tx_waits; /* the timer is armed, or about to be */
static bool tx_arm;   /* by whoever holds the lock, when it gives it back */
static uint64_t tx_due;

/*
 * Raw output that stands in the middle of a line keeps other lines back: until it has been quiet for a moment, as behind
 * a shell's prompt, or for as long as nobody should wait.
 */
#define LINE_QUIET_MS 20
#define LINE_MOST_MS  100
static bool line_open;
static uint64_t line_grew;  /* TSC of the last raw byte */
static uint64_t line_asked; /* TSC since when another line has waited; 0: none does */

struct conring *console_ring(uint32_t who)
{
	if (who == FOCUS_PROMPT)
		return console.focus == FOCUS_PROMPT ? &prompt_con : NULL;
	return who < VMS_MAX && vms[who] && vms[who]->con.bytes ? &vms[who]->con : NULL;
}

void console_lock(void)
{
	lock_acquire(&console.lock);
}

void console_unlock(void)
{
	uint64_t due = tx_due;
	bool arm = tx_arm;

	tx_arm = false;
	lock_release(&console.lock);
	if (arm)
		timer_set(&tx_timer, due);
}

/* Look again at @due. Only one at a time may arm the timer; where it is armed already, that has to do. */
static void tx_wait_until(uint64_t due)
{
	if (tx_waits)
		return;
	tx_waits = true;
	tx_arm = true;
	tx_due = due;
}

/* --- the port's ring; lock held --- */

static void ring_put(uint8_t byte)
{
	ring[(head + used++) % RING_SIZE] = byte;
}

static void ring_text(const char *text)
{
	for (; *text && used < RING_SIZE - 1; text++) {
		if (*text == '\n')
			ring_put('\r');
		ring_put((uint8_t)*text);
	}
}

static void line_begin(void)
{
	if (line_open)
		ring_text("\n");
	line_open = false;
	line_asked = 0;
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
	ring_text("\n");
}

/* --- whose turn it is; lock held --- */

static bool turn_raw(uint32_t who, struct conring *r)
{
	uint8_t chunk[TURN_RAW];
	uint32_t n = conring_take(r, chunk, sizeof(chunk));

	for (uint32_t i = 0; i < n; i++)
		ring_put(chunk[i]);
	if (!n)
		return false;
	line_open = chunk[n - 1] != '\n';
	line_grew = tsc_read();
	if (who == FOCUS_PROMPT && conring_waiting(r) < CONRING_SIZE / 2)
		prompt_go();
	return true;
}

static bool turn_of(uint32_t who, bool unended)
{
	struct conring *r = console_ring(who);
	char text[TURN_LINE];
	uint64_t lost;

	if (!r)
		return false;
	lost = who == FOCUS_PROMPT ? 0 : conring_lost(r); /* the prompt waits for room */
	if (lost)
		ring_line("%s| [%lu bytes lost]", vms[who]->name, lost);
	if (who == console.focus)
		return turn_raw(who, r) || lost;
	if (!conring_line(r, text, sizeof(text), unended))
		return lost;
	ring_line("%s| %s", vms[who]->name, text);
	return true;
}

static bool turn_log(void)
{
	char line[LOG_LINE_MAX + 1];
	uint32_t lost, n;

	if (log_level < 0 || !log_waiting(&log_at))
		return false;
	n = log_next(&log_at, log_level, line, &lost);
	if (lost)
		ring_line("bulkhead: [%u lines of the log lost]", lost);
	line[n] = '\0';
	if (n)
		line_begin();
	ring_text(line);
	return true;
}

/* May a line begin, though raw output stands in the middle of one? */
static bool line_may_begin(void)
{
	uint64_t now = tsc_read();

	if (!line_open)
		return true;
	if (!line_asked)
		line_asked = now;
	return now - line_grew >= LINE_QUIET_MS * tsc_khz ||
	       now - line_asked >= LINE_MOST_MS * tsc_khz;
}

/* Does anybody but the console in focus have something to say? */
static bool others_wait(void)
{
	if (log_level >= 0 && log_waiting(&log_at))
		return true;
	for (uint32_t i = 0; i < vm_count; i++) {
		struct conring *r = console_ring(i);

		if (r && i != console.focus && r->head != r->looked && conring_waiting(r))
			return true;
	}
	return false;
}

/* The log first, then the next console that has something to print; each gets a turn before any gets another. */
static bool turn(bool patient)
{
	if (patient && line_open && !others_wait()) {
		line_asked = 0;
		return turn_of(console.focus, false);
	}
	if (patient && !line_may_begin()) {
		if (turn_of(console.focus, false))
			return true;
		tx_wait_until(line_grew + LINE_QUIET_MS * tsc_khz);
		return false;
	}
	if (ending) {
		uint32_t who = (uint32_t)__builtin_ctzll(ending);

		if (!turn_of(who, true))
			ending &= ending - 1; /* @who is the lowest bit */
		return true;
	}
	if (turn_log())
		return true;
	for (uint32_t i = 0; i < CONSOLES; i++) {
		uint32_t who = turn_next;

		turn_next = (turn_next + 1) % CONSOLES;
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
			uart_put_poll(console.port, ring[head]);
			head = (head + 1) % RING_SIZE;
		}
	} while (turn(true));
}

/* Move bytes into the transmitter if it is empty, and have it interrupt when it is empty again. */
static void tx_start(void)
{
	uint8_t chunk[UART_FIFO_SIZE];
	uint32_t n = 0;
	bool more = false;

	if (console.polled) {
		tx_poll();
		return;
	}
	if (used < TURN_BELOW)
		more = turn(true);
	while (n < sizeof(chunk) && n < used) {
		chunk[n] = ring[(head + n) % RING_SIZE];
		n++;
	}
	n = uart_tx_fill(console.port, chunk, n);
	head = (head + n) % RING_SIZE;
	used -= n;
	if (!used && !n) {
		uart_irq_disable(console.port, UART_IRQ_THRE);
		if (more)
			tx_wait_until(tsc_read());
	} else if (!tx_busy) {
		uart_irq_enable(console.port, UART_IRQ_THRE);
	}
	tx_busy = used || n;
}

/* --- the log --- */

static void log_more(void)
{
	console_lock();
	/* By the timer: whoever has something to say has something else to do. */
	if (!tx_busy)
		tx_wait_until(tsc_read());
	console_unlock();
}

static void log_none(const char *text, uint32_t len)
{
	(void)text;
	(void)len;
}

static void log_put_crash(const char *text, uint32_t len)
{
	uart_write_poll(console.port, text, len);
}

/* Lines are taken from the log when it is their turn, unless the machine crashes. */
static struct log_sink sink = {.write = log_none, .crash_write = log_put_crash};

/* --- consoles --- */

/* Lock held. Without a port nobody takes anything: what is kept is then all there is. */
static void console_put(struct conring *r, uint32_t who, uint8_t byte)
{
	uint64_t due;

	conring_put(r, byte);
	if (!console_alive()) {
		conring_drop(r);
		return;
	}
	if (tx_busy || (who != console.focus && byte != '\n'))
		return;
	due = tsc_read() + TX_PATIENCE_US * tsc_khz / 1000;
	if (console.polled || who != console.focus || conring_waiting(r) >= UART_FIFO_SIZE ||
	    (tx_waits && tx_due > due))
		tx_start();
	else
		tx_wait_until(due);
}

static void tx_patience_over(struct timer *t)
{
	(void)t;
	console_lock();
	tx_waits = false;
	if (!tx_busy)
		tx_start();
	console_unlock();
}

static bool guest_tx(void *arg, uint8_t byte)
{
	struct vm *vm = arg;
	bool room;

	console_lock();
	room = vm != console.owner || console.focus != vm->id ||
	       conring_waiting(&vm->con) < CONRING_SIZE;
	if (room)
		console_put(&vm->con, vm->id, byte);
	else
		atomic_store_bool(&tx_stalled, true);
	console_unlock();
	return room;
}

static void guest_irq(void *arg, bool level)
{
	irq_line(arg, COM1_IRQ, level);
}

static void guest_rx_taken(void *arg)
{
	struct vm *vm = arg;

	if (vm->id == __atomic_load_n(&console.focus, __ATOMIC_RELAXED))
		console_rx_wanted();
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
	console_lock();
	if (console_alive())
		ending |= BIT(vm->id);
	console_unlock();
}

bool console_kept_line(struct vm *vm, uint64_t *pos, char *out, uint32_t size)
{
	bool found;

	console_lock();
	found = vm->con.bytes && conring_kept(&vm->con, pos, out, size);
	console_unlock();
	return found;
}

void console_focus(uint32_t who)
{
	console_lock();
	line_begin();
	if (RING_SIZE - used > TURN_LINE)
		ring_line("[console of %s; %s n: the next]",
			  who == FOCUS_PROMPT ? PROMPT_NAME : vms[who]->name, CONSOLE_KEY_NAME);
	__atomic_store_n(&console.focus, who, __ATOMIC_RELAXED);
	if (console_alive() && !tx_busy)
		tx_start();
	console_unlock();
	if (who == FOCUS_PROMPT)
		prompt_seen();
}

/* --- the prompt's --- */

uint32_t console_prompt_room(void)
{
	uint32_t room;

	console_lock();
	room = CONRING_SIZE - conring_waiting(&prompt_con);
	console_unlock();
	return room;
}

void console_prompt_put(const char *text, uint32_t len)
{
	console_lock();
	conring_write(&prompt_con, text, len);
	/* By the timer: the prompt's steps are short. */
	if (console.focus == FOCUS_PROMPT && !tx_busy)
		tx_wait_until(tsc_read());
	console_unlock();
}

INIT int console_prompt_init(void)
{
	if (!console_alive() || console.polled)
		return -ENODEV;
	prompt_con.bytes = pool_alloc(&pool_quota_hv, 1, NULL);
	return prompt_con.bytes ? 0 : -ENOMEM;
}

/* --- the physical side --- */

static void tx_resume(void)
{
	struct vm *owner = console.owner;
	bool room;

	if (!owner || !atomic_load_bool(&tx_stalled))
		return;
	console_lock();
	room = console.focus != owner->id || conring_waiting(&owner->con) < CONRING_SIZE / 2;
	console_unlock();
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
	console_lock();
	for (uint32_t i = 0;
	     i < IRQ_ROUNDS && (now = uart_irq(console.port)) && !(kinds & UART_IRQ_RX); i++) {
		kinds |= now;
		if (now & UART_IRQ_THRE)
			tx_start();
	}
	console_unlock();
	if (kinds & UART_IRQ_RX)
		console_in_feed();
	tx_resume();
}

void console_flush(void)
{
	uint32_t n = 0;

	if (!console_alive())
		return;
	console_lock();
	do {
		for (; used && n < FLUSH_MAX; used--, n++) {
			uart_put_poll(console.port, ring[head]);
			head = (head + 1) % RING_SIZE;
		}
	} while (n < FLUSH_MAX && turn(false));
	uart_drain(console.port);
	console_unlock();
}

/* --- start-up --- */

INIT void console_init(struct uart *uart, struct log_sink *early)
{
	console.port = uart;
	if (uart->dead)
		return;
	irq.fn = console_irq;
	tx_timer.fn = tx_patience_over;
	console_in_init();
	if (uart->port != COM1_PORT || irq_isa_claim(COM1_IRQ, &irq)) {
		console.polled = true;
		log_warn(
			"the console port has no interrupt; output is synchronous and there is no input");
		return;
	}
	log_sink_remove(early);
	/* What the log holds has been printed: join at level none, then raise it. */
	sink.level = -1;
	log_sink_add(&sink);
	sink.level = early->level;
	log_level = early->level;
	log_notify(log_more, &log_at);
	uart_irq_enable(uart, UART_IRQ_RX);
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
	if (is_owner && console_alive()) {
		console.owner = vm;
		console.focus = vm->id;
	}
	return port_add(vm, COM1_PORT, COM1_PORT + VUART_PORTS - 1, uart_port, vm);
}

INIT void console_banner(void)
{
	console.several = console_alive() && !console.polled && (vm_count > 1 || prompt_is_on());
	if (!console.several)
		return;
	log_info(
		"console: %s n moves the focus to the next console, %s s to the service guest,%s %s twice sends it on",
		CONSOLE_KEY_NAME, CONSOLE_KEY_NAME,
		prompt_is_on() ? " " CONSOLE_KEY_NAME " p to the prompt," : "", CONSOLE_KEY_NAME);
}
