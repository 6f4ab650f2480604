/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's prompt on the physical console: who may type there may look at every VM, and pause, stop, restart it. */

#ifndef VM_PROMPT_H
#define VM_PROMPT_H

#include "vm/vm.h"

#define PROMPT_NAME "the prompt"

/* The configuration allows it: after console_init. Boot. */
void prompt_init(void);
bool prompt_is_on(void);

/* A line of the machine's description, for the command that shows it again. Boot. */
void prompt_report(const char *line);

/* A key for the prompt; false: no room now, console_rx_wanted will say. Any CPU, one at a time. */
bool prompt_rx(uint8_t key);

/* It has the focus now. */
void prompt_seen(void);

/* It has something to do, or room to print again. Any CPU, the console's lock may be held. */
void prompt_go(void);

/* EV_SNAP: on @v's CPU, where it is loaded. */
void prompt_snapshot(struct vcpu *v);

#endif
