/* SPDX-License-Identifier: MIT */
/*
 * mem.h - virtio memory device (virtio 1.2, 5.15): more memory while it runs
 *
 * The device owns a region of the guest's address space and nothing of it is
 * memory at first. The host asks for a size; the guest's driver plugs blocks of
 * MEM_BLOCK bytes until it has so much, and unplugs what it can free when asked
 * for less. Each is a request here, answered only if it is true and allowed:
 *
 *   plug        blocks that are not there, and no more than was asked for
 *   unplug      blocks that are; their pages are the host's again
 *   unplug all  a driver that begins, and does not know what another had
 *   state       what is there of a range
 *
 * Devices are refused what is not plugged (gmem_at). The guest's processors
 * reach the usable part of the region, which follows the size asked for and is
 * never made smaller, since a driver counts on it: so what a hostile guest can
 * take from the host is the largest size that it was ever offered, as with
 * memory that it has from the start. A smaller size is a wish, like the
 * balloon's.
 */
#ifndef VK_BOOT_VIRTIO_MEM_H
#define VK_BOOT_VIRTIO_MEM_H

#include "cmd/vk-boot/virtio/device.h"

/* A huge page of the host: less is not worth a request, and breaks one up. */
#define MEM_BLOCK (2ull << 20)

/* The region (borrowed, one of gmem's) has blocks of MEM_BLOCK. NULL with err.
 * Free with virtio_device_free. */
struct virtio_device *mem_new(struct loop *, const struct gmem *,
    const struct gmem_region *, struct err *);

/* Asks the guest to have so many bytes (whole blocks) of the region plugged,
 * which are in its processors' reach. Any thread. */
void mem_request(struct virtio_device *, uint64_t bytes);

struct mem_stats {
	uint64_t requested, plugged; /* bytes */
	uint64_t plugs, unplugs;     /* requests that were granted */
	uint64_t refused;            /* and others */
};

/* Any thread. */
void mem_stats(struct virtio_device *, struct mem_stats *);

#endif
