/* SPDX-License-Identifier: MIT */
/* siphash.c - a keyed hash, so that an image cannot choose what collides */
#include "common/siphash.h"

#include <sys/random.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t
rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static void
sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

struct siphash_key
siphash_new_key(void)
{
	struct siphash_key key;

	if (getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
		key = (struct siphash_key){0};
	return key;
}

uint64_t
siphash(const struct siphash_key *key, const void *data, size_t len)
{
	struct state s = {
	    key->k0 ^ 0x736f6d6570736575,
	    key->k1 ^ 0x646f72616e646f6d,
	    key->k0 ^ 0x6c7967656e657261,
	    key->k1 ^ 0x7465646279746573,
	};
	const uint8_t *at = data;
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++) {
		word |= (uint64_t)at[i] << 8 * (i % 8);
		if (i % 8 == 7) {
			s.v3 ^= word;
			sip_round(&s);
			s.v0 ^= word;
			word = 0;
		}
	}
	word |= (uint64_t)(len & 0xff) << 56;
	s.v3 ^= word;
	sip_round(&s);
	s.v0 ^= word;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
