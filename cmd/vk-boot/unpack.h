/* SPDX-License-Identifier: MIT */
/*
 * unpack.h - compressed bytes of a file, unpacked once and kept
 *
 * Packed as common/packed.h knows it. What was unpacked lies in the user's
 * cache:
 *
 *	$XDG_CACHE_HOME/vk/unpacked/
 *		SHA256			the unpacked bytes, by what they were
 *					unpacked from
 *		INODE-SIZE-TIMES	link to one of these: the file last seen
 *					there needs no digest again
 *
 * A file appears under its name complete and on disk, or not at all. Where
 * there is no cache to be written, the bytes live in memory as long as the
 * descriptor, and the next start unpacks again.
 *
 * Unpacking happens in a child (child.h): to be called before there are
 * threads. libarchive and libcrypto are opened when a file is really unpacked,
 * not linked: to load them takes longer than all else that starts a machine.
 */
#ifndef VK_BOOT_UNPACK_H
#define VK_BOOT_UNPACK_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct unpack {
	int fd;             /* borrowed, seekable */
	uint64_t offset;    /* of the packed bytes in it */
	uint64_t len;       /* of the packed bytes */
	uint64_t max;       /* unpacked bytes beyond this are an error */
	const char *folder; /* NULL: cache_folder's; "": keep nothing */
};

/*
 * Gives a descriptor of the unpacked bytes, to be read from 0 (its position is
 * anywhere) and closed by the caller. -1 with err: EX_DATAERR if the bytes are
 * damaged or too many.
 */
int unpack_open(const struct unpack *, struct err *);

#endif
