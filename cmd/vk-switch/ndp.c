/* SPDX-License-Identifier: MIT */
/* ndp.c - neighbour discovery and router advertisements (RFC 4861) */
#include "cmd/vk-switch/ndp.h"

#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/lan.h"

#define ROUTER_LIFETIME_S  1800
#define PREFIX_VALID_S     86400
#define PREFIX_PREFERRED_S 14400

static const struct addr all_nodes = {{0xff, 0x02, [15] = 1}};

/* The target of a solicitation or advertisement. */
static int
target_of(const struct packet *p, uint8_t *type, struct addr *target)
{
	struct cursor c = cursor_of(p->body, p->body_len);
	const uint8_t *at;

	*type = get_u8(&c);
	get_bytes(&c, 7);
	at = get_bytes(&c, 16);
	if (!at)
		return -1;
	memcpy(target->b, at, 16);
	return 0;
}

/* RFC 4861, 6.1 and 7.1: hop limit, code and sum. */
static bool
is_valid(const struct packet *p)
{
	return p->hop_limit == 255 && p->body_len >= 8 && p->body[1] == 0 &&
	       packet_sum_good(p);
}

bool
ndp_target_is_own(struct lan *lan, struct station *s, const struct packet *p)
{
	struct addr target;
	uint8_t type;

	if (p->fragment_at)
		return true;
	if (target_of(p, &type, &target) < 0 && !p->fragment)
		return true;
	/* RFC 6980, 5: there are no fragments of these. */
	if (p->fragment)
		return type < NDP_SOLICIT_ROUTER || type > NDP_REDIRECT;
	/* A probe (RFC 4862, 5.4.2) claims what is free; what is not its owner
	 * defends. */
	if (type == NDP_SOLICIT_NEIGHBOUR && addr_is_zero(&p->from))
		station_claim(lan, s, &target);
	if (type != NDP_ADVERTISE_NEIGHBOUR)
		return true;
	return station_claim(lan, s, &target);
}

struct message {
	struct addr from, to;
	struct mac to_mac;
	uint8_t body[160];
	struct writer w;
};

static void
begin(struct lan *lan, struct message *m, enum ndp_type type)
{
	m->from = lan->config.gateway_local;
	m->w = writer_of(m->body, sizeof(m->body));
	put_be(&m->w, type, 1);
	put_be(&m->w, 0, 3);
}

static void
put_link_address(struct lan *lan, struct writer *w, uint8_t option)
{
	put_be(w, option, 1);
	put_be(w, 1, 1);
	put_bytes(w, lan->config.gateway_mac.b, 6);
}

static void
finish(struct lan *lan, struct port *port, struct message *m)
{
	uint8_t frame[ETH_LEN + 40 + sizeof(m->body)];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = {.to_mac = m->to_mac,
	    .from_mac = lan->config.gateway_mac,
	    .from = m->from,
	    .to = m->to,
	    .proto = PROTO_ICMP6,
	    .hop_limit = 255};
	size_t len = writer_len(&m->w);

	icmp_fill_sum(&m->from, &m->to, m->body, len);
	put_header(&w, &h, len);
	put_bytes(&w, m->body, len);
	if (!w.bad && !m->w.bad)
		port_send(lan, port, frame, writer_len(&w), NULL);
}

static void
put_prefix(struct lan *lan, struct writer *w)
{
	put_be(w, 3, 1);
	put_be(w, 4, 1);
	put_be(w, lan->config.net6.bits, 1);
	put_be(w, 0xc0, 1); /* on-link, autonomous */
	put_be(w, PREFIX_VALID_S, 4);
	put_be(w, PREFIX_PREFERRED_S, 4);
	put_be(w, 0, 4);
	put_bytes(w, lan->config.net6.base.b, 16);
}

static void
put_dns(struct lan *lan, struct writer *w)
{
	size_t len = strlen(lan->config.domain), padded = (len + 2 + 7) / 8 * 8;

	put_be(w, 25, 1); /* RDNSS */
	put_be(w, 3, 1);
	put_be(w, 0, 2);
	put_be(w, ROUTER_LIFETIME_S, 4);
	put_bytes(w, lan->config.gateway6.b, 16);
	put_be(w, 31, 1); /* DNSSL */
	put_be(w, 1 + padded / 8, 1);
	put_be(w, 0, 2);
	put_be(w, ROUTER_LIFETIME_S, 4);
	put_be(w, len, 1);
	put_bytes(w, lan->config.domain, len);
	put_zeros(w, padded - len - 1);
}

static void
advertise_to(struct lan *lan, struct port *port, const struct addr *to,
    const struct mac *to_mac)
{
	struct message m = {.to = *to, .to_mac = *to_mac};

	begin(lan, &m, NDP_ADVERTISE_ROUTER);
	put_be(&m.w, 64, 1); /* hop limit */
	put_be(&m.w, 0, 1);  /* neither DHCPv6 addresses nor others */
	/* No default route where the host has none: VMs would try it first
	 * and wait (RFC 7084, G-4). */
	put_be(&m.w, lan->config.route6 ? ROUTER_LIFETIME_S : 0, 2);
	put_be(&m.w, 0, 8);
	put_link_address(lan, &m.w, 1);
	put_be(&m.w, 0x05010000, 4);
	put_be(&m.w, lan->config.mtu, 4);
	put_prefix(lan, &m.w);
	put_dns(lan, &m.w);
	finish(lan, port, &m);
}

void
ndp_advertise(struct lan *lan, struct port *port)
{
	static const struct mac group = {{0x33, 0x33, 0, 0, 0, 1}};

	advertise_to(lan, port, &all_nodes, &group);
}

/* RFC 4861, 7.2.4; to all nodes for a probe from the unspecified address. */
static void
answer_solicitation(struct lan *lan, struct port *port, const struct packet *p,
    const struct addr *target)
{
	static const struct mac group = {{0x33, 0x33, 0, 0, 0, 1}};
	bool probe = addr_is_zero(&p->from);
	struct message m = {.to = probe ? all_nodes : p->from,
	    .to_mac = probe ? group : p->from_mac};

	begin(lan, &m, NDP_ADVERTISE_NEIGHBOUR);
	m.from = *target;
	/* router, solicited, override */
	put_be(&m.w, probe ? 0xa0000000 : 0xe0000000, 4);
	put_bytes(&m.w, target->b, 16);
	put_link_address(lan, &m.w, 2);
	finish(lan, port, &m);
}

bool
ndp_input(struct lan *lan, struct port *port, const struct packet *p)
{
	struct addr target = {{0}};
	uint8_t type = p->body_len ? p->body[0] : 0;

	if (p->proto != PROTO_ICMP6 || type < NDP_SOLICIT_ROUTER ||
	    type > NDP_REDIRECT)
		return false;
	if (!is_valid(p))
		return true;
	if (type == NDP_SOLICIT_ROUTER) {
		if (addr_is_zero(&p->from))
			ndp_advertise(lan, port);
		else
			advertise_to(lan, port, &p->from, &p->from_mac);
	}
	if (type == NDP_SOLICIT_NEIGHBOUR &&
	    target_of(p, &type, &target) == 0 &&
	    (addr_equal(&target, &lan->config.gateway6) ||
		addr_equal(&target, &lan->config.gateway_local)))
		answer_solicitation(lan, port, p, &target);
	return true;
}
