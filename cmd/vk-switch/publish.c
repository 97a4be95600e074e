/* SPDX-License-Identifier: MIT */
/* publish.c - ports of the host that lead to a VM */
#include "cmd/vk-switch/publish.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/owner.h"
#include "common/local_socket.h"
#include "common/scope.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
/* New clients while one gets its socket, while one of those gets its. */
#define STRANGERS_DEPTH 8

static watch_handler publish_event;

void
publish_init(struct lan *lan)
{
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		lan->publisher.entries[i].fd =
		    lan->publisher.entries[i].folder = -1;
	lan->loop.handlers[WATCH_PUBLISH] = publish_event;
}

/* ---- opening ------------------------------------------------------------ */

/* Whose the port is can be found out before the root is empty. */
static int
open_inet(struct published *p, bool running, struct err *e)
{
	int family = addr_is4(&p->addr) ? AF_INET : AF_INET6;
	int type = p->proto == PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	cleanup_fd int fd = socket(family, type | SOCKET_FLAGS, 0);
	static const int one = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sock(&p->addr, p->port, &ss);
	char text[ADDR_TEXT_MAX], who[64];

	if (fd < 0)
		return err_errno(e, EX_OSERR, "socket");
	if (p->proto == PROTO_TCP)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 ||
	    (p->proto == PROTO_TCP && listen(fd, SOMAXCONN) < 0)) {
		bool taken = errno == EADDRINUSE;

		err_errno(e, taken ? EX_TEMPFAIL : 0, "%s port %u",
		    addr_text(&p->addr, text), p->port);
		if (taken && !running &&
		    owner_of_port(p->proto, p->port, who, sizeof(who)))
			err_hint(e, "it belongs to %s", who);
		return -1;
	}
	/* Only now: what was asked is whether the port is free. */
	if (p->proto == PROTO_UDP) {
		bool four = family == AF_INET;

		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		setsockopt(fd, four ? IPPROTO_IP : IPPROTO_IPV6,
		    four ? IP_PKTINFO : IPV6_RECVPKTINFO, &one, sizeof(one));
	}
	p->fd = steal_fd(&fd);
	return 0;
}

static int
publish_open(struct lan *lan, struct published *p, struct err *e)
{
	struct watch w = {.kind = WATCH_PUBLISH,
	    .index = (uint32_t)(p - lan->publisher.entries),
	    .generation = ++p->generation};

	if (p->is_unix)
		p->fd = local_socket_listen(p->path, 64, &p->folder, e);
	else
		open_inet(p, lan->publisher.running, e);
	if (p->fd < 0)
		return -1;
	if (loop_watch(&lan->loop, p->fd, &w, EPOLLIN) < 0)
		return err_errno(e, EX_OSERR, "epoll");
	return 0;
}

static void
publish_close(struct published *p)
{
	if (p->is_unix && p->fd >= 0)
		local_socket_remove(p->folder, p->path);
	fd_close(&p->fd);
	fd_close(&p->folder);
	p->used = false;
	p->generation++;
}

int
publish_open_all(struct lan *lan, struct err *e)
{
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++) {
		struct published *p = &lan->publisher.entries[i];

		if (p->used && p->fd < 0 && publish_open(lan, p, e) < 0)
			return -1;
	}
	lan->publisher.running = true;
	return 0;
}

void
publish_release(struct lan *lan)
{
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		if (lan->publisher.entries[i].used)
			publish_close(&lan->publisher.entries[i]);
}

/* The n-th of a range. */
static struct published
nth(const struct published_range *r, uint16_t n)
{
	struct published p = r->first;

	p.port = (uint16_t)(p.port + n);
	p.vm_port = (uint16_t)(p.vm_port + n);
	return p;
}

static bool
same(const struct published *a, const struct published *b)
{
	return a->used && a->proto == b->proto && a->is_unix == b->is_unix &&
	       a->port == b->port && addr_equal(&a->addr, &b->addr) &&
	       strcmp(a->path, b->path) == 0;
}

static struct published *
find(struct lan *lan, const struct published *p)
{
	for (uint32_t i = 0; i < PUBLISHED_MAX; i++)
		if (same(&lan->publisher.entries[i], p))
			return &lan->publisher.entries[i];
	return NULL;
}

static int
add_one(
    struct lan *lan, const struct published *p, const char *text, struct err *e)
{
	struct published *place = NULL;
	uint32_t generation;

	if (find(lan, p))
		return err_set(e, EX_USAGE, "%s: published already", text);
	for (uint32_t i = 0; i < PUBLISHED_MAX && !place; i++)
		if (!lan->publisher.entries[i].used)
			place = &lan->publisher.entries[i];
	if (!place)
		return err_set(
		    e, EX_CONFIG, "more than %d ports", PUBLISHED_MAX);
	generation = place->generation;
	*place = *p;
	place->generation = generation;
	if (lan->publisher.running && publish_open(lan, place, e) < 0) {
		publish_close(place);
		return -1;
	}
	return 0;
}

