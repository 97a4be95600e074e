/* SPDX-License-Identifier: MIT */
/*
 * image.h - the ext4 file system around a tree whose content is written
 *
 * The one file that makes file systems with libext2fs. The library makes the
 * superblock, group descriptors, bitmaps, journal and all checksums; inode
 * tables, directories and extent trees are built beside it and written in
 * long pieces, because its calls for them read and write a block each.
 *
 * The superblock is written last: until then what lies in the file is not a
 * file system to anybody.
 *
 * Features: 64bit, flex_bg, metadata_csum, extents, dir_index, large inodes of
 * 256 bytes with nanoseconds, sparse_super and resize_inode, and ea_inode where
 * an attribute needs it: Linux 4.13 knows all of them. Inode tables count
 * as zeroed (the sparse file guarantees it), so the guest's kernel does not
 * spend its first minutes on that.
 */
#ifndef VK_MKEXT_IMAGE_H
#define VK_MKEXT_IMAGE_H

#include "cmd/vk-mkext/fingerprint.h"
#include "cmd/vk-mkext/space.h"
#include "cmd/vk-mkext/store.h"
#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_LABEL_MAX 16

struct image_wish {
	char label[IMAGE_LABEL_MAX + 1];
	uint8_t uuid[UUID_SIZE];
	int64_t time; /* of the file system, seconds; at least 1 */
	bool total;   /* bytes is the size of all, else of what is free */
	uint64_t bytes;
	uint64_t inodes; /* 0: as needed */
	bool tight;      /* no inodes to spare */
	bool journal;
};

/*
 * Finishes the image: numbers the tree's inodes, gives directories and the
 * rest their places, writes all that is not content and sets the file's size.
 * fd is open for reading and writing and stays so.
 */
int image_finish(int fd, struct tree *, struct space *, struct store *,
    const struct image_wish *, struct err *);

#endif
