/* SPDX-License-Identifier: MIT */
/*
 * relay.h - a tree from one VM to another
 *
 * A VM takes what a user of its host gives it as it is. What another VM sends
 * has to pass here first: of all that may come out of a VM, only what was
 * asked for, and without set-id bits, devices and attributes outside of
 * "user.". Owners stay: they are one VM's as good as the other's.
 */
#ifndef VK_EXEC_RELAY_H
#define VK_EXEC_RELAY_H

#include "common/err.h"
#include "common/tree.h"

/* All of the stream. Returns how many things were left out, which failed()
 * was told, -1 with err: it was cut off, or held what it may not. */
int relay_tree(int from, int to, const struct tree_wanted *,
    void (*failed)(const struct err *), struct err *);

#endif
