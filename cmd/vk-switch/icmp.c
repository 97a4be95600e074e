/* SPDX-License-Identifier: MIT */
/* icmp.c - what the gateway says by ICMP and ICMPv6 */
#include "cmd/vk-switch/icmp.h"

#include "cmd/vk-switch/csum.h"
#include "cmd/vk-switch/lan.h"

/* RFC 1812, 4.3.2.3: as much as fits 576 bytes; RFC 4443, 2.4: 1280. */
#define ERROR_QUOTE4 (576 - 20 - 8)
#define ERROR_QUOTE6 (1280 - 40 - 8)

static const struct {
	uint8_t type4, code4, type6, code6;
} errors[] = {
    [ICMP_ERROR_PORT] = {3, 3, 1, 4},
    [ICMP_ERROR_HOST] = {3, 1, 1, 3},
    [ICMP_ERROR_NET] = {3, 0, 1, 0},
    [ICMP_ERROR_PROTOCOL] = {3, 2, 4, 1},
    [ICMP_ERROR_PROHIBITED] = {3, 13, 1, 1},
    [ICMP_ERROR_HOPS] = {11, 0, 3, 0},
    [ICMP_ERROR_TOO_BIG] = {3, 4, 2, 0},
};

void
icmp_fill_sum(
    const struct addr *from, const struct addr *to, uint8_t *icmp, size_t len)
{
	uint64_t sum = 0;
	uint16_t field;

	memset(icmp + 2, 0, 2);
	if (!addr_is4(to))
		sum = csum_pseudo(from, to, PROTO_ICMP6, len);
	field = csum_fold(csum_add(sum, icmp, len));
	memcpy(icmp + 2, &field, 2);
}

int
icmp_parse_echo(const struct packet *p, struct icmp_echo *e)
{
	struct cursor c = cursor_of(p->body, p->body_len);
	bool four = p->proto == PROTO_ICMP;
	uint8_t type = get_u8(&c), code = get_u8(&c);

	get_be16(&c);
	e->id = get_be16(&c);
	e->seq = get_be16(&c);
	e->data = c.at;
	e->len = c.left;
	if (c.bad || code != 0 || four != addr_is4(&p->from) ||
	    type != (four ? ICMP4_ECHO : ICMP6_ECHO) || !packet_sum_good(p))
		return -1;
	return 0;
}

void
icmp_send_reply(struct lan *lan, struct port *port, const struct icmp_reply *r)
{
	bool four = addr_is4(&r->to);
	struct header h = {.to_mac = r->to_mac,
	    .from_mac = lan->config.gateway_mac,
	    .from = r->from,
	    .to = r->to,
	    .proto = four ? PROTO_ICMP : PROTO_ICMP6};
	struct fragment_source s = {.header = h, .body = lan->whole};
	struct writer w = writer_of(lan->whole, sizeof(lan->whole));

	put_be(&w, four ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY, 1);
	put_be(&w, 0, 3);
	put_be(&w, r->echo.id, 2);
	put_be(&w, r->echo.seq, 2);
	put_bytes(&w, r->echo.data, r->echo.len);
	s.len = writer_len(&w);
	if (w.bad)
		return;
	icmp_fill_sum(&r->from, &r->to, lan->whole, s.len);
	if (s.len > lan->config.mtu - header_len(&r->to) + ETH_LEN) {
		fragment_send(lan, port, &s);
	} else {
		uint8_t frame[ETH_LEN + 65535];

		w = writer_of(frame, sizeof(frame));
		put_header(&w, &h, s.len);
		put_bytes(&w, lan->whole, s.len);
		port_send(lan, port, frame, writer_len(&w), NULL);
	}
}

void
icmp_gateway_echo(struct lan *lan, struct port *port, const struct packet *p)
{
	struct icmp_reply r = {
	    .from = p->to, .to = p->from, .to_mac = p->from_mac};

	if (icmp_parse_echo(p, &r.echo) == 0)
		icmp_send_reply(lan, port, &r);
}

