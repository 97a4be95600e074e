/* SPDX-License-Identifier: MIT */
/*
 * tar.h - a tar, plain or compressed, into a tree
 *
 * Reads every form of tar that common/tarin.h knows, packed by anything that
 * common/packed.h knows. Content goes to the store as it comes.
 *
 * A tar must end in its end mark: one that just stops is cut off, and what
 * would be made of it would look right and lack files.
 */
#ifndef VK_MKEXT_TAR_H
#define VK_MKEXT_TAR_H

#include "cmd/vk-mkext/feed.h"
#include "cmd/vk-mkext/intake.h"
#include "common/err.h"

/* Reads all of the feed, also what follows the end mark. */
int tar_read(struct feed *, struct intake *, struct err *);

#endif
