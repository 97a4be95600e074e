/* SPDX-License-Identifier: MIT */
/*
 * siphash.h - a keyed hash, so that an image cannot choose what collides
 *
 * SipHash-1-3 (Aumasson and Bernstein), the variant for hash tables.
 */
#ifndef VK_COMMON_SIPHASH_H
#define VK_COMMON_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

/* A key that nobody can guess; a fixed one if there are no random numbers: slow
 * at worst. */
struct siphash_key siphash_new_key(void);

uint64_t siphash(const struct siphash_key *, const void *data, size_t len);

#endif
