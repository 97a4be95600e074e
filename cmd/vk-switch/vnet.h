/* SPDX-License-Identifier: MIT */
/*
 * vnet.h - the virtio-net header before a frame (virtio 1.2, 5.1.6)
 *
 * It stands there where both ends have agreed (common/hello.h): little-endian,
 * of struct virtio_net_hdr_v1.
 */
#ifndef VK_SWITCH_VNET_H
#define VK_SWITCH_VNET_H

#include "cmd/vk-switch/packet.h"

#include <stddef.h>
#include <stdint.h>

#define VNET_LEN 12

/* Returns -1 for what does not fit the frame of len bytes or is not of the
 * offloads that were agreed. */
int vnet_parse(
    const void *header, size_t frame_len, uint32_t offloads, struct offload *);
void vnet_put(struct writer *, const struct offload *);

#endif
