/* SPDX-License-Identifier: MIT */
/* arp.c - ARP (RFC 826): the gateway answers for itself alone */
#include "cmd/vk-switch/arp.h"

#include "cmd/vk-switch/lan.h"

enum { ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint16_t operation;
	struct mac from_mac;
	struct addr from, to;
};

static int
arp_parse(const struct packet *p, struct arp *a)
{
	struct cursor c = cursor_of(p->frame, p->len);
	const uint8_t *mac, *from, *to;
	uint64_t kind;

	get_bytes(&c, ETH_LEN);
	/* Ethernet, IPv4, lengths 6 and 4 */
	kind = get_be(&c, 6);
	a->operation = get_be16(&c);
	mac = get_bytes(&c, 6);
	from = get_bytes(&c, 4);
	get_bytes(&c, 6);
	to = get_bytes(&c, 4);
	if (c.bad || kind != 0x000108000604)
		return -1;
	memcpy(a->from_mac.b, mac, 6);
	a->from = addr_of4(from);
	a->to = addr_of4(to);
	return 0;
}

bool
arp_source_is_own(struct lan *lan, struct station *s, const struct packet *p)
{
	struct arp a;

	if (arp_parse(p, &a) < 0 || !mac_equal(&a.from_mac, &s->mac))
		return false;
	return addr_is_zero(&a.from) || station_claim(lan, s, &a.from);
}

void
arp_input(struct lan *lan, struct port *port, const struct packet *p)
{
	uint8_t frame[ETH_LEN + 28];
	struct writer w = writer_of(frame, sizeof(frame));
	const struct mac *own = &lan->config.gateway_mac;
	struct arp a;

	if (arp_parse(p, &a) < 0 || a.operation != ARP_REQUEST ||
	    !addr_equal(&a.to, &lan->config.gateway4))
		return;
	put_bytes(&w, a.from_mac.b, 6);
	put_bytes(&w, own->b, 6);
	put_be(&w, TYPE_ARP, 2);
	put_be(&w, 0x000108000604, 6);
	put_be(&w, ARP_REPLY, 2);
	put_bytes(&w, own->b, 6);
	put_bytes(&w, a.to.b + 12, 4);
	put_bytes(&w, a.from_mac.b, 6);
	put_bytes(&w, a.from.b + 12, 4);
	port_send(lan, port, frame, writer_len(&w), NULL);
}
