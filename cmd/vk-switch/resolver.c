/* SPDX-License-Identifier: MIT */
/* resolver.c - DNS for the VMs: known here, kept, or asked of the host's own */
#include "cmd/vk-switch/resolver.h"

#include "cmd/vk-switch/descriptors.h"
#include "cmd/vk-switch/lan.h"
#include "cmd/vk-switch/service.h"
#include "cmd/vk-switch/udp.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

static watch_handler query_event;

int
resolver_add_server(struct lan *lan, const char *text, struct err *e)
{
	struct resolver *r = &lan->resolver;
	struct server *s = &r->servers[r->server_count];

	if (r->server_count == SERVERS_MAX)
		return err_set(
		    e, EX_CONFIG, "more than %d DNS servers", SERVERS_MAX);
	s->port = 53;
	if (addr_parse(text, &s->addr) < 0 &&
	    service_parse_target(text, &s->addr, &s->port) < 0)
		return err_set(e, EX_USAGE, "%s: not ADDR[:PORT]", text);
	r->server_count++;
	return 0;
}

void
resolver_read_conf(struct lan *lan, const char *text)
{
	struct resolver *r = &lan->resolver;
	struct server before[SERVERS_MAX];
	uint32_t count = r->server_count;
	struct err e = ERR_INIT;
	char line[256], addr[ADDR_TEXT_MAX];

	/* Queries on their way count on it that there is one. */
	memcpy(before, r->servers, sizeof(before));
	r->server_count = r->first = 0;
	while (*text && r->server_count < SERVERS_MAX) {
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)len, text);
		if (sscanf(line, " nameserver %47s", addr) == 1)
			resolver_add_server(lan, addr, &e);
		text += len + (text[len] == '\n');
	}
	if (r->server_count == 0) {
		memcpy(r->servers, before, sizeof(before));
		r->server_count = count;
	}
}

void
resolver_init(struct lan *lan)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++)
		lan->resolver.queries[i].fd = -1;
	lan->loop.handlers[WATCH_QUERY] = query_event;
}

void
resolver_release(struct lan *lan)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++)
		fd_close(&lan->resolver.queries[i].fd);
}

/* ---- the cache ---------------------------------------------------------- */

static struct cached *
cache_place(struct lan *lan, const struct dns_query *q)
{
	uint64_t h = lan->flows.key[0] ^ q->type;

	for (uint8_t i = 0; i < q->name.wire_len; i++)
		h = (h ^ (q->name.wire[i] | 0x20)) * 0x100000001b3ULL;
	return &lan->resolver.cache[(h ^ h >> 32) % CACHE_SIZE];
}

static bool
cache_has(
    const struct lan *lan, const struct cached *c, const struct dns_query *q)
{
	return c->until_ms > lan->loop.now_ms && c->type == q->type &&
	       c->edns == q->edns && c->dnssec == q->dnssec &&
	       c->checking_disabled == q->checking_disabled &&
	       dns_name_equal(&c->name, &q->name);
}

static void
cache_keep(struct lan *lan, const struct dns_query *q, const uint8_t *message,
    size_t len, const struct dns_records *r)
{
	struct cached *c = cache_place(lan, q);
	uint64_t most = r->code == DNS_NOERROR && r->addr_count
			    ? CACHE_TTL_S
			    : CACHE_NEGATIVE_S;

	if (r->ttl_s == 0 || r->truncated || len > sizeof(c->message) ||
	    (r->code != DNS_NOERROR && r->code != DNS_NXDOMAIN))
		return;
	if (most > r->ttl_s)
		most = r->ttl_s;
	*c = (struct cached){.since_ms = lan->loop.now_ms,
	    .until_ms = lan->loop.now_ms + most * 1000,
	    .type = q->type,
	    .edns = q->edns,
	    .dnssec = q->dnssec,
	    .checking_disabled = q->checking_disabled,
	    .name = q->name,
	    .len = (uint16_t)len};
	memcpy(c->message, message, len);
}

