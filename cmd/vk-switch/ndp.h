/* SPDX-License-Identifier: MIT */
/*
 * ndp.h - neighbour discovery and router advertisements (RFC 4861)
 *
 * The gateway solicits nobody (it learns from what it gets), answers
 * solicitations for its two addresses, and advertises itself as router with
 * the prefix for SLAAC (RFC 4862), the MTU, and DNS (RFC 8106): when asked,
 * when a port comes, and now and then.
 */
#ifndef VK_SWITCH_NDP_H
#define VK_SWITCH_NDP_H

#include "cmd/vk-switch/packet.h"

enum ndp_type {
	NDP_SOLICIT_ROUTER = 133,
	NDP_ADVERTISE_ROUTER = 134,
	NDP_SOLICIT_NEIGHBOUR = 135,
	NDP_ADVERTISE_NEIGHBOUR = 136,
	NDP_REDIRECT = 137,
};

/* RFC 4861, 6.2.1: MaxRtrAdvInterval at most 1800 s. */
#define NDP_ADVERTISE_EVERY_S 300

struct lan;
struct port;
struct station;

/* An advertisement may speak for the sender's addresses only, and comes in one
 * piece, as all of neighbour discovery does. Of what is none, true. */
bool ndp_target_is_own(struct lan *, struct station *, const struct packet *);

/* Returns false for what is not neighbour discovery. */
bool ndp_input(struct lan *, struct port *, const struct packet *);

/* A router advertisement to all of a port. */
void ndp_advertise(struct lan *, struct port *);

#endif
