/* SPDX-License-Identifier: MIT */
/* learned.c - what a VM was told of names is its own, for a time */
#include "cmd/vk-switch/learned.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

#include <stdio.h>

static struct port *one, *other;

static struct addr
address(const char *text)
{
	struct addr a;

	addr_parse(text, &a);
	return a;
}

static bool
matches(const struct port *p, const char *at, const char *pattern)
{
	struct addr a = address(at);

	return learned_matches(&lan, p, &a, pattern);
}

static void
tell(const struct port *p, const char *at, const char *name, uint32_t ttl_s)
{
	struct addr a = address(at);

	learned_add(&lan, p, &a, name, ttl_s);
}

static void
is_known(void)
{
	tell(one, "192.0.2.1", "a.example", 300);
	tell(one, "192.0.2.1", "b.example", 300);
	tell(one, "2001:db8::1", "a.example", 300);
	ok(matches(one, "192.0.2.1", "a.example") &&
		matches(one, "192.0.2.1", "B.EXAMPLE") &&
		matches(one, "192.0.2.1", "*.example") &&
		matches(one, "2001:db8::1", "a.example"),
	    "all names of an address, and addresses of a name");
	ok(!matches(one, "192.0.2.2", "a.example") &&
		!matches(one, "2001:db8::1", "b.example") &&
		!matches(one, "192.0.2.1", "c.example"),
	    "and nothing else");
	ok(!matches(other, "192.0.2.1", "a.example"), "nor for another VM");
}

/* As one does that wants others to be refused what is allowed. */
static void
asks_for_many(void)
{
	char name[64];

	tell(other, "192.0.2.9", "kept.example", 300);
	for (int i = 0; i < 5000; i++) {
		char at[32];

		snprintf(at, sizeof(at), "203.0.%d.%d", i / 250, i % 250);
		snprintf(name, sizeof(name), "n%d.example", i);
		tell(one, at, name, 300);
	}
	ok(matches(one, "203.0.19.249", "n4999.example"),
	    "many names of one VM");
	ok(!matches(one, "192.0.2.1", "a.example"), "make it forget its own");
	ok(matches(other, "192.0.2.9", "kept.example"), "and nobody else's");
}

static void
has_many(void)
{
	char name[64];
	int known = 0;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m%d.example", i);
		tell(one, "192.0.2.4", name, (uint32_t)(1000 + i));
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "m%d.example", i);
		known += matches(one, "192.0.2.4", name);
	}
	is_int(known, LEARNED_NAMES_MAX, "so many names an address may have");
	ok(matches(one, "192.0.2.4", "m999.example"), "the last of them");
}

/* A name of --host is one that the switch gave an address for, too. */
static void
is_told_here(void)
{
	struct dns_query q = {.type = DNS_A, .class = 1};
	struct err e = ERR_INIT;
	uint8_t answer[DNS_UDP_MAX];

	if (name_add_host(&lan, "mirror.example=192.0.2.20", &e) < 0 ||
	    dns_name_of("mirror.example", &q.name) < 0)
		exit(1);
	ok(!matches(one, "192.0.2.20", "mirror.example"), "an entry of --host");
	ok(resolver_answer(&lan, one, &q, DNS_NOERROR, answer, sizeof(answer)) >
		0,
	    "is answered here");
	ok(matches(one, "192.0.2.20", "mirror.example"),
	    "and a rule for its name holds then");
}

/* A name of the LAN is asked of nobody else, however long it is. */
static void
stays_here(void)
{
	struct dns_query q = {.type = DNS_A, .class = 1};
	uint8_t answer[DNS_UDP_MAX];

	if (dns_name_of("a-name-of-thirty-two-characters-."
			"a-name-of-thirty-two-characters-.lan",
		&q.name) < 0)
		exit(1);
	ok(name_answer(&lan, &q, answer, sizeof(answer)) > 0 &&
		(answer[3] & 15) == DNS_NXDOMAIN,
	    "a long name of the LAN: there is none");
}

static void
ends(void)
{
	tell(other, "192.0.2.10", "short.example", 1);
	tell(other, "192.0.2.11", "long.example", 100000000);
	lan.loop.now_ms += LEARNED_MIN_MS - 1;
	ok(matches(other, "192.0.2.10", "short.example"), "at least a minute");
	lan.loop.now_ms++;
	ok(!matches(other, "192.0.2.10", "short.example"), "then it ends");
	tell(other, "192.0.2.10", "short.example", 1);
	ok(matches(other, "192.0.2.10", "short.example"), "or begins again");
	lan.loop.now_ms += LEARNED_MAX_MS - LEARNED_MIN_MS;
	ok(!matches(other, "192.0.2.11", "long.example"), "at most an hour");
	tell(other, "192.0.2.11", "long.example", 300);
	other->generation++;
	ok(!matches(other, "192.0.2.11", "long.example"),
	    "and with its VM, whoever comes to that place");
}

int
main(void)
{
	wire_lan();
	one = &lan.ports[0];
	other = &lan.ports[1];
	is_known();
	asks_for_many();
	has_many();
	is_told_here();
	stays_here();
	ends();
	lan_release(&lan);
	return tap_done();
}
