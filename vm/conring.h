/* SPDX-License-Identifier: BSD-2-Clause */
/* What one console prints: the last bytes are kept, the oldest give way, and those nobody took are counted. */

#ifndef VM_CONRING_H
#define VM_CONRING_H

#include "lib/types.h"

#define CONRING_SIZE 4096 /* bytes kept: one frame */

/* Positions count all bytes ever put; the caller's lock is held in every function here. */
struct conring {
	uint8_t *bytes; /* CONRING_SIZE of them */
	uint64_t head;	/* the next byte is put here */
	uint64_t tail;	/* the next byte to take; never more than CONRING_SIZE behind */
	uint64_t lost;	/* bytes that were overwritten before they were taken */
	uint64_t
		looked; /* where the head was when no whole line was found: nothing to look at until it moves */
};

/* Add a byte; the oldest one that is not taken is lost where there is no room. */
void conring_put(struct conring *r, uint8_t byte);

/* Add @len bytes, for which there is room. */
void conring_write(struct conring *r, const void *bytes, uint32_t len);

static inline uint32_t conring_waiting(const struct conring *r)
{
	return (uint32_t)(r->head - r->tail);
}

/* Take up to @max bytes as they are. Returns how many. */
uint32_t conring_take(struct conring *r, uint8_t *out, uint32_t max);

/*
 * Take a line, without its end and fit for a terminal (no control character gets through): at most @size - 1 bytes and
 * a NUL. A line that is not ended yet is taken if it is as long as that, or if @unended. False: there is none.
 */
bool conring_line(struct conring *r, char *out, uint32_t size, bool unended);

/* Nobody takes anything: what is kept is all there is. */
void conring_drop(struct conring *r);

/*
 * One of the lines that are kept, taken or not, from *@pos (0: the oldest whole one) on; as above, and *@pos moves behind
 * it. False: there is no more.
 */
bool conring_kept(const struct conring *r, uint64_t *pos, char *out, uint32_t size);

/* How many bytes were lost since it was asked last. */
uint64_t conring_lost(struct conring *r);

#endif
