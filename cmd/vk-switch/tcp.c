/* SPDX-License-Identifier: MIT */
/* tcp.c - TCP flows: from the VM, and their states; tcp_out.c sends to it */
#include "cmd/vk-switch/tcp.h"

#include "cmd/vk-switch/egress.h"
#include "cmd/vk-switch/icmp.h"
#include "cmd/vk-switch/inspect.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/proxy.h"
#include "cmd/vk-switch/tcp_out.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Until a handshake is given up: 1 + 2 + 4 + 8 + 16 s. */
#define HANDSHAKE_RETRIES_MAX 5
/* About two minutes without a sign of life (RFC 9293, 3.8.3: R2). */
#define RETRIES_MAX 10

static bool
after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/* ---- the host's side ---------------------------------------------------- */

void
tcp_abort_socket(struct flow *f)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void
tcp_reset(struct lan *lan, struct flow *f)
{
	tcp_send_reset(lan, f);
	tcp_abort_socket(f);
}

static void
tcp_kill(struct lan *lan, struct flow *f)
{
	tcp_reset(lan, f);
	flow_free(lan, f);
}

void
tcp_forget(struct lan *lan, struct flow *f)
{
	if (lan->batch.flow == f)
		lan->batch = (struct tcp_batch){.flow = NULL};
	inspect_free(lan, f);
}

