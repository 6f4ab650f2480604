/* SPDX-License-Identifier: BSD-2-Clause */
/* From the configuration's time to the CPUs' tables and queues. */

#ifndef VM_SCHEDULE_H
#define VM_SCHEDULE_H

#include "vm/config.h"

/* When all VMs are built: what each vCPU is given, each CPU's table. 0 or -ENOMEM, after having said so. Boot. */
int schedule_build(const struct config *c);

/* The first frame of all CPUs begins in a moment, at one time. Boot, last. */
void schedule_start(void);

/* Windows and times so far, to the log. */
void schedule_log(void);

#endif
