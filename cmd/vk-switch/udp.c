/* SPDX-License-Identifier: MIT */
/* udp.c - UDP flows */
#include "cmd/vk-switch/udp.h"

#include "cmd/vk-switch/csum.h"
#include "cmd/vk-switch/egress.h"
#include "cmd/vk-switch/fragment.h"
#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/lan.h"
#include "common/hello.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>

#define UDP_HEADER 8

/* What the kernel takes as one: UDP_MAX_SEGMENTS of old ones, and the largest
 * IP packet less its headers. */
#define UDP_SEGMENTS_MAX 64
#define UDP_LARGE_MAX    ((size_t)65535 - 60)

static struct flow_key
key_of(const struct packet *p, const struct udp_datagram *u)
{
	return (struct flow_key){.proto = PROTO_UDP,
	    .vm = p->from,
	    .far = p->to,
	    .vm_port = u->from,
	    .far_port = u->to};
}

/* ---- to the host -------------------------------------------------------- */

/* Why the last send failed, or an earlier one (RFC 1122, 4.1.3.3). */
static void
tell_error(struct lan *lan, struct flow *f, int number)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);
	bool four = addr_is4(&f->far);

	switch (number) {
	case ECONNREFUSED:
		icmp_error_for_flow(lan, f, ICMP_ERROR_PORT, 0);
		break;
	case EHOSTUNREACH:
		icmp_error_for_flow(lan, f, ICMP_ERROR_HOST, 0);
		break;
	case ENETUNREACH:
		icmp_error_for_flow(lan, f, ICMP_ERROR_NET, 0);
		break;
	case EMSGSIZE:
		if (getsockopt(f->fd, four ? IPPROTO_IP : IPPROTO_IPV6,
			four ? IP_MTU : IPV6_MTU, &mtu, &len) == 0)
			icmp_error_for_flow(
			    lan, f, ICMP_ERROR_TOO_BIG, (uint32_t)mtu);
		break;
	default:
		break;
	}
}

/* How many from there on are of one length (the last may be shorter) and fit
 * into one packet of the largest size: udp(7), UDP_SEGMENT. */
static unsigned
segments_at(const struct udp_batch *b, unsigned first)
{
	size_t len = b->iov[first].iov_len, total = 0;
	unsigned n = 0;

	while (first + n < b->count && n < UDP_SEGMENTS_MAX) {
		size_t next = b->iov[first + n].iov_len;

		if (next == 0 || next > len || total + next > UDP_LARGE_MAX)
			break;
		total += next;
		n++;
		if (next < len)
			break;
	}
	return n;
}

/* Hands them to the kernel as one, which cuts it late or never. Returns their
 * number, -1 with errno. */
static int
send_segments(struct flow *f, struct udp_batch *b, unsigned first, unsigned n)
{
	uint16_t len = (uint16_t)b->iov[first].iov_len;
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(len))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(len)),
			 .cmsg_level = SOL_UDP,
			 .cmsg_type = UDP_SEGMENT}};
	struct msghdr m = {.msg_iov = &b->iov[first],
	    .msg_iovlen = n,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &len, sizeof(len));
	return sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1
								   : (int)n;
}

/* The path is too narrow for them, or the kernel cannot. */
static bool
cannot_segment(int number)
{
	return number == EINVAL || number == EMSGSIZE || number == EIO ||
	       number == EOPNOTSUPP || number == ENOPROTOOPT;
}

void
udp_send_batch(struct lan *lan)
{
	struct udp_batch *b = &lan->udp_batch;
	struct flow *f = b->flow;
	unsigned done = 0;
	int failures = 0;

	if (!f)
		return;
	b->flow = NULL;
	while (done < b->count && failures < 2) {
		unsigned run =
		    f->datagram.one_by_one ? 1 : segments_at(b, done);
		int n = run > 1
			    ? send_segments(f, b, done, run)
			    : sendmmsg(f->fd, b->messages + done,
				  b->count - done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			done += (unsigned)n;
			continue;
		}
		if (run > 1 && cannot_segment(errno)) {
			f->datagram.one_by_one = true;
			continue;
		}
		if (errno == EAGAIN || errno == ENOBUFS)
			break; /* as a wire that is full */
		/* The error may be an earlier datagram's: once more. */
		tell_error(lan, f, errno);
		if (errno == EMSGSIZE)
			done++;
		failures++;
	}
	b->count = 0;
}

