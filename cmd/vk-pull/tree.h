/* SPDX-License-Identifier: MIT */
/*
 * tree.h - names in folders, compactly
 *
 * A node is 44 bytes and its name, found by a keyed hash of (folder, name), so
 * that every step costs the same however large the tree and whatever its
 * names. Nodes are numbers: 0 is the root, TREE_NONE nothing. A removed node
 * is marked dead and its number not used again.
 *
 * Nothing here recurses: an image decides how deep the tree is.
 */
#ifndef VK_PULL_TREE_H
#define VK_PULL_TREE_H

#include "common/buf.h"
#include "common/siphash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_NONE UINT32_MAX
#define TREE_ROOT 0
/* What Linux file systems hold. */
#define TREE_NAME_MAX 255

struct tree_node {
	uint32_t parent, next, prev; /* next and prev: in the same folder */
	uint32_t chain;              /* of the hash table */
	uint32_t name;               /* in strings: length byte, bytes */
	/* Folders: first and last child. Others: the next name of the same
	 * contents, and the entry that holds them. */
	union {
		uint32_t first, link;
	};
	union {
		uint32_t last, object;
	};
	uint32_t extra;  /* in strings: link target, folder's data; 0: none */
	uint32_t purged; /* folders: layer + 1 whose opaque mark was applied */
	uint16_t layer;  /* the last that named it */
	uint8_t type;    /* enum tar_type */
	bool dead : 1;
	bool own : 1; /* its contents came under this name */
};

struct tree {
	struct tree_node *nodes;
	uint32_t count, size, max;
	uint32_t *buckets;
	uint32_t mask;
	struct siphash_key key;
	struct buf strings;
};

/* Holds max nodes at most, counting dead ones. Returns 0, -1: no memory. */
int tree_init(struct tree *, uint32_t max);
void tree_release(struct tree *);

/* name need not be terminated. */
uint32_t tree_find(
    const struct tree *, uint32_t folder, const char *name, size_t len);

/* Adds a name that is not there yet, a folder's last. TREE_NONE: no room. */
uint32_t tree_add(struct tree *, uint32_t folder, const char *name, size_t len);

/* Takes a node and everything below it out. Not the root. */
void tree_remove(struct tree *, uint32_t node);

/* The next node of a walk that meets folders before their contents and ends
 * with top; deeper: whether to enter node, if it is a folder. */
uint32_t tree_next(
    const struct tree *, uint32_t node, uint32_t top, bool deeper);

/* Keeps bytes; returns their offset in strings, 0 where there is no room. */
uint32_t tree_keep(struct tree *, const void *, size_t len);

static inline const char *
tree_string(const struct tree *t, uint32_t offset)
{
	return t->strings.data + offset;
}

static inline const char *
tree_name(const struct tree *t, uint32_t node, size_t *len)
{
	const char *name = t->strings.data + t->nodes[node].name;

	*len = (uint8_t)name[0];
	return name + 1;
}

#endif
