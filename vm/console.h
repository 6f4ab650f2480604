/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port, shared by the log, the prompt and every VM's COM1. Who has the focus is shown raw. */

#ifndef VM_CONSOLE_H
#define VM_CONSOLE_H

#include "arch/log.h"
#include "drivers/uart.h"
#include "vm/vm.h"

/*
 * Typed before a key: n moves the focus to the next console, s to the service guest, p to the prompt; the key itself
 * sends one.
 */
#define CONSOLE_KEY	 0x1d
#define CONSOLE_KEY_NAME "Ctrl-]"

/*
 * Take over @uart, and the level, from @early, boot's synchronous sink: lines and bytes go through a ring, by
 * interrupt. Boot.
 */
void console_init(struct uart *uart, struct log_sink *early);

/*
 * Make @vm's COM1. @owner: it begins with the focus, and as long as it has it, it waits for the port instead of losing
 * bytes; no other VM ever waits. Boot. 0, -ENOMEM, -ENOSPC.
 */
int console_vm_init(struct vm *vm, bool owner);

/* All VMs are made: say how the focus moves. Boot. */
void console_banner(void);

/* Work that an interrupt left: tell a UART that there is room again. From the run loop, bounded. */
void console_poll(void);

/* Somebody who had no room for what was typed has room again. Any CPU. */
void console_rx_wanted(void);

/* @vm has come to its end: what it printed goes before what is said of it. */
void console_settle(struct vm *vm);

/* Write out what the ring holds, waiting, bounded: before a reset or power-off. */
void console_flush(void);

/* One of the last lines that @vm printed, from *@pos (0: the oldest kept) on, fit for a terminal. False: no more. */
bool console_kept_line(struct vm *vm, uint64_t *pos, char *out, uint32_t size);

/* --- the prompt's console; it is shown while it has the focus, and kept until then --- */

/* There is a prompt. Boot. 0; -ENODEV: no port that interrupts; -ENOMEM. */
int console_prompt_init(void);
/* How many bytes it can print now. Where that is less than it wants it is started again (prompt_go) when there is more. */
uint32_t console_prompt_room(void);
/* At most as much as there is room for. */
void console_prompt_put(const char *text, uint32_t len);

#endif
