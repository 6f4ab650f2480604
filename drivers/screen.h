/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen as a terminal for the log: EGA text, or a linear frame buffer with our own letters. */

#ifndef DRIVERS_SCREEN_H
#define DRIVERS_SCREEN_H

#include "lib/types.h"

#define SCREEN_TEXT_PA	    0xb8000 /* of EGA text memory */
#define SCREEN_TEXT_COLUMNS 80
#define SCREEN_TEXT_ROWS    25
#define SCREEN_TEXT_SIZE    (SCREEN_TEXT_COLUMNS * SCREEN_TEXT_ROWS * 2) /* bytes */

/* Of a frame buffer only this much is used, from its top left. */
#define SCREEN_COLUMNS_MAX 128
#define SCREEN_ROWS_MAX	   50

/* A frame buffer of direct colours. */
struct screen_fb {
	volatile void *pixels;	/* mapped, height * pitch bytes */
	uint32_t pitch;		/* bytes from one line to the next */
	uint32_t width, height; /* pixels */
	uint8_t bpp;		/* 16, 24 or 32 */
	/* lowest bit and number of bits of each colour */
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

/* Bytes of a frame buffer that must be mapped; 0 if its geometry is unusable. */
uint64_t screen_fb_size(const struct screen_fb *fb);

/* Use the EGA text screen mapped at @cells (SCREEN_TEXT_SIZE bytes), and clear it. Until then the screen is off. */
void screen_text_on(volatile void *cells);

/* Use @fb and clear the part of it that is used. -EINVAL: a geometry or format that this file cannot draw. */
int screen_fb_on(const struct screen_fb *fb);

/*
 * Show text at the cursor; \n, \r and \b act, other unprintable bytes show as '?'. Bounded by a whole redraw for each
 * quarter of a screen (frame buffer) or each line (text). Callers see that one CPU at a time is in here. A log sink.
 */
void screen_write(const char *text, uint32_t len);

/* Where the next character would appear. */
void screen_cursor(uint8_t *row, uint8_t *column);

/* The screen is somebody else's from now on: nothing here writes to it again, until one of the _on functions. */
void screen_off(void);

#endif
