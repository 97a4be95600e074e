/* SPDX-License-Identifier: MIT */
/* blk.h - virtio block device (virtio 1.2, 5.2) over a disk */
#ifndef VK_BOOT_VIRTIO_BLK_H
#define VK_BOOT_VIRTIO_BLK_H

#include "cmd/vk-boot/disk.h"
#include "cmd/vk-boot/virtio/device.h"

/* More than the guest's processors are of no use. */
#define BLK_QUEUES_MAX VIRTIO_QUEUES_MAX

struct blk_config {
	struct disk *disk;  /* borrowed */
	const char *serial; /* copied; 20 characters at most */
	unsigned queues;    /* 0: one */
	bool threads;       /* not io_uring, even if it is there */
};

/* The loop should be the disk's own: it waits for the disk. NULL with err. */
struct virtio_device *blk_new(struct loop *, const struct gmem *,
    const struct blk_config *, struct err *);

/* Requests that were done, and their bytes. */
struct blk_count {
	uint64_t requests, bytes;
};

struct blk_stats {
	struct blk_count read, written, discarded; /* or made zeros */
	uint64_t flushes;
	uint64_t failed; /* requests, or refused */
};

/* Any thread. */
void blk_stats(struct virtio_device *, struct blk_stats *);

/* What one that is made while the guest runs asks of the host, beside its disk
 * (filter.h). */
extern const struct filter_call blk_calls[];

#endif
