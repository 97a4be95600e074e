/* SPDX-License-Identifier: MIT */
/*
 * segment.h - large TCP frames cut for a receiver that cannot take them
 *
 * What network cards do for TSO, done here when a VM with offloads talks to
 * one without: the headers are repeated, sequence number, identification,
 * lengths, FIN and PSH, sums are set. A frame that only lacks its transport
 * sum gets that.
 */
#ifndef VK_SWITCH_SEGMENT_H
#define VK_SWITCH_SEGMENT_H

#include "cmd/vk-switch/packet.h"

struct lan;
struct port;

/* Sends a parsed packet (packet_ip() was called where it is IP) to a port in
 * a form that it understands. */
void segment_send(struct lan *, struct port *to, const struct packet *);

#endif
