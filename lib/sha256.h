/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 (FIPS 180-4), to check that a boot module is the one that a configuration pins. */

#ifndef LIB_SHA256_H
#define LIB_SHA256_H

#include "lib/types.h"

#define SHA256_SIZE  32 /* bytes of a digest */
#define SHA256_BLOCK 64 /* bytes that the compression function takes at a time */

/* A hash in progress; the fields are the module's own. */
struct sha256 {
	uint32_t state[8];
	uint64_t total; /* bytes so far */
	uint8_t block[SHA256_BLOCK];
};

/* Init, then any number of updates of any length, then one final, after which only init may follow. Any context. */
void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *data, size_t len);
void sha256_final(struct sha256 *h, uint8_t digest[SHA256_SIZE]);

#endif
