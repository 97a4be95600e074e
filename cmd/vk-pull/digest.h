/* SPDX-License-Identifier: MIT */
/*
 * digest.h - "sha256:HEX": what names a blob and what it is held against
 *
 * OCI image specification, "Digests": sha256 and sha512, lower-case hex.
 */
#ifndef VK_PULL_DIGEST_H
#define VK_PULL_DIGEST_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_MAX 136 /* "sha512:", 128 digits, NUL */

struct digest {
	char text[DIGEST_TEXT_MAX]; /* canonical; empty: none */
};

/* Returns 0, -1 when text is anything else. */
int digest_parse(struct digest *, const char *text);

bool digest_same(const struct digest *, const struct digest *);

/* The digits behind the colon. */
const char *digest_hex(const struct digest *);

/* Hashing of bytes that come in pieces, by the algorithm of `like`. */
struct hash;
struct hash *hash_new(const struct digest *like); /* NULL: no memory */
void hash_free(struct hash *);
void hash_add(struct hash *, const void *, size_t len);
/* May be asked once. */
void hash_digest(struct hash *, struct digest *);

/* Whether data hashes to what `expected` says. */
bool digest_of_is(const void *data, size_t len, const struct digest *expected);

/* sha256 of data. */
void digest_of(const void *data, size_t len, struct digest *);

#endif
