/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen: text and frame-buffer cells, wrapping, scrolling, bounds; with a file name it renders all letters. */
/* sources: drivers/screen.c drivers/font.c */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "arch/io.h"
#include "drivers/font.h"
#include "drivers/screen.h"

static uint8_t crtc_index, crtc[256];

void io_out8(uint16_t port, uint8_t value)
{
	if (port == 0x3d4)
		crtc_index = value;
	else if (port == 0x3d5)
		crtc[crtc_index] = value;
	else
		fail_msg("port %x", port);
}

static void say(const char *text)
{
	screen_write(text, (uint32_t)strlen(text));
}

static void text_wraps_and_scrolls(void **state)
{
	uint16_t *cells = malloc(SCREEN_TEXT_SIZE); /* exactly: the sanitizer watches its ends */
	uint8_t row, column;

	(void)state;
	assert_non_null(cells);
	screen_text_on(cells);
	assert_int_equal(cells[1999], 0x0720);
	say("ab\nc\x01\xff");
	assert_int_equal(cells[0] & 0xff, 'a');
	assert_int_equal(cells[80] & 0xff, 'c');
	assert_int_equal(cells[81] & 0xff, '?');
	assert_int_equal(cells[82] & 0xff, '?');
	screen_cursor(&row, &column);
	assert_int_equal(row, 1);
	assert_int_equal(column, 3);
	assert_int_equal(crtc[0x0e] << 8 | crtc[0x0f], 83);
	for (int i = 0; i < 24; i++)
		say("\nx");
	assert_int_equal(cells[0] & 0xff, 'c');
	assert_int_equal(cells[24 * 80] & 0xff, 'x');
	for (int i = 0; i < 81; i++)
		say("y");
	assert_int_equal(cells[24 * 80 + 1] & 0xff, 'y');
	assert_int_equal(cells[24 * 80 + 2] & 0xff, ' ');
	say("\b\b\b\bz\r");
	assert_int_equal(cells[24 * 80] & 0xff, 'z');
	screen_off();
	say("nothing");
	assert_int_equal(cells[24 * 80] & 0xff, 'z');
	free(cells);
}

static struct screen_fb fb_of(uint32_t width, uint32_t height, uint32_t pitch, uint8_t bpp)
{
	struct screen_fb fb = {.width = width, .height = height, .pitch = pitch, .bpp = bpp};

	if (bpp == 16) {
		fb.red_pos = 11, fb.green_pos = 5;
		fb.red_size = 5, fb.green_size = 6, fb.blue_size = 5;
	} else {
		fb.red_pos = 16, fb.green_pos = 8;
		fb.red_size = 8, fb.green_size = 8, fb.blue_size = 8;
	}
	return fb;
}

static void frame_buffer_stays_inside(void **state)
{
	static const uint32_t sizes[][2] = {
		{8,    16  },
		 {9,    31  },
		  {640,	480 },
		      {800,  600 },
		  {1920, 1080}
	      };

	(void)state;
	for (uint8_t bpp = 16; bpp <= 32; bpp = (uint8_t)(bpp + 8)) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint32_t pitch = sizes[i][0] * (bpp / 8u) + 48;
			struct screen_fb fb = fb_of(sizes[i][0], sizes[i][1], pitch, bpp);

			fb.pixels = calloc(1, screen_fb_size(&fb));
			assert_non_null(fb.pixels);
			assert_int_equal(screen_fb_on(&fb), 0);
			for (int n = 0; n < 3000; n++)
				say(n % 70 == 69 ? "#\n" : "#");
			screen_off();
			free((void *)fb.pixels);
		}
	}
}

static void pixels_have_their_format(void **state)
{
	static const uint32_t ink[] = {0xc618, 0xc0c0c0, 0xc0c0c0};
	static uint32_t buf[64 * 64];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t bytes = i + 2, value = 0;
		struct screen_fb fb = fb_of(64, 64, 256, (uint8_t)(bytes * 8));

		memset(buf, 0, sizeof(buf));
		fb.pixels = buf;
		assert_int_equal(screen_fb_on(&fb), 0);
		say("_"); /* its last row has the five leftmost dots */
		memcpy(&value, (uint8_t *)buf + 15 * 256 + bytes, bytes);
		assert_int_equal(value, ink[i]);
		memcpy(&value, (uint8_t *)buf + 13 * 256 + bytes, bytes);
		assert_int_equal(value, 0);
	}
	screen_off();
}

static void bad_geometry_is_refused(void **state)
{
	static uint32_t buf[4];
	struct screen_fb good = fb_of(640, 480, 2560, 32), fb;

	(void)state;
	good.pixels = buf;
	assert_int_equal(screen_fb_size(&good), 2560 * 480);
	fb = good, fb.pitch = 2559;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.pitch = 2562;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.bpp = 8;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.bpp = 15;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.width = 7;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.height = 15;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.width = 0xffffffff, fb.pitch = 0xfffffffc;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.red_pos = 200;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.blue_size = 0;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
	fb = good, fb.green_size = 255;
	assert_int_equal(screen_fb_on(&fb), -EINVAL);
}

/* Every letter is drawn, and no two are alike. */
static void letters_differ(void **state)
{
	static const uint8_t blank[FONT_ROWS];

	(void)state;
	for (uint32_t a = 0; a < ARRAY_SIZE(font_rows); a++) {
		assert_int_equal(memcmp(font_rows[a], blank, FONT_ROWS) == 0, a == 0);
		for (uint32_t b = a + 1; b < ARRAY_SIZE(font_rows); b++)
			assert_memory_not_equal(font_rows[a], font_rows[b], FONT_ROWS);
	}
}

/* Write a picture of a screen with all letters: for eyes, when one is changed. */
static int render(const char *name)
{
	static uint32_t buf[320 * 480];
	struct screen_fb fb = fb_of(480, 320, 480 * 4, 32);
	FILE *f = fopen(name, "wb");

	if (!f)
		return 1;
	fb.pixels = buf;
	screen_fb_on(&fb);
	for (char c = FONT_FIRST; c <= FONT_LAST; c++)
		screen_write(&c, 1);
	say("\n\nbulkhead: [    0.001234] info: CPU 12: APIC id 0x1f\n"
	    "The quick brown fox jumps over the lazy dog. {a[i]}\n"
	    "bulkhead: [    1.234567] refused: nested paging\n");
	fprintf(f, "P6 480 320 255\n");
	for (uint32_t i = 0; i < ARRAY_SIZE(buf); i++)
		for (int shift = 16; shift >= 0; shift -= 8)
			fputc((int)(buf[i] >> shift & 0xff), f);
	return fclose(f) != 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_wraps_and_scrolls),
		cmocka_unit_test(frame_buffer_stays_inside),
		cmocka_unit_test(pixels_have_their_format),
		cmocka_unit_test(bad_geometry_is_refused),
		cmocka_unit_test(letters_differ),
	};

	if (argc > 1)
		return render(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
