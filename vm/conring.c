/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings of console output. */

#include "vm/conring.h"
#include "lib/string.h"

#define MASK   (CONRING_SIZE - 1)
#define HIDDEN '.' /* stands for a byte that could drive a terminal */

_Static_assert(!(CONRING_SIZE & MASK), "positions are masked");

void conring_put(struct conring *r, uint8_t byte)
{
	if (conring_waiting(r) == CONRING_SIZE) {
		r->tail++;
		r->lost++;
	}
	r->bytes[r->head++ & MASK] = byte;
}

void conring_write(struct conring *r, const void *bytes, uint32_t len)
{
	uint32_t at = r->head & MASK;
	uint32_t first = len < CONRING_SIZE - at ? len : CONRING_SIZE - at;

	memcpy(r->bytes + at, bytes, first);
	memcpy(r->bytes, (const uint8_t *)bytes + first, len - first);
	r->head += len;
}

uint32_t conring_take(struct conring *r, uint8_t *out, uint32_t max)
{
	uint32_t n = 0;

	while (n < max && r->tail != r->head)
		out[n++] = r->bytes[r->tail++ & MASK];
	return n;
}

static char shown(uint8_t byte)
{
	if (byte == '\t')
		return ' ';
	return byte < ' ' || byte > '~' ? HIDDEN : (char)byte;
}

/* One line from *@pos on; true if its end was found, or @size reached. */
static bool line_copy(const struct conring *r, uint64_t *pos, char *out, uint32_t size)
{
	uint32_t n = 0;
	bool whole = false;

	while (*pos != r->head && !whole) {
		uint8_t byte = r->bytes[*pos & MASK];

		if (byte != '\n' && byte != '\r') {
			if (n == size - 1)
				break;
			out[n++] = shown(byte);
		}
		(*pos)++;
		whole = byte == '\n';
	}
	out[n] = '\0';
	return whole || n == size - 1;
}

bool conring_line(struct conring *r, char *out, uint32_t size, bool unended)
{
	uint64_t pos = r->tail;
	bool whole;

	if (r->tail == r->head || (!unended && r->looked == r->head))
		return false;
	whole = line_copy(r, &pos, out, size);
	if (!whole && (!unended || !out[0])) {
		r->looked = r->head;
		return false;
	}
	r->tail = pos;
	return true;
}

void conring_drop(struct conring *r)
{
	r->tail = r->head;
	r->lost = 0;
}

bool conring_kept(const struct conring *r, uint64_t *pos, char *out, uint32_t size)
{
	if (r->head > CONRING_SIZE && *pos < r->head - CONRING_SIZE) {
		*pos = r->head - CONRING_SIZE;
		while (*pos != r->head && r->bytes[(*pos)++ & MASK] != '\n')
			;
	}
	if (*pos == r->head)
		return false;
	line_copy(r, pos, out, size);
	return true;
}

uint64_t conring_lost(struct conring *r)
{
	uint64_t n = r->lost;

	r->lost = 0;
	return n;
}
