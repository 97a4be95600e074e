/* SPDX-License-Identifier: MIT */
/* tcp_out.c - TCP flows: what is sent to the VM */
#include "cmd/vk-switch/tcp_out.h"

#include "cmd/vk-switch/csum.h"
#include "cmd/vk-switch/inspect.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/tcp.h"
#include "common/hello.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

/*
 * RFC 7323: windows are sent in units of 128 bytes. A VM is microseconds away,
 * and what it sends goes on into the host's buffer at once, so a MiB is more
 * than its path holds; with more in flight a queue of a thousand frames (a
 * tap's) overflows, and without SACK that is costly.
 */
#define OUR_SCALE  7
#define WINDOW_MAX ((uint32_t)1 << 20)

/* One peek fills at most this. */
#define PUSH_BYTES_MAX (256 * 1024)
#define PUSH_SEGMENTS  192
/* Payload of a large one: what IPv4 and IPv6 can say, less headers. */
#define LARGE_MAX ((size_t)65535 - 60)
/* Of one flow before others have their turn. */
#define PUSH_ROUNDS 2

#define TCP_HEADER 20

uint32_t
tcp_initial_seq(struct lan *lan, const struct flow_key *k)
{
	/* RFC 6528: a keyed hash of the ends, and a clock of 4 us. */
	return (uint32_t)flow_hash(lan, k) + (uint32_t)(lan->loop.now_ms * 250);
}

static struct header
header_of(const struct lan *lan, const struct flow *f)
{
	return (struct header){.to_mac = f->vm_mac,
	    .from_mac = lan->config.gateway_mac,
	    .from = f->far,
	    .to = f->vm,
	    .proto = PROTO_TCP};
}

static uint16_t
window_field(const struct flow *f, uint8_t flags)
{
	uint32_t window = f->tcp.edge - f->tcp.received;

	if (f->tcp.scaling && !(flags & TCP_SYN))
		window >>= OUR_SCALE;
	return (uint16_t)(window > 65535 ? 65535 : window);
}

static void
put_tcp(struct writer *w, const struct flow *f, uint32_t seq, uint8_t flags)
{
	size_t header = TCP_HEADER;

	if (flags & TCP_SYN)
		header += f->tcp.scaling || f->inbound ? 8 : 4;
	put_be(w, f->far_port, 2);
	put_be(w, f->vm_port, 2);
	put_be(w, seq, 4);
	put_be(w, flags & TCP_ACK ? f->tcp.received : 0, 4);
	put_be(w, header / 4 << 4, 1);
	put_be(w, flags, 1);
	put_be(w, window_field(f, flags), 2);
	put_be(w, 0, 4);
}

/* Sum of a whole TCP segment at `tcp`, put into it. */
static void
fill_sum(const struct flow *f, uint8_t *tcp, size_t len)
{
	uint16_t sum = csum_fold(
	    csum_add(csum_pseudo(&f->far, &f->vm, PROTO_TCP, len), tcp, len));

	memcpy(tcp + 16, &sum, 2);
}

static void
told(struct flow *f)
{
	f->tcp.ack_due = f->tcp.ack_now = false;
	f->tcp.told = f->tcp.received;
}

/* A segment without payload. */
static void
send_bare(struct lan *lan, struct flow *f, uint32_t seq, uint8_t flags)
{
	uint8_t frame[HEADERS_MAX + 8];
	struct writer w = writer_of(frame, sizeof(frame));
	struct header h = header_of(lan, f);
	bool syn = flags & TCP_SYN;
	bool scale = syn && (f->tcp.scaling || f->inbound);
	size_t len = TCP_HEADER + (syn ? 4u : 0u) + (scale ? 4u : 0u);

	put_header(&w, &h, len);
	put_tcp(&w, f, seq, flags);
	if (syn) {
		put_be(&w, 0x0204, 2);
		put_be(&w, lan->config.mtu - header_len(&f->vm) + ETH_LEN - 20u,
		    2);
	}
	if (scale) {
		put_be(&w, 0x01030300 | OUR_SCALE, 4);
	}
	fill_sum(f, w.at - len, len);
	port_send(lan, &lan->ports[f->port], frame, writer_len(&w), NULL);
	if (flags & TCP_ACK)
		told(f);
}

void
tcp_send_reset(struct lan *lan, struct flow *f)
{
	if (f->tcp.phase == PHASE_CALLING)
		send_bare(lan, f, f->tcp.next, TCP_RST);
	else
		send_bare(lan, f, f->tcp.next, TCP_RST | TCP_ACK);
}

void
tcp_send_denial(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	send_bare(lan, f, t->ack, TCP_RST);
}

