/* SPDX-License-Identifier: MIT */
/*
 * hello.h - how a VM's network device and its switch agree on offloads
 *
 * A stream of frames, each behind its length, is what QEMU, passt and we
 * speak. Our own two ends can carry more: a virtio-net header before each
 * frame, so that a frame may hold 64 KiB of a TCP stream and lack its checksum.
 * The VMM asks for that with a frame that a foreign switch drops as a protocol
 * it does not know, and believes in it only when the answer comes:
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
 * the guest's own frames of this type) names fewer offloads and narrows what
 * the switch sends from then on.
 *
 * The frame: Ethernet header (to 01:80:c2:00:00:0e, which bridges never
 * forward, type 0x88b5), "vksw", version 1, kind, two zero bytes, offloads as
 * 32 bits. All big-endian. vk-switch(5) is the contract.
 */
#ifndef VK_COMMON_HELLO_H
#define VK_COMMON_HELLO_H

#include "common/cursor.h"

/* HELLO_OTHER: of a version or kind that is not known here. */
enum hello_kind { HELLO_OTHER, HELLO_OFFER, HELLO_ANSWER, HELLO_CONFIRM };

/* SEND: VMM to switch, TAKE: switch to VMM. */
enum hello_offload {
	OFFLOAD_SEND_CSUM = 1 << 0, /* sums may be missing */
	OFFLOAD_SEND_TSO4 = 1 << 1, /* large TCP */
	OFFLOAD_SEND_TSO6 = 1 << 2,
	OFFLOAD_TAKE_CSUM = 1 << 3,
	OFFLOAD_TAKE_TSO4 = 1 << 4,
	OFFLOAD_TAKE_TSO6 = 1 << 5,
};
#define OFFLOADS_ALL 0x3fu

#define HELLO_LEN (14 + 12)

/* Reads a frame. Returns its kind, -1 if it is none of these. */
int hello_parse(const void *frame, size_t len, uint32_t *offloads);

/* Writes one of HELLO_LEN bytes. */
void hello_put(
    struct writer *, enum hello_kind, const uint8_t from[6], uint32_t offloads);

#endif
