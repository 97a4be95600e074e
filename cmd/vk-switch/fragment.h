/* SPDX-License-Identifier: MIT */
/*
 * fragment.h - IP fragments: put together from VMs, made for them
 *
 * A VM's fragments are put together before anything looks at them, so a rule
 * never judges half a header. There are few places, all of fixed size; a VM
 * has at most FRAGMENTS_PER_PORT of them and then loses its oldest. Fragments
 * that overlap make the whole datagram void (RFC 5722; for IPv4 too, RFC 1858
 * tells why).
 */
#ifndef VK_SWITCH_FRAGMENT_H
#define VK_SWITCH_FRAGMENT_H

#include "cmd/vk-switch/packet.h"
#include "cmd/vk-switch/share.h"

#include <stdbool.h>
#include <stdint.h>

/* Datagrams larger than the MTU are rare: DNS, NFS, tests. */
#define FRAGMENTS_MAX      32
#define FRAGMENTS_PER_PORT 8
/* Pieces of one datagram: 64 KiB at the smallest IPv6 MTU. */
#define FRAGMENT_PIECES 64
/* RFC 8200, 4.5 says 60 s; a wire to a VM has no such delays. */
#define FRAGMENT_MS 5000

struct fragment_piece {
	uint32_t at, end;
};

struct fragment_place {
	struct share share;
	struct addr from, to;
	uint32_t id;
	uint8_t proto, hop_limit;
	uint32_t total; /* 0: the last piece is not here */
	uint32_t have;
	uint32_t count;
	struct fragment_piece pieces[FRAGMENT_PIECES];
	uint8_t body[65536];
};

struct lan;
struct port;

/* Takes one fragment. Returns true when *whole (the packet itself, changed) is
 * now the datagram; its body lives until the next call. */
bool fragment_input(struct lan *, struct port *, struct packet *whole);
void fragments_of_port_forget(struct lan *, const struct port *);

struct fragment_source {
	struct header header;
	const uint8_t *body;
	size_t len;
};

/* Sends a packet in pieces of the LAN's MTU. */
void fragment_send(struct lan *, struct port *, const struct fragment_source *);

#endif