void
tcp_send_probe(struct lan *lan, struct flow *f)
{
	send_bare(lan, f, f->tcp.una - 1, TCP_ACK);
}

/* RFC 9293, 3.10.7.1: as if nobody were there. */
void
tcp_send_stateless_reset(struct lan *lan, struct port *port,
    const struct packet *p, const struct tcp_segment *t)
{
	struct flow f = {.vm = p->from,
	    .far = p->to,
	    .vm_port = t->from,
	    .far_port = t->to,
	    .vm_mac = p->from_mac,
	    .port = port->index};
	bool acked = t->flags & TCP_ACK;

	f.tcp.received = f.tcp.edge = t->seq + (uint32_t)t->len +
				      !!(t->flags & TCP_SYN) +
				      !!(t->flags & TCP_FIN);
	send_bare(
	    lan, &f, acked ? t->ack : 0, acked ? TCP_RST : TCP_RST | TCP_ACK);
}

/* ---- the window that we offer ------------------------------------------- */

static void
rewatch(struct lan *lan, struct flow *f)
{
	struct watch w = {.kind = WATCH_FLOW,
	    .index = flow_index(lan, f),
	    .generation = f->generation};

	loop_rewatch(&lan->loop, f->fd, &w, TCP_EVENTS);
}

/*
 * How much the socket takes. The kernel accounts whole buffers (payload and
 * its own bookkeeping) against SO_SNDBUF, so a quarter is left for that.
 *
 * With little left, changing the watch makes the kernel look at the socket:
 * it remembers that somebody waits for space, sends an edge when there is some
 * again, and lets the buffer grow if it is the bottleneck (tcp_new_space() in
 * Linux). Without that it never would: we never write more than fits.
 */
static void
learn_room(struct lan *lan, struct flow *f)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);
	uint32_t queued;

	if (getsockopt(f->fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return;
	queued = f->tcp.stream_unix ? info[SK_MEMINFO_WMEM_ALLOC]
				    : info[SK_MEMINFO_WMEM_QUEUED];
	f->tcp.buffer = info[SK_MEMINFO_SNDBUF];
	f->tcp.room = 0;
	if (queued < f->tcp.buffer)
		f->tcp.room = (f->tcp.buffer - queued) / 4 * 3;
	if (f->tcp.room < f->tcp.buffer / (f->tcp.stream_unix ? 2 : 4)) {
		f->tcp.starved = true;
		rewatch(lan, f);
	}
}

static void
offer_window(struct lan *lan, struct flow *f)
{
	uint32_t window, edge;

	if (f->tcp.inspect) {
		f->tcp.edge = f->tcp.received + inspect_room(lan, f);
		return;
	}
	if (f->tcp.room <= f->tcp.buffer / 2 && !f->tcp.starved)
		learn_room(lan, f);
	window = f->tcp.room < WINDOW_MAX ? f->tcp.room : WINDOW_MAX;
	edge = f->tcp.received + window;
	/* It never moves back (RFC 9293, 3.8.6), nor in small steps. */
	if ((int32_t)(edge - f->tcp.edge) >= (int32_t)f->tcp.mss ||
	    (int32_t)(edge - f->tcp.edge) >= (int32_t)(f->tcp.buffer / 4))
		f->tcp.edge = edge;
}

void
tcp_send_syn(struct lan *lan, struct flow *f)
{
	if (f->tcp.phase == PHASE_ANSWERED)
		offer_window(lan, f);
	else
		f->tcp.edge = f->tcp.received + 65535;
	send_bare(lan, f, f->tcp.una,
	    f->tcp.phase == PHASE_CALLING ? TCP_SYN : TCP_SYN | TCP_ACK);
	if (f->tcp.phase == PHASE_CALLING)
		f->tcp.edge = f->tcp.received;
	f->tcp.next = f->tcp.una + 1;
}

static void
delay(struct lan *lan, struct flow *f)
{
	struct delayed_acks *d = &lan->delayed;

	if (f->tcp.delayed)
		return;
	if (d->count == 0)
		d->since_ms = lan->loop.now_ms;
	f->tcp.delayed = true;
	d->flows[d->count].index = flow_index(lan, f);
	d->flows[d->count++].generation = f->generation;
}

void
tcp_acknowledge(struct lan *lan, struct flow *f)
{
	uint32_t waiting = f->tcp.received - f->tcp.told;

	if (!f->tcp.ack_due && !f->tcp.ack_now)
		return;
	if (!f->tcp.ack_now && waiting < 2u * f->tcp.mss &&
	    f->tcp.edge - f->tcp.received >= 2u * f->tcp.mss &&
	    lan->delayed.count < ACK_DELAYED_MAX) {
		delay(lan, f);
		return;
	}
	offer_window(lan, f);
	send_bare(lan, f, f->tcp.next, TCP_ACK);
}

void
tcp_send_delayed(struct lan *lan)
{
	struct delayed_acks *d = &lan->delayed;

	for (uint32_t i = 0; i < d->count; i++) {
		struct flow *f = &lan->flows.flows[d->flows[i].index];

		if (f->fd < 0 || f->generation != d->flows[i].generation)
			continue;
		f->tcp.delayed = false;
		if (!f->tcp.ack_due)
			continue;
		f->tcp.ack_now = true;
		tcp_acknowledge(lan, f);
	}
	d->count = 0;
}

/* ---- data to the VM ----------------------------------------------------- */

void
tcp_consume(struct lan *lan, struct flow *f)
{
	while (f->tcp.acked > 0) {
		bool stream_unix = f->tcp.stream_unix;
		size_t len = f->tcp.acked;
		ssize_t n;

		if (stream_unix && len > sizeof(lan->waste))
			len = sizeof(lan->waste);
		/* TCP discards; a unix socket has to be read. */
		n = recv(f->fd, stream_unix ? lan->waste : NULL, len,
		    MSG_DONTWAIT | (stream_unix ? 0 : MSG_TRUNC));
		if (n <= 0) {
			f->tcp.failed = true;
			return;
		}
		f->tcp.acked -= (uint32_t)n;
		f->bytes_in += (uint64_t)n;
	}
}

void
tcp_rewind(struct lan *lan, struct flow *f)
{
	static const int zero = 0;

	tcp_consume(lan, f);
	f->tcp.next = f->tcp.una;
	f->tcp.fin_sent = false;
	f->tcp.duplicates = 0;
	f->tcp.pull = true;
	if (lan->peek_offset)
		setsockopt(f->fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero));
}

