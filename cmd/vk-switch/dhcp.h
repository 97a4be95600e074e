/* SPDX-License-Identifier: MIT */
/*
 * dhcp.h - DHCP (RFC 2131), the server's part
 *
 * DISCOVER, REQUEST (selecting, init-reboot, renewing, rebinding), DECLINE,
 * RELEASE, INFORM, rapid commit (RFC 4039). The client is known by its MAC,
 * which must be the sender's: a client identifier cannot be pinned to a port.
 * Options given: mask, router, DNS, domain, host name, MTU, broadcast, search
 * list (RFC 3397), classless routes (RFC 3442). Left out: relays, leases of
 * several networks, IPv4-less modes.
 */
#ifndef VK_SWITCH_DHCP_H
#define VK_SWITCH_DHCP_H

#include "cmd/vk-switch/packet.h"

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

struct dhcp_message {
	uint32_t transaction;
	uint16_t flags;
	struct addr client; /* ciaddr */
	struct mac mac;
	uint8_t type;
	bool has_wish, has_server, rapid_commit;
	bool wants_routes, wants_search;
	struct addr wish;   /* option 50 */
	struct addr server; /* option 54 */
	char name[64];      /* option 12, checked; empty: none */
};

struct lan;
struct port;
struct station;

/* Returns 0, -1 for what is no request of an Ethernet client. */
int dhcp_parse(const void *data, size_t len, struct dhcp_message *);

void dhcp_input(
    struct lan *, struct port *, struct station *, const struct udp_datagram *);

#endif
