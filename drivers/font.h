/* SPDX-License-Identifier: BSD-2-Clause */
/* The letters for a frame-buffer screen: printable ASCII, drawn for Bulkhead on a grid of 5 by 8 dots. */

#ifndef DRIVERS_FONT_H
#define DRIVERS_FONT_H

#include "lib/types.h"

#define FONT_FIRST 32
#define FONT_LAST  126
#define FONT_ROWS  8 /* each is shown twice: a cell is FONT_WIDTH by FONT_HEIGHT dots */

#define FONT_WIDTH  8
#define FONT_HEIGHT (2 * FONT_ROWS)

/* By character - FONT_FIRST; a row's leftmost dot is bit 7. */
extern const uint8_t font_rows[FONT_LAST - FONT_FIRST + 1][FONT_ROWS];

#endif
