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
	struct lock lock;   /* the ring, its ends, the lists */
	uint64_t head;	    /* bytes ever written */
	uint64_t tail;	    /* where the oldest whole line begins */
	uint64_t tail_line; /* its number; the first line ever is 0 */
	uint64_t head_line;
	struct log_sink *sinks;
	struct log_kept *kept;
	void (*notify)(void);
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

/* Make room for @len bytes: the oldest lines go. Lock held. */
static void ring_make_room(uint32_t len)
{
	while (the_log.head + len - the_log.tail > LOG_RING_SIZE) {
		while (the_log.ring[the_log.tail++ & RING_MASK] != '\n')
			;
		the_log.tail_line++;
	}
}

static void kept_fill(struct log_kept *k, int level, const char *line, uint32_t len)
{
	if (!k->len) {
		k->next = the_log.kept;
		the_log.kept = k;
	}
	k->pos = the_log.head;
	k->line = the_log.head_line;
	k->len = len;
	k->level = level;
	memcpy(k->text, line, len);
}

static void log_add(int level, struct log_kept *kept, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX], line[LOG_LINE_MAX];
	void (*notify)(void);
	struct log_sink *sink;
	uint32_t len;
	bool locked;

	if (level < 0 || level >= LOG_LEVEL_COUNT)
		level = LOG_ERROR;
	vsnprintf_(text, sizeof(text), fmt, ap);
	locked = log_lock();
	len = log_compose(line, level, text);
	ring_make_room(len);
	if (kept)
		kept_fill(kept, level, line, len);
	for (uint32_t i = 0; i < len; i++)
		the_log.ring[(the_log.head + i) & RING_MASK] = line[i];
	the_log.head += len;
	the_log.head_line++;
	for (sink = the_log.sinks; sink; sink = sink->next)
		if (level <= sink->level)
			sink_write(sink, line, len);
	notify = the_log.notify;
	log_unlock(locked);
	if (notify && locked)
		notify();
}

void log_write(int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_add(level, NULL, fmt, ap);
	va_end(ap);
}

void log_keep(struct log_kept *kept, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_add(level, kept, fmt, ap);
	va_end(ap);
}

void log_clock(uint32_t khz, uint64_t tsc0)
{
	the_log.tsc0 = tsc0;
	atomic_store_u32(&the_log.khz, khz);
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
	uint64_t pos = the_log.tail;

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

uint32_t log_line(uint64_t *pos, char line[LOG_LINE_MAX])
{
	bool locked = log_lock();
	uint32_t n;

	*pos = max_u64(*pos, the_log.tail);
	n = log_copy_line(pos, line);
	log_unlock(locked);
	return n;
}

void log_notify(void (*fn)(void), struct log_reader *r)
{
	bool locked = log_lock();

	the_log.notify = fn;
	*r = (struct log_reader){the_log.head, the_log.head_line};
	log_unlock(locked);
}

bool log_waiting(const struct log_reader *r)
{
	return atomic_load_u64(&the_log.head) != r->pos;
}

/* The first kept line of those that are overwritten, from @pos on. Lock held. */
static const struct log_kept *kept_first(uint64_t pos)
{
	const struct log_kept *first = NULL;

	for (const struct log_kept *k = the_log.kept; k; k = k->next)
		if (k->pos >= pos && k->pos < the_log.tail && (!first || k->pos < first->pos))
			first = k;
	return first;
}

/* The next line, whatever its level. Lock held; there is one. */
static uint32_t reader_step(struct log_reader *r, char line[LOG_LINE_MAX], uint32_t *lost,
			    int *level)
{
	const struct log_kept *k = r->pos < the_log.tail ? kept_first(r->pos) : NULL;
	uint32_t len;

	if (k) {
		*lost += (uint32_t)(k->line - r->line);
		*r = (struct log_reader){k->pos + k->len, k->line + 1};
		memcpy(line, k->text, k->len);
		*level = k->level;
		return k->len;
	}
	if (r->pos < the_log.tail) {
		*lost += (uint32_t)(the_log.tail_line - r->line);
		*r = (struct log_reader){the_log.tail, the_log.tail_line};
	}
	len = log_copy_line(&r->pos, line);
	r->line++;
	*level = log_line_level(line, len);
	return len;
}

uint32_t log_next(struct log_reader *r, int level, char line[LOG_LINE_MAX], uint32_t *lost)
{
	bool locked = log_lock();
	uint32_t len = 0;

	*lost = 0;
	for (uint32_t i = 0; i < LOG_SKIP_MAX && !len && r->pos != the_log.head; i++) {
		int found;

		len = reader_step(r, line, lost, &found);
		if (found > level)
			len = 0;
	}
	log_unlock(locked);
	return len;
}

void log_crash_mode(void)
{
	atomic_store_bool(&the_log.crashing, true);
}
