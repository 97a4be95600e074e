/* SPDX-License-Identifier: MIT */
/* disk.h - sectors of a guest's disk: read, written, cleared */
#ifndef TESTS_BARE_DISK_H
#define TESTS_BARE_DISK_H

#include "tests/bare/virtio.h"

#define SECTOR_BYTES 512

/* Each starts the device anew. False: it did not do it. */

/* The first sector. */
bool disk_transfer(const struct device *, void *sector, bool write);

/* The first two sectors, by two requests that the device finds at once. */
bool disk_read_both(const struct device *, void *first, void *second);

bool disk_flush(const struct device *);

/* Zeros from this sector on: by a discard, or by a request that keeps their
 * room. */
bool disk_clear(
    const struct device *, uint64_t sector, uint32_t count, bool keep);

#endif
