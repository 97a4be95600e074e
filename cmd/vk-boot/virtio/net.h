/* SPDX-License-Identifier: MIT */
/*
 * net.h - virtio network device (virtio 1.2, 5.1): one pair of queues
 *
 * Frames go to and come from a unix stream socket, each behind its length as
 * 32 bits in network order: what vk-switch, passt and QEMU's -netdev stream
 * speak. Checksum and segmentation offloads are offered to the guest only when
 * the peer has agreed to carry them (vk-switch does; see net_peer.h); they are
 * the peer's word at the time the guest's driver starts.
 *
 * The link is up while the peer is there and carries what the guest uses. When
 * the peer goes, the link goes down, frames are dropped, and a peer reached by
 * path is looked for again until it is back: after NET_RETRY_MS, then less and
 * less often up to NET_RETRY_MAX_MS.
 *
 * Nothing is allocated once the device exists: a peer that does not read makes
 * the guest wait, a guest that does not read makes the peer wait.
 */
#ifndef VK_BOOT_VIRTIO_NET_H
#define VK_BOOT_VIRTIO_NET_H

#include "cmd/vk-boot/virtio/device.h"

#define NET_MTU_MIN 68 /* 5.1.4.1 */
#define NET_MTU_MAX 65535

#define NET_RETRY_MS     100
#define NET_RETRY_MAX_MS 2000

struct net_config {
	const char *path; /* socket to connect to; borrowed. NULL: fd */
	int fd;           /* a connected stream socket; owned */
	uint8_t mac[6];
	uint16_t mtu;     /* told to the guest; 0: nothing is, so 1500 */
	bool no_offloads; /* the peer is not even asked */
};

/* NULL with err, also where nobody is at path. Free with
 * virtio_device_free. */
struct virtio_device *net_new(struct loop *, const struct gmem *,
    const struct net_config *, struct err *);

/* For status. Any thread. */
struct net_stats {
	bool up;
	uint64_t to_guest_frames, to_guest_bytes;
	uint64_t from_guest_frames, from_guest_bytes;
	uint64_t to_guest_dropped, from_guest_dropped;
};
void net_stats(struct virtio_device *, struct net_stats *);

#endif
