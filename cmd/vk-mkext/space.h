/* SPDX-License-Identifier: MIT */
/*
 * space.h - blocks of the image, handed out from the front to the back
 *
 * Content is written while the tar is read, long before anybody knows how
 * large the image will be. So the only things that may not move are those
 * whose place follows from the block's number: the superblock with its group
 * descriptors, and their copies in the groups 0, 1 and the powers of 3, 5 and
 * 7 (sparse_super). Their room is the same in each of these groups, whatever
 * the size of the file system turns out to be: descriptors and blocks reserved
 * for more of them together take SPACE_DESCRIPTORS blocks. All else lies where
 * it came, in the order in which it came; bitmaps and inode tables come last
 * (flex_bg allows that).
 */
#ifndef VK_MKEXT_SPACE_H
#define VK_MKEXT_SPACE_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SIZE 4096u

/* Blocks of a group: as many as one bitmap block has bits. */
#define GROUP_BLOCKS (BLOCK_SIZE * 8)

/*
 * A block of descriptors serves 64 groups, 8 GiB. With 64 of them an image can
 * grow to 512 GiB, in the guest and mounted, without moving anything (beyond
 * that Linux goes on with meta_bg). They cost 256 KiB. One of them at least
 * stays reserved, so an image is at most 504 GiB when it is made.
 */
#define SPACE_DESCRIPTORS 64u
#define SPACE_GROUPS_MAX  ((SPACE_DESCRIPTORS - 1) * (BLOCK_SIZE / 64))
#define SPACE_BLOCKS_MAX  ((uint64_t)SPACE_GROUPS_MAX * GROUP_BLOCKS)

struct space {
	uint64_t next;  /* first block not handed out */
	uint64_t limit; /* blocks there may be */
};

void space_init(struct space *, uint64_t limit);

/* Whether a group starts with a copy of the superblock. */
bool space_has_super(uint64_t group);

/* Hands out up to wanted blocks in one piece, *got of them, at least one;
 * gives the first. 0 and err when the limit is reached. */
uint64_t space_take(
    struct space *, uint64_t wanted, uint64_t *got, struct err *);

/* Exactly count blocks in one piece; count is at most
 * GROUP_BLOCKS - SPACE_DESCRIPTORS - 1. */
uint64_t space_take_whole(struct space *, uint64_t count, struct err *);

#endif
