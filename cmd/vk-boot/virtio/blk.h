/* SPDX-License-Identifier: MIT */
/* blk.h - virtio block device (virtio 1.2, 5.2) over a disk */
#ifndef VK_BOOT_VIRTIO_BLK_H
#define VK_BOOT_VIRTIO_BLK_H

#include "cmd/vk-boot/disk.h"
#include "cmd/vk-boot/virtio/device.h"

/* The disk is borrowed, serial (20 characters at most) copied. The loop should
 * be the disk's own: it waits for the disk. NULL with err. */
struct virtio_device *blk_new(struct loop *, const struct gmem *, struct disk *,
    const char *serial, struct err *);

#endif
