/* SPDX-License-Identifier: MIT */
/*
 * extent.h - a file's extent tree
 *
 * Four extents fit the inode; more need blocks of 340 each, and those a level
 * above. As everything is known when the tree is made, it is built from the
 * bottom, full, in blocks that lie next to each other.
 */
#ifndef VK_MKEXT_EXTENT_H
#define VK_MKEXT_EXTENT_H

#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stdint.h>

/* i_block of the inode. */
#define EXTENT_ROOT_SIZE 60

/* Blocks that the tree of these runs needs beside the inode. */
uint32_t extent_blocks(const struct run *, uint32_t count);

/* Takes a block of the tree; its last 4 bytes are for the checksum. */
struct extent_sink {
	int (*block)(void *with, uint64_t at, uint8_t *block, struct err *);
	void *with;
};

/* Builds it: root is i_block, first the first of extent_blocks() blocks. */
int extent_build(const struct run *, uint32_t count, uint8_t root[],
    uint64_t first, const struct extent_sink *, struct err *);

#endif
