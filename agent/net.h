/* SPDX-License-Identifier: MIT */
/*
 * net.h - the guest's interfaces, as the configuration has them
 *
 *	net IF up | mtu N | name NEW | address A/P | gateway G
 *	       | route D/P G | dhcp
 *
 * IF is a name or a MAC address. The loopback is always up.
 */
#ifndef VK_AGENT_NET_H
#define VK_AGENT_NET_H

#include "agent/agent.h"
#include "agent/config.h"

/* Sets all of it up, and waits for DHCP some seconds, so that what starts
 * next finds a network. What fails is logged. */
void net_start(struct agent *, const struct config *);

#endif
