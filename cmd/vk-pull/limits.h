/* SPDX-License-Identifier: MIT */
/*
 * limits.h - how much an image may ask of us
 *
 * Each has a name, which messages and --limit NAME=VALUE use, and a default
 * that real images stay below by far.
 */
#ifndef VK_PULL_LIMITS_H
#define VK_PULL_LIMITS_H

#include "common/err.h"

#include <stdint.h>

struct limits {
	uint64_t size;     /* bytes of all layers unpacked, holes not counted */
	uint64_t download; /* bytes of all layers as they are transferred */
	uint64_t entries;  /* in all layers together */
	uint64_t layers;
	uint64_t name;     /* bytes of a path or link target; PATH_MAX */
	uint64_t manifest; /* bytes of a manifest, index or configuration */
	uint64_t depth;    /* of nested JSON */
	uint64_t ratio;    /* unpacked to packed, beyond LIMITS_RATIO_FREE */
	uint64_t window;   /* bytes of memory that unpacking a layer takes */
};

/* A layer may unpack to this much at any ratio: a file of zeros is no bomb. */
#define LIMITS_RATIO_FREE (64u << 20)

extern const struct limits limits_default;

/* Takes "NAME=VALUE". Returns 0, -1 with err (EX_USAGE). */
int limits_set(struct limits *, const char *text, struct err *);

#endif
