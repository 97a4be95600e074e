/* SPDX-License-Identifier: MIT */
/* dns_stream.c - DNS over TCP at the gateway (RFC 7766) */
#include "cmd/vk-switch/dns_stream.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "common/scope.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

static watch_handler stream_event, upstream_event;
static void stream_input(struct lan *, struct dns_stream *);
static void ask_next(struct lan *, struct dns_stream *);

void
dns_streams_init(struct lan *lan)
{
	for (uint32_t i = 0; i < DNS_STREAMS_MAX; i++)
		lan->dns_streams[i].fd = lan->dns_streams[i].upstream = -1;
	lan->loop.handlers[WATCH_DNS_STREAM] = stream_event;
	lan->loop.handlers[WATCH_DNS_UPSTREAM] = upstream_event;
}

static void
stream_close(struct dns_stream *s)
{
	fd_close(&s->fd);
	fd_close(&s->upstream);
	s->share.used = false;
	s->generation++;
}

void
dns_streams_release(struct lan *lan)
{
	for (uint32_t i = 0; i < DNS_STREAMS_MAX; i++)
		stream_close(&lan->dns_streams[i]);
}

static struct watch
watch_of(
    const struct lan *lan, const struct dns_stream *s, enum watch_kind kind)
{
	return (struct watch){.kind = kind,
	    .index = (uint32_t)(s - lan->dns_streams),
	    .generation = s->generation};
}

int
dns_stream_open(struct lan *lan, const struct station *station)
{
	const struct share_table t = {.places = lan->dns_streams,
	    .size = sizeof(struct dns_stream),
	    .count = DNS_STREAMS_MAX,
	    .limit = DNS_STREAMS_PER_PORT};
	struct dns_stream *s = share_place(&t, station->port);
	struct watch w;
	int ends[2];

	if (!s)
		return -1;
	if (s->share.used)
		stream_close(s);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		ends) < 0)
		return -1;
	s->fd = ends[0];
	s->generation++;
	s->share = (struct share){true, station->port, lan->loop.now_ms};
	s->in_have = s->out_have = s->out_done = 0;
	s->asking = s->ended = false;
	w = watch_of(lan, s, WATCH_DNS_STREAM);
	if (loop_watch(&lan->loop, s->fd, &w, EPOLLIN) < 0) {
		stream_close(s);
		fd_close(&ends[1]);
		return -1;
	}
	return ends[1];
}

void
dns_streams_expire(struct lan *lan)
{
	for (uint32_t i = 0; i < DNS_STREAMS_MAX; i++) {
		struct dns_stream *s = &lan->dns_streams[i];
		uint64_t idle_ms = lan->loop.now_ms - s->share.since_ms;

		if (s->fd < 0)
			continue;
		if (s->asking && idle_ms >= DNS_STREAM_PATIENCE_MS) {
			s->share.since_ms = lan->loop.now_ms;
			ask_next(lan, s);
			stream_input(lan, s);
		} else if (idle_ms > DNS_STREAM_IDLE_MS) {
			stream_close(s);
		}
	}
}

