/* SPDX-License-Identifier: MIT */
/*
 * disk_run.h - where a part of a disk is to be found
 *
 * In a file, from offset on; or in memory, until the disk is next asked for
 * anything; or nowhere: then it reads as zeros. A run without length could not
 * be found; errno says why.
 */
#ifndef VK_BOOT_DISK_RUN_H
#define VK_BOOT_DISK_RUN_H

#include <stdint.h>

struct disk_run {
	int fd;                /* -1: memory, or zeros */
	const uint8_t *memory; /* NULL: zeros, if there is no fd */
	uint64_t offset;       /* in fd */
	uint64_t len;          /* at most what was asked for */
};

/* Copies it. 0, -1 with errno (EIO: the file has become shorter). */
int disk_run_read(const struct disk_run *, void *into);

/* Makes a range of a file zeros: by a hole if unmap and where it can have
 * them. Offset, length and memory suit O_DIRECT if the range does. 0, -1 with
 * errno. */
int disk_run_zero(int fd, uint64_t offset, uint64_t len, int unmap);

#endif
