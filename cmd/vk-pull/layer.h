/* SPDX-License-Identifier: MIT */
/*
 * layer.h - one layer: fetched, verified and indexed, later unpacked
 *
 * layer_load runs three threads over one blob: the caller's brings the bytes,
 * one hashes them, one unpacks them and notes the names. All go at their own
 * pace through the file that the blob is kept in. Nothing of a layer counts
 * before its digest is right.
 *
 * layer_unpack goes through it once more, when all layers are verified and it
 * is known what is wanted of each: one thread unpacks, the caller's gets the
 * entries.
 */
#ifndef VK_PULL_LAYER_H
#define VK_PULL_LAYER_H

#include "cmd/vk-pull/index.h"
#include "cmd/vk-pull/options.h"
#include "cmd/vk-pull/source.h"
#include "common/tarin.h"

#include <stdatomic.h>

/* What all layers use up together. */
struct layer_totals {
	const struct limits *limits;
	_Atomic uint64_t size, entries;
};

struct layer {
	struct descriptor descriptor;
	struct fetch fetch;
	struct index index;
	struct layer_totals *totals;
	_Atomic uint64_t done; /* bytes read of it, for people */
};

/* Returns 0, -1 with err. */
int layer_load(struct layer *, struct source *, struct err *);

void layer_release(struct layer *); /* twice is fine */

/* Hands all entries and data to ops, until *enough is true. Returns 0, -1 with
 * err. */
int layer_unpack(struct layer *, const struct tarin_ops *, void *into,
    const bool *enough, struct err *);

#endif
