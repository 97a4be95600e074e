/* SPDX-License-Identifier: MIT */
/*
 * merge.h - many layers, one tree of names
 *
 * Layers are added from the lowest to the topmost, each as a list of names in
 * the order of its tar; what comes out says for every entry of every layer
 * under which names it lives on, if it does. Contents never pass through here.
 *
 * The rules are those of the OCI image specification, "Applying Changesets",
 * and where it is silent those of the engines: see the top of merge.c.
 */
#ifndef VK_PULL_MERGE_H
#define VK_PULL_MERGE_H

#include "cmd/vk-pull/index.h"
#include "common/err.h"

#include <stdint.h>

#define MERGE_NONE UINT32_MAX

struct merge;

/*
 * The tree may hold entries_max names, counting dead ones, and paths of up to
 * name_max bytes. NULL: no memory.
 */
struct merge *merge_new(uint64_t entries_max, size_t name_max);
void merge_free(struct merge *);

/* Adds the next layer above those before it. Returns 0, -1 with err. The index
 * may be released afterwards. */
int merge_add(struct merge *, const struct index *, struct err *);

/* After the last layer: takes out name and all below it, if it is there. */
void merge_remove(struct merge *, const char *name);
/* The same unless it is a folder. */
void merge_remove_file(struct merge *, const char *name);

/* No more changes; merge_plan and merge_next_folder answer afterwards. */
int merge_finish(struct merge *, struct err *);

/*
 * The plan of one layer: for each of its entries the name (a node) under
 * which its contents are to be written, MERGE_NONE if they are gone.
 */
const uint32_t *merge_plan(const struct merge *, size_t layer, size_t *count);

/* Further names (hard links) of a node, MERGE_NONE after the last. */
uint32_t merge_next_link(const struct merge *, uint32_t node);

/* All folders, each before what is in it; start with MERGE_NONE. */
uint32_t merge_next_folder(const struct merge *, uint32_t node);

/* Fills in what the last layer that named a folder said of it, but the path.
 * False if none did: mode 0755, 0:0, time 0. */
bool merge_folder(const struct merge *, uint32_t node, struct tar_entry *);

/*
 * The node's path without a leading slash ("" for the root), in a buffer of
 * the merge's own that the next call overwrites. second selects one of two
 * such buffers.
 */
const char *merge_path(struct merge *, uint32_t node, int second);

#endif
