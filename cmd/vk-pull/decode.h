/* SPDX-License-Identifier: MIT */
/*
 * decode.h - a layer's compression undone, as bytes arrive
 *
 * What it is shows in its first bytes, as engines have it, whatever the media
 * type says: gzip (any number of members), zstd (any number of frames,
 * skippable ones too) or neither. Checksums inside are checked. Memory: 84 KiB
 * for gzip, for zstd its window, which the limit of that name bounds.
 *
 * However many layers are unpacked at a time, their windows take no more than
 * DECODE_WINDOWS_MAX together (or one of them what the user allows): who would
 * pass that waits until another is done. So nobody may wait for anything that
 * a decoder made later brings.
 *
 * gzip is undone by ISA-L, which Debian keeps for all its larger architectures:
 * it takes about half of zlib's time and streams like it (libdeflate is as fast
 * but wants a member and all that comes out in memory).
 */
#ifndef VK_PULL_DECODE_H
#define VK_PULL_DECODE_H

#include "cmd/vk-pull/limits.h"
#include "common/err.h"

#include <stddef.h>
#include <stdint.h>

/* Two of the usual limit. zstd unpacks faster than anything else here is, so
 * that two at a time hold nobody up. */
#define DECODE_WINDOWS_MAX (16u << 20)
/* Bytes that come out at a time, at most. */
#define DECODE_CHUNK (256u << 10)

struct decode;

/*
 * The sink gets what came out, which lies in *room, and may put another place
 * of DECODE_CHUNK bytes there for what comes next.
 */
typedef int decode_sink(void *into, uint8_t **room, size_t len, struct err *);

/* room: DECODE_CHUNK bytes, borrowed like the limits (ratio, window). NULL: no
 * memory. */
struct decode *decode_new(
    const struct limits *, uint8_t *room, decode_sink *, void *into);
void decode_free(struct decode *);

/* Returns 0, -1 with err. */
int decode_feed(struct decode *, const void *, size_t len, struct err *);

/* No more comes: -1 if that is too early. */
int decode_end(struct decode *, struct err *);

uint64_t decode_size(const struct decode *); /* bytes that came out */

#endif
