/* SPDX-License-Identifier: MIT */
/*
 * paths.h - paths of a walk, each kept as its last name and what that lies in
 *
 * So that a deep tree costs what its names do, and not what its paths would.
 */
#ifndef VK_MKEXT_PATHS_H
#define VK_MKEXT_PATHS_H

#include "common/buf.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

/* Where the walk began. Paths are numbers, 0 is none. */
#define PATHS_TOP 1u

struct path;

struct paths {
	struct path *at;
	uint32_t count, room;
	struct buf names;
};

/* top is its path; what lies in "" is called by its name alone. Returns 0, -1
 * with err. */
int paths_init(struct paths *, const char *top, struct err *);
void paths_release(struct paths *); /* may be called twice */

/* Keeps the path of a name in a folder; folder 0 holds only the top. 0 and
 * err. */
uint32_t paths_add(struct paths *, uint32_t folder, const char *name,
    size_t length, struct err *);

/* Puts a path into the buffer, in place of what is there. Returns 0, -1 with
 * err: it is longer than the buffer may get. */
int paths_write(
    const struct paths *, uint32_t path, struct buf *, struct err *);

#endif
