/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: a ring of lines that stays readable, and the sinks (serial port, screen) that each line goes to. */

#include <stdarg.h>
#include "arch/cpu.h"
#include "arch/log.h"
#include "lib/lock.h"
#include "lib/printf.h"
#include "lib/string.h"

#define RING_MASK (LOG_RING_SIZE - 1)
_Static_assert((LOG_RING_SIZE & RING_MASK) == 0, "positions are masked");

#define STAMP_END "] " /* what stands between a line's stamp and its level */

/* First letters differ: log_line_level tells the levels by them. */
static const char *const level_names[LOG_LEVEL_COUNT] = {
	[LOG_FATAL] = "fatal",	[LOG_REFUSED] = "refused", [LOG_ERROR] = "error",
	[LOG_WARN] = "warning", [LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
};

static struct {
	struct lock lock; /* the ring, head and the list of sinks */
	uint64_t head;	  /* bytes ever written */
	struct log_sink *sinks;
	uint64_t tsc0;
	uint32_t khz;
	bool crashing;
	char ring[LOG_RING_SIZE];
} the_log;

/* The lock, except for a crashing machine, where its holder may never come back. Returns whether to unlock. */
static bool log_lock(void)
{
	if (atomic_load_relaxed_bool(&the_log.crashing))
		return false;
	lock_acquire(&the_log.lock);
	return true;
}

static void log_unlock(bool locked)
{
	if (locked)
		lock_release(&the_log.lock);
}

static uint64_t log_microseconds(void)
{
	uint32_t khz = atomic_load_u32(&the_log.khz);
	uint64_t ticks;

	if (!khz)
		return 0;
	ticks = tsc_read() - the_log.tsc0;
	return ticks / khz * 1000 + ticks % khz * 1000 / khz;
}

/* Append @c to @line in a harmless form; false if it does not fit before @end. */
static bool log_put_char(char *line, uint32_t *len, uint32_t end, char c)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t byte = (uint8_t)c;
	const char escaped[] = {'\\', 'x', digits[byte >> 4], digits[byte & 0xf]};

	if (byte >= ' ' && byte <= '~') {
		if (*len + 1 > end)
			return false;
		line[(*len)++] = c;
		return true;
	}
	if (*len + sizeof(escaped) > end)
		return false;
	memcpy(line + *len, escaped, sizeof(escaped));
	*len += (uint32_t)sizeof(escaped);
	return true;
}

/* Make a line of @text in @line; returns its length, newline included. */
static uint32_t log_compose(char line[LOG_LINE_MAX], int level, const char *text)
{
	const uint32_t end =
		LOG_LINE_MAX - sizeof(LOG_CUT); /* the cut's NUL pays for the newline */
	uint64_t us = log_microseconds();
	uint32_t len;

	len = (uint32_t)snprintf_(line, LOG_LINE_MAX, "bulkhead: [%5llu.%06llu" STAMP_END "%s: ",
				  (unsigned long long)(us / 1000000),
				  (unsigned long long)(us % 1000000), level_names[level]);
	for (; *text; text++) {
		if (log_put_char(line, &len, end, *text))
			continue;
		memcpy(line + len, LOG_CUT, sizeof(LOG_CUT) - 1);
		len += (uint32_t)sizeof(LOG_CUT) - 1;
		break;
	}
	line[len++] = '\n';
	return len;
}

static void sink_write(const struct log_sink *sink, const char *line, uint32_t len)
{
	if (atomic_load_relaxed_bool(&the_log.crashing) && sink->crash_write)
		sink->crash_write(line, len);
	else
		sink->write(line, len);
}

void log_write(int level, const char *fmt, ...)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	struct log_sink *sink;
	uint32_t len;
	bool locked;
	va_list ap;

	if (level < 0 || level >= LOG_LEVEL_COUNT)
		level = LOG_ERROR;
	va_start(ap, fmt);
	vsnprintf_(text, sizeof(text), fmt, ap);
	va_end(ap);
	locked = log_lock();
	len = log_compose(line, level, text);
	for (uint32_t i = 0; i < len; i++)
		the_log.ring[(the_log.head + i) & RING_MASK] = line[i];
	the_log.head += len;
	for (sink = the_log.sinks; sink; sink = sink->next)
		if (level <= sink->level)
			sink_write(sink, line, len);
	log_unlock(locked);
}

void log_clock(uint32_t khz, uint64_t tsc0)
{
	the_log.tsc0 = tsc0;
	atomic_store_u32(&the_log.khz, khz);
}

/* The oldest position that starts a whole line. Lock held. */
static uint64_t log_oldest(void)
{
	uint64_t pos = the_log.head - LOG_RING_SIZE;

	if (the_log.head <= LOG_RING_SIZE)
		return 0;
	while (pos < the_log.head && the_log.ring[pos & RING_MASK] != '\n')
		pos++;
	return pos + 1;
}

/* Copy one line from *@pos on. Lock held; *@pos starts a line before head. Returns its length. */
static uint32_t log_copy_line(uint64_t *pos, char line[LOG_LINE_MAX])
{
	uint32_t len = 0;

	while (*pos < the_log.head && len < LOG_LINE_MAX) {
		line[len] = the_log.ring[(*pos)++ & RING_MASK];
		if (line[len++] == '\n')
			break;
	}
	return len;
}

/* The level that a line from the ring was written with. */
static int log_line_level(const char *line, uint32_t len)
{
	uint32_t at = 0;

	while (at + 2 < len && (line[at] != STAMP_END[0] || line[at + 1] != STAMP_END[1]))
		at++;
	for (int level = 0; level < LOG_LEVEL_COUNT; level++)
		if (at + 2 < len && line[at + 2] == level_names[level][0])
			return level;
	return LOG_INFO;
}

void log_sink_add(struct log_sink *sink)
{
	char line[LOG_LINE_MAX];
	bool locked = log_lock();
	uint64_t pos = log_oldest();

	while (pos < the_log.head) {
		uint32_t len = log_copy_line(&pos, line);

		if (log_line_level(line, len) <= sink->level)
			sink_write(sink, line, len);
	}
	sink->next = the_log.sinks;
	the_log.sinks = sink;
	log_unlock(locked);
}

void log_sink_remove(struct log_sink *sink)
{
	bool locked = log_lock();

	for (struct log_sink **at = &the_log.sinks; *at; at = &(*at)->next) {
		if (*at != sink)
			continue;
		*at = sink->next;
		break;
	}
	log_unlock(locked);
}

uint32_t log_read(uint64_t *pos, char *buf, uint32_t size)
{
	bool locked = log_lock();
	uint64_t oldest = log_oldest();
	uint32_t n = 0;

	if (*pos < oldest)
		*pos = oldest;
	while (n < size && *pos < the_log.head)
		buf[n++] = the_log.ring[(*pos)++ & RING_MASK];
	log_unlock(locked);
	return n;
}

void log_crash_mode(void)
{
	atomic_store_bool(&the_log.crashing, true);
}
