/* SPDX-License-Identifier: MIT */
/* disks.h - block devices, by path or by what vk-boot calls them */
#ifndef VK_AGENT_DISKS_H
#define VK_AGENT_DISKS_H

#include "common/err.h"

#define DISK_PATH_MAX 64

/*
 * Waits up to 20 seconds for "/dev/NAME" or "serial=X" (a virtio disk's), and
 * gives the device's path; without devtmpfs its node is made. 0, -1.
 */
int disk_wait(const char *name, char path[DISK_PATH_MAX]);

/* Lets the ext4 file system mounted on dir fill its device. What cannot grow
 * stays as it is. 0, -1 with errno. */
int disk_grow(const char *device, const char *dir);

/* A writable file system of a disk. */
struct disk_mount {
	char device[256];
	char dir[4096];
};

/* All of them, each disk once, as they were mounted; more than 64 no guest has.
 * They are good until the next call. Returns the count, -1 with errno. */
int disk_mounts(const struct disk_mount **);

#endif
