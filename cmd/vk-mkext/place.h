/* SPDX-License-Identifier: MIT */
/*
 * place.h - names in a tree's directories, there or not
 *
 * The lower half of the tree: the table of all names, by directory and name,
 * and hanging objects under them. It knows nothing of paths and links.
 */
#ifndef VK_MKEXT_PLACE_H
#define VK_MKEXT_PLACE_H

#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct place {
	uint32_t directory;
	const char *name; /* not terminated */
	size_t length;    /* 1 to TREE_NAME_MAX */
};

/* The table before the first name; buckets is a power of two. */
int place_init(struct tree *, uint32_t buckets);

/* The name, also one that was taken away; 0 if there never was one. */
uint32_t place_name(const struct tree *, const struct place *);

/* What is there, 0 if nothing. */
uint32_t place_object(const struct tree *, const struct place *);

/* Hangs an object under the place, where nothing is. */
int place_attach(
    struct tree *, const struct place *, uint32_t object, struct err *);

/* Takes a name away, and what is below it if it was a directory. */
void place_detach(struct tree *, uint32_t name);

#endif
