/* SPDX-License-Identifier: MIT */
/*
 * pour.h - entries of an image as a tar
 *
 * Everything that --extract gives: names, owners, times of modification,
 * attributes, ACLs, flags, content. Sockets are left out.
 */
#ifndef VK_MKEXT_POUR_H
#define VK_MKEXT_POUR_H

#include "cmd/vk-mkext/pieces.h"
#include "cmd/vk-mkext/view.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/tarout.h"

struct pour {
	struct tarout tar;
	struct buf name, attrs, text; /* of the entry at hand */
	uint8_t *piece;
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
