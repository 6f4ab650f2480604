/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching the machine off and resetting it. */

#ifndef DRIVERS_POWER_H
#define DRIVERS_POWER_H

#include "drivers/acpi.h"

/* Remember, and map, the registers that power_off and power_reboot need. Boot; without it they know only PC ports. */
void power_init(const struct acpi_info *info);

/*
 * Enter S5. Virtualization must be off on this CPU; any context, interrupts off. It returns only where it did not
 * work: -ENODEV (the tables offer no S5), -EIO (the write had no effect within about 0.1 s).
 */
int power_off(void);

/*
 * Reset the machine by, in this order: the FADT's reset register, port 0xcf9, the keyboard controller, a triple
 * fault; each gets about 0.1 s. Virtualization must be off on this CPU. Any context.
 */
NORETURN void power_reboot(void);

#endif
