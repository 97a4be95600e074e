/* SPDX-License-Identifier: MIT */
/* packet.c - frames taken apart, and put together */
#include "cmd/vk-switch/packet.h"

#include "cmd/vk-switch/csum.h"

/* RFC 8504, 5.3 lets a node limit them; no honest chain here has more. */
#define EXTENSION_HEADERS_MAX 8

int
packet_ethernet(struct packet *p, const void *frame, size_t len)
{
	struct cursor c = cursor_of(frame, len);
	const uint8_t *to = get_bytes(&c, 6);
	const uint8_t *from = get_bytes(&c, 6);

	p->frame = frame;
	p->len = len;
	p->type = get_be16(&c);
	if (c.bad)
		return -1;
	memcpy(p->to_mac.b, to, 6);
	memcpy(p->from_mac.b, from, 6);
	return 0;
}

static int
parse_ip4(struct packet *p, struct cursor *c)
{
	const uint8_t *h = get_bytes(c, 20);
	size_t header, total;
	unsigned fragment;

	if (!h || h[0] >> 4 != 4)
		return -1;
	header = (size_t)(h[0] & 15) * 4;
	total = (size_t)(h[2] << 8 | h[3]);
	if (header < 20 || total < header || total > c->left + 20)
		return -1;
	if (csum_fold(csum_add(0, h, header)) != 0)
		return -1;
	fragment = (unsigned)(h[6] << 8 | h[7]);
	p->dont_fragment = fragment & 0x4000;
	p->more_fragments = fragment & 0x2000;
	p->fragment_at = (fragment & 0x1fff) * 8;
	p->fragment = p->more_fragments || p->fragment_at;
	p->fragment_id = (uint32_t)(h[4] << 8 | h[5]);
	p->hop_limit = h[8];
	p->proto = h[9];
	p->from = addr_of4(h + 12);
	p->to = addr_of4(h + 16);
	p->ip = h;
	p->ip_len = total;
	p->body = h + header;
	p->body_len = total - header;
	return 0;
}

/* RFC 8200, 4: hop-by-hop, destination options, routing (only with nothing
 * left to visit), fragment; all others are the transport's. */
static int
parse_extensions(struct packet *p, struct cursor *c, uint8_t next)
{
	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		const uint8_t *h;
		size_t len;

		if (next != 0 && next != 43 && next != 44 && next != 60) {
			p->proto = next;
			p->body = c->at;
			p->body_len = c->left;
			return 0;
		}
		h = get_bytes(c, 8);
		if (!h)
			return -1;
		if (next == 44) {
			if (p->fragment)
				return -1; /* a fragment of a fragment */
			p->fragment_at = (uint32_t)(h[2] << 8 | (h[3] & 0xf8));
			p->more_fragments = h[3] & 1;
			p->fragment_id = (uint32_t)h[4] << 24 |
					 (uint32_t)h[5] << 16 |
					 (uint32_t)h[6] << 8 | h[7];
			/* RFC 6946: an atomic fragment is a whole packet. */
			p->fragment = p->more_fragments || p->fragment_at;
			if (p->fragment_at) {
				p->proto = h[0];
				p->body = c->at;
				p->body_len = c->left;
				return 0;
			}
		} else {
			len = (size_t)h[1] * 8;
			if ((next == 43 && h[3] != 0) || !get_bytes(c, len))
				return -1;
		}
		next = h[0];
	}
	return -1;
}

static int
parse_ip6(struct packet *p, struct cursor *c)
{
	const uint8_t *h = get_bytes(c, 40);
	size_t payload;

	if (!h || h[0] >> 4 != 6)
		return -1;
	payload = (size_t)(h[4] << 8 | h[5]);
	if (payload > c->left)
		return -1;
	/* RFC 2675 jumbograms have 0 here; nothing needs them. */
	c->left = payload;
	p->hop_limit = h[7];
	memcpy(p->from.b, h + 8, 16);
	memcpy(p->to.b, h + 24, 16);
	if (addr_is4(&p->from) || addr_is4(&p->to))
		return -1;
	p->ip = h;
	p->ip_len = 40 + payload;
	p->dont_fragment = true;
	return parse_extensions(p, c, h[6]);
}

