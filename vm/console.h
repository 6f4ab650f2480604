/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port, shared by the log and every VM's COM1. Who has the focus is shown raw. */

#ifndef VM_CONSOLE_H
#define VM_CONSOLE_H

#include "arch/log.h"
#include "drivers/uart.h"
#include "vm/vm.h"

/*
 * Typed before a key: n moves the focus to the next VM, s to the service guest; the key itself sends one.
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

/* @vm has come to its end: what it printed goes before what is said of it. */
void console_settle(struct vm *vm);

/* Write out what the ring holds, waiting, bounded: before a reset or power-off. */
void console_flush(void);

#endif
