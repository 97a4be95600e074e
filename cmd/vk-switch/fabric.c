/* SPDX-License-Identifier: MIT */
/* fabric.c - the switch between the ports */
#include "cmd/vk-switch/fabric.h"

#include "cmd/vk-switch/arp.h"
#include "cmd/vk-switch/gateway.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/ndp.h"
#include "cmd/vk-switch/segment.h"

static bool
isolated(const struct lan *lan, const struct port *a, const struct port *b)
{
	return lan->config.isolate || (a->listener && a->listener->isolate) ||
	       (b->listener && b->listener->isolate);
}

static void
flood(struct lan *lan, const struct port *from, const struct packet *p)
{
	for (uint32_t i = 0; i < lan->port_top; i++) {
		struct port *to = &lan->ports[i];

		if (to->fd >= 0 && to != from && !isolated(lan, from, to))
			segment_send(lan, to, p);
	}
}

/* What only the gateway may send. */
static bool
says_gateway_things(const struct packet *p)
{
	struct cursor c = cursor_of(p->body, p->body_len);

	if (p->proto == PROTO_ICMP6 && !p->fragment) {
		uint8_t type = get_u8(&c);

		return type == NDP_ADVERTISE_ROUTER || type == NDP_REDIRECT;
	}
	if (p->proto == PROTO_UDP && p->fragment_at == 0) {
		uint16_t port = get_be16(&c);

		return port == 67 || port == 547;
	}
	/* A first fragment too short to show its ports hides something. */
	return p->fragment && p->fragment_at == 0 && p->body_len < 8;
}

static bool
source_is_own(struct lan *lan, struct station *s, const struct packet *p)
{
	if (p->type == TYPE_ARP)
		return arp_source_is_own(lan, s, p);
	/* Without an address one asks for it: DHCP, and RFC 4862's probe. */
	if (addr_is_zero(&p->from)
		? p->proto != PROTO_UDP && p->proto != PROTO_ICMP6
		: !station_claim(lan, s, &p->from))
		return false;
	return p->proto != PROTO_ICMP6 || ndp_target_is_own(lan, s, p);
}

void
fabric_input(struct lan *lan, struct port *port, struct packet *p,
    const uint8_t *frame, size_t len)
{
	struct station *sender, *receiver;

	if (packet_ethernet(p, frame, len) < 0)
		return;
	if (p->type == TYPE_IP4 || p->type == TYPE_IP6) {
		if (packet_ip(p) < 0) {
			port->count.malformed++;
			return;
		}
	} else if (p->type != TYPE_ARP) {
		return;
	}
	sender = station_of_sender(lan, port, &p->from_mac);
	if (!sender || !source_is_own(lan, sender, p) ||
	    (p->type != TYPE_ARP && says_gateway_things(p))) {
		port->count.spoofed++;
		return;
	}
	if (mac_equal(&p->to_mac, &lan->config.gateway_mac)) {
		gateway_input(lan, port, sender, p);
		return;
	}
	if (mac_is_group(&p->to_mac)) {
		gateway_input(lan, port, sender, p);
		flood(lan, port, p);
		return;
	}
	receiver = station_by_mac(lan, &p->to_mac);
	if (!receiver)
		flood(lan, port, p);
	else if (receiver->port != port->index &&
		 !isolated(lan, port, &lan->ports[receiver->port]))
		segment_send(lan, &lan->ports[receiver->port], p);
}
