/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port, shared by the log and the service guest's COM1. */

#include "vm/console.h"
#include "arch/irq.h"
#include "arch/log.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "vm/irq.h"

#define COM1_PORT      0x3f8
#define COM1_IRQ       4
#define RING_SIZE      8192
/* Kept free for the log, so that a guest that prints without end cannot drown the hypervisor's lines. */
#define RING_LOG_SHARE 2048

static struct uart *port;
static struct lock lock; /* the ring, the port's registers */
static uint8_t ring[RING_SIZE];
static uint32_t head, used;
static bool line_open;	/* the guest's output stands in the middle of a line */
static bool tx_busy;	/* the transmitter will interrupt when it is empty */
static bool tx_stalled; /* a byte of the guest was turned away (atomic) */
static bool rx_wanted;	/* the guest's receiver was full, and has room again (atomic) */
static uint64_t lines_lost;
static struct vm *owner;
static struct irq_source irq;
static bool polled;

/* --- the ring; lock held --- */

static void ring_put(uint8_t byte)
{
	ring[(head + used++) % RING_SIZE] = byte;
}

/* Move bytes into the transmitter if it is empty, and have it interrupt when it is empty again. */
static void tx_start(void)
{
	uint8_t chunk[UART_FIFO_SIZE];
	uint32_t n = 0;

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
		if (line_open) {
			ring_put('\r');
			ring_put('\n');
			line_open = false;
		}
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

/* --- the service guest's UART --- */

static bool guest_tx(void *arg, uint8_t byte)
{
	bool room;

	(void)arg;
	lock_acquire(&lock);
	room = RING_SIZE - used > RING_LOG_SHARE;
	if (room) {
		ring_put(byte);
		line_open = byte != '\n';
		if (!tx_busy)
			tx_start();
	} else {
		atomic_store_bool(&tx_stalled, true);
	}
	lock_release(&lock);
	return room;
}

static void guest_irq(void *arg, bool level)
{
	irq_line(arg, COM1_IRQ, level);
}

static void guest_rx_taken(void *arg)
{
	(void)arg;
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

/* --- other VMs: whole lines to the log --- */

static bool line_tx(void *arg, uint8_t byte)
{
	struct vm *vm = arg;

	if (byte == '\n' || vm->line_len == sizeof(vm->line) - 1) {
		vm->line[vm->line_len] = '\0';
		log_info("%s| %s", vm->name, vm->line);
		vm->line_len = 0;
	}
	if (byte != '\n' && byte != '\r')
		vm->line[vm->line_len++] = (char)byte;
	return true;
}

static void line_rx_taken(void *arg)
{
	(void)arg;
}

static const struct vuart_ops line_ops = {
	.tx = line_tx,
	.irq = guest_irq,
	.rx_taken = line_rx_taken,
	.lock = guest_lock,
	.unlock = guest_unlock,
};

/* --- the physical side --- */

/*
 * Feed the guest what came in, as much as it has room for. The rest stays in the port's FIFO, whose sender then sees
 * RTS fall; the receive interrupt is off until the guest has taken something.
 */
static void rx_feed(void)
{
	uint8_t bytes[VUART_FIFO];
	uint32_t room, n;

	if (!owner)
		return;
	lock_acquire(&owner->uart_lock);
	room = vuart_rx_room(&owner->uart);
	lock_acquire(&lock);
	n = room ? uart_rx(port, bytes, room) : 0;
	if (room > n) {
		uart_rts(port, true);
		uart_irq_enable(port, UART_IRQ_RX);
	} else {
		uart_rts(port, false);
		uart_irq_disable(port, UART_IRQ_RX);
	}
	lock_release(&lock);
	for (uint32_t i = 0; i < n; i++)
		vuart_rx(&owner->uart, bytes[i]);
	lock_release(&owner->uart_lock);
}

static void tx_resume(void)
{
	bool room;

	lock_acquire(&lock);
	room = RING_SIZE - used > RING_LOG_SHARE + RING_SIZE / 4;
	lock_release(&lock);
	if (!room || !atomic_load_bool(&tx_stalled) || !owner)
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
	if (atomic_xchg_bool(&rx_wanted, false))
		rx_feed();
}

void console_flush(void)
{
	uint8_t byte;

	if (!port || port->dead)
		return;
	lock_acquire(&lock);
	while (used) {
		byte = ring[head];
		head = (head + 1) % RING_SIZE;
		used--;
		uart_put_poll(port, byte);
	}
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
	is_owner = is_owner && port && !port->dead && !polled;
	vuart_init(&vm->uart, is_owner ? &guest_ops : &line_ops, vm, &vm->host, vm);
	if (is_owner)
		owner = vm;
	return port_add(vm, COM1_PORT, COM1_PORT + VUART_PORTS - 1, uart_port, vm);
}
