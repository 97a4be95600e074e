/* SPDX-License-Identifier: MIT */
/*
 * arp.h - ARP (RFC 826): the gateway answers for itself alone
 *
 * A sender's protocol address must be its own (or zero: RFC 5227's probe), so
 * no VM can take another's traffic, or the gateway's.
 */
#ifndef VK_SWITCH_ARP_H
#define VK_SWITCH_ARP_H

#include "cmd/vk-switch/packet.h"

struct lan;
struct port;
struct station;

/* Is the ARP packet well formed, and does it speak for its sender only? */
bool arp_source_is_own(struct lan *, struct station *, const struct packet *);

/* A packet that passed the above. */
void arp_input(struct lan *, struct port *, const struct packet *);

#endif
