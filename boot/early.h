/* SPDX-License-Identifier: BSD-2-Clause */
/* First words: serial port and screen as log sinks, long before there is anything else. */

#ifndef BOOT_EARLY_H
#define BOOT_EARLY_H

#include "arch/log.h"
#include "drivers/uart.h"
#include "lib/types.h"

/* Probe COM1 and log to it. */
void early_serial(void);
/* The command line is known: console=none|comN|0xPORT chooses another port. */
void early_console(void);
/* The final tables are in use: the screen, through mappings of its own. */
void early_paged(void);
extern struct log_sink early_serial_sink, early_screen_sink;

/* The hypervisor's serial port; dead if there is none. */
extern struct uart console_uart;

#endif
