/* SPDX-License-Identifier: MIT */
/*
 * seen.h - files with several names, by the name that came first
 *
 * What walks a file system asks it for each file that has more names than one,
 * so that the second and later become hard links.
 */
#ifndef VK_MKEXT_SEEN_H
#define VK_MKEXT_SEEN_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

struct seen_file;

/* All zeros is an empty one. */
struct seen {
	struct seen_file *files; /* an open table, room is a power of two */
	size_t count, room;
};

void seen_release(struct seen *); /* may be called twice */

/*
 * Gives in *before the path under which the file came first (borrowed until
 * seen_release); NULL, and this one is remembered, if it comes first now.
 * Returns 0, -1 with err.
 */
int seen_path(struct seen *, const uint64_t device_inode[2], const char *path,
    const char **before, struct err *);

#endif
