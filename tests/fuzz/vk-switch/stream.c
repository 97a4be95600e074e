/* SPDX-License-Identifier: MIT */
/*
 * The whole switch behind a port. An input is frames, each behind its length
 * (16 bits; the top bit: sums are made right) and goes through the socket.
 * Nothing leaves the process but DNS over TCP at the gateway, by a socketpair.
 */
#include "tests/cmd/vk-switch/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* So that parsers behind a sum are reached. */
static void
make_sums(uint8_t *frame, size_t len)
{
	struct packet p = {.len = 0};
	size_t header;
	uint16_t sum;
	int at;

	if (len < ETH_LEN + 20)
		return;
	if (frame[12] == 8 && frame[13] == 0) {
		header = (size_t)(frame[ETH_LEN] & 15) * 4;
		if (header < 20 || header > len - ETH_LEN)
			return;
		memset(frame + ETH_LEN + 10, 0, 2);
		sum = csum_fold(csum_add(0, frame + ETH_LEN, header));
		memcpy(frame + ETH_LEN + 10, &sum, 2);
	}
	if (packet_ethernet(&p, frame, len) < 0 ||
	    (p.type != TYPE_IP4 && p.type != TYPE_IP6) || packet_ip(&p) < 0)
		return;
	at = p.proto == PROTO_TCP ? 16 : p.proto == PROTO_UDP ? 6 : 2;
	if (p.fragment || p.body_len < (size_t)at + 2)
		return;
	memset(frame + (p.body - frame) + at, 0, 2);
	sum = csum_fold(
	    csum_add(p.proto == PROTO_ICMP
			 ? 0
			 : csum_pseudo(&p.from, &p.to, p.proto, p.body_len),
		p.body, p.body_len));
	memcpy(frame + (p.body - frame) + at, &sum, 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	static uint8_t frame[4096];
	struct cursor c = cursor_of(data, size);
	int vm;

	if (!made)
		wire_lan();
	made = true;
	lan.policies[0].count = 0; /* nothing is allowed */
	vm = wire_port();
	while (c.left >= 2 && !c.bad) {
		uint16_t head = get_be16(&c);
		size_t len = head & 0x7fff;
		const uint8_t *at;

		if (len > c.left)
			len = c.left;
		at = get_bytes(&c, len);
		if (len > sizeof(frame) || lan.ports[0].fd < 0)
			break;
		memcpy(frame, at, len);
		if (head & 0x8000)
			make_sums(frame, len);
		wire_send(vm, frame, len);
		wire_drain(vm);
	}
	port_close(&lan, &lan.ports[0], NULL);
	close(vm);
	return 0;
}
