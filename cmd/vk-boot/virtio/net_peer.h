/* SPDX-License-Identifier: MIT */
/*
 * net_peer.h - the other end of a network device's stream socket
 *
 * Framing, reconnecting, and what the two ends agree on. States, moved by one
 * function in net_peer.c:
 *
 *	AWAY     nobody there; with a path, a timer tries again
 *	PLAIN    length, frame. OFFER was sent as our first frame, and a peer
 *	         that does not know it drops it as a protocol it does not know
 *	HALF     the peer's ANSWER came: what it sends has a virtio-net header
 *	         (virtio 1.2, 5.1.6) between length and frame
 *	FULL     we have sent CONFIRM: so has what we send
 *
 * common/hello.h tells of OFFER, ANSWER and CONFIRM. The guest's own frames of
 * that type never reach the peer.
 */
#ifndef VK_BOOT_VIRTIO_NET_PEER_H
#define VK_BOOT_VIRTIO_NET_PEER_H

#include "cmd/vk-boot/loop.h"
#include "cmd/vk-boot/unix_place.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum net_peer_state {
	NET_AWAY,
	NET_PLAIN,
	NET_HALF,
	NET_FULL,
	NET_PEER_STATES
};

#define NET_ETHERNET_LEN 14
#define NET_HEADER_LEN   12 /* struct virtio_net_hdr, VERSION_1 */
#define NET_LENGTH_LEN   4
/* An IP packet of the largest length, Ethernet header and VLAN tag. */
#define NET_FRAME_MAX (65535 + NET_ETHERNET_LEN + 4)

/* Some reads of a full unix socket. */
#define NET_IN_SIZE (256u << 10)
/* What a partial write can leave of one frame. */
#define NET_REST_SIZE (NET_LENGTH_LEN + NET_HEADER_LEN + NET_FRAME_MAX)

/* A frame of the peer, where it lies; until the next net_peer_fill. */
struct net_frame {
	const uint8_t *header; /* virtio-net, NULL where the peer sends none */
	const uint8_t *at;
	size_t len;
};

struct net_peer {
	/* Set by the owner before net_peer_init: */
	struct loop *loop;
	const char *path; /* NULL: a given descriptor only */
	const uint8_t *mac;
	uint32_t offer; /* what we would like; 0: no OFFER */
	/* The state changed. */
	void (*changed)(void *owner);
	/* There may be something to read; there is room to write. */
	void (*readable)(void *owner);
	void (*writable)(void *owner);
	void *owner;

	enum net_peer_state state;
	uint32_t agreed; /* HALF: the peer's answer; FULL: what counts */
	struct loop_source socket, timer;
	uint32_t watched;
	unsigned retry_ms;
	uint8_t *in, *rest;
	size_t in_at, in_end;
	size_t rest_at, rest_end;
	struct unix_place place; /* of path */
	bool reading;            /* the owner has room */
	bool blocked;            /* the socket has none */
	bool warned;
};

/* What it asks of the host, beside what a loop does (filter.h). */
extern const struct filter_call net_peer_calls[];

/* Takes fd over, or connects to path where it is -1, and again later: through
 * its folder, which is opened once. 0, -1 with err. */
int net_peer_init(struct net_peer *, int fd, struct err *);
void net_peer_release(struct net_peer *);

/* HALF to FULL: from now on both know what counts, a part of `agreed`. */
void net_peer_confirm(struct net_peer *, uint32_t features);

/* The next whole frame that is there; true if there is one. It stays until
 * net_peer_passed. Frames of the agreement are dealt with inside. */
bool net_peer_next(struct net_peer *, struct net_frame *);
void net_peer_passed(struct net_peer *, const struct net_frame *);

/* Reads more. False where there is none now. */
bool net_peer_fill(struct net_peer *);

/* Whether to be called when there is something to read. */
void net_peer_read(struct net_peer *, bool on);

/*
 * Writes parts. Returns the bytes taken, maybe fewer than there are (then it is
 * blocked, until writable), and -1 where the peer is gone. Where a frame was
 * cut, its rest has to be handed to net_peer_keep at once.
 */
ssize_t net_peer_write(struct net_peer *, struct iovec *, unsigned count);
void net_peer_keep(struct net_peer *, const void *from, size_t len);

#endif
