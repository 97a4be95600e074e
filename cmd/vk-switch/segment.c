/* SPDX-License-Identifier: MIT */
/* segment.c - large TCP frames cut for a receiver that cannot take them */
#include "cmd/vk-switch/segment.h"

#include "cmd/vk-switch/csum.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/port.h"
#include "common/hello.h"

/* Ethernet, IPv4 with options or IPv6 with extensions, TCP with options. */
#define SEGMENT_HEADERS_MAX 256

static void
store16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Where the transport keeps its sum; -1: none is known. */
static int
sum_offset(const struct packet *p)
{
	switch (p->proto) {
	case PROTO_TCP:
		return 16;
	case PROTO_UDP:
		return 6;
	default:
		return -1;
	}
}

/* Sum over the body at `body`, stored at its place in it. */
static void
fill_sum(const struct packet *p, uint8_t *body, size_t len, size_t at)
{
	uint16_t sum;

	memset(body + at, 0, 2);
	sum = csum_fold(
	    csum_add(csum_pseudo(&p->from, &p->to, p->proto, len), body, len));
	if (sum == 0 && p->proto == PROTO_UDP)
		sum = 0xffff;
	memcpy(body + at, &sum, 2);
}

/* The fields of the IP header that depend on the length. */
static void
fix_ip(const struct packet *p, uint8_t *ip, size_t ip_len, uint16_t step)
{
	uint16_t sum;

	if (!addr_is4(&p->from)) {
		store16(ip + 4, (uint16_t)(ip_len - 40));
		return;
	}
	store16(ip + 2, (uint16_t)ip_len);
	store16(ip + 4, (uint16_t)(p->fragment_id + step));
	memset(ip + 10, 0, 2);
	sum = csum_fold(csum_add(0, ip, (size_t)(ip[0] & 15) * 4));
	memcpy(ip + 10, &sum, 2);
}

/* Copies with the sum filled in, straight into the port's buffer. */
static void
send_summed(struct lan *lan, struct port *to, const struct packet *p)
{
	size_t overhead = port_overhead(to), at = (size_t)(p->body - p->frame);
	int offset = p->fragment ? -1 : sum_offset(p);
	uint8_t *out;

	if (offset < 0 || (size_t)offset + 2 > p->body_len)
		return;
	if (port_room(to) < overhead + p->len) {
		to->count.dropped++;
		return;
	}
	out = port_end(to);
	port_put_prefix(to, out, p->len, NULL);
	memcpy(out + overhead, p->frame, p->len);
	fill_sum(p, out + overhead + at, p->body_len, (size_t)offset);
	port_commit(lan, to, overhead + p->len, 1);
}

/* One segment: headers and len bytes of payload from `from` on. */
static void
put_segment(const struct packet *p, const struct tcp_segment *t, uint8_t *out,
    size_t from, size_t len)
{
	size_t headers = (size_t)(t->data - p->frame);
	size_t body = (size_t)(p->body - p->frame);
	size_t ip = (size_t)(p->ip - p->frame);
	uint32_t seq = t->seq + (uint32_t)from;
	uint8_t *tcp = out + body;

	memcpy(out, p->frame, headers);
	memcpy(out + headers, t->data + from, len);
	fix_ip(p, out + ip, headers - ip + len,
	    (uint16_t)(from / p->offload.gso_size));
	store16(tcp + 4, (uint16_t)(seq >> 16));
	store16(tcp + 6, (uint16_t)seq);
	if (from + len < t->len)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	fill_sum(p, tcp, headers - body + len, 16);
}

static void
send_segments(struct lan *lan, struct port *to, const struct packet *p)
{
	size_t overhead = port_overhead(to), headers, len;
	struct tcp_segment t;

	if (packet_tcp(p, &t) < 0)
		return;
	headers = (size_t)(t.data - p->frame);
	for (size_t from = 0; from < t.len; from += len) {
		len = t.len - from;
		if (len > p->offload.gso_size)
			len = p->offload.gso_size;
		if (port_room(to) < overhead + headers + len) {
			to->count.dropped++;
			return;
		}
		port_put_prefix(to, port_end(to), headers + len, NULL);
		put_segment(p, &t, port_end(to) + overhead, from, len);
		port_commit(lan, to, overhead + headers + len, 1);
	}
}

/* The header that goes on: what the sender said is not passed, but what the
 * packet itself shows. */
static struct offload
offload_of(const struct packet *p)
{
	struct offload o = {.needs_csum = p->offload.needs_csum,
	    .gso_size = p->offload.gso_size,
	    .csum_start = (uint16_t)(p->body - p->frame),
	    .csum_offset = (uint16_t)sum_offset(p)};

	o.header_len = o.csum_start;
	if (p->offload.gso)
		o.gso = addr_is4(&p->from) ? GSO_TCP4 : GSO_TCP6;
	if (o.gso && p->body_len >= 20)
		o.header_len =
		    (uint16_t)(o.csum_start + (p->body[12] >> 4) * 4);
	return o;
}

/* A sum that is to be filled in by others starts from the pseudo header's,
 * and it is the sender's word that it does; ours is made anew. */
static void
send_offloaded(struct lan *lan, struct port *to, const struct packet *p)
{
	size_t overhead = port_overhead(to);
	struct offload o = offload_of(p);
	uint16_t sum;
	uint8_t *out;

	if (port_room(to) < overhead + p->len) {
		to->count.dropped++;
		return;
	}
	out = port_end(to);
	port_put_prefix(to, out, p->len, &o);
	memcpy(out + overhead, p->frame, p->len);
	sum = (uint16_t)~csum_fold(
	    csum_pseudo(&p->from, &p->to, p->proto, p->body_len));
	memcpy(out + overhead + o.csum_start + o.csum_offset, &sum, 2);
	port_commit(lan, to, overhead + p->len, 1);
}

void
segment_send(struct lan *lan, struct port *to, const struct packet *p)
{
	uint32_t need = OFFLOAD_TAKE_CSUM;
	bool ip = p->type == TYPE_IP4 || p->type == TYPE_IP6;
	int offset = ip ? sum_offset(p) : -1;

	if (!p->offload.needs_csum) {
		port_send(lan, to, p->frame, p->len, NULL);
		return;
	}
	if (offset < 0 || p->fragment || (size_t)offset + 2 > p->body_len)
		return;
	if (p->offload.gso) {
		bool four = addr_is4(&p->from);

		if (p->proto != PROTO_TCP ||
		    p->body - p->frame > SEGMENT_HEADERS_MAX)
			return;
		need |= four ? OFFLOAD_TAKE_TSO4 : OFFLOAD_TAKE_TSO6;
	}
	if (to->out_headers && (to->features & need) == need)
		send_offloaded(lan, to, p);
	else if (p->offload.gso)
		send_segments(lan, to, p);
	else
		send_summed(lan, to, p);
}
