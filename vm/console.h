/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port, shared by the log and the service guest's COM1; nobody waits for it. */

#ifndef VM_CONSOLE_H
#define VM_CONSOLE_H

#include "arch/log.h"
#include "drivers/uart.h"
#include "vm/vm.h"

/*
 * Take over @uart, and the level, from @early, boot's synchronous sink: lines and bytes go through a ring, by
 * interrupt. Boot.
 */
void console_init(struct uart *uart, struct log_sink *early);

/* Make @vm's COM1; if @owner, what it sends and receives is the physical port's, else it is kept in the log. */
int console_vm_init(struct vm *vm, bool owner);

/* Work that an interrupt left: tell a UART that there is room again. From the run loop, bounded. */
void console_poll(void);

/* Write out what the ring holds, waiting, bounded: before a reset or power-off. */
void console_flush(void);

#endif