bool
tcp_port_is_full(struct lan *lan, const struct flow *f)
{
	struct port *p = &lan->ports[f->port];

	return p->blocked || port_room(p) < FRAME_MAX;
}

/* How one round of sending is cut. */
struct cut {
	size_t segment; /* payload of each */
	size_t headers; /* prefix, Ethernet, IP, TCP */
	size_t count;
	size_t bytes; /* payload in all */
	bool large;   /* as TSO frames */
	bool summed;  /* sums are ours to make */
};

static struct cut
cut_for(struct lan *lan, const struct flow *f)
{
	struct port *p = &lan->ports[f->port];
	bool four = addr_is4(&f->vm);
	uint32_t tso = four ? OFFLOAD_TAKE_TSO4 : OFFLOAD_TAKE_TSO6;
	struct cut c = {.segment = f->tcp.mss,
	    .headers = port_overhead(p) + header_len(&f->vm) + TCP_HEADER,
	    .summed = !(p->features & OFFLOAD_TAKE_CSUM)};
	size_t room = port_room(p);
	uint32_t flying = f->tcp.next - f->tcp.una;
	size_t most;

	if (!c.summed && p->features & tso) {
		/* Whole segments, up to the largest IP packet; at the largest
		 * MTU that is one. */
		c.large = true;
		c.segment *= c.segment < LARGE_MAX ? LARGE_MAX / c.segment : 1;
	}
	c.bytes = f->tcp.window > flying ? f->tcp.window - flying : 0;
	/* Silly windows (RFC 9293, 3.8.6.2.1): better wait than send bits. */
	if (flying > 0 && c.bytes < f->tcp.mss)
		c.bytes = 0;
	if (c.bytes > PUSH_BYTES_MAX)
		c.bytes = PUSH_BYTES_MAX;
	most = room / (c.headers + c.segment);
	if (most > PUSH_SEGMENTS)
		most = PUSH_SEGMENTS;
	if (c.bytes > most * c.segment)
		c.bytes = most * c.segment;
	c.count = (c.bytes + c.segment - 1) / c.segment;
	return c;
}

/* Peeks into the places of the payloads; older kernels step over what is in
 * flight through the waste buffer. */
static ssize_t
peek(struct lan *lan, struct flow *f, const struct cut *c)
{
	uint8_t *at = port_end(&lan->ports[f->port]);
	size_t left = c->bytes, skip = 0, count = 0;
	struct msghdr m = {.msg_iov = lan->iov};
	ssize_t n;

	if (!lan->peek_offset)
		skip = f->tcp.next - f->tcp.una;
	for (size_t rest = skip; rest > 0;) {
		size_t len =
		    rest < sizeof(lan->waste) ? rest : sizeof(lan->waste);

		if (count == LAN_IOV_MAX - PUSH_SEGMENTS) {
			f->tcp.held = true;
			return errno = EAGAIN, -1;
		}
		lan->iov[count++] = (struct iovec){lan->waste, len};
		rest -= len;
	}
	for (size_t i = 0; i < c->count; i++) {
		size_t len = left < c->segment ? left : c->segment;

		at += c->headers;
		lan->iov[count++] = (struct iovec){at, len};
		at += len;
		left -= len;
	}
	m.msg_iovlen = count;
	n = recvmsg(f->fd, &m, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0 && skip > 0) {
		n -= (ssize_t)skip;
		if (n <= 0)
			return errno = EAGAIN, -1;
	} else if (n == 0 && skip > 0) {
		return errno = EAGAIN, -1;
	}
	return n;
}

