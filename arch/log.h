/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: a ring of lines that stays readable, and the sinks (serial port, screen) that each line goes to. */

#ifndef ARCH_LOG_H
#define ARCH_LOG_H

#include "lib/types.h"

/* How much a line matters; smaller matters more. */
enum log_level {
	LOG_FATAL,   /* the machine stops: a fault of ours */
	LOG_REFUSED, /* nothing starts: what the machine or its configuration lacks, and what to do */
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_LEVEL_COUNT,
};

/* Bytes of a whole line, prefix and newline included; what is longer is cut and marked with LOG_CUT. */
#define LOG_LINE_MAX 256
#define LOG_CUT	     "..."

/* Bytes that the ring keeps. A power of two. */
#define LOG_RING_SIZE (16 * 1024)

/*
 * Where lines go. @write gets one whole line, newline included, NUL not included; lines come one at a time, in the
 * ring's order, under the log's lock: it must be bounded and may not log. @crash_write, if there is one, is used in
 * @write's place once log_crash_mode has been called: it must be synchronous and take no lock.
 */
struct log_sink {
	void (*write)(const char *text, uint32_t len);
	void (*crash_write)(const char *text, uint32_t len);
	int level;	       /* lines up to this enum log_level are passed on */
	struct log_sink *next; /* the log's own */
};

/*
 * Write one line: "bulkhead: [    0.001234] info: TEXT\n", the stamp being seconds since boot. Control characters
 * and bytes above 0x7e of TEXT come out as \xNN, so that no name a guest chose can forge a line or drive a terminal.
 * Any context but a sink and, without log_crash_mode, an NMI or #MC handler.
 */
void log_write(int level, const char *fmt, ...) PRINTF(2, 3);

/* A line that no reader misses, even where the ring is overwritten before it comes there. Zeroed by its owner at first. */
struct log_kept {
	struct log_kept *next; /* all of this is the log's own */
	uint64_t pos, line;
	uint32_t len;
	int level;
	char text[LOG_LINE_MAX];
};

/* As log_write; the line is kept in @kept, which holds one: the one before may be missed from now on. */
void log_keep(struct log_kept *kept, int level, const char *fmt, ...) PRINTF(3, 4);

#define log_fatal(...)	 log_write(LOG_FATAL, __VA_ARGS__)
#define log_refused(...) log_write(LOG_REFUSED, __VA_ARGS__)
#define log_error(...)	 log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)	 log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_DEBUG, __VA_ARGS__)

/* Stamp lines from now on: the TSC runs at @khz and was @tsc0 at boot. Until then, and for @khz 0, stamps are 0. */
void log_clock(uint32_t khz, uint64_t tsc0);

/* Add a sink; it first gets those lines of its level that the ring still holds. It stays the caller's storage. */
void log_sink_add(struct log_sink *sink);

/* Take a sink away; when this returns no CPU is in it. A sink that was not added is ignored. */
void log_sink_remove(struct log_sink *sink);

/*
 * Copy the line at position *@pos (0: the oldest kept), newline included, and move *@pos behind it. A position that is
 * overwritten already moves to the oldest line. Returns its length, 0: no more.
 */
uint32_t log_line(uint64_t *pos, char line[LOG_LINE_MAX]);

/* Where somebody who takes the log line by line is. */
struct log_reader {
	uint64_t pos, line;
};

/*
 * Call @fn after each line from now on: with no lock of the log held, on the CPU that wrote it, not once the machine
 * crashes. @r begins behind the last line.
 */
void log_notify(void (*fn)(void), struct log_reader *r);

/* Is there anything that @r has not seen? No lock. */
bool log_waiting(const struct log_reader *r);

/*
 * The next line of at most @level, newline included, and in *@lost how many before it (of any level) were overwritten.
 * 0: there is none, or LOG_SKIP_MAX lines of other levels were passed over; log_waiting knows.
 */
#define LOG_SKIP_MAX 8
uint32_t log_next(struct log_reader *r, int level, char line[LOG_LINE_MAX], uint32_t *lost);

/* From now on lines are written without the lock and synchronously: this CPU is crashing. There is no way back. */
void log_crash_mode(void);

#endif
