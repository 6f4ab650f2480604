/* SPDX-License-Identifier: BSD-2-Clause */
/* What is typed at the physical serial port: the keys that move the focus, and who gets the rest. */

#include "arch/cpu.h"
#include "arch/percpu.h"
#include "lib/atomic.h"
#include "lib/string.h"
#include "sched/timer.h"
#include "vm/console_priv.h"
#include "vm/prompt.h"

/* What is typed faster than the console in focus takes it waits here, then in the port. */
#define HELD_MAX	 64
#define HELD_PATIENCE_MS 5000

static struct lock rx_lock; /* one CPU at a time feeds what was typed; before any other lock here */
static uint8_t held[HELD_MAX];
static uint32_t held_count;
static bool rx_escaped; /* CONSOLE_KEY was typed */
static bool rx_wanted;	/* the focused receiver was full, and has room again (atomic) */
static struct timer rx_timer;

static uint32_t focus_next(void)
{
	uint32_t from = console.focus == FOCUS_NONE ? CONSOLES - 1 : console.focus;

	for (uint32_t i = 1; i <= CONSOLES; i++) {
		uint32_t who = (from + i) % CONSOLES;

		if (who == FOCUS_PROMPT ? prompt_is_on() : console_ring(who) != NULL)
			return who;
	}
	return console.focus;
}

/* --- rx_lock held --- */

/* Give the console in focus one byte; false: it has no room. */
static bool rx_give(uint8_t byte)
{
	struct vm *vm;
	bool room;

	if (console.focus == FOCUS_NONE)
		return true;
	if (console.focus == FOCUS_PROMPT)
		return prompt_rx(byte);
	vm = vms[console.focus];
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
	uint32_t who = console.focus;

	if (byte == CONSOLE_KEY)
		rx_hold(byte);
	else if (byte == 'n')
		who = focus_next();
	else if (byte == 's' && console.owner)
		who = console.owner->id;
	else if (byte == 'p' && prompt_is_on())
		who = FOCUS_PROMPT;
	if (who == console.focus)
		return;
	held_count = 0; /* it was not meant for the next one */
	console_focus(who);
}

static void rx_byte(uint8_t byte)
{
	if (rx_escaped) {
		rx_escaped = false;
		rx_command(byte);
	} else if (byte == CONSOLE_KEY && console.several) {
		rx_escaped = true;
	} else {
		rx_hold(byte);
	}
}

static bool rx_read(uint8_t *byte)
{
	bool some;

	console_lock();
	some = uart_rx(console.port, byte, 1);
	console_unlock();
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
void console_in_feed(void)
{
	uint8_t byte;
	bool full;

	lock_acquire(&rx_lock);
	held_give();
	for (uint32_t i = 0; i < HELD_MAX && held_count < HELD_MAX && rx_read(&byte); i++)
		rx_byte(byte);
	full = held_count == HELD_MAX;
	console_lock();
	uart_rts(console.port, !held_count);
	if (full)
		uart_irq_disable(console.port, UART_IRQ_RX);
	else
		uart_irq_enable(console.port, UART_IRQ_RX);
	console_unlock();
	if (full)
		timer_set(&rx_timer, tsc_read() + HELD_PATIENCE_MS * tsc_khz);
	else if (rx_timer.cpu)
		timer_cancel(&rx_timer);
	lock_release(&rx_lock);
}

/* Who takes no input must not keep the keys that move the focus away from it. */
static void rx_impatient(struct timer *t)
{
	(void)t;
	lock_acquire(&rx_lock);
	held_count = 0;
	lock_release(&rx_lock);
	console_in_feed();
}

void console_rx_wanted(void)
{
	atomic_store_bool(&rx_wanted, true);
	atomic_or_u64(&this_cpu()->requests, CPU_REQ_SCHED);
}

void console_poll(void)
{
	if (likely(!atomic_load_relaxed_bool(&rx_wanted)))
		return;
	if (atomic_xchg_bool(&rx_wanted, false) && console_alive() && !console.polled)
		console_in_feed();
}

INIT void console_in_init(void)
{
	rx_timer.fn = rx_impatient;
}
