/* SPDX-License-Identifier: MIT */
/*
 * flags.h - flags of files (chattr(1)) as a tar holds them
 *
 * The record SCHILY.fflags of star, which libarchive writes too: names between
 * commas, in the words of BSD's chflags(1). Kept are those that say something
 * of the content's use, not of how one file system happens to store it.
 */
#ifndef VK_MKEXT_FLAGS_H
#define VK_MKEXT_FLAGS_H

#include "common/buf.h"

#include <linux/fs.h>
#include <stddef.h>
#include <stdint.h>

#define FLAGS_KEPT                                                             \
	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |       \
	    FS_SYNC_FL | FS_DIRSYNC_FL)

/* The flags that are named and kept. */
uint32_t flags_parse(const char *text, size_t len);

/* Appends the names of those kept. Whether that failed, the buffer says. */
void flags_write(struct buf *, uint32_t flags);

#endif
