/* SPDX-License-Identifier: MIT */
/*
 * view.h - one entry of an image that is being looked into
 *
 * The inode comes from an image that is not trusted: sizes and targets are
 * checked before they are used.
 */
#ifndef VK_MKEXT_VIEW_H
#define VK_MKEXT_VIEW_H

#include "common/err.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct view {
	ext2_filsys fs; /* borrowed, as is the path */
	ext2_ino_t inode;
	const char *path;
	struct ext2_inode_large raw;
	char *target;     /* of a symbolic link */
	const char *same; /* path of the same file that came before */
};

/* Reads the inode, and a symbolic link's target. */
int view_open(struct view *, struct err *);
void view_close(struct view *);

uint32_t view_uid(const struct view *);
uint32_t view_gid(const struct view *);
uint64_t view_size(const struct view *);
int64_t view_seconds(const struct view *); /* of modification */
uint32_t view_nanoseconds(const struct view *);
bool view_is_device(const struct view *);
dev_t view_device(const struct view *);

/* Prints the line that --list shows. Returns 0, -1 with errno. */
int view_print(const struct view *);

/* An error of libext2fs, which came up with what; code 0 is none. */
int view_error(errcode_t code, const char *what, struct err *);

#endif