/* RFC 1122, 3.2.2: no errors about errors. */
static bool
is_error(const struct packet *p)
{
	struct cursor c = cursor_of(p->body, p->body_len);
	uint8_t type = get_u8(&c);

	if (p->proto == PROTO_ICMP)
		return type != ICMP4_ECHO;
	return p->proto == PROTO_ICMP6 && type < 128;
}

static void
send_error(struct lan *lan, struct port *port, const struct packet *p,
    enum icmp_error kind, uint32_t mtu)
{
	bool four = addr_is4(&p->to);
	size_t quote = four ? ERROR_QUOTE4 : ERROR_QUOTE6, len;
	uint8_t frame[ETH_LEN + 1280];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = {.to_mac = p->from_mac,
	    .from_mac = lan->config.gateway_mac,
	    .from = four ? lan->config.gateway4 : lan->config.gateway6,
	    .to = p->from,
	    .proto = four ? PROTO_ICMP : PROTO_ICMP6};
	uint8_t *icmp;

	if (port->icmp_errors >= ICMP_ERRORS_PER_TICK)
		return;
	port->icmp_errors++;
	if (kind == ICMP_ERROR_PORT)
		h.from = p->to; /* that host, and no other, has no such port */
	if (quote > p->ip_len)
		quote = p->ip_len;
	len = quote + 8;
	put_header(&w, &h, len);
	icmp = w.at;
	put_be(&w, four ? errors[kind].type4 : errors[kind].type6, 1);
	put_be(&w, four ? errors[kind].code4 : errors[kind].code6, 1);
	put_be(&w, 0, 2);
	put_be(&w, kind == ICMP_ERROR_TOO_BIG ? mtu : 0, 4);
	put_bytes(&w, p->ip, quote);
	if (w.bad)
		return;
	icmp_fill_sum(&h.from, &h.to, icmp, len);
	port_send(lan, port, frame, writer_len(&w), NULL);
}

void
icmp_error(struct lan *lan, struct port *port, const struct packet *p,
    enum icmp_error kind, uint32_t mtu)
{
	if (addr_is_multicast(&p->to) || addr_is_zero(&p->from) ||
	    mac_is_group(&p->to_mac) || p->fragment_at || is_error(p))
		return;
	send_error(lan, port, p, kind, mtu);
}

/* The first eight bytes of what the VM sent, as far as they are known: by them
 * it finds out whom an error concerns. */
static void
put_start(struct writer *w, const struct flow *f)
{
	if (f->proto == PROTO_ICMP || f->proto == PROTO_ICMP6) {
		put_be(w, f->proto == PROTO_ICMP ? ICMP4_ECHO : ICMP6_ECHO, 1);
		put_be(w, 0, 3);
		put_be(w, f->datagram.echo_id, 2);
		put_be(w, f->datagram.echo_seq, 2);
		return;
	}
	put_be(w, f->vm_port, 2);
	put_be(w, f->far_port, 2);
	/* TCP: the sequence number of its SYN; UDP: length and no sum. */
	put_be(w, f->proto == PROTO_TCP ? f->tcp.received - 1 : 8u << 16, 4);
}

void
icmp_error_for_flow(
    struct lan *lan, const struct flow *f, enum icmp_error kind, uint32_t mtu)
{
	uint8_t frame[HEADERS_MAX];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = {.to_mac = lan->config.gateway_mac,
	    .from_mac = f->vm_mac,
	    .from = f->vm,
	    .to = f->far,
	    .proto = f->proto};
	struct packet p = {.from_mac = f->vm_mac,
	    .from = f->vm,
	    .to = f->far,
	    .ip = frame + ETH_LEN};

	put_header(&w, &h, 8);
	put_start(&w, f);
	p.ip_len = writer_len(&w) - ETH_LEN;
	send_error(lan, &lan->ports[f->port], &p, kind, mtu);
}
