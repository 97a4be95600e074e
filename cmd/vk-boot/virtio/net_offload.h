/* SPDX-License-Identifier: MIT */
/*
 * net_offload.h - what a network driver and the peer leave to each other
 *
 * Checksums and large TCP, each way by itself. It has three names: a feature
 * bit towards the driver (virtio 1.2, 5.1.3), an offload towards the peer
 * (common/hello.h), and what the header before each frame asks for (5.1.6). A
 * header that asks for more than both sides agreed to is refused, whoever sent
 * it.
 */
#ifndef VK_BOOT_VIRTIO_NET_OFFLOAD_H
#define VK_BOOT_VIRTIO_NET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_header { /* 5.1.6, little endian */
	uint8_t flags;
	uint8_t gso_type;
	uint16_t header_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

#define NET_HEADER_NEEDS_CSUM 1
#define NET_GSO_NONE          0
#define NET_GSO_TCP4          1
#define NET_GSO_TCP6          4

enum net_way { NET_FROM_GUEST, NET_TO_GUEST };

/* The features that stand for these offloads. */
uint64_t net_offload_features(uint32_t offloads);

/* The offloads that these features stand for; not those that need another one
 * that is not there (5.1.3.1). */
uint32_t net_offloads(uint64_t features);

/* Whether a header asks for nothing but these offloads, on this way, for a
 * frame of len bytes. */
bool net_header_fits(
    const struct net_header *, size_t len, uint32_t offloads, enum net_way);

#endif
