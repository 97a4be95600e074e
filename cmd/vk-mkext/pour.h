/* SPDX-License-Identifier: MIT */
/*
 * pour.h - entries of an image as a tar
 *
 * Everything that --extract gives: names, owners, times of modification,
 * attributes, ACLs, flags, content. Sockets are left out.
 *
 * The image is not trusted. Any number of its files may share values of
 * attributes that lie in inodes of their own, of which each file of a tar has
 * its copy: these are counted over all files.
 */
#ifndef VK_MKEXT_POUR_H
#define VK_MKEXT_POUR_H

#include "cmd/vk-mkext/pieces.h"
#include "cmd/vk-mkext/view.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/tarout.h"

/* Bytes of attributes, beyond what a file's inode and its block of them hold.
 * Those of all files of an image together are some of these already. */
#define POUR_VALUES_MAX ((uint64_t)256 << 20)

struct pour {
	struct tarout tar;
	struct buf name, attrs, text; /* of the entry at hand */
	uint8_t *piece;
	uint64_t values_left; /* of POUR_VALUES_MAX */
};

/* fd is borrowed. */
int pour_init(struct pour *, int fd, struct err *);
void pour_release(struct pour *); /* may be called twice */

/* pieces are those of a file's content. */
int pour_view(
    struct pour *, const struct view *, const struct pieces *, struct err *);

/* Ends the tar. */
int pour_end(struct pour *, struct err *);

#endif
