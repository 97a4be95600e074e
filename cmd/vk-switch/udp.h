/* SPDX-License-Identifier: MIT */
/*
 * udp.h - UDP flows
 *
 * Each pair of ends has a connected socket: the kernel filters who may answer,
 * and tells of unreachable ports, which the VM then hears as ICMP. What a read
 * of a port brings for one flow in a row leaves with one call: sendmmsg(2), or
 * as one large packet where all are of one length (UDP_SEGMENT). Answers are
 * received straight into the port's output buffer. Datagrams larger than the
 * MTU are fragmented towards the VM (fragment.h).
 */
#ifndef VK_SWITCH_UDP_H
#define VK_SWITCH_UDP_H

#include "cmd/vk-switch/flow.h"
#include "cmd/vk-switch/packet.h"

#include <sys/socket.h>
#include <sys/uio.h>

/* Sent or received by one call. */
#define UDP_BATCH_MAX 64

struct udp_batch {
	struct flow *flow; /* NULL: empty */
	unsigned count;
	struct iovec iov[UDP_BATCH_MAX];
	struct mmsghdr messages[UDP_BATCH_MAX];
};

struct lan;
struct port;
struct station;

void udp_input(
    struct lan *, struct port *, struct station *, const struct packet *);
/* To the gateway: only of a client that was published to the VM, and that it
 * sees as the gateway. Returns false for anything else. */
bool udp_answer(struct lan *, struct port *, struct station *,
    const struct packet *, const struct udp_datagram *);
void udp_event(struct lan *, struct flow *, uint32_t events);
void udp_send_batch(struct lan *);
void udp_forget(struct lan *, struct flow *);

/* Sends one datagram to a VM: an answer of the gateway, or what is no flow's
 * yet. */
struct udp_reply {
	struct addr from, to;
	uint16_t from_port, to_port;
	struct mac to_mac;
	const void *data; /* not in lan->whole */
	size_t len;
};
void udp_reply(struct lan *, struct port *, const struct udp_reply *);

#endif
