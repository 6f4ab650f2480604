/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a counter runs: measured against the ACPI PM timer or, without one, the PIT. */

#ifndef DRIVERS_CLOCK_H
#define DRIVERS_CLOCK_H

#include "drivers/acpi.h"

/*
 * Measure @counter (any free-running one, counting up), in kHz: CLOCK_RUNS runs of CLOCK_RUN_US each, of which the
 * one with the least uncertainty counts. PM timers in I/O space only. Bounded even if no clock moves; boot only.
 * Returns 0 where neither clock works.
 */
#define CLOCK_RUNS   3
#define CLOCK_RUN_US 2000
uint32_t clock_calibrate(uint64_t (*counter)(void), const struct acpi_info *info);

#endif
