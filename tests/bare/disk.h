/* SPDX-License-Identifier: MIT */
/* disk.h - the first sector of a guest's disk, read and written */
#ifndef TESTS_BARE_DISK_H
#define TESTS_BARE_DISK_H

#include "tests/bare/virtio.h"

#define SECTOR_BYTES 512

/* Starts the device anew and moves its first sector. False: it did not. */
bool disk_transfer(const struct device *, void *sector, bool write);

#endif