void
tcp_send_batch(struct lan *lan)
{
	struct tcp_batch *b = &lan->batch;
	struct flow *f = b->flow;
	struct msghdr m = {.msg_iov = b->iov, .msg_iovlen = (size_t)b->count};
	ssize_t n;

	if (!f)
		return;
	n = sendmsg(f->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		f->tcp.failed = true;
	if (n < 0)
		n = 0;
	f->tcp.received += (uint32_t)n;
	f->tcp.room -= f->tcp.room > n ? (uint32_t)n : f->tcp.room;
	f->bytes_out += (uint64_t)n;
	f->tcp.ack_due = true;
	if ((size_t)n < b->bytes) {
		/* What it did not take the VM sends again. */
		f->tcp.room = 0;
		f->tcp.ack_now = true;
	}
	b->flow = NULL;
	b->count = 0;
	b->bytes = 0;
}

/* ---- segments of the VM ------------------------------------------------- */

static void
take_payload(struct lan *lan, struct flow *f, const uint8_t *data, size_t len)
{
	struct tcp_batch *b = &lan->batch;

	if (f->tcp.inspect) {
		inspect_take(lan, f, data, len);
		return;
	}
	if (b->flow && (b->flow != f || b->count == TCP_BATCH_MAX))
		tcp_send_batch(lan);
	b->flow = f;
	b->iov[b->count++] =
	    (struct iovec){.iov_base = (void *)data, .iov_len = len};
	b->bytes += len;
}

static uint32_t
expected(const struct lan *lan, const struct flow *f)
{
	return f->tcp.received +
	       (lan->batch.flow == f ? (uint32_t)lan->batch.bytes : 0);
}

/* RFC 9293, 3.10.7.4: what is in the window and next in order; the rest is
 * answered with where we are. */
static void
take_data(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	uint32_t next = expected(lan, f), old = next - t->seq;
	size_t len = t->len;

	if (f->tcp.vm_fin || after(t->seq, next) || old >= len) {
		f->tcp.ack_now = true;
		return;
	}
	len -= old;
	if (len > f->tcp.edge - next) {
		len = f->tcp.edge - next;
		f->tcp.ack_now = true;
	}
	if (len > 0)
		take_payload(lan, f, t->data + old, len);
}

static void
take_fin(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	if (lan->batch.flow == f)
		tcp_send_batch(lan);
	f->tcp.ack_now = true;
	if (f->tcp.vm_fin || t->seq + (uint32_t)t->len != f->tcp.received)
		return;
	if (f->tcp.inspect)
		inspect_end(lan, f);
	if (f->tcp.failed)
		return;
	f->tcp.vm_fin = true;
	f->tcp.received++;
	if (shutdown(f->fd, SHUT_WR) < 0 && errno != ENOTCONN)
		f->tcp.failed = true;
}

static void
take_new_ack(struct lan *lan, struct flow *f, uint32_t ack)
{
	uint32_t n = ack - f->tcp.una;

	if (f->tcp.fin_sent && ack == f->tcp.next)
		n--;
	f->tcp.acked += n;
	f->tcp.una = ack;
	f->tcp.duplicates = 0;
	/* What is drained an edge tells of; but without SO_PEEK_OFF an end is
	 * seen only when nothing is in flight. */
	if (f->tcp.held || f->tcp.hangup)
		f->tcp.pull = true;
	flow_timer(lan, f, f->tcp.next == ack ? 0 : TCP_RTO_MS);
}

static void
take_ack(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	uint32_t window = (uint32_t)t->window << f->tcp.scale;

	if (after(t->ack, f->tcp.next)) {
		f->tcp.ack_now = true;
		return;
	}
	if (after(f->tcp.una, t->ack))
		return;
	f->tcp.retries = 0;
	if (after(t->ack, f->tcp.una)) {
		take_new_ack(lan, f, t->ack);
	} else if (t->len == 0 && window == f->tcp.window &&
		   f->tcp.next != f->tcp.una &&
		   !(t->flags & (TCP_SYN | TCP_FIN))) {
		/* RFC 5681, 3.2: the third duplicate means loss. */
		if (++f->tcp.duplicates == 3)
			tcp_rewind(lan, f);
	}
	if (window > f->tcp.window)
		f->tcp.pull = true;
	f->tcp.window = window;
}

/* RFC 5961, 3: a reset counts only at exactly the next byte. */
static void
take_reset(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	if (t->seq != expected(lan, f)) {
		f->tcp.ack_now = true;
		return;
	}
	tcp_send_batch(lan);
	tcp_abort_socket(f);
	flow_free(lan, f);
}

static void
take_options(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	uint16_t most =
	    (uint16_t)(lan->config.mtu - (header_len(&f->vm) - ETH_LEN) - 20);

	f->tcp.mss = t->mss ? t->mss : addr_is4(&f->vm) ? 536 : 1220;
	if (f->tcp.mss > most)
		f->tcp.mss = most;
	if (f->tcp.mss < TCP_MSS_MIN)
		f->tcp.mss = TCP_MSS_MIN;
	f->tcp.scaling = t->scale >= 0;
	f->tcp.window = t->window;
}

static void
opened(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	f->tcp.phase = PHASE_OPEN;
	f->tcp.una = t->ack;
	f->tcp.retries = 0;
	f->tcp.pull = true;
	flow_timer(lan, f, 0);
	flow_used(lan, f, FLOWS_OPEN);
}

/* The VM's answer to our SYN. */
static void
called(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	if (!(t->flags & TCP_ACK))
		return;
	if (t->ack != f->tcp.next) {
		/* It thinks of a connection that was. */
		if (!(t->flags & TCP_RST))
			tcp_send_denial(lan, f, t);
		return;
	}
	if (t->flags & TCP_RST) {
		tcp_abort_socket(f);
		flow_free(lan, f);
		return;
	}
	if (!(t->flags & TCP_SYN))
		return;
	take_options(lan, f, t);
	f->tcp.scale = f->tcp.scaling ? (uint8_t)t->scale : 0;
	f->tcp.received = f->tcp.told = f->tcp.edge = t->seq + 1;
	f->tcp.ack_now = true;
	opened(lan, f, t);
	flow_touch(lan, f);
}

static void
segment_input(struct lan *lan, struct flow *f, const struct tcp_segment *t)
{
	if (f->tcp.phase == PHASE_CALLING) {
		called(lan, f, t);
		return;
	}
	if (f->tcp.phase == PHASE_CONNECTING) {
		if (t->flags & TCP_RST && t->seq == f->tcp.received)
			flow_free(lan, f);
		return;
	}
	if (t->flags & TCP_RST) {
		take_reset(lan, f, t);
		if (f->fd >= 0)
			flow_touch(lan, f);
		return;
	}
	flow_touch(lan, f);
	if (t->flags & TCP_SYN) {
		/* Again, or (RFC 5961, 4) by somebody who restarted. */
		if (f->tcp.phase == PHASE_ANSWERED)
			tcp_send_syn(lan, f);
		else
			f->tcp.ack_now = true;
		return;
	}
	if (!(t->flags & TCP_ACK))
		return;
	if (f->tcp.phase == PHASE_ANSWERED) {
		if (t->ack != f->tcp.next)
			return;
		opened(lan, f, t);
	}
	take_ack(lan, f, t);
	/* RFC 9293, 3.8.4: a keepalive lies before the window. */
	if (t->len > 0)
		take_data(lan, f, t);
	else if (t->seq != expected(lan, f))
		f->tcp.ack_now = true;
	if (t->flags & TCP_FIN)
		take_fin(lan, f, t);
	flow_used(lan, f, FLOWS_OPEN);
}

/* ---- opening ------------------------------------------------------------ */

static struct flow_key
key_of(const struct packet *p, const struct tcp_segment *t)
{
	return (struct flow_key){.proto = PROTO_TCP,
	    .vm = p->from,
	    .far = p->to,
	    .vm_port = t->from,
	    .far_port = t->to};
}

void
tcp_refuse(struct lan *lan, struct port *port, const struct packet *p,
    const struct tcp_segment *t)
{
	if (!(t->flags & TCP_RST))
		tcp_send_stateless_reset(lan, port, p, t);
}

static void
connected(struct lan *lan, struct flow *f)
{
	static const int zero = 0, one = 1;

	if (lan->peek_offset)
		setsockopt(f->fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero));
	if (!f->tcp.stream_unix)
		setsockopt(f->fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	f->tcp.phase = PHASE_ANSWERED;
	tcp_send_syn(lan, f);
	flow_timer(lan, f, 1000);
}

/* The VM learns why, in the form that the host learned it. */
static void
connect_failed(struct lan *lan, struct flow *f, int number)
{
	switch (number) {
	case ETIMEDOUT:
		break;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		icmp_error_for_flow(lan, f, ICMP_ERROR_HOST, 0);
		break;
	case ENETUNREACH:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		icmp_error_for_flow(lan, f, ICMP_ERROR_NET, 0);
		break;
	default:
		tcp_send_reset(lan, f);
	}
	flow_free(lan, f);
}

/* The host has a connection: to the far end, or to a proxy on the way. */
static void
established(struct lan *lan, struct flow *f)
{
	int result = f->tcp.proxy ? proxy_advance(lan, f) : 1;

	if (result > 0) {
		connected(lan, f);
	} else if (result < 0) {
		int number = errno;

		policy_refused(lan, &lan->ports[f->port], &f->far, f->far_port,
		    "the proxy does not connect to it");
		connect_failed(lan, f, number);
	}
}

static void
tcp_open(struct lan *lan, struct station *s, const struct packet *p,
    const struct tcp_segment *t)
{
	struct flow_key key = key_of(p, t);
	struct egress out;
	struct watch w = {.kind = WATCH_FLOW};
	struct flow *f;
	int number;

	/* The VM sends it again. */
	if (!flow_may_open(lan, &lan->ports[s->port]))
		return;
	if (egress_open(lan, s, &key, &out) < 0) {
		tcp_refuse(lan, &lan->ports[s->port], p, t);
		return;
	}
	number = out.error;
	f = flow_new(lan, &key, s, FLOWS_HALF_OPEN, out.fd);
	if (!f)
		return;
	f->rule = out.rule;
	f->tcp.stream_unix = out.stream_unix;
	f->tcp.proxy = out.proxied ? PROXY_CONNECT : PROXY_NONE;
	f->tcp.phase = PHASE_CONNECTING;
	f->tcp.received = f->tcp.told = f->tcp.edge = t->seq + 1;
	f->tcp.una = f->tcp.next = tcp_initial_seq(lan, &key);
	take_options(lan, f, t);
	f->tcp.scale = f->tcp.scaling ? (uint8_t)t->scale : 0;
	if (out.inspect && !inspect_start(lan, f)) {
		tcp_kill(lan, f);
		return;
	}
	w.index = flow_index(lan, f);
	w.generation = f->generation;
	if (number && number != EINPROGRESS)
		connect_failed(lan, f, number);
	else if (loop_watch(&lan->loop, f->fd, &w, TCP_EVENTS) < 0)
		tcp_kill(lan, f);
	else if (!number)
		established(lan, f);
	else if (out.proxied)
		flow_timer(lan, f, PROXY_PATIENCE_MS);
}

void
tcp_input(struct lan *lan, struct port *port, struct station *s,
    const struct packet *p)
{
	struct tcp_segment t;
	struct flow_key key;
	struct flow *f;

	if (packet_tcp(p, &t) < 0) {
		port->count.malformed++;
		return;
	}
	key = key_of(p, &t);
	f = flow_of(lan, s, &key);
	if (f)
		segment_input(lan, f, &t);
	else if ((t.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN)
		tcp_open(lan, s, p, &t);
	else
		tcp_refuse(lan, port, p, &t);
}

void
tcp_call(struct lan *lan, struct flow *f)
{
	struct watch w = {.kind = WATCH_FLOW,
	    .index = flow_index(lan, f),
	    .generation = f->generation};
	struct flow_key key = flow_key_of(f);
	static const int zero = 0;

	f->inbound = true;
	f->tcp.phase = PHASE_CALLING;
	f->tcp.una = f->tcp.next = tcp_initial_seq(lan, &key);
	if (lan->peek_offset)
		setsockopt(f->fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero));
	if (loop_watch(&lan->loop, f->fd, &w, TCP_EVENTS) < 0) {
		flow_free(lan, f);
		return;
	}
	tcp_send_syn(lan, f);
	flow_timer(lan, f, 1000);
}

/* ---- events ------------------------------------------------------------- */

static void
connect_event(struct lan *lan, struct flow *f)
{
	int number = 0;
	socklen_t len = sizeof(number);

	if (getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0)
		number = errno;
	if (number)
		connect_failed(lan, f, number);
	else
		established(lan, f);
}

void
tcp_event(struct lan *lan, struct flow *f, uint32_t events)
{
	if (f->tcp.phase == PHASE_CONNECTING) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP) || f->tcp.proxy)
			connect_event(lan, f);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		f->tcp.pull = true;
	if (events & EPOLLPRI)
		f->tcp.urgent = true;
	if (events & (EPOLLRDHUP | EPOLLHUP))
		f->tcp.hangup = true;
	if (events & EPOLLERR)
		f->tcp.failed = true;
	if (events & EPOLLOUT && f->tcp.starved) {
		f->tcp.starved = false;
		f->tcp.room = f->tcp.buffer = 0; /* learn it anew */
		f->tcp.ack_now = true;
	}
	tcp_settle(lan, f);
}

