/* SPDX-License-Identifier: MIT */
/*
 * dhcp.h - an address from the network (RFC 2131)
 *
 * One client for each interface, in the agent's loop: discover, request, and
 * renewal at half of the lease. Answers are asked for by broadcast, so that a
 * plain UDP socket gets them before there is an address, and no packet socket
 * is needed.
 *
 * Of several interfaces' default routes the first interface's is used: which
 * server answers first does not matter.
 */
#ifndef VK_AGENT_DHCP_H
#define VK_AGENT_DHCP_H

#include "agent/agent.h"

#include <stddef.h>
#include <stdint.h>

#define DHCP_SERVERS_MAX 4

struct dhcp_lease {
	uint8_t type;     /* 2 offer, 5 acknowledge, 6 refusal */
	uint32_t address; /* network order, as all of them */
	uint32_t server, router;
	uint32_t dns[DHCP_SERVERS_MAX];
	unsigned dns_count;
	unsigned prefix;
	uint32_t seconds;
	uint16_t mtu; /* 0: not told */
	char domain[256];
};

/* Parses an answer to the transaction. 0, -1 if it is none. */
int dhcp_parse(struct dhcp_lease *, const uint8_t *packet, size_t len,
    uint32_t transaction, const uint8_t mac[6]);

/* Starts a client. 0, -1 with errno. */
int dhcp_start(struct agent *, int index);

/* How many have no lease yet. */
unsigned dhcp_waiting(void);

#endif
