/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen as a terminal for the log: EGA text, or a linear frame buffer with our own letters. */

#include "arch/io.h"
#include "drivers/font.h"
#include "drivers/screen.h"
#include "lib/string.h"

/* CRT controller of a colour EGA or VGA (IBM VGA technical reference, "CRT Controller Registers"). */
#define CRTC_INDEX	 0x3d4
#define CRTC_DATA	 0x3d5
#define CRTC_START_HIGH	 0x0c
#define CRTC_START_LOW	 0x0d
#define CRTC_CURSOR_HIGH 0x0e
#define CRTC_CURSOR_LOW	 0x0f

#define TEXT_GREY_ON_BLACK 0x0700 /* attribute byte of a text cell */

#define LEVEL_LETTER 0xc0 /* brightness of letters, of 255 */
#define LEVEL_BITS   8

static struct {
	/* Show one cell of @cells; NULL: the screen is off. */
	void (*draw)(uint32_t row, uint32_t column);
	/* Rows to scroll at once: redrawing a frame buffer is slow. */
	uint32_t jump;
	uint32_t rows, columns;
	uint32_t row, column; /* cursor; column == columns: the next character wraps first */
	bool crtc;	      /* there is a hardware cursor */
	volatile uint16_t *text;
	struct screen_fb fb;
	uint32_t ink; /* pixel value of letters */
	char cells[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
} screen;

static void crtc_write(uint8_t index, uint32_t value)
{
	io_out8(CRTC_INDEX, index);
	io_out8(CRTC_DATA, (uint8_t)value);
}

static void cursor_show(void)
{
	uint32_t column = screen.column < screen.columns ? screen.column : screen.columns - 1;
	uint32_t at = screen.row * screen.columns + column;

	if (!screen.crtc)
		return;
	crtc_write(CRTC_CURSOR_HIGH, at >> 8);
	crtc_write(CRTC_CURSOR_LOW, at);
}

static void text_draw(uint32_t row, uint32_t column)
{
	screen.text[row * SCREEN_TEXT_COLUMNS + column] =
		(uint16_t)(TEXT_GREY_ON_BLACK | (uint8_t)screen.cells[row][column]);
}

static void pixel_write(volatile uint8_t *at, uint32_t value)
{
	switch (screen.fb.bpp) {
	case 32:
		*(volatile uint32_t *)at = value;
		break;
	case 24:
		at[0] = (uint8_t)value;
		at[1] = (uint8_t)(value >> 8);
		at[2] = (uint8_t)(value >> 16);
		break;
	default:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	}
}

static void fb_draw(uint32_t row, uint32_t column)
{
	const uint8_t *glyph = font_rows[(uint8_t)screen.cells[row][column] - FONT_FIRST];
	uint32_t bytes = screen.fb.bpp / 8;
	volatile uint8_t *line = (volatile uint8_t *)screen.fb.pixels +
				 (uint64_t)row * FONT_HEIGHT * screen.fb.pitch +
				 column * FONT_WIDTH * bytes;

	for (uint32_t y = 0; y < FONT_HEIGHT; y++, line += screen.fb.pitch)
		for (uint32_t x = 0; x < FONT_WIDTH; x++)
			pixel_write(line + x * bytes, glyph[y / 2] << x & 0x80 ? screen.ink : 0);
}

/* Change what a cell shows; an unchanged one costs nothing. */
static void cell_set(uint32_t row, uint32_t column, char c)
{
	if (screen.cells[row][column] == c)
		return;
	screen.cells[row][column] = c;
	screen.draw(row, column);
}

static void clear(void)
{
	memset(screen.cells, ' ', sizeof(screen.cells));
	for (uint32_t row = 0; row < screen.rows; row++)
		for (uint32_t column = 0; column < screen.columns; column++)
			screen.draw(row, column);
	screen.row = 0;
	screen.column = 0;
	cursor_show();
}

static void scroll(void)
{
	for (uint32_t row = 0; row < screen.rows; row++)
		for (uint32_t column = 0; column < screen.columns; column++)
			cell_set(row, column,
				 row + screen.jump < screen.rows
					 ? screen.cells[row + screen.jump][column]
					 : ' ');
	screen.row = screen.rows - screen.jump;
}

static void newline(void)
{
	screen.column = 0;
	if (++screen.row == screen.rows)
		scroll();
}

static void put(char c)
{
	switch (c) {
	case '\n':
		newline();
		return;
	case '\r':
		screen.column = 0;
		return;
	case '\b':
		screen.column -= screen.column ? 1 : 0;
		return;
	default:
		if (screen.column == screen.columns)
			newline();
		if (c < FONT_FIRST || c > FONT_LAST)
			c = '?';
		cell_set(screen.row, screen.column++, c);
	}
}

void screen_text_on(volatile void *cells)
{
	screen.text = cells;
	screen.rows = SCREEN_TEXT_ROWS;
	screen.columns = SCREEN_TEXT_COLUMNS;
	screen.jump = 1;
	screen.draw = text_draw;
	screen.crtc = true;
	crtc_write(CRTC_START_HIGH, 0);
	crtc_write(CRTC_START_LOW, 0);
	clear();
}

uint64_t screen_fb_size(const struct screen_fb *fb)
{
	uint64_t line = (uint64_t)fb->width * (fb->bpp / 8);

	if (fb->bpp != 16 && fb->bpp != 24 && fb->bpp != 32)
		return 0;
	if (fb->width < FONT_WIDTH || fb->height < FONT_HEIGHT || fb->pitch < line)
		return 0;
	if (fb->bpp != 24 && fb->pitch % (fb->bpp / 8))
		return 0; /* pixels would not be naturally aligned */
	return (uint64_t)fb->pitch * fb->height;
}

/* @level of 255 as a colour's bits in a pixel; the caller has checked @pos and @size. */
static uint32_t colour(uint32_t level, uint8_t pos, uint8_t size)
{
	return (size < LEVEL_BITS ? level >> (LEVEL_BITS - size) : level << (size - LEVEL_BITS))
	       << pos;
}

static bool colour_fits(const struct screen_fb *fb, uint8_t pos, uint8_t size)
{
	return size && (uint32_t)pos + size <= fb->bpp;
}

static uint32_t at_most(uint32_t n, uint32_t limit)
{
	return n < limit ? n : limit;
}

int screen_fb_on(const struct screen_fb *fb)
{
	if (!screen_fb_size(fb) || (uintptr_t)fb->pixels % sizeof(uint32_t) ||
	    !colour_fits(fb, fb->red_pos, fb->red_size) ||
	    !colour_fits(fb, fb->green_pos, fb->green_size) ||
	    !colour_fits(fb, fb->blue_pos, fb->blue_size))
		return -EINVAL;
	screen.fb = *fb;
	screen.ink = colour(LEVEL_LETTER, fb->red_pos, fb->red_size) |
		     colour(LEVEL_LETTER, fb->green_pos, fb->green_size) |
		     colour(LEVEL_LETTER, fb->blue_pos, fb->blue_size);
	screen.rows = at_most(fb->height / FONT_HEIGHT, SCREEN_ROWS_MAX);
	screen.columns = at_most(fb->width / FONT_WIDTH, SCREEN_COLUMNS_MAX);
	screen.jump = (screen.rows + 3) / 4;
	screen.draw = fb_draw;
	screen.crtc = false;
	clear();
	return 0;
}

void screen_write(const char *text, uint32_t len)
{
	if (!screen.draw)
		return;
	for (uint32_t i = 0; i < len; i++)
		put(text[i]);
	cursor_show();
}

void screen_cursor(uint8_t *row, uint8_t *column)
{
	*row = (uint8_t)screen.row;
	*column = (uint8_t)at_most(screen.column, screen.columns ? screen.columns - 1 : 0);
}

void screen_off(void)
{
	screen.draw = NULL;
}
