/* SPDX-License-Identifier: MIT */
/*
 * decode.h - a layer's compression undone, as bytes arrive
 *
 * What it is shows in its first bytes, as engines have it, whatever the media
 * type says: gzip (any number of members), zstd (any number of frames,
 * skippable ones too) or neither. Checksums inside are checked. Memory: 84 KiB
 * for gzip, for zstd its window, at most 2^DECODE_WINDOW_LOG_MAX bytes.
 *
 * gzip is undone by ISA-L, which Debian keeps for all its larger architectures:
 * it takes about half of zlib's time and streams like it (libdeflate is as fast
 * but wants a member and all that comes out in memory).
 */
#ifndef VK_PULL_DECODE_H
#define VK_PULL_DECODE_H

#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

/* log2 of 8 MiB: what RFC 8878 asks of every decoder; --ultra needs more. */
#define DECODE_WINDOW_LOG_MAX 23
/* Bytes that come out at a time, at most. */
#define DECODE_CHUNK (256u << 10)

struct decode;

/*
 * The sink gets what came out, which lies in *room, and may put another place
 * of DECODE_CHUNK bytes there for what comes next.
 */
typedef int decode_sink(void *into, uint8_t **room, size_t len, struct err *);

/* room: DECODE_CHUNK bytes, borrowed. ratio: of what comes out to what goes in,
 * beyond LIMITS_RATIO_FREE, at most. NULL: no memory. */
struct decode *decode_new(
    uint64_t ratio, uint8_t *room, decode_sink *, void *into);
void decode_free(struct decode *);

/* Returns 0, -1 with err. */
int decode_feed(struct decode *, const void *, size_t len, struct err *);

/* No more comes: -1 if that is too early. */
int decode_end(struct decode *, struct err *);

uint64_t decode_size(const struct decode *); /* bytes that came out */

#endif