int
packet_ip(struct packet *p)
{
	struct cursor c = cursor_of(p->frame, p->len);
	int result;

	get_bytes(&c, ETH_LEN);
	p->fragment = p->more_fragments = false;
	p->fragment_at = 0;
	result = p->type == TYPE_IP4 ? parse_ip4(p, &c) : parse_ip6(p, &c);
	if (result < 0 || c.bad || addr_is_multicast(&p->from))
		return -1;
	return 0;
}

bool
packet_sum_good(const struct packet *p)
{
	uint64_t sum = 0;

	if (p->offload.needs_csum)
		return true;
	if (p->proto != PROTO_ICMP)
		sum = csum_pseudo(&p->from, &p->to, p->proto, p->body_len);
	return csum_fold(csum_add(sum, p->body, p->body_len)) == 0;
}

/* RFC 9293, 3.2: options. A length that lies ends the walk. */
static void
parse_options(struct tcp_segment *t, struct cursor options)
{
	while (options.left > 0 && !options.bad) {
		uint8_t kind = get_u8(&options), len;
		const uint8_t *value;

		if (kind == 0)
			return;
		if (kind == 1)
			continue;
		len = get_u8(&options);
		if (len < 2)
			return;
		value = get_bytes(&options, len - 2u);
		if (!value)
			return;
		if (kind == 2 && len == 4)
			t->mss = (uint16_t)(value[0] << 8 | value[1]);
		else if (kind == 3 && len == 3) /* RFC 7323, 2.3: at most 14 */
			t->scale = (int8_t)(value[0] > 14 ? 14 : value[0]);
	}
}

int
packet_tcp(const struct packet *p, struct tcp_segment *t)
{
	struct cursor c = cursor_of(p->body, p->body_len);
	const uint8_t *options;
	size_t header;

	t->from = get_be16(&c);
	t->to = get_be16(&c);
	t->seq = get_be32(&c);
	t->ack = get_be32(&c);
	header = (size_t)(get_u8(&c) >> 4) * 4;
	t->flags = get_u8(&c);
	t->window = get_be16(&c);
	get_be32(&c); /* sum, urgent pointer: RFC 6093, 6: in line */
	if (c.bad || header < 20)
		return -1;
	options = get_bytes(&c, header - 20);
	if (!options || !packet_sum_good(p))
		return -1;
	t->mss = 0;
	t->scale = -1;
	if (t->flags & TCP_SYN)
		parse_options(t, cursor_of(options, header - 20));
	t->data = c.at;
	t->len = c.left;
	return t->from && t->to ? 0 : -1;
}

int
packet_udp(const struct packet *p, struct udp_datagram *u)
{
	struct cursor c = cursor_of(p->body, p->body_len);
	uint16_t len, sum;

	u->from = get_be16(&c);
	u->to = get_be16(&c);
	len = get_be16(&c);
	sum = get_be16(&c);
	if (c.bad || len != p->body_len || !u->to)
		return -1;
	/* RFC 768: zero is "none"; RFC 8200, 8.1: not so in IPv6. */
	if (sum == 0 && !addr_is4(&p->to))
		return -1;
	if (sum != 0 && !packet_sum_good(p))
		return -1;
	u->data = c.at;
	u->len = c.left;
	return 0;
}

void
put_header(struct writer *w, const struct header *h, size_t body_len)
{
	bool four = addr_is4(&h->to);
	uint8_t hop_limit = h->hop_limit ? h->hop_limit : 64;
	struct writer in;
	uint8_t *ip;
	uint16_t sum;

	put_bytes(w, h->to_mac.b, 6);
	put_bytes(w, h->from_mac.b, 6);
	if (!four) {
		put_be(w, TYPE_IP6, 2);
		put_be(w, 0x60000000, 4);
		put_be(w, body_len, 2);
		put_be(w, h->proto, 1);
		put_be(w, hop_limit, 1);
		put_bytes(w, h->from.b, 16);
		put_bytes(w, h->to.b, 16);
		return;
	}
	put_be(w, TYPE_IP4, 2);
	ip = put_room(w, 20);
	if (!ip)
		return;
	in = writer_of(ip, 20);
	put_be(&in, 0x4500, 2);
	put_be(&in, body_len + 20, 2);
	put_be(&in, h->id, 2);
	put_be(&in, h->may_fragment ? h->fragment : 0x4000, 2);
	put_be(&in, hop_limit, 1);
	put_be(&in, h->proto, 1);
	put_be(&in, 0, 2);
	put_bytes(&in, h->from.b + 12, 4);
	put_bytes(&in, h->to.b + 12, 4);
	sum = csum_fold(csum_add(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}
