/* SPDX-License-Identifier: MIT */
/* gateway.c - what is sent to the gateway: for itself, or to be carried on */
#include "cmd/vk-switch/gateway.h"

#include "cmd/vk-switch/arp.h"
#include "cmd/vk-switch/dhcp.h"
#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/ndp.h"
#include "cmd/vk-switch/ping.h"
#include "cmd/vk-switch/resolver.h"
#include "cmd/vk-switch/tcp.h"
#include "cmd/vk-switch/udp.h"

bool
gateway_has(const struct lan *lan, const struct addr *a)
{
	return addr_equal(a, &lan->config.gateway4) ||
	       addr_equal(a, &lan->config.gateway6) ||
	       addr_equal(a, &lan->config.gateway_local);
}

static void
own_udp(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct udp_datagram u;

	if (packet_udp(p, &u) < 0)
		port->count.malformed++;
	else if (u.to == 67 && addr_is4(&p->to))
		dhcp_input(lan, port, s, &u);
	else if (u.to == 53 && !addr_is_zero(&p->from))
		resolver_input(lan, port, p, &u);
	else if (!udp_answer(lan, port, s, p, &u))
		icmp_error(lan, port, p, ICMP_ERROR_PORT, 0);
}

static void
own_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	if (p->proto == PROTO_UDP)
		own_udp(lan, port, s, p);
	else if (p->proto == PROTO_TCP)
		tcp_input(lan, port, s, p);
	else if (p->proto == PROTO_ICMP || p->proto == PROTO_ICMP6)
		icmp_gateway_echo(lan, port, p);
	else
		icmp_error(lan, port, p, ICMP_ERROR_PROTOCOL, 0);
}

/* To groups: DHCP and neighbour discovery are all that concerns us. */
static void
group_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct udp_datagram u;

	if (p->proto == PROTO_UDP && addr_is4(&p->to) &&
	    packet_udp(p, &u) == 0 && u.to == 67)
		dhcp_input(lan, port, s, &u);
}

static void
carry(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	bool four = addr_is4(&p->to);

	if (p->hop_limit <= 1) {
		icmp_error(lan, port, p, ICMP_ERROR_HOPS, 0);
		return;
	}
	if (four ? cidr_contains(&lan->config.net4, &p->to)
		 : cidr_contains(&lan->config.net6, &p->to)) {
		icmp_error(lan, port, p, ICMP_ERROR_HOST, 0);
		return;
	}
	switch (p->proto) {
	case PROTO_TCP:
		tcp_input(lan, port, s, p);
		break;
	case PROTO_UDP:
		udp_input(lan, port, s, p);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		if ((p->proto == PROTO_ICMP) == four)
			ping_input(lan, port, s, p);
		break;
	default:
		icmp_error(lan, port, p, ICMP_ERROR_PROTOCOL, 0);
	}
}

void
gateway_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct packet whole;

	if (p->type == TYPE_ARP) {
		arp_input(lan, port, p);
		return;
	}
	if (p->fragment) {
		whole = *p;
		if (!fragment_input(lan, port, &whole))
			return;
		p = &whole;
	}
	if (ndp_input(lan, port, p))
		return;
	if (gateway_has(lan, &p->to))
		own_input(lan, port, s, p);
	else if (addr_is_multicast(&p->to) || mac_is_group(&p->to_mac))
		group_input(lan, port, s, p);
	else if (!addr_is_zero(&p->from))
		carry(lan, port, s, p);
	/* What was put together of fragments lies in a place that is free now.
	 */
	if (p->fragment)
		tcp_send_batch(lan);
}
