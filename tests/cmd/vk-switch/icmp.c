/* SPDX-License-Identifier: MIT */
/* icmp.c - errors that VMs are told, and how many */
#include "cmd/vk-switch/icmp.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

static int vms[2];

/* A datagram to where no rule leads. */
static void
sends(unsigned vm)
{
	uint8_t frame[128], four[4] = {10, 76, 0, (uint8_t)(20 + vm)};
	struct header h = {
	    .to_mac = lan.config.gateway_mac, .from = addr_of4(four)};
	size_t len;

	addr_parse("192.0.2.1", &h.to);
	len = wire_udp(frame, sizeof(frame), h, 4000, 4000, "x", 1);
	frame[11] = (uint8_t)(0x20 + vm); /* each has a MAC of its own */
	wire_send(vms[vm], frame, len);
}

/* How many errors it is told. */
static unsigned
hears(unsigned vm)
{
	uint8_t frame[2048];
	unsigned count = 0;
	ssize_t n;

	while ((n = wire_take(vms[vm], frame, sizeof(frame))) > 0) {
		struct packet p = {.len = 0};

		count += packet_ethernet(&p, frame, (size_t)n) == 0 &&
			 p.type == TYPE_IP4 && packet_ip(&p) == 0 &&
			 p.proto == PROTO_ICMP && p.body[0] == 3 &&
			 p.body[1] == 13;
	}
	return count;
}

int
main(void)
{
	wire_lan();
	vms[0] = wire_port();
	vms[1] = wire_port();
	sends(0);
	is_int(hears(0), 1, "what is prohibited is told");
	/* No tick may come between, so the limit is used up as it is. */
	for (unsigned i = 0; i < 4 * ICMP_ERRORS_PER_TICK; i++)
		sends(0);
	ok(hears(0) >= ICMP_ERRORS_PER_TICK - 1, "so often");
	lan.ports[0].icmp_errors = ICMP_ERRORS_PER_TICK;
	sends(0);
	is_int(hears(0), 0, "and no more");
	sends(1);
	is_int(hears(1), 1, "which is nothing that another VM suffers from");
	lan_release(&lan);
	return tap_done();
}