static void
close_first(struct lan *lan, const struct published_range *r, uint16_t count)
{
	for (uint16_t n = 0; n < count; n++) {
		struct published p = nth(r, n);

		publish_close(find(lan, &p));
	}
}

/* All of a range, or nothing; so for its removal. */
int
publish_add(struct lan *lan, const char *text, struct err *e)
{
	struct published_range r;

	if (publish_parse(text, &r, e) < 0)
		return -1;
	if (r.first.is_unix && lan->publisher.running)
		return err_set(e, EX_UNAVAILABLE,
		    "%s: unix sockets are published at start only", text);
	for (uint16_t n = 0; n < r.count; n++) {
		struct published p = nth(&r, n);

		if (add_one(lan, &p, text, e) == 0)
			continue;
		close_first(lan, &r, n);
		return -1;
	}
	return 0;
}

int
publish_remove(struct lan *lan, const char *text, struct err *e)
{
	struct published_range r;

	if (publish_parse(text, &r, e) < 0)
		return -1;
	for (uint16_t n = 0; n < r.count; n++) {
		struct published p = nth(&r, n), *have = find(lan, &p);

		if (!have || have->vm_port != p.vm_port ||
		    strcasecmp(have->vm, p.vm) != 0)
			return err_set(
			    e, EX_UNAVAILABLE, "%s: not published", text);
	}
	close_first(lan, &r, r.count);
	return 0;
}

/* ---- connections -------------------------------------------------------- */

static struct station *
only_station(struct lan *lan)
{
	struct station *only = NULL;

	for (uint32_t i = 1; i <= lan->station_top; i++) {
		struct station *s = station_at(lan, i);

		if (s && only)
			return NULL; /* which one? */
		only = s ? s : only;
	}
	return only;
}

static struct station *
target(struct lan *lan, const struct published *p)
{
	struct station *s;
	struct addr addr;

	if (!p->vm[0])
		return only_station(lan);
	s = station_by_name(lan, p->vm);
	if (!s && addr_parse(p->vm, &addr) == 0)
		s = station_by_addr(lan, &addr);
	return s;
}

/* The address of it that the client is to reach. */
static bool
target_addr(struct lan *lan, const struct station *s, const struct published *p,
    bool four, struct addr *addr)
{
	if (addr_parse(p->vm, addr) == 0)
		return true;
	for (int i = 0; i < 2; i++, four = !four) {
		const struct addr *a = station_addr(lan, s, four);

		if (a) {
			*addr = *a;
			return true;
		}
	}
	return false;
}

/* What the VM sees as the other end. */
static void
far_end(struct lan *lan, struct flow_key *k, const struct addr *client,
    uint16_t port)
{
	bool four = addr_is4(&k->vm);

	k->far = four ? lan->config.gateway4 : lan->config.gateway6;
	k->far_port = port;
	if (client && addr_is4(client) == four && !host_has(lan, client) &&
	    !addr_is_link_local(client) &&
	    !cidr_contains(&lan->config.net4, client) &&
	    !cidr_contains(&lan->config.net6, client))
		k->far = *client;
}

/* Another port of it, where that one is taken. */
static bool
free_key(struct lan *lan, struct flow_key *k)
{
	uint64_t seed = lan->flows.key[1];

	for (int i = 0; i < 64; i++) {
		if (k->far_port && !flow_find(lan, k))
			return true;
		seed = seed * 6364136223846793005u + lan->flows.total + 1;
		k->far_port = (uint16_t)(1024 + (seed >> 33) % 64000);
	}
	return false;
}

static void
accept_stream(struct lan *lan, struct published *p)
{
	struct flow_key k = {.proto = PROTO_TCP, .vm_port = p->vm_port};
	struct sockaddr_storage ss;
	static const int one = 1;
	static const struct linger reset = {.l_onoff = 1};
	struct station *s = target(lan, p);
	struct port *asking = s ? &lan->ports[s->port] : NULL;
	struct addr client;
	uint16_t port = 0;
	bool known = false, reached = false;
	struct flow *f;
	int fd = descriptor_accept(lan, asking, p->fd, &ss);

	if (fd < 0)
		return;
	if (!p->is_unix) {
		known = addr_from_sock(&ss, &client, &port) == 0;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	}
	if (s && target_addr(lan, s, p, !known || addr_is4(&client), &k.vm)) {
		far_end(lan, &k, known ? &client : NULL, port);
		reached = free_key(lan, &k);
	}
	if (!reached) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		fd_close(&fd);
		return;
	}
	f = flow_new(lan, &k, s, FLOWS_HALF_OPEN, fd);
	if (!f)
		return;
	f->tcp.stream_unix = p->is_unix;
	tcp_call(lan, f);
}

/* A socket for this client of that VM alone: on the same port, at the address
 * that it spoke to, from which alone it takes answers. */