static size_t
cache_answer(struct lan *lan, const struct port *port,
    const struct dns_query *q, uint8_t *into, size_t size)
{
	const struct cached *c = cache_place(lan, q);
	uint32_t age_s = (uint32_t)((lan->loop.now_ms - c->since_ms) / 1000);
	struct dns_records r;

	if (!cache_has(lan, c, q) || c->len > size)
		return 0;
	memcpy(into, c->message, c->len);
	if (dns_walk_answer(into, c->len, q, age_s, &r) < 0)
		return 0;
	dns_set_id(into, q->id);
	dns_set_question(into, c->len, q);
	for (size_t i = 0; i < r.addr_count; i++)
		learned_add(lan, port, &r.addrs[i], q->name.text, r.ttl_s);
	return c->len;
}

/* ---- what can be said at once ------------------------------------------- */

/* Once a second at most: a VM asks as often as it likes. */
static bool
may_tell(struct lan *lan)
{
	if (lan->name_refusal_ms &&
	    lan->loop.now_ms - lan->name_refusal_ms < 1000)
		return false;
	lan->name_refusal_ms = lan->loop.now_ms;
	return true;
}

size_t
resolver_answer(struct lan *lan, const struct port *port,
    const struct dns_query *q, enum dns_code code, uint8_t *into, size_t size)
{
	struct dns_answer a = {.code = code};
	size_t len;

	if (code != DNS_NOERROR)
		return dns_put_answer(into, size, q, &a);
	len = name_answer(lan, q, into, size);
	if (len) {
		name_learn(lan, port, q);
		return len;
	}
	if (!policy_allows_name(lan, port, q->name.text)) {
		lan->names_refused++;
		if (may_tell(lan)) {
			log_info("%s: DNS: %s: refused", port_name(lan, port),
			    q->name.text);
			event_log(lan, "name-refused", port_name(lan, port),
			    q->name.text);
		}
		a.code = DNS_REFUSED;
		return dns_put_answer(into, size, q, &a);
	}
	len = cache_answer(lan, port, q, into, size);
	if (len)
		return len;
	if (lan->resolver.server_count > 0)
		return 0;
	a.code = DNS_SERVFAIL;
	return dns_put_answer(into, size, q, &a);
}

size_t
resolver_accept(struct lan *lan, const struct port *port,
    const struct dns_query *q, uint8_t *message, size_t len, bool keep)
{
	struct dns_answer empty = {.code = DNS_NOERROR};
	struct dns_records r;

	if (len < DNS_HEADER || dns_walk_answer(message, len, q, 0, &r) < 0)
		return 0;
	for (size_t i = 0; i < r.addr_count; i++)
		if (policy_guards(lan, &r.addrs[i])) {
			if (may_tell(lan))
				log_info("%s: DNS: %s: points to what is "
					 "closed: removed",
				    port_name(lan, port), q->name.text);
			return dns_put_answer(message, len, q, &empty);
		}
	if (keep)
		cache_keep(lan, q, message, len, &r);
	for (size_t i = 0; i < r.addr_count; i++)
		learned_add(lan, port, &r.addrs[i], q->name.text, r.ttl_s);
	dns_set_id(message, q->id);
	return len;
}

/* ---- UDP ---------------------------------------------------------------- */

static void
send_answer(
    struct lan *lan, struct query *q, const uint8_t *message, size_t len)
{
	struct port *port = &lan->ports[q->share.port];
	struct dns_answer cut = {.truncated = true};
	uint8_t shorter[DNS_QUERY_MAX];
	struct udp_reply r = {.from = q->asked,
	    .to = q->vm,
	    .from_port = 53,
	    .to_port = q->vm_port,
	    .to_mac = q->vm_mac,
	    .data = message,
	    .len = len};

	if (len > q->query.size) {
		r.data = shorter;
		r.len =
		    dns_put_answer(shorter, sizeof(shorter), &q->query, &cut);
	}
	if (r.len)
		udp_reply(lan, port, &r);
}

static void
query_free(struct query *q)
{
	fd_close(&q->fd);
	q->share.used = false;
	q->generation++;
}

static bool
query_has_port(const struct lan *lan, const struct query *q)
{
	const struct port *p = &lan->ports[q->share.port];

	return p->fd >= 0 && p->generation == q->port_generation;
}

static void
query_fail(struct lan *lan, struct query *q)
{
	struct dns_answer a = {.code = DNS_SERVFAIL};
	uint8_t message[DNS_QUERY_MAX];
	size_t len = dns_put_answer(message, sizeof(message), &q->query, &a);

	if (query_has_port(lan, q))
		send_answer(lan, q, message, len);
	query_free(q);
}

