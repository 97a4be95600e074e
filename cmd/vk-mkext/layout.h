/* SPDX-License-Identifier: MIT */
/*
 * layout.h - how large the file system is, and how many inodes it has
 *
 * Asked when all content has its place. Beside the content there are for each
 * group of 128 MiB two bitmaps and a table of inodes; they follow the content
 * (see space.h). Room to live in costs nothing, because the image is sparse.
 */
#ifndef VK_MKEXT_LAYOUT_H
#define VK_MKEXT_LAYOUT_H

#include "cmd/vk-mkext/space.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define INODE_SIZE 256u

/* At least one inode for so many bytes, as mke2fs does it. */
#define LAYOUT_BYTES_PER_INODE 16384u

struct layout_wish {
	bool total;      /* bytes is all, else what is to be free */
	uint64_t bytes;  /* of the file system, or to be free */
	uint64_t inodes; /* how many there are to be; 0: as needed */
	bool tight;      /* only the inodes that are in use */
	uint32_t used;   /* highest inode number in use */
	uint64_t extra;  /* blocks to be found behind the content */
};

struct layout {
	uint64_t blocks;
	uint32_t groups;
	uint32_t inodes_per_group;
};

/* space is what the content left. Errors: it does not fit what was wished. */
int layout_plan(struct layout *, const struct layout_wish *,
    const struct space *, struct err *);

/* Blocks of one group's inode table. */
static inline uint32_t
layout_table_blocks(const struct layout *l)
{
	return l->inodes_per_group / (BLOCK_SIZE / INODE_SIZE);
}

#endif