static int
client_socket(struct lan *lan, const struct station *s,
    const struct datagram *from, const struct sockaddr_storage *client)
{
	cleanup_fd int fd = descriptor_socket(
	    lan, &lan->ports[s->port], client->ss_family, SOCK_DGRAM, 0);
	const struct published *p = &lan->publisher.entries[from->published];
	static const int one = 1;
	struct sockaddr_storage own;
	socklen_t len = addr_to_sock(&from->at, p->port, &own);

	/* RFC 4007, 6: such an address is one on this link only. */
	if (addr_is_link_local(&from->at))
		((struct sockaddr_in6 *)&own)->sin6_scope_id =
		    ((const struct sockaddr_in6 *)client)->sin6_scope_id;
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&own, len) < 0 ||
	    connect(fd, (const struct sockaddr *)client, sizeof(*client)) < 0)
		return -1;
	return steal_fd(&fd);
}

/* Datagrams that a client sent one after the other are here together, before
 * it has a socket of its own. */
static bool
is_from(const struct flow *f, const struct datagram *from)
{
	return f->inbound && f->datagram.published == from->published &&
	       f->datagram.client_port == from->client_port &&
	       addr_equal(&f->datagram.client, &from->client) &&
	       addr_equal(&f->datagram.at, &from->at);
}

static struct flow *
new_client(struct lan *lan, const struct station *s, struct flow_key *k,
    const struct datagram *from, const struct sockaddr_storage *client)
{
	struct watch w = {.kind = WATCH_FLOW};
	int fd = free_key(lan, k) ? client_socket(lan, s, from, client) : -1;
	struct flow *f =
	    fd < 0 ? NULL : flow_new(lan, k, s, FLOWS_DATAGRAM_NEW, fd);

	if (!f)
		return NULL;
	f->inbound = true;
	f->datagram = *from;
	w.index = flow_index(lan, f);
	w.generation = f->generation;
	if (loop_watch(&lan->loop, f->fd, &w, EPOLLIN) == 0)
		return f;
	flow_free(lan, f);
	return NULL;
}

/* Into spill[0]; *at is changed where the kernel says what it was sent to. */
static ssize_t
receive(struct lan *lan, int fd, struct sockaddr_storage *from, struct addr *at)
{
	union {
		struct cmsghdr head;
		uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control;
	struct iovec iov = {lan->spill[0], sizeof(lan->spill[0])};
	struct msghdr m = {.msg_name = from,
	    .msg_namelen = sizeof(*from),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	struct in_pktinfo four;
	struct in6_pktinfo six;

	if (c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&four, CMSG_DATA(c), sizeof(four));
		*at = addr_of4((const uint8_t *)&four.ipi_spec_dst);
	} else if (c && c->cmsg_level == IPPROTO_IPV6 &&
		   c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&six, CMSG_DATA(c), sizeof(six));
		memcpy(at->b, &six.ipi6_addr, sizeof(at->b));
	}
	return n;
}

static void take_strangers(
    struct lan *, struct published *, struct flow *, unsigned depth);

/* Takes a datagram of whomever out of the port's socket, or (via) out of one
 * that a client has; false: none. */
static bool
accept_datagram(struct lan *lan, struct published *p, const struct flow *via,
    unsigned depth)
{
	struct flow_key k = {.proto = PROTO_UDP, .vm_port = p->vm_port};
	struct sockaddr_storage ss;
	struct udp_reply r = {.data = lan->spill[0]};
	struct datagram from = {
	    .published = (uint16_t)(p - lan->publisher.entries),
	    .at = via ? via->datagram.at : p->addr};
	struct station *s;
	struct flow *f;
	bool fresh;
	ssize_t n = receive(lan, via ? via->fd : p->fd, &ss, &from.at);

	if (n < 0)
		return false;
	if (addr_from_sock(&ss, &from.client, &from.client_port) < 0)
		return true;
	s = target(lan, p);
	if (!s || !target_addr(lan, s, p, addr_is4(&from.client), &k.vm))
		return true;
	far_end(lan, &k, &from.client, from.client_port);
	f = flow_find(lan, &k);
	fresh = !f || !is_from(f, &from);
	if (fresh)
		f = new_client(lan, s, &k, &from, &ss);
	if (!f)
		return true;
	r.from = k.far;
	r.to = k.vm;
	r.from_port = k.far_port;
	r.to_port = k.vm_port;
	r.to_mac = s->mac;
	r.len = (size_t)n;
	udp_reply(lan, &lan->ports[s->port], &r);
	if (fresh && depth < STRANGERS_DEPTH)
		take_strangers(lan, p, f, depth + 1);
	return true;
}

/* Before it was connected, a client's socket was given what came to the port
 * from others. */
static void
take_strangers(
    struct lan *lan, struct published *p, struct flow *f, unsigned depth)
{
	uint32_t generation = f->generation;

	/* A flow for one of them may take the place of this one. */
	while (f->generation == generation && accept_datagram(lan, p, f, depth))
		continue;
}

static void
publish_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct published *p = &lan->publisher.entries[w->index];

	(void)events;
	if (!p->used || p->fd < 0 ||
	    (p->generation & 0xffffff) != w->generation)
		return;
	if (p->proto == PROTO_TCP)
		accept_stream(lan, p);
	else
		accept_datagram(lan, p, NULL, 0);
}
