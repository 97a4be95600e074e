/* SPDX-License-Identifier: MIT */
/*
 * tree_receive.h - files and directories out of a stream
 *
 * The stream may come from an enemy. Whatever it says lands below the
 * destination, and is what was asked for (wanted): each component of a path
 * is opened from its parent without following links, so a link, old or new,
 * leads nowhere. A file is written under no name (O_TMPFILE, or a temporary
 * one) and takes its own when it is whole, in one step: what is cut off leaves
 * no half file, and what was there stays until then.
 *
 * Without trust, owners, set-id bits, devices and attributes outside of
 * "user." are left out.
 */
#ifndef VK_COMMON_TREE_RECEIVE_H
#define VK_COMMON_TREE_RECEIVE_H

#include "common/err.h"
#include "common/tree.h"

#include <stdbool.h>
#include <sys/types.h>

/* Deeper trees are told of; a descriptor is held open for each level. */
#define TREE_DEPTH_MAX 500
/* Of one file; Linux file systems hold less. */
#define TREE_XATTRS_MAX ((size_t)256 << 10)

struct tree_level {
	int dir;
	size_t path_len; /* of the receiver's path up to here */
	bool set;        /* the entry below is to be applied */
	struct tree_entry entry;
};

struct tree_receiver {
	int base;         /* where paths start */
	char rename[256]; /* in place of the first component; empty: as is */
	char first[256];  /* the first component that was renamed */
	bool trusted;
	const struct tree_wanted *wanted;   /* NULL: all that comes */
	void (*failed)(const struct err *); /* one thing was left out */
	unsigned failures;

	struct tree_level levels[TREE_DEPTH_MAX];
	unsigned depth;
	char path[TREE_PATH_MAX + 1]; /* of the deepest level */

	/* The file, or directory, that XATTR and DATA are for. */
	struct tree_entry entry;
	char name[256];     /* the last component */
	char temporary[64]; /* its name until it is whole; empty: none */
	int file;           /* -1: none, or left out */
	uint64_t at;        /* end of the last DATA */
	struct buf xattrs;
};

/*
 * A destination as of cp(1): a directory that is there (into: has to be), or
 * a name in one that is. Returns 0, -1 with err.
 */
int tree_receiver_init(
    struct tree_receiver *, const char *destination, bool into, struct err *);
void tree_receiver_release(struct tree_receiver *);

/* All of the stream. Returns 0 (failures counts what was left out), -1 with
 * err: it was cut off or malformed. */
int tree_receive(struct tree_receiver *, int fd, struct err *);

#endif
