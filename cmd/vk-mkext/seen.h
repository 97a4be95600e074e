/* SPDX-License-Identifier: MIT */
/*
 * seen.h - files with several names, by the name that came first
 *
 * What walks a file system asks it for each file that has more names than one,
 * so that the second and later become hard links. What a name is, it knows.
 */
#ifndef VK_MKEXT_SEEN_H
#define VK_MKEXT_SEEN_H

#include "common/err.h"
#include "common/siphash.h"

#include <stddef.h>
#include <stdint.h>

struct seen_file;

/* All zeros is an empty one. */
struct seen {
	struct seen_file *files; /* an open table, room is a power of two */
	size_t count, room;
	struct siphash_key key; /* an image chooses its inodes' numbers */
};

void seen_release(struct seen *); /* may be called twice */

/*
 * Where the name of a file is kept: 0 until whoever asks first puts it there.
 * Valid until the next call. NULL with err.
 */
uint32_t *seen_name(
    struct seen *, const uint64_t device_inode[2], struct err *);

#endif
