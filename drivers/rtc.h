/* SPDX-License-Identifier: BSD-2-Clause */
/* The CMOS clock, read once for the date. */

#ifndef DRIVERS_RTC_H
#define DRIVERS_RTC_H

#include "lib/types.h"

/* Seconds since 1970, UTC as far as the clock runs on it; 0 if it does not answer. Boot; bounded. */
uint64_t rtc_seconds(void);

#endif
