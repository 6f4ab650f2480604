/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 as FIPS 180-4 defines it: section 5 pads, section 6.2 compresses. */

#include "lib/sha256.h"
#include "lib/string.h"

/* FIPS 180-4, 4.2.2 */
static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

/* FIPS 180-4, 5.3.3 */
static const uint32_t initial_state[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* The message's length in bits ends the last block. */
#define LENGTH_OFFSET (SHA256_BLOCK - 8)

static inline uint32_t rotr(uint32_t x, uint32_t n)
{
	return x >> n | x << (32 - n);
}

static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* Word @t of the message schedule, 6.2.2 step 1; @w is a ring of the last 16 words, first those of the block. */
static uint32_t schedule(uint32_t w[16], uint32_t t)
{
	uint32_t w2, w15, s0, s1;

	if (t < 16)
		return w[t];
	w15 = w[(t - 15) % 16];
	w2 = w[(t - 2) % 16];
	s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ w15 >> 3;
	s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ w2 >> 10;
	w[t % 16] += s0 + w[(t - 7) % 16] + s1;
	return w[t % 16];
}

static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[16], v[8], t, i, t1, t2;

	memcpy(v, state, sizeof(v));
	for (i = 0; i < 16; i++)
		w[i] = load_be32(block + 4 * i);
	for (t = 0; t < 64; t++) {
		t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) +
		     ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[t] + schedule(w, t);
		t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) +
		     ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		for (i = 7; i > 0; i--)
			v[i] = v[i - 1];
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		state[i] += v[i];
}

void sha256_init(struct sha256 *h)
{
	memcpy(h->state, initial_state, sizeof(h->state));
	h->total = 0;
}

void sha256_update(struct sha256 *h, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t used = h->total % SHA256_BLOCK, take;

	h->total += len;
	while (len) {
		if (!used && len >= SHA256_BLOCK) {
			compress(h->state, p);
			take = SHA256_BLOCK;
		} else {
			take = min_u64(len, SHA256_BLOCK - used);
			memcpy(h->block + used, p, take);
			used += take;
			if (used == SHA256_BLOCK) {
				compress(h->state, h->block);
				used = 0;
			}
		}
		p += take;
		len -= take;
	}
}

void sha256_final(struct sha256 *h, uint8_t digest[SHA256_SIZE])
{
	static const uint8_t pad[SHA256_BLOCK] = {0x80};
	uint64_t bits = h->total * 8;
	size_t used = h->total % SHA256_BLOCK;
	uint8_t length[8];
	uint32_t i;

	sha256_update(h, pad,
		      used < LENGTH_OFFSET ? LENGTH_OFFSET - used
					   : SHA256_BLOCK + LENGTH_OFFSET - used);
	store_be32(length, (uint32_t)(bits >> 32));
	store_be32(length + 4, (uint32_t)bits);
	sha256_update(h, length, sizeof(length));
	for (i = 0; i < 8; i++)
		store_be32(digest + 4 * i, h->state[i]);
}
