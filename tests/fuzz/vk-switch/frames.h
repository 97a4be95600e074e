/* SPDX-License-Identifier: MIT */
/*
 * frames.h - frames out of a fuzzer's input, for the targets of vk-switch
 *
 * Each stands behind its length, 16 bits, whose top bit asks for sums to be
 * made right.
 */
#ifndef VK_FUZZ_SWITCH_FRAMES_H
#define VK_FUZZ_SWITCH_FRAMES_H

#include "tests/cmd/vk-switch/wire.h"

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

/* The next frame; 0: there is none. `before` bytes of it are a header
 * that sums do not know. */
static size_t
take_frame(struct cursor *c, uint8_t *frame, size_t size, size_t before)
{
	uint16_t head = get_be16(c);
	size_t len = head & 0x7fff;
	const uint8_t *at;

	if (len > c->left)
		len = c->left;
	at = get_bytes(c, len);
	if (c->bad || len == 0 || len > size)
		return 0;
	memcpy(frame, at, len);
	if (head & 0x8000 && len > before)
		make_sums(frame + before, len - before);
	return len;
}

#endif
