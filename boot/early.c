/* SPDX-License-Identifier: BSD-2-Clause */
/* First words: serial port and screen as log sinks. */

#include "boot/early.h"
#include "arch/cpu.h"
#include "arch/lapic.h"
#include "arch/log.h"
#include "arch/options.h"
#include "arch/paging.h"
#include "boot/boot.h"
#include "drivers/clock.h"
#include "drivers/power.h"
#include "drivers/screen.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vm/console.h"

#define KHZ_GUESS 3000000 /* of a machine that measures nothing */

struct uart console_uart;

static bool paged INITDATA;
static const uint16_t com_ports[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8};

static void serial_write(const char *text, uint32_t len)
{
	uart_write_poll(&console_uart, text, len);
}

struct log_sink early_serial_sink = {
	.write = serial_write, .crash_write = serial_write, .level = LOG_INFO};
struct log_sink early_screen_sink = {
	.write = screen_write, .crash_write = screen_write, .level = LOG_INFO};

static INIT void serial_use(uint16_t port)
{
	uart_at_port(&console_uart, port);
	if (uart_probe(&console_uart))
		return;
	uart_init(&console_uart, UART_BAUD);
	log_sink_add(&early_serial_sink);
}

INIT void early_serial(void)
{
	serial_use(UART_COM1_PORT);
}

INIT void early_console(void)
{
	char value[16];
	uint64_t port = 0;

	if (option_on("debug"))
		early_serial_sink.level = LOG_DEBUG;
	if (!option_get("console", value, sizeof(value)))
		return;
	log_sink_remove(&early_serial_sink);
	console_uart.dead = true;
	if (!strcmp(value, "none"))
		return;
	if (!strncmp(value, "com", 3) && value[3] >= '1' && value[3] <= '4' && !value[4])
		port = com_ports[value[3] - '1'];
	if (port)
		serial_use((uint16_t)port);
	else
		log_warn("console=%s is not known; say none or com1 to com4.", value);
}

/* The screen's memory: through a mapping of its own, or where the boot tables have it. NULL: out of reach. */
static INIT volatile void *screen_memory(hpa_t base, uint64_t size, bool combine)
{
	if (paged)
		return combine ? mmio_map_wc(base, size) : mmio_map(base, size);
	return range_wraps(base.v, size) || base.v + size > IDENTITY_LIMIT ? NULL : (void *)base.v;
}

static INIT bool framebuffer_on(void)
{
	const struct boot_framebuffer *b = &boot_info.fb;
	struct screen_fb fb = {
		.pitch = b->pitch,
		.width = b->width,
		.height = b->height,
		.bpp = b->bpp,
		.red_pos = b->red_pos,
		.red_size = b->red_size,
		.green_pos = b->green_pos,
		.green_size = b->green_size,
		.blue_pos = b->blue_pos,
		.blue_size = b->blue_size,
	};
	uint64_t size = screen_fb_size(&fb);

	if (b->type != BOOT_FB_RGB || !size)
		return false;
	fb.pixels = screen_memory(b->base, size, true);
	return fb.pixels && !screen_fb_on(&fb);
}

static INIT bool text_on(void)
{
	volatile void *cells = screen_memory(HPA(SCREEN_TEXT_PA), SCREEN_TEXT_SIZE, false);

	if (!cells)
		return false;
	screen_text_on(cells);
	return true;
}

static INIT void screen_start(void)
{
	bool graphics = boot_info.fb.present && boot_info.fb.type != BOOT_FB_TEXT;

	if (graphics ? framebuffer_on() : text_on())
		log_sink_add(&early_screen_sink);
}

INIT void early_paged(void)
{
	paged = true;
	screen_start();
}

/* Where the TSC's rate is not known yet it is measured now: the delay is somebody's time to read. */
static INIT void refusal_wait(void)
{
	uint64_t khz = tsc_khz ? tsc_khz : clock_calibrate(tsc_read, &boot_acpi);
	uint64_t end = tsc_read() + boot_config.refusal_delay / NS_PER_MS * (khz ? khz : KHZ_GUESS);

	while (tsc_read() < end)
		cpu_pause();
}

INIT void boot_refuse(const char *fmt, ...)
{
	char text[240];
	va_list ap;

	if (!paged)
		screen_start();
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_refused("%s", text);
	console_flush();
	uart_drain(&console_uart);
	if (boot_config.on_refusal == REFUSAL_REBOOT) {
		refusal_wait();
		power_reboot();
	}
	cpu_halt_forever();
}