void
udp_forget(struct lan *lan, struct flow *f)
{
	if (lan->udp_batch.flow == f) {
		lan->udp_batch.flow = NULL;
		lan->udp_batch.count = 0;
	}
}

static struct flow *
udp_open(struct lan *lan, struct station *s, const struct packet *p,
    const struct flow_key *key)
{
	struct flow *f = egress_open_datagram(lan, s, key, p);

	if (!f)
		return NULL;
	if (p->dont_fragment && addr_is4(&key->far)) {
		static const int discover = IP_PMTUDISC_DO;

		setsockopt(f->fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover,
		    sizeof(discover));
	}
	return f;
}

void
udp_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct udp_batch *b = &lan->udp_batch;
	struct udp_datagram u;
	struct flow_key key;
	struct flow *f;

	if (packet_udp(p, &u) < 0) {
		port->count.malformed++;
		return;
	}
	key = key_of(p, &u);
	f = flow_of(lan, s, &key);
	if (!f)
		f = udp_open(lan, s, p, &key);
	if (!f)
		return;
	if (b->flow && (b->flow != f || b->count == UDP_BATCH_MAX))
		udp_send_batch(lan);
	b->flow = f;
	b->iov[b->count] =
	    (struct iovec){.iov_base = (void *)u.data, .iov_len = u.len};
	b->messages[b->count] = (struct mmsghdr){
	    .msg_hdr = {.msg_iov = &b->iov[b->count], .msg_iovlen = 1}};
	b->count++;
	f->bytes_out += u.len;
	flow_used(lan, f, (enum flow_list)f->list);
	/* What was put together of fragments is gone after this packet. */
	if (p->fragment)
		udp_send_batch(lan);
}

bool
udp_answer(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p, const struct udp_datagram *u)
{
	struct flow_key key = key_of(p, u);

	if (!flow_of(lan, s, &key))
		return false;
	udp_input(lan, port, s, p);
	return true;
}

/* ---- to the VM ---------------------------------------------------------- */

struct ends {
	struct addr from, to;
	uint16_t from_port, to_port;
	struct mac to_mac;
};

static void
put_udp(struct writer *w, const struct ends *e, size_t len)
{
	put_be(w, e->from_port, 2);
	put_be(w, e->to_port, 2);
	put_be(w, len + UDP_HEADER, 2);
	put_be(w, 0, 2);
}

/* Headers at `at`, whose payload lies behind them. */
static void
put_headers(struct lan *lan, const struct port *p, const struct ends *e,
    uint8_t *at, size_t len)
{
	size_t l3 = header_len(&e->to);
	struct writer w = writer_of(at + port_overhead(p), l3 + UDP_HEADER);
	struct header h = {.to_mac = e->to_mac,
	    .from_mac = lan->config.gateway_mac,
	    .from = e->from,
	    .to = e->to,
	    .proto = PROTO_UDP};
	struct offload o = {
	    .needs_csum = true, .csum_start = (uint16_t)l3, .csum_offset = 6};
	bool summed = !(p->features & OFFLOAD_TAKE_CSUM);
	uint64_t sum =
	    csum_pseudo(&e->from, &e->to, PROTO_UDP, len + UDP_HEADER);
	uint16_t field;
	uint8_t *udp;

	port_put_prefix(p, at, l3 + UDP_HEADER + len, summed ? NULL : &o);
	put_header(&w, &h, UDP_HEADER + len);
	udp = w.at;
	put_udp(&w, e, len);
	if (summed) {
		field = csum_fold(csum_add(sum, udp, UDP_HEADER + len));
		if (field == 0)
			field = 0xffff;
	} else {
		field = (uint16_t)~csum_fold(sum);
	}
	memcpy(udp + 6, &field, 2);
}

/* The longest payload that is one frame. */
static size_t
slot_of(const struct lan *lan, const struct addr *to)
{
	return lan->config.mtu - header_len(to) + ETH_LEN - UDP_HEADER;
}

/* A datagram that is larger than the MTU. */
static void
send_fragments(struct lan *lan, struct port *p, const struct ends *e,
    const uint8_t *data, size_t len)
{
	struct fragment_source s = {.header = {.to_mac = e->to_mac,
					.from_mac = lan->config.gateway_mac,
					.from = e->from,
					.to = e->to,
					.proto = PROTO_UDP}};
	struct writer w = writer_of(lan->whole, sizeof(lan->whole));
	uint16_t sum;

	put_udp(&w, e, len);
	put_bytes(&w, data, len);
	if (w.bad)
		return;
	sum = csum_fold(
	    csum_add(csum_pseudo(&e->from, &e->to, PROTO_UDP, writer_len(&w)),
		w.start, writer_len(&w)));
	if (sum == 0)
		sum = 0xffff;
	memcpy(lan->whole + 6, &sum, 2);
	s.body = lan->whole;
	s.len = writer_len(&w);
	fragment_send(lan, p, &s);
}

