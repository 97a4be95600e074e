/* SPDX-License-Identifier: MIT */
/*
 * dns.h - DNS messages (RFC 1035, RFC 6891), taken apart and put together
 *
 * A query is parsed and, where it goes on, made anew: nothing that a VM wrote
 * leaves the host but name, type, class and two flags. Names are walked with a
 * limit on both length and jumps, and a pointer must point backwards.
 *
 * Names are kept as text for comparing and as wire bytes for sending. In text
 * any byte that is no letter, digit, '-' or '_' becomes '?', a dot within a
 * label too, so that text never has more labels than the wire.
 */
#ifndef VK_SWITCH_DNS_H
#define VK_SWITCH_DNS_H

#include "cmd/vk-switch/addr.h"
#include "common/cursor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 255
#define DNS_HEADER   12
/* What we take and offer by UDP (DNS flag day 2020: 1232 avoids fragments). */
#define DNS_UDP_MAX 1232
/* A query has one question and an OPT record. */
#define DNS_QUERY_MAX 512

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_ANY = 255,
};

enum dns_code {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
};

struct dns_name {
	uint8_t wire[DNS_NAME_MAX];
	uint8_t wire_len;
	char text[DNS_NAME_MAX + 1]; /* without a final dot; "" is the root */
};

struct dns_query {
	uint16_t id;
	uint8_t opcode;
	bool recursion, checking_disabled;
	bool edns, dnssec;
	uint16_t size; /* the largest answer by UDP */
	struct dns_name name;
	uint16_t type, class;
};

/* Reads a name at c; message is the whole for pointers. Returns 0, -1. */
int dns_get_name(
    struct cursor *c, const uint8_t *message, size_t len, struct dns_name *);
/* From text; for our own. Returns 0, -1. */
int dns_name_of(const char *text, struct dns_name *);
bool dns_name_equal(const struct dns_name *, const struct dns_name *);

/* Returns 0, -1 for what deserves no answer; with *code an answer with an
 * error is due where it is not DNS_NOERROR. */
int dns_parse_query(
    const void *data, size_t len, struct dns_query *, enum dns_code *code);

/* The query as we ask it, with our id. Returns its length, 0 if it did not
 * fit. */
size_t dns_put_query(
    uint8_t *into, size_t size, const struct dns_query *, uint16_t id);

/* An answer of our own. */
struct dns_answer {
	enum dns_code code;
	const struct addr *addrs; /* A or AAAA as the type asks */
	size_t addr_count;
	const char *pointer; /* PTR: a name; NULL: none */
	uint32_t ttl_s;
	bool truncated;
};
size_t dns_put_answer(uint8_t *into, size_t size, const struct dns_query *,
    const struct dns_answer *);

/* One answer of a server. */
struct dns_records {
	enum dns_code code;
	bool truncated;
	uint32_t ttl_s; /* the smallest; 0: not to be kept */
	size_t addr_count;
	struct addr addrs[64]; /* along the chain of CNAMEs */
	bool complete;         /* all addresses are in addrs */
};

/*
 * Checks that the message answers the query (id aside) and walks it. age_s is
 * taken off every TTL in place. Returns 0, -1 for what is broken or no answer
 * to this.
 */
int dns_walk_answer(uint8_t *message, size_t len, const struct dns_query *,
    uint32_t age_s, struct dns_records *);

void dns_set_id(uint8_t *message, uint16_t id);
/* Writes the name that was asked for as this query has it: an answer that is
 * kept was for one that may have had other letters in capitals, and some
 * clients take none but their own (draft-vixie-dnsext-dns0x20). */
void dns_set_question(uint8_t *message, size_t len, const struct dns_query *);
uint16_t dns_id(const uint8_t *message);

/* The address in a name under in-addr.arpa or ip6.arpa. Returns 0, -1. */
int dns_reverse_addr(const char *text, struct addr *);

#endif
