/* SPDX-License-Identifier: MIT */
/*
 * resolver.h - DNS for the VMs: known here, kept, or asked of the host's own
 *
 * A query is answered from names.h, refused by policy, answered from the
 * cache, or forwarded: to the host's resolvers in turn, each on a fresh socket
 * (a port that nobody can guess) with a fresh id, RETRY_MS apart, TRIES_MAX
 * times. An answer must match the query's id, name, type and class and come
 * from where it was asked. The VM's id never leaves the host.
 *
 * Addresses in an answer that policy.h guards (rebinding) make it empty. The
 * addresses that remain are what names may be used for (learned.h).
 *
 * By TCP (dns_stream.h) the same, for answers that do not fit.
 */
#ifndef VK_SWITCH_RESOLVER_H
#define VK_SWITCH_RESOLVER_H

#include "cmd/vk-switch/dns.h"
#include "cmd/vk-switch/packet.h"
#include "cmd/vk-switch/share.h"
#include "common/err.h"

/* glibc knows three; stubs in front of more are usual. */
#define SERVERS_MAX 8
/* At the same moment; a VM has QUERIES_PER_PORT of them at most. */
#define QUERIES_MAX      256
#define QUERIES_PER_PORT 64
#define RETRY_MS         1500
#define TRIES_MAX        4

#define CACHE_SIZE  1024
#define CACHE_TTL_S 3600
/* A negative answer (RFC 2308 wants the SOA's minimum, which walking for the
 * smallest TTL gives; this caps it). */
#define CACHE_NEGATIVE_S 60

struct query {
	struct share share;
	int fd;
	uint32_t generation;
	uint32_t port_generation;
	struct mac vm_mac;
	struct addr vm, asked; /* asked: which of the gateway's addresses */
	uint16_t vm_port;
	struct dns_query query;
	uint16_t id;
	uint8_t tries;
	uint32_t server; /* that was asked last */
	uint64_t sent_ms;
};

struct cached {
	uint64_t since_ms, until_ms; /* 0: empty */
	uint16_t type;
	bool dnssec, checking_disabled, edns;
	struct dns_name name;
	uint16_t len;
	uint8_t message[DNS_UDP_MAX];
};

struct server {
	struct addr addr;
	uint16_t port;
};

struct resolver {
	uint32_t server_count;
	struct server servers[SERVERS_MAX];
	uint32_t first; /* the server that answered last */
	struct query queries[QUERIES_MAX];
	struct cached cache[CACHE_SIZE];
};

struct lan;
struct port;

/* "ADDR[:PORT]" */
int resolver_add_server(struct lan *, const char *text, struct err *);
/* nameserver lines of a resolv.conf(5), in place of the servers of before
 * if there are any; those that do not parse are left. */
void resolver_read_conf(struct lan *, const char *text);

void resolver_init(struct lan *);
void resolver_release(struct lan *);

/* A query by UDP. */
void resolver_input(struct lan *, struct port *, const struct packet *,
    const struct udp_datagram *);

/*
 * What can be said at once, for UDP and TCP: returns the length of the answer
 * in into, 0 where a server has to be asked.
 */
size_t resolver_answer(struct lan *, const struct port *,
    const struct dns_query *, enum dns_code, uint8_t *into, size_t size);

/* Checks an answer of a server, learns from it, keeps it. Returns the length
 * to be passed on (it may be made empty), 0 for what is no answer. The id in
 * it is then the VM's. */
size_t resolver_accept(struct lan *, const struct port *,
    const struct dns_query *, uint8_t *message, size_t len, bool keep);

/* Asks again what was not answered; called every tick. */
void resolver_retry(struct lan *);

#endif
