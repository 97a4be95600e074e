/* SPDX-License-Identifier: MIT */
/*
 * inode.h - inodes as they lie in the table
 *
 * An inode refers to blocks beside its content: those of a large extent tree,
 * and of extended attributes that do not fit it. The plan gives them places
 * before the size of the file system is known; inode_build fills them in.
 */
#ifndef VK_MKEXT_INODE_H
#define VK_MKEXT_INODE_H

#include "cmd/vk-mkext/extent.h"
#include "cmd/vk-mkext/layout.h"
#include "cmd/vk-mkext/space.h"
#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#include <stdint.h>

/* Bytes of the large inode in use (i_extra_isize): all that Linux 5.10 and
 * later know. */
#define INODE_EXTRA 32u

/* A symbolic link's target shorter than this lies in the inode. */
#define INODE_TARGET_MAX 60u

/* Blocks of an object's extent tree. */
struct inode_extra {
	uint64_t first;
	uint32_t object;
	uint32_t count;
};

/* A block of extended attributes, and how many inodes share it. */
struct inode_xattrs {
	uint64_t at;
	uint32_t set;
	uint32_t references;
};

struct inode_plan {
	const struct tree *tree;
	struct inode_extra *extras; /* by rising object */
	uint32_t extra_count, extra_room;
	uint32_t inode;           /* being built, for the extent sink */
	uint16_t *subdirectories; /* by object, up to 65535 */
	struct inode_xattrs *xattrs;
	uint32_t xattr_count, xattr_room;
	uint32_t *xattr_of; /* by object: xattrs + 1, 0: none */
};

struct inode_plan *inode_plan_new(
    const struct tree *, struct space *, struct err *);
void inode_plan_free(struct inode_plan *); /* NULL is allowed */

/* Fills in the 256 bytes at into, which are zero; the checksum is left to
 * the caller. */
int inode_build(struct inode_plan *, uint32_t object, uint8_t *into,
    const struct extent_sink *, struct err *);

/* Puts the checksum into a finished inode; seed is the file system's. */
void inode_sum(uint8_t slot[INODE_SIZE], uint32_t inode, uint32_t seed);

#endif
