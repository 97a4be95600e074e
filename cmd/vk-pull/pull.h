/* SPDX-License-Identifier: MIT */
/*
 * pull.h - from a source to a verified image
 */
#ifndef VK_PULL_PULL_H
#define VK_PULL_PULL_H

#include "cmd/vk-pull/layer.h"
#include "cmd/vk-pull/merge.h"

/* An index may name an index, so often. */
#define PULL_NESTING_MAX 4

struct image {
	struct digest digest;  /* what the reference means */
	struct buf manifest;   /* that document */
	struct manifest image; /* the one for our platform */
	bool chosen;           /* by an index, which knows the platform */
	struct buf config;
	struct layer *layers;
	struct layer_totals totals;
	struct merge *merge;
};

/* Each returns 0, -1 with err; release takes it at any stage. */
int image_resolve(
    struct image *, struct source *, const struct options *, struct err *);
int image_configure(
    struct image *, struct source *, const struct options *, struct err *);
int image_load(
    struct image *, struct source *, const struct options *, struct err *);
void image_release(struct image *);

#endif