static bool
finished(const struct flow *f)
{
	return f->tcp.vm_fin && f->tcp.fin_sent && f->tcp.una == f->tcp.next;
}

void
tcp_settle(struct lan *lan, struct flow *f)
{
	if (f->proto != PROTO_TCP || f->tcp.phase == PHASE_CONNECTING)
		return;
	if (f->tcp.failed) {
		tcp_kill(lan, f);
		return;
	}
	if (f->tcp.phase != PHASE_OPEN)
		return;
	tcp_consume(lan, f);
	if (f->tcp.pull)
		tcp_push(lan, f);
	if (f->tcp.failed) {
		tcp_kill(lan, f);
		return;
	}
	tcp_acknowledge(lan, f);
	if (finished(f))
		flow_free(lan, f);
}

void
tcp_timeout(struct lan *lan, struct flow *f)
{
	unsigned most =
	    f->tcp.phase == PHASE_OPEN ? RETRIES_MAX : HANDSHAKE_RETRIES_MAX;

	if (f->tcp.phase == PHASE_CONNECTING) {
		flow_free(lan, f); /* a proxy that says nothing */
		return;
	}
	if (tcp_port_is_full(lan, f)) {
		flow_timer(lan, f, TCP_RTO_MS);
		return;
	}
	if (f->tcp.retries++ >= most) {
		tcp_kill(lan, f);
		return;
	}
	flow_timer(lan, f,
	    (uint64_t)1000 << (f->tcp.retries > 6 ? 6 : f->tcp.retries));
	if (f->tcp.phase != PHASE_OPEN) {
		tcp_send_syn(lan, f);
	} else if (f->tcp.next != f->tcp.una) {
		tcp_rewind(lan, f);
		tcp_settle(lan, f);
	} else {
		tcp_send_probe(lan, f);
	}
}
