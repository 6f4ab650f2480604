/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot information of three protocols as one. */

#ifndef GUEST_BOOT_H
#define GUEST_BOOT_H

#include "lib/guest.h"

/* @magic says what @info is. NULL: it is none of the three, or holds more than there is room for. */
const struct start_info *boot_information(uint32_t magic, const void *info);

#endif