/* Headers of one segment at `at`; its payload lies behind them. */
static void
put_segment(struct lan *lan, struct flow *f, const struct cut *c, uint8_t *at,
    size_t len, bool last)
{
	struct port *p = &lan->ports[f->port];
	size_t overhead = port_overhead(p), l3 = header_len(&f->vm);
	struct writer w = writer_of(at + overhead, HEADERS_MAX);
	struct header h = header_of(lan, f);
	struct offload o = {.needs_csum = !c->summed,
	    .csum_start = (uint16_t)l3,
	    .csum_offset = 16};
	uint8_t *tcp;
	uint16_t sum;

	if (c->large && len > f->tcp.mss) {
		o.gso = addr_is4(&f->vm) ? GSO_TCP4 : GSO_TCP6;
		o.gso_size = f->tcp.mss;
		o.header_len = (uint16_t)(l3 + TCP_HEADER);
	}
	port_put_prefix(p, at, l3 + TCP_HEADER + len, &o);
	put_header(&w, &h, TCP_HEADER + len);
	tcp = w.at;
	put_tcp(&w, f, f->tcp.next, last ? TCP_ACK | TCP_PSH : TCP_ACK);
	if (c->summed) {
		fill_sum(f, tcp, TCP_HEADER + len);
	} else {
		sum = (uint16_t)~csum_fold(
		    csum_pseudo(&f->far, &f->vm, PROTO_TCP, TCP_HEADER + len));
		memcpy(tcp + 16, &sum, 2);
	}
	f->tcp.next += (uint32_t)len;
}

static void
send_peeked(struct lan *lan, struct flow *f, const struct cut *c, size_t n)
{
	struct port *p = &lan->ports[f->port];
	uint8_t *start = port_end(p), *at = start;
	uint32_t frames = 0;

	offer_window(lan, f);
	while (n > 0) {
		size_t len = n < c->segment ? n : c->segment;

		n -= len;
		put_segment(lan, f, c, at, len, n == 0);
		at += c->headers + len;
		frames++;
	}
	port_commit(lan, p, (size_t)(at - start), frames);
	told(f);
}

static void
peek_failed(struct flow *f)
{
	f->tcp.pull = errno == EINTR;
	if (errno != EAGAIN && errno != EINTR)
		f->tcp.failed = true;
}

static void
push_end(struct lan *lan, struct flow *f)
{
	f->tcp.pull = false;
	f->tcp.eof = true;
	if (f->tcp.fin_sent)
		return;
	f->tcp.fin_sent = true;
	send_bare(lan, f, f->tcp.next, TCP_FIN | TCP_ACK);
	f->tcp.next++;
	flow_timer(lan, f, TCP_RTO_MS);
}

void
tcp_push(struct lan *lan, struct flow *f)
{
	struct cut c;
	ssize_t n;

	for (int round = 0; f->tcp.pull && !f->tcp.fin_sent; round++) {
		if (round == PUSH_ROUNDS || tcp_port_is_full(lan, f)) {
			flow_wait(lan, f);
			return;
		}
		c = cut_for(lan, f);
		if (c.bytes == 0) {
			/* The window is full: its opening pulls again. If
			 * nothing is in flight we have to ask for it. */
			f->tcp.pull = false;
			f->tcp.held = true;
			if (f->tcp.next == f->tcp.una && !f->deadline_ms)
				flow_timer(lan, f, TCP_RTO_MS);
			return;
		}
		f->tcp.held = false;
		n = peek(lan, f, &c);
		if (n < 0) {
			peek_failed(f);
			return;
		}
		if (n == 0) {
			push_end(lan, f);
			return;
		}
		send_peeked(lan, f, &c, (size_t)n);
		if (!f->deadline_ms)
			flow_timer(lan, f, TCP_RTO_MS);
		/* Drained; an edge tells of more, but one edge may have told of
		 * data and its end together. */
		if ((size_t)n < c.bytes && !f->tcp.hangup && !f->tcp.urgent)
			f->tcp.pull = false;
	}
}
