/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an instruction: no read outside them, and the length that an independent disassembler gives. */
/* sources: vm/decode.c vm/decode_table.c */
/* libs: capstone */

#include <stdlib.h>
#include "tests/unit/decode_oracle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses the mode; the rest is the instruction, in a block of exactly its size. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool opened;
	const char *named, *message;
	uint8_t *bytes;

	if (!opened && !oracle_open())
		abort();
	opened = true;
	if (size < 2 || size > 64)
		return 0;
	bytes = malloc(size - 1);
	if (!bytes)
		abort();
	memcpy(bytes, data + 1, size - 1);
	message = oracle_compare(bytes, (uint32_t)size - 1, (enum cpu_mode)(data[0] % 3), &named);
	free(bytes);
	if (message) {
		fprintf(stderr, "%s\n", message);
		abort();
	}
	return 0;
}
