/* SPDX-License-Identifier: MIT */
/*
 * fabric.h - the switch between the ports
 *
 * A frame is taken from a port only if its source MAC and IP are the sender's
 * (station.h). It then goes to the port of its destination, to all for groups
 * and for what is not known, and to the gateway. Only ARP, IPv4 and IPv6 pass:
 * a protocol that is not understood cannot be checked.
 *
 * What only the gateway may say is not taken from a VM: DHCP answers, router
 * advertisements and redirects. With isolation, of the fabric nothing is left
 * but the way to the gateway.
 */
#ifndef VK_SWITCH_FABRIC_H
#define VK_SWITCH_FABRIC_H

#include "cmd/vk-switch/packet.h"

struct lan;
struct port;

/* packet has its offload part set and nothing else. */
void fabric_input(struct lan *, struct port *, struct packet *packet,
    const uint8_t *frame, size_t len);

#endif
