/* SPDX-License-Identifier: MIT */
/*
 * walk.h - from a path to the folder that it leads to
 *
 * Components that are symbolic links are followed inside the tree; ".." in a
 * target stops at the root. Every step is charged, so that an image of short
 * names and long links cannot make us walk for ever.
 */
#ifndef VK_PULL_WALK_H
#define VK_PULL_WALK_H

#include "cmd/vk-pull/tree.h"
#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct walk {
	struct tree *tree; /* borrowed */
	uint16_t layer;    /* that names folders come with */
	uint64_t steps, steps_max;
	struct buf path; /* what is left to walk */
};

void walk_init(struct walk *, struct tree *);
void walk_release(struct walk *); /* twice is fine */

/* Goes on with a layer of so many entries, which may cost their part. */
void walk_next_layer(struct walk *, uint16_t layer, uint64_t entries);

/*
 * Walks to the folder that holds the last component of path; missing folders
 * come into being if create says so. Returns 1 with *folder and the component
 * (*len is 0: path is the root itself), 0 if there is no such folder, -1 with
 * err.
 */
int walk_to(struct walk *, const char *path, bool create, uint32_t *folder,
    const char **last, size_t *len, struct err *);

/* Adds a folder that is not there yet. Returns 0, -1 with err. */
int walk_add(struct walk *, uint32_t parent, const char *name, size_t len,
    uint32_t *node, struct err *);

/* The next component of *path, skipping slashes; its length, 0 at the end. */
static inline size_t
path_component(const char **path)
{
	*path += strspn(*path, "/");
	return strcspn(*path, "/");
}

static inline bool
path_is(const char *name, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(name, what, len) == 0;
}

static inline bool
path_starts(const char *name, size_t len, const char *with, size_t with_len)
{
	return len >= with_len && memcmp(name, with, with_len) == 0;
}

#endif
