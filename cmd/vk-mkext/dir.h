/* SPDX-License-Identifier: MIT */
/*
 * dir.h - a directory's blocks, as ext4 wants them
 *
 * A directory that fits one block is a list. A larger one is indexed from the
 * start: its names sorted by hash into leaves, above them one or two levels of
 * index (dir_index; half MD4, signed). Leaves are filled to seven eighths, so
 * that the guest's first new file does not split one.
 *
 * Every block ends in room for the checksum of metadata_csum, which the
 * caller puts there: it depends on the file system's UUID.
 */
#ifndef VK_MKEXT_DIR_H
#define VK_MKEXT_DIR_H

#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stdint.h>

/* Where the blocks go, the first one first. Returns 0, -1 with err. */
struct dir_sink {
	int (*block)(void *with, uint32_t index, uint8_t *block, struct err *);
	void *with;
};

/*
 * Builds the directory's blocks and gives their number, 0 with err if there
 * are more names than ext4 can index. Without a sink it only counts. The
 * inode numbers of its objects must be known if there is one. seed is the
 * superblock's s_hash_seed.
 */
uint32_t dir_build(const struct tree *, uint32_t directory,
    const uint8_t seed[16], const struct dir_sink *, struct err *);

#endif
