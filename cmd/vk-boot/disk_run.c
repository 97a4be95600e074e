/* SPDX-License-Identifier: MIT */
/* disk_run.c - where a part of a disk is to be found */
#include "cmd/vk-boot/disk_run.h"

#include "common/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>

int
disk_run_read(const struct disk_run *run, void *into)
{
	if (run->len == 0)
		return -1;
	if (run->fd < 0 && run->memory)
		memcpy(into, run->memory, run->len);
	else if (run->fd < 0)
		memset(into, 0, run->len);
	else {
		ssize_t got = io_pread(run->fd, into, run->len, run->offset);

		if (got >= 0 && (uint64_t)got < run->len)
			errno = EIO;
		return got == (ssize_t)run->len ? 0 : -1;
	}
	return 0;
}

int
disk_run_zero(int fd, uint64_t offset, uint64_t len, int unmap)
{
	static const uint8_t zeros[64 * 1024] __attribute__((aligned(4096)));
	int mode = unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

	if (fallocate(
		fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) == 0)
		return 0;
	while (len > 0) {
		size_t part = len < sizeof(zeros) ? len : sizeof(zeros);

		if (io_pwrite(fd, zeros, part, offset) < 0)
			return -1;
		offset += part;
		len -= part;
	}
	return 0;
}