void
udp_reply(struct lan *lan, struct port *p, const struct udp_reply *r)
{
	size_t headers = port_overhead(p) + header_len(&r->to) + UDP_HEADER;
	struct ends e = {.from = r->from,
	    .to = r->to,
	    .from_port = r->from_port,
	    .to_port = r->to_port,
	    .to_mac = r->to_mac};
	uint8_t *at;

	if (port_room(p) < headers + r->len)
		return;
	if (r->len > slot_of(lan, &r->to)) {
		send_fragments(lan, p, &e, r->data, r->len);
		return;
	}
	at = port_end(p);
	memcpy(at + headers, r->data, r->len);
	put_headers(lan, p, &e, at, r->len);
	port_commit(lan, p, headers + r->len, 1);
}

/*
 * Datagrams land where their frames will be if each is as long as the MTU
 * allows; shorter ones move up. What is longer runs over into a spill buffer,
 * one for each message, behind room for its beginning.
 */
static int
receive(struct lan *lan, struct flow *f, size_t slot, size_t headers,
    unsigned count)
{
	struct mmsghdr *m = lan->udp_receive;
	uint8_t *at = port_end(&lan->ports[f->port]);

	for (unsigned i = 0; i < count; i++) {
		struct iovec *v = &lan->iov[2 * i];

		v[0] = (struct iovec){at + headers, slot};
		v[1] = (struct iovec){
		    lan->spill[i] + slot, sizeof(lan->spill[i]) - slot};
		m[i] = (struct mmsghdr){
		    .msg_hdr = {.msg_iov = v, .msg_iovlen = 2}};
		at += headers + slot;
	}
	return recvmmsg(f->fd, m, count, MSG_DONTWAIT, NULL);
}

static void
deliver(struct lan *lan, struct flow *f, size_t slot, size_t headers, int n)
{
	struct port *p = &lan->ports[f->port];
	struct ends e = {.from = f->far,
	    .to = f->vm,
	    .from_port = f->far_port,
	    .to_port = f->vm_port,
	    .to_mac = f->vm_mac};
	uint8_t *start = port_end(p), *at = start;
	uint32_t frames = 0;

	for (int i = 0; i < n; i++) {
		const struct iovec *v = &lan->iov[2 * i];
		size_t len = lan->udp_receive[i].msg_len;

		f->bytes_in += len;
		if (len > slot) {
			/* Its place may be given to the next. */
			memcpy(lan->spill[i], v[0].iov_base, slot);
			continue;
		}
		if (at + headers != v[0].iov_base)
			memmove(at + headers, v[0].iov_base, len);
		put_headers(lan, p, &e, at, len);
		at += headers + len;
		frames++;
	}
	if (frames)
		port_commit(lan, p, (size_t)(at - start), frames);
	for (int i = 0; i < n; i++)
		if (lan->udp_receive[i].msg_len > slot &&
		    !(lan->udp_receive[i].msg_hdr.msg_flags & MSG_TRUNC))
			send_fragments(lan, p, &e, lan->spill[i],
			    lan->udp_receive[i].msg_len);
}

void
udp_event(struct lan *lan, struct flow *f, uint32_t events)
{
	struct port *p = &lan->ports[f->port];
	size_t headers = port_overhead(p) + header_len(&f->vm) + UDP_HEADER;
	size_t slot = slot_of(lan, &f->vm);
	size_t count = port_room(p) / (headers + slot);
	int n;

	(void)events;
	if (count > UDP_BATCH_MAX)
		count = UDP_BATCH_MAX;
	if (count == 0) {
		/* No room: drop, as a full wire would. */
		p->count.dropped++;
		recv(f->fd, lan->waste, sizeof(lan->waste), MSG_DONTWAIT);
		return;
	}
	n = receive(lan, f, slot, headers, (unsigned)count);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			tell_error(lan, f, errno);
		return;
	}
	f->datagram.answered = true;
	flow_used(lan, f, FLOWS_DATAGRAM);
	deliver(lan, f, slot, headers, n);
}
