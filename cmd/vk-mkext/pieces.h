/* SPDX-License-Identifier: MIT */
/*
 * pieces.h - where in a file of an image its data lies
 *
 * What is not data is a hole, or room that nobody wrote to yet; both read as
 * zeros. A hole shorter than PIECES_GAP counts as data: so most files have one
 * piece and none of the holes that few programs know how to read in a tar. A
 * file with more pieces than a tar is read with has longer ones filled, up to
 * PIECES_GAP_MAX.
 *
 * The image is not trusted. Its blocks can be shared out once: an image whose
 * files name more of them than there are names some twice, and what comes out
 * of it could be of any length. So blocks are counted over all files.
 */
#ifndef VK_MKEXT_PIECES_H
#define VK_MKEXT_PIECES_H

#include "cmd/vk-mkext/view.h"
#include "common/err.h"
#include "common/tarin.h"

#include <stddef.h>
#include <stdint.h>

#define PIECES_GAP     ((uint64_t)64 << 10)
#define PIECES_GAP_MAX ((uint64_t)1 << 20)

struct pieces {
	struct tar_segment *at; /* apart and in order, within the file */
	size_t count;
	uint64_t gap;  /* holes shorter than this are filled */
	uint64_t left; /* blocks that nobody has named yet */
};

/* blocks is how many the image has. Returns 0, -1 with err. */
int pieces_init(struct pieces *, uint64_t blocks, struct err *);
void pieces_release(struct pieces *); /* may be called twice */

/* Finds those of a file or directory. Returns 0, -1 with err: its tree of
 * blocks is broken, or the image has not so many. */
int pieces_find(struct pieces *, const struct view *, struct err *);

/* Bytes of them all. */
uint64_t pieces_size(const struct pieces *);

#endif
