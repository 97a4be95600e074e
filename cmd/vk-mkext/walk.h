/* SPDX-License-Identifier: MIT */
/*
 * walk.h - a directory of this machine into a tree
 *
 * Names are taken in the order of their bytes, so that the same files give the
 * same image wherever they lie. Times are those of modification: the others
 * say when somebody copied or looked. Links are never followed, also not when
 * somebody swaps a directory for one while we are in it.
 */
#ifndef VK_MKEXT_WALK_H
#define VK_MKEXT_WALK_H

#include "cmd/vk-mkext/fingerprint.h"
#include "cmd/vk-mkext/intake.h"
#include "common/err.h"

/* Takes in all below the directory at fd (borrowed) and adds all of it to the
 * sum; either may be NULL. */
int walk_directory_tree(int fd, struct intake *, const struct intake_rules *,
    struct sum *, struct err *);

#endif
