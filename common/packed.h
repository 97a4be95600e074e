/* SPDX-License-Identifier: MIT */
/*
 * packed.h - compressed bytes, unpacked as they come
 *
 * gzip, bzip2, lzma, xz, lz4 (both of its framings) and zstd, by libarchive.
 * That is opened when something is really unpacked, not linked: to load it, and
 * all that it is linked with, takes milliseconds, which programs that mostly
 * meet what is not compressed need not pay at each start.
 */
#ifndef VK_COMMON_PACKED_H
#define VK_COMMON_PACKED_H

#include "common/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Enough of the start for packed_format. */
#define PACKED_MAGIC_LEN 6

/* What packed these bytes ("xz"), NULL if none of the above did. */
const char *packed_format(const void *start, size_t len);

struct packed;

/*
 * source gives the packed bytes piece by piece: a piece's length, 0 at the end,
 * -1 with errno; data is looked at until the next call. NULL with err when the
 * bytes are damaged at their start, or libarchive cannot be had.
 */
struct packed *packed_open(
    ssize_t (*source)(void *with, const void **data), void *with, struct err *);
void packed_close(struct packed *); /* NULL is allowed */

/* The next piece, its length returned; valid until the next call. 0 at the end,
 * -1 with err. */
ssize_t packed_next(struct packed *, const void **data, struct err *);

#endif
