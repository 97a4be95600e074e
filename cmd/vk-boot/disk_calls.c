/* SPDX-License-Identifier: MIT */
/* disk_calls.c - what a disk asks of the host, by what is behind it */
#include "cmd/vk-boot/disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

/* Data is moved by who uses the disk (blk_request.h); here is what it takes
 * beside. */

/* What a write leaves of a cluster; tables of an image; the way around memory
 * that O_DIRECT does not take. */
static const struct filter_call read_calls[] = {
    CALL(pread64),
    CALLS_END,
};

/* The same, and zeros where the file system has no quicker way. */
static const struct filter_call write_calls[] = {
    CALL(pwrite64),
    CALLS_END,
};

static const struct filter_call zero_calls[] = {
    CALL(fallocate),
    CALLS_END,
};

static const struct filter_call flush_calls[] = {
    CALL(fdatasync),
    CALLS_END,
};

/* An image grows, and ends where what is used does. */
static const struct filter_call size_calls[] = {
    CALL(ftruncate),
    CALLS_END,
};

const struct filter_call disk_take_calls[] = {
    CALL(newfstatat), /* fstat */
    CALL(flock),
    CALL_IF(fcntl, 1, F_GETFL),
    CALL_IF(ioctl, 1, BLKGETSIZE64),
    CALLS_END,
};

static bool
writes_base(const struct disk *disk)
{
	return !disk->read_only && disk->overlay < 0;
}

void
disk_allow_close(const struct disk *disk, struct filter *filter)
{
	bool image = disk->image && writes_base(disk);

	if (image) {
		filter_add(filter, read_calls);
		filter_add(filter, size_calls);
	}
	if (image || (disk->overlay >= 0 && disk->kept)) {
		filter_add(filter, write_calls);
		filter_add(filter, flush_calls);
	}
}

void
disk_allow(const struct disk *disk, struct filter *filter)
{
	disk_allow_close(disk, filter);
	if (disk->overlay >= 0 || disk->image || disk->direct)
		filter_add(filter, read_calls);
	if (!disk->read_only) {
		filter_add(filter, write_calls);
		filter_add(filter, zero_calls);
	}
	if (writes_base(disk))
		filter_add(filter, flush_calls);
}
