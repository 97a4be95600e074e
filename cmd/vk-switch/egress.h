/* SPDX-License-Identifier: MIT */
/*
 * egress.h - sockets for flows that leave the LAN
 *
 * One place decides where a flow goes: to a service at the gateway (DNS over
 * TCP, --service), or, if the policy lets it, to the world. So nothing leaves
 * by a way that forgot to ask. With a proxy (proxy.h) the world is behind it.
 */
#ifndef VK_SWITCH_EGRESS_H
#define VK_SWITCH_EGRESS_H

#include "cmd/vk-switch/flow.h"

struct egress {
	int fd;           /* not blocking */
	int error;        /* of connect(2); 0 or EINPROGRESS: none yet */
	bool stream_unix; /* a unix stream socket */
	bool inspect;     /* see inspect.h */
	bool proxied;     /* connected to the proxy, see proxy.h */
	uint16_t rule;    /* that let it out, + 1 */
};

struct lan;
struct port;
struct station;

/* Returns 0, -1 where it is refused (and logged). */
int egress_open(struct lan *, const struct station *, const struct flow_key *,
    struct egress *);

/* The same for a datagram flow, which then is watched. NULL where there is
 * none: the VM was told why, in answer to this packet. */
struct flow *egress_open_datagram(struct lan *, const struct station *,
    const struct flow_key *, const struct packet *);

/* Connects without asking. Returns 0 (also if the connection failed: see
 * error), -1 without a socket. */
int egress_connect(struct lan *, const struct port *, const struct flow_key *,
    struct egress *);

#endif
