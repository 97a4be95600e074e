/* SPDX-License-Identifier: MIT */
/* rng.h - virtio entropy device (virtio 1.2, 5.4): the host's getrandom(2) */
#ifndef VK_BOOT_VIRTIO_RNG_H
#define VK_BOOT_VIRTIO_RNG_H

#include "cmd/vk-boot/virtio/device.h"

/* NULL with err. Free with virtio_device_free. */
struct virtio_device *rng_new(struct loop *, const struct gmem *, struct err *);

#endif
