/* SPDX-License-Identifier: MIT */
/*
 * archive.h - the members of a tar, read where they lie
 *
 * For images in archives: blobs are read out of the archive's own file, at
 * their offsets. What cannot be read twice or is compressed (a pipe, a .tar.gz)
 * is copied, unpacked, to a file without a name in the cache's folder first.
 */
#ifndef VK_PULL_ARCHIVE_H
#define VK_PULL_ARCHIVE_H

#include "cmd/vk-pull/cache.h"
#include "cmd/vk-pull/limits.h"
#include "common/buf.h"

/* Two for each layer and some more; docker save writes three. */
#define ARCHIVE_MEMBERS_MAX 65536

struct archive_member {
	uint32_t name, link; /* in names; link: "" if it is a file */
	uint64_t offset, size;
};

struct archive {
	int fd;
	struct archive_member *members;
	size_t count, size;
	struct buf names;
	const struct limits *limits;
	uint64_t copied;
};

/* Reads the table of path ("-": stdin). Returns 0, -1 with err. */
int archive_open(struct archive *, const char *path, struct cache *,
    const struct limits *, struct err *);
/* The same of an open file, which is taken over. */
int archive_open_fd(
    struct archive *, int fd, const struct limits *, struct err *);
void archive_close(struct archive *); /* twice is fine */

/* Where a member lies; links are followed. Returns 0, -1 with err. */
int archive_find(struct archive *, const char *name, uint64_t *offset,
    uint64_t *size, struct err *);

#endif
