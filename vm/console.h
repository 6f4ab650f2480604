/* SPDX-License-Identifier: BSD-2-Clause */
/* The physical serial port, shared by the log, every VM's COM1 and the prompt. Who has the focus is shown raw. */

#ifndef VM_CONSOLE_H
#define VM_CONSOLE_H

#include "arch/log.h"
#include "drivers/uart.h"
#include "vm/vm.h"

/*
 * Typed before a key: n moves the focus to the next console, p to the prompt, s to the first VM's or the service
 * guest's; the key itself sends one.
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

/* What the hypervisor itself prints and is typed at; @key is called on any CPU, and may call only console_print_*. */
void console_prompt_init(struct conring *out, void (*key)(uint8_t byte), void (*room)(void));
/* Add text to that; bytes for which there is no room are lost. */
void console_prompt_print(const char *text);
/* Bytes that would still find room. */
uint32_t console_prompt_room(void);

/* Work that an interrupt left: tell a UART that there is room again. From the run loop, bounded. */
void console_poll(void);

/* @vm has come to its end: what it printed goes before what is said of it. */
void console_settle(struct vm *vm);

/* The focus goes to @vm; NULL: to the prompt. */
void console_focus(struct vm *vm);

/* A line of what @vm has printed, from position *@pos on. False: no more. */
bool console_peek(struct vm *vm, uint64_t *pos, char *out, uint32_t size);

/* Write out what the ring holds, waiting, bounded: before a reset or power-off. */
void console_flush(void);

#endif
