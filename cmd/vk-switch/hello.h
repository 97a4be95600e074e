/* SPDX-License-Identifier: MIT */
/*
 * hello.h - how our own two ends agree on offloads
 *
 * A stream of frames, each behind its length, is what QEMU, passt and we
 * speak. Our own VMM can carry more: a virtio-net header before each frame, so
 * that a frame may hold 64 KiB of a TCP stream and lack its checksum. It asks
 * for that with a frame that a foreign switch drops as a protocol it does not
 * know, and believes in it only when the answer comes:
 *
 *	VMM     OFFER   what it can take and would like to send
 *	switch  ANSWER  what of that is agreed; the header stands before every
 *	                frame of the switch that follows
 *	VMM     CONFIRM the header stands before every frame of the VMM that
 *	                follows
 *
 * OFFER counts only as the first frame of a connection; without it the
 * connection is a plain one for good, so a guest, whose frames come later,
 * can neither start nor forge this. A later CONFIRM (the VMM's; a VMM drops
 * the guest's own frames of this type) names fewer features and narrows what
 * the switch sends from then on.
 *
 * The frame: Ethernet header (to 01:80:c2:00:00:0e, which bridges never
 * forward, type 0x88b5), "vksw", version 1, kind, two zero bytes, features as
 * 32 bits. All big-endian. vk-switch(5) is the contract.
 */
#ifndef VK_SWITCH_HELLO_H
#define VK_SWITCH_HELLO_H

#include "cmd/vk-switch/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hello_kind { HELLO_OFFER = 1, HELLO_ANSWER = 2, HELLO_CONFIRM = 3 };

enum hello_feature {
	FEATURE_SEND_CSUM = 1 << 0, /* VMM to switch: sums may be missing */
	FEATURE_SEND_TSO4 = 1 << 1, /* VMM to switch: large TCP */
	FEATURE_SEND_TSO6 = 1 << 2,
	FEATURE_TAKE_CSUM = 1 << 3, /* the same, switch to VMM */
	FEATURE_TAKE_TSO4 = 1 << 4,
	FEATURE_TAKE_TSO6 = 1 << 5,
};

#define FEATURES_KNOWN 0x3f

#define HELLO_LEN (ETH_LEN + 12)
/* struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6), little-endian. */
#define VNET_LEN 12

/* Reads a hello frame. Returns its kind, -1 if it is none. */
int hello_parse(const void *frame, size_t len, uint32_t *features);

/* Writes one of HELLO_LEN bytes. */
void hello_put(struct writer *, enum hello_kind, const struct mac *from,
    uint32_t features);

/* The header before a frame, both ways. Parsing returns -1 for what does not
 * fit the frame of len bytes or was not agreed. */
int vnet_parse(
    const void *header, size_t frame_len, uint32_t features, struct offload *);
void vnet_put(struct writer *, const struct offload *);

#endif
