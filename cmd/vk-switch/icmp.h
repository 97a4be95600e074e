/* SPDX-License-Identifier: MIT */
/*
 * icmp.h - what the gateway says by ICMP and ICMPv6
 *
 * Echo of its own addresses is answered here. Errors are told for packets and
 * for flows (then the packet is made up from the flow's ends), at most
 * ICMP_ERRORS_PER_TICK of them to a VM (RFC 1812, 4.3.2.8), never about errors,
 * fragments but the first, or groups (RFC 1122, 3.2.2).
 */
#ifndef VK_SWITCH_ICMP_H
#define VK_SWITCH_ICMP_H

#include "cmd/vk-switch/packet.h"

#define ICMP_ERRORS_PER_TICK 100

enum icmp_error {
	ICMP_ERROR_PORT,
	ICMP_ERROR_HOST,
	ICMP_ERROR_NET,
	ICMP_ERROR_PROTOCOL,
	ICMP_ERROR_PROHIBITED,
	ICMP_ERROR_HOPS,
	ICMP_ERROR_TOO_BIG,
};

enum icmp_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_ECHO = 8,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
};

struct lan;
struct port;
struct flow;

/* Is it an echo request? Gives identifier and sequence. */
struct icmp_echo {
	uint16_t id, seq;
	const uint8_t *data;
	size_t len;
};
int icmp_parse_echo(const struct packet *, struct icmp_echo *);

/* An echo reply to a VM. */
struct icmp_reply {
	struct addr from, to;
	struct mac to_mac;
	struct icmp_echo echo;
};
void icmp_send_reply(struct lan *, struct port *, const struct icmp_reply *);

/* Answers an echo request to the gateway itself. */
void icmp_gateway_echo(struct lan *, struct port *, const struct packet *);

/* mtu counts for ICMP_ERROR_TOO_BIG. */
void icmp_error(struct lan *, struct port *, const struct packet *,
    enum icmp_error, uint32_t mtu);
void icmp_error_for_flow(
    struct lan *, const struct flow *, enum icmp_error, uint32_t mtu);

/* Sets the sum of the ICMP or ICMPv6 message of len bytes at icmp. */
void icmp_fill_sum(
    const struct addr *from, const struct addr *to, uint8_t *icmp, size_t len);

#endif
