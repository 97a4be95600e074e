/* SPDX-License-Identifier: MIT */
/*
 * keep.h - what the cache holds, and how it is made smaller
 *
 * Safe beside any number of pulls: a blob that is open stays readable, and a
 * download under way (its file is locked) is left alone.
 */
#ifndef VK_PULL_KEEP_H
#define VK_PULL_KEEP_H

#include "cmd/vk-pull/cache.h"

#include <stdio.h>

/* A line for each name and blob: kind, bytes, seconds since its last use, name
 * (and digest), separated by tabs. */
int keep_list(struct cache *, FILE *, struct err *);

/* What keep_gc is told: an age ("30d", "12h", "90m", "10s") or a size ("2G").
 */
struct keep_limit {
	uint64_t age_s; /* 0: by size */
	uint64_t size;
};
int keep_parse(struct keep_limit *, const char *text, struct err *);

/* Takes out what was not used for longer, or the longest unused blobs until
 * the rest is no larger than the size; then names whose manifest is gone. */
int keep_gc(struct cache *, const struct keep_limit *, struct err *);

/* Takes out everything. */
int keep_purge(struct cache *, struct err *);

#endif
