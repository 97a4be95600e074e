/* SPDX-License-Identifier: MIT */
/*
 * balloon.h - virtio memory balloon (virtio 1.2, 5.5): memory for the host
 *
 * Two ways for the guest's memory to come back, both by its own driver:
 *
 *   reporting  the guest tells which pages it does not use, by itself, some
 *              seconds after they became free; they cost the host nothing until
 *              they are used again. Nobody has to ask.
 *   a target   the guest is asked to take pages out of its own use. It gives
 *              them back to itself rather than kill a process
 *              (DEFLATE_ON_OOM), so a target is a wish, not a limit.
 *
 * What a guest names wrongly, it loses from its own memory and nothing else.
 */
#ifndef VK_BOOT_VIRTIO_BALLOON_H
#define VK_BOOT_VIRTIO_BALLOON_H

#include "cmd/vk-boot/virtio/device.h"

/* NULL with err. Free with virtio_device_free. */
struct virtio_device *balloon_new(
    struct loop *, const struct gmem *, struct err *);

/* Asks the guest to give up so much of its memory (whole pages of 4 KiB), in
 * all. Any thread. */
void balloon_target(struct virtio_device *, uint64_t bytes);

/* What the guest says of its memory; UINT64_MAX: it did not. 5.5.6.4 */
struct balloon_memory {
	uint64_t total, free, available, caches; /* bytes */
	uint64_t swapped_in, swapped_out;        /* bytes */
	uint64_t major_faults, minor_faults;
};

struct balloon_stats {
	uint64_t target, actual;     /* bytes, of the balloon */
	uint64_t inflated, reported; /* bytes given to the host since start */
	struct balloon_memory memory;
};

/* What is known, and asks the guest for news of its memory, which the next call
 * has. Any thread. */
void balloon_stats(struct virtio_device *, struct balloon_stats *);

#endif
