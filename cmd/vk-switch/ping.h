/* SPDX-License-Identifier: MIT */
/*
 * ping.h - ICMP echo to the world
 *
 * Through "ping sockets" (socket(2) with SOCK_DGRAM and IPPROTO_ICMP), which
 * the host allows to the groups in net.ipv4.ping_group_range. Where it does
 * not, the VM is told "administratively prohibited", and the log says so once.
 * The host's kernel replaces the identifier; each flow has one of the VM's.
 */
#ifndef VK_SWITCH_PING_H
#define VK_SWITCH_PING_H

#include "cmd/vk-switch/flow.h"

struct lan;
struct port;
struct station;

void ping_input(
    struct lan *, struct port *, struct station *, const struct packet *);
void ping_event(struct lan *, struct flow *, uint32_t events);

#endif
