/* SPDX-License-Identifier: MIT */
/*
 * gateway.h - what is sent to the gateway: for itself, or to be carried on
 *
 * Itself: ARP, neighbour discovery, echo, DHCP, DNS, services. On: TCP, UDP,
 * ICMP echo. Everything else is told to be unreachable. The gateway does not
 * carry from VM to VM: the fabric does, or isolation forbids it.
 */
#ifndef VK_SWITCH_GATEWAY_H
#define VK_SWITCH_GATEWAY_H

#include "cmd/vk-switch/packet.h"

struct lan;
struct port;
struct station;

/* Is that one of its addresses? */
bool gateway_has(const struct lan *, const struct addr *);

/* A frame whose source was checked, to the gateway's MAC or to a group. */
void gateway_input(
    struct lan *, struct port *, struct station *, const struct packet *);

#endif
