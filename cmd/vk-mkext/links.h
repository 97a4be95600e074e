/* SPDX-License-Identifier: MIT */
/*
 * links.h - files with more names than ext4 counts
 *
 * An inode of ext4 has at most 65,000 links. A file with more becomes several
 * files with the same content, each with as many names as it can have: all
 * names are there and read the same, only that they are not one file any more.
 */
#ifndef VK_MKEXT_LINKS_H
#define VK_MKEXT_LINKS_H

#include "cmd/vk-mkext/store.h"
#include "cmd/vk-mkext/tree.h"
#include "common/err.h"

#define LINKS_MAX 65000u

/* After the last entry: all content of the tree is in the store. */
int links_split(struct tree *, struct store *, struct err *);

#endif
