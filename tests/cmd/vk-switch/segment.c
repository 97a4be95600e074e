/* SPDX-License-Identifier: MIT */
/* segment.c - large frames from VM to VM, whatever the sender says of them */
#include "cmd/vk-switch/segment.h"

#include "common/hello.h"
#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#define PAYLOAD 3000
#define SEGMENT 1000

static const struct mac peer_mac = {{2, 0, 0, 0, 0, 0x18}};
static int vm, peer;

/* As both ends have agreed on everything (common/hello.h). */
static void
agree(struct port *p)
{
	p->greeted = p->in_headers = p->out_headers = true;
	p->features = OFFLOADS_ALL;
}

/* A large TCP segment to the other VM, with that in its header. */
static void
send_large(const char *from, const char *to, enum gso_type type)
{
	static const uint8_t data[PAYLOAD];
	uint8_t frame[VNET_LEN + 4096];
	struct writer w = writer_of(frame, VNET_LEN);
	struct tcp_made t = {.from_port = 4000,
	    .to_port = 80,
	    .flags = TCP_ACK,
	    .data = data,
	    .len = sizeof(data)};
	size_t len;

	addr_parse(from, &t.from);
	addr_parse(to, &t.to);
	vnet_put(&w, &(struct offload){.needs_csum = true,
			 .gso = (uint8_t)type,
			 .gso_size = SEGMENT,
			 .csum_start = (uint16_t)header_len(&t.to),
			 .csum_offset = 16});
	len = wire_tcp(frame + VNET_LEN, sizeof(frame) - VNET_LEN, &t);
	memcpy(frame + VNET_LEN, peer_mac.b, 6);
	wire_send(vm, frame, VNET_LEN + len);
}

/* What the other VM is told of it; false: it gets nothing. */
static bool
gets_large(struct offload *o)
{
	uint8_t frame[VNET_LEN + 4096];
	ssize_t n = wire_take(peer, frame, sizeof(frame));

	return n >= PAYLOAD &&
	       vnet_parse(frame, (size_t)n - VNET_LEN, OFFLOADS_ALL, o) == 0;
}

static int
told_type(void)
{
	struct offload o;

	return gets_large(&o) ? o.gso : -1;
}

static void
goes_whole(void)
{
	struct offload o = {.gso = 0};

	send_large("10.76.0.23", "10.76.0.24", GSO_TCP4);
	ok(gets_large(&o), "a large frame goes to a VM that takes such");
	is_int(o.gso, GSO_TCP4, "as one of IPv4");
	is_int(o.gso_size, SEGMENT, "of segments so long");
	is_int(o.header_len, ETH_LEN + 20 + 20, "behind headers so long");
	send_large("fd76:6b00::23", "fd76:6b00::24", GSO_TCP6);
	is_int(told_type(), GSO_TCP6, "so of IPv6");
	send_large("fd76:6b00::23", "fd76:6b00::24", GSO_TCP4);
	is_int(
	    told_type(), GSO_TCP6, "said to be of IPv4: it shows what it is");
	send_large("10.76.0.23", "10.76.0.24", GSO_TCP6);
	is_int(told_type(), GSO_TCP4, "the other way around");
}

static void
is_cut(void)
{
	uint8_t frame[4096];
	unsigned count = 0, right = 0;
	ssize_t n;

	lan.ports[1].out_headers = false;
	lan.ports[1].features = 0;
	send_large("10.76.0.23", "10.76.0.24", GSO_TCP4);
	while ((n = wire_take(peer, frame, sizeof(frame))) > 0) {
		struct packet p = {.len = 0};
		struct tcp_segment t;

		right += packet_ethernet(&p, frame, (size_t)n) == 0 &&
			 packet_ip(&p) == 0 && packet_tcp(&p, &t) == 0 &&
			 t.len == SEGMENT && t.seq == count * SEGMENT;
		count++;
	}
	is_int(count, PAYLOAD / SEGMENT, "for one that takes none it is cut");
	is_int(right, count, "where it is to be");
}

int
main(void)
{
	wire_lan();
	vm = wire_port();
	peer = wire_port();
	agree(&lan.ports[0]);
	agree(&lan.ports[1]);
	if (!station_of_sender(&lan, &lan.ports[1], &peer_mac))
		exit(1);
	goes_whole();
	is_cut();
	lan_release(&lan);
	return tap_done();
}
