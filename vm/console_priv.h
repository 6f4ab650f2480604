/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the console: what goes out (vm/console.c) and what is typed (vm/console_in.c). */

#ifndef VM_CONSOLE_PRIV_H
#define VM_CONSOLE_PRIV_H

#include "vm/console.h"

/* Who can have the focus: a VM by its number, the prompt, nobody. */
#define FOCUS_PROMPT VMS_MAX
#define FOCUS_NONE   (VMS_MAX + 1)
#define CONSOLES     (VMS_MAX + 1)

struct console {
	struct uart *port;
	struct lock lock; /* the rings, the port's registers, the focus */
	struct vm *owner;
	uint32_t focus; /* written under the lock */
	bool polled;
	bool several; /* there is more than one console: CONSOLE_KEY means something */
};

extern struct console console;

static inline bool console_alive(void)
{
	return console.port && !console.port->dead;
}

/* The lock; giving it back also arms the timer that was asked for while it was held. */
void console_lock(void);
void console_unlock(void);

/* What @who prints; NULL: there is no such console, or it is not shown now. Lock held, or only to see whether it is. */
struct conring *console_ring(uint32_t who);

/* Move the focus. Lock not held. */
void console_focus(uint32_t who);

/* --- vm/console_in.c --- */
void console_in_init(void);
/* The port has bytes. */
void console_in_feed(void);

#endif