/* Writes out[done..have). Returns 1 when all is out, 0 later, -1. */
static int
write_out(struct dns_stream *s, int fd)
{
	while (s->out_done < s->out_have) {
		ssize_t n = send(fd, s->out + s->out_done,
		    s->out_have - s->out_done, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		s->out_done += (size_t)n;
	}
	return 1;
}

/* ---- to the VM ---------------------------------------------------------- */

/* The answer of len bytes lies at out + 2. */
static void
reply(struct lan *lan, struct dns_stream *s, size_t len)
{
	struct watch w = watch_of(lan, s, WATCH_DNS_STREAM);
	struct writer prefix = writer_of(s->out, 2);
	int result;

	put_be(&prefix, len, 2);
	s->out_have = len + 2;
	s->out_done = 0;
	s->asking = false;
	result = write_out(s, s->fd);
	if (result < 0)
		stream_close(s);
	else if (result == 0)
		loop_rewatch(&lan->loop, s->fd, &w, EPOLLOUT);
	else
		s->out_have = 0;
}

static void
reply_failure(struct lan *lan, struct dns_stream *s)
{
	struct dns_answer a = {.code = DNS_SERVFAIL};

	fd_close(&s->upstream);
	reply(lan, s, dns_put_answer(s->out + 2, DNS_QUERY_MAX, &s->query, &a));
}

/* All whole queries that are here, until one has to wait. */
static void
stream_input(struct lan *lan, struct dns_stream *s)
{
	struct port *port = &lan->ports[s->share.port];
	struct watch w = watch_of(lan, s, WATCH_DNS_STREAM);

	while (s->fd >= 0 && !s->asking && s->out_have == 0) {
		struct cursor c = cursor_of(s->in, s->in_have);
		size_t len = get_be16(&c), done;
		const uint8_t *message = get_bytes(&c, len);
		enum dns_code code;

		if (len > DNS_QUERY_MAX || (!message && s->ended)) {
			stream_close(s);
			return;
		}
		if (!message) {
			/* It may have been full. */
			loop_rewatch(&lan->loop, s->fd, &w, EPOLLIN);
			return;
		}
		if (dns_parse_query(message, len, &s->query, &code) < 0) {
			stream_close(s);
			return;
		}
		memmove(s->in, c.at, c.left);
		s->in_have = c.left;
		done = resolver_answer(
		    lan, port, &s->query, code, s->out + 2, DNS_UDP_MAX);
		s->asking = true;
		s->server = 0;
		if (done)
			reply(lan, s, done);
		else
			ask_next(lan, s);
	}
}

static void
stream_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct dns_stream *s = &lan->dns_streams[w->index];
	struct watch again = watch_of(lan, s, WATCH_DNS_STREAM);
	ssize_t n;

	if (s->fd < 0 || (s->generation & 0xffffff) != w->generation)
		return;
	if (events & EPOLLHUP) { /* nobody would hear the answer */
		stream_close(s);
		return;
	}
	s->share.since_ms = lan->loop.now_ms;
	if (events & EPOLLOUT && s->out_have && !s->asking) {
		int result = write_out(s, s->fd);

		if (result < 0) {
			stream_close(s);
			return;
		}
		if (result == 0)
			return;
		s->out_have = 0;
		loop_rewatch(&lan->loop, s->fd, &again, EPOLLIN);
		stream_input(lan, s);
		return;
	}
	n = recv(s->fd, s->in + s->in_have, sizeof(s->in) - s->in_have,
	    MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		stream_close(s);
		return;
	}
	if (n == 0) {
		/* A full buffer while a server is asked reads 0 bytes, too. */
		s->ended = s->in_have < sizeof(s->in);
		loop_rewatch(&lan->loop, s->fd, &again, 0);
	}
	s->in_have += (size_t)n;
	stream_input(lan, s);
}

/* ---- to a server -------------------------------------------------------- */

static void
ask_next(struct lan *lan, struct dns_stream *s)
{
	const struct resolver *r = &lan->resolver;
	struct watch w = watch_of(lan, s, WATCH_DNS_UPSTREAM);
	struct sockaddr_storage ss;
	const struct server *to;
	struct writer prefix = writer_of(s->out, 2);
	socklen_t slen;
	size_t len;

	fd_close(&s->upstream);
	if (s->server >= r->server_count ||
	    getrandom(&s->id, sizeof(s->id), 0) != sizeof(s->id)) {
		reply_failure(lan, s);
		return;
	}
	to = &r->servers[(r->first + s->server++) % r->server_count];
	slen = addr_to_sock(&to->addr, to->port, &ss);
	len = dns_put_query(s->out + 2, DNS_QUERY_MAX, &s->query, s->id);
	put_be(&prefix, len, 2);
	s->out_have = len + 2;
	s->out_done = 0;
	s->answer_have = 0;
	s->upstream = descriptor_socket(
	    lan, &lan->ports[s->share.port], ss.ss_family, SOCK_STREAM, 0);
	if (s->upstream < 0 ||
	    (connect(s->upstream, (struct sockaddr *)&ss, slen) < 0 &&
		errno != EINPROGRESS) ||
	    loop_watch(&lan->loop, s->upstream, &w, EPOLLOUT) < 0)
		ask_next(lan, s);
}

/* The answer grows in out; what was sent to the server is no longer needed. */
static void
upstream_read(struct lan *lan, struct dns_stream *s)
{
	struct cursor c;
	size_t len;
	ssize_t n = recv(s->upstream, s->out + s->answer_have,
	    sizeof(s->out) - s->answer_have, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		ask_next(lan, s);
		return;
	}
	s->answer_have += (size_t)n;
	c = cursor_of(s->out, s->answer_have);
	len = get_be16(&c);
	if (c.bad || c.left < len)
		return;
	fd_close(&s->upstream);
	if (len >= DNS_HEADER && dns_id(s->out + 2) == s->id)
		len = resolver_accept(lan, &lan->ports[s->share.port],
		    &s->query, s->out + 2, len, false);
	else
		len = 0;
	if (len)
		reply(lan, s, len);
	else
		ask_next(lan, s);
}

static void
upstream_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct dns_stream *s = &lan->dns_streams[w->index];
	struct watch again = watch_of(lan, s, WATCH_DNS_UPSTREAM);

	if (s->fd < 0 || s->upstream < 0 ||
	    (s->generation & 0xffffff) != w->generation)
		return;
	s->share.since_ms = lan->loop.now_ms;
	if (s->out_done < s->out_have && events & EPOLLOUT) {
		int result = write_out(s, s->upstream);

		if (result < 0)
			ask_next(lan, s);
		else if (result > 0)
			loop_rewatch(&lan->loop, s->upstream, &again, EPOLLIN);
		return;
	}
	upstream_read(lan, s);
	stream_input(lan, s);
}
