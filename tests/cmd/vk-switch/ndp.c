/* SPDX-License-Identifier: MIT */
/* ndp.c - what a VM may say as a neighbour */
#include "cmd/vk-switch/ndp.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

static int vm;

/* The first of two fragments of an ICMPv6 message: is it forged? */
static bool
is_forged_piece(uint8_t type)
{
	uint8_t frame[256];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = {.to_mac = lan.config.gateway_mac,
	    .from_mac = vm_mac,
	    .to = lan.config.gateway6,
	    .proto = 44,
	    .hop_limit = 255};
	uint64_t before = lan.ports[0].count.spoofed;

	addr_parse("fd76:6b00::23", &h.from);
	put_header(&w, &h, 8 + 64);
	put_be(&w, PROTO_ICMP6, 1);
	put_be(&w, 0, 2);
	put_be(&w, 1, 1); /* more */
	put_be(&w, 77, 4);
	put_be(&w, type, 1);
	put_zeros(&w, 63);
	wire_send(vm, frame, writer_len(&w));
	return lan.ports[0].count.spoofed > before;
}

static void
neighbours_in_pieces(void)
{
	bool all = true;

	for (uint8_t type = 133; type <= 137; type++)
		all &= is_forged_piece(type);
	ok(all, "neighbour discovery in fragments is none (RFC 6980)");
	ok(!is_forged_piece(128), "but an echo request may be large");
}

int
main(void)
{
	wire_lan();
	vm = wire_port();
	neighbours_in_pieces();
	lan_release(&lan);
	return tap_done();
}
