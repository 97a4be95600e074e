/* SPDX-License-Identifier: MIT */
/*
 * store.h - file content on its way into blocks of the image
 *
 * Takes a file's bytes in order, with gaps; gives blocks that are not all
 * zero a place and writes them there. Blocks of zeros and gaps become holes.
 * Pieces that lie next to each other leave in one write, by a thread of its own
 * (drain.h).
 *
 *	store_open(s, object, err);
 *	store_write(s, offset, data, length, err);   any number of times
 *	store_close(s, size, err);
 *	...
 *	store_flush(s, err);                         once, after the last file
 */
#ifndef VK_MKEXT_STORE_H
#define VK_MKEXT_STORE_H

#include "cmd/vk-mkext/space.h"
#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ext4 with 4 KiB blocks: block numbers within a file have 32 bits. */
#define STORE_FILE_MAX ((uint64_t)BLOCK_SIZE * (UINT32_MAX - 1))

struct drain;

struct store {
	int fd; /* of the image, borrowed */
	struct tree *tree;
	struct space *space;
	uint64_t content; /* bytes in blocks written so far */

	uint32_t object;  /* being written */
	uint64_t offset;  /* where in the file we are */
	uint8_t *partial; /* the block that offset lies in */

	struct drain *drain;
	/* Whether bytes stay where they are until store_flush, so that they
	 * need not be copied; NULL: none do. */
	bool (*lasts)(const void *with, const void *data);
	const void *with;
};

int store_init(
    struct store *, int fd, struct tree *, struct space *, struct err *);
void store_release(struct store *); /* may be called twice */

/* What content the object had before is given up. */
int store_open(struct store *, uint32_t object, struct err *);

/* Fails if offset lies before what was written, or past STORE_FILE_MAX. */
int store_write(struct store *, uint64_t offset, const void *data,
    size_t length, struct err *);

int store_close(struct store *, uint64_t size, struct err *);

/* The whole content of an object, at once and without holes. */
int store_solid(struct store *, uint32_t object, const void *data,
    size_t length, struct err *);

/* One block in a place of its own (a long symbolic link, a directory):
 * goes through the same gathering. */
int store_block(struct store *, uint64_t block, const void *data, struct err *);

int store_flush(struct store *, struct err *);

/* Gives up the content of files that were replaced by a later entry: what
 * nobody can read any more is neither kept nor shown. */
int store_drop_replaced(struct store *, struct err *);

#endif