/* To the next server, from a new port with a new id. */
static void
query_send(struct lan *lan, struct query *q)
{
	struct resolver *r = &lan->resolver;
	uint8_t message[DNS_QUERY_MAX];
	struct sockaddr_storage ss;
	const struct server *s;
	struct watch w = {
	    .kind = WATCH_QUERY, .index = (uint32_t)(q - r->queries)};
	socklen_t slen;
	size_t len;

	fd_close(&q->fd);
	w.generation = ++q->generation;
	q->sent_ms = lan->loop.now_ms;
	if (q->tries == TRIES_MAX) {
		query_fail(lan, q);
		return;
	}
	/* Which is first may change meanwhile, and how many there are. */
	q->server = (q->tries++ ? q->server + 1 : r->first) % r->server_count;
	s = &r->servers[q->server];
	slen = addr_to_sock(&s->addr, s->port, &ss);
	if (getrandom(&q->id, sizeof(q->id), 0) != sizeof(q->id))
		return;
	len = dns_put_query(message, sizeof(message), &q->query, q->id);
	q->fd = descriptor_socket(
	    lan, &lan->ports[q->share.port], ss.ss_family, SOCK_DGRAM, 0);
	if (q->fd < 0 || connect(q->fd, (struct sockaddr *)&ss, slen) < 0 ||
	    loop_watch(&lan->loop, q->fd, &w, EPOLLIN) < 0 ||
	    send(q->fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		q->sent_ms = 0; /* the next tick tries another */
}

void
resolver_retry(struct lan *lan)
{
	for (uint32_t i = 0; i < QUERIES_MAX; i++) {
		struct query *q = &lan->resolver.queries[i];

		if (!q->share.used)
			continue;
		if (!query_has_port(lan, q))
			query_free(q);
		else if (lan->loop.now_ms - q->sent_ms >= RETRY_MS)
			query_send(lan, q);
	}
}

static void
query_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	struct query *q = &lan->resolver.queries[w->index];
	struct resolver *r = &lan->resolver;
	static uint8_t message[65536];
	ssize_t n;
	size_t len;

	(void)events;
	if (!q->share.used || (q->generation & 0xffffff) != w->generation)
		return;
	n = recv(q->fd, message, sizeof(message), MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) { /* nobody is there: ask the next */
		query_send(lan, q);
		return;
	}
	if (n < DNS_HEADER || dns_id(message) != q->id ||
	    !query_has_port(lan, q))
		return;
	len = resolver_accept(lan, &lan->ports[q->share.port], &q->query,
	    message, (size_t)n, true);
	if (!len)
		return;
	/* A server that fails is no answer while there are others. */
	if ((message[3] & 15) == DNS_SERVFAIL && q->tries < r->server_count &&
	    q->tries < TRIES_MAX) {
		query_send(lan, q);
		return;
	}
	r->first = q->server;
	send_answer(lan, q, message, len);
	query_free(q);
}

static struct query *
query_new(struct lan *lan, const struct port *port)
{
	const struct share_table t = {.places = lan->resolver.queries,
	    .size = sizeof(struct query),
	    .count = QUERIES_MAX,
	    .limit = QUERIES_PER_PORT};
	struct query *q = share_place(&t, port->index);

	if (q && q->share.used)
		query_free(q);
	return q;
}

void
resolver_input(struct lan *lan, struct port *port, const struct packet *p,
    const struct udp_datagram *u)
{
	struct query now = {.share = {true, port->index, lan->loop.now_ms},
	    .port_generation = port->generation,
	    .vm_mac = p->from_mac,
	    .vm = p->from,
	    .asked = p->to,
	    .vm_port = u->from,
	    .fd = -1};
	uint8_t message[DNS_UDP_MAX];
	enum dns_code code;
	struct query *q;
	size_t len;

	if (dns_parse_query(u->data, u->len, &now.query, &code) < 0)
		return;
	len = resolver_answer(
	    lan, port, &now.query, code, message, sizeof(message));
	if (len) {
		send_answer(lan, &now, message, len);
		return;
	}
	q = query_new(lan, port);
	if (!q)
		return; /* it asks again */
	now.generation = q->generation;
	*q = now;
	query_send(lan, q);
}
