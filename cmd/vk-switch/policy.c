/* SPDX-License-Identifier: MIT */
/* policy.c - where VMs may connect to */
#include "cmd/vk-switch/policy.h"

#include "cmd/vk-switch/lan.h"
#include "common/log.h"

#include <strings.h>

/* What no VM reaches by accident. IPv4 as v4-mapped: bits are 96 + n. The first
 * that has an address counts. */
static const struct {
	struct cidr net;
	const char *reason; /* NULL: it is not closed */
} guards[] = {
    {{{{[10] = 0xff, 0xff, 0}}, 104}, "this network"},
    {{{{[10] = 0xff, 0xff, 127}}, 104}, "loopback of the host"},
    {{{{[10] = 0xff, 0xff, 169, 254}}, 112}, "link-local and metadata"},
    {{{{[10] = 0xff, 0xff, 224}}, 100}, "a group"},
    {{{{[10] = 0xff, 0xff, 240}}, 100}, "reserved"},
    {{{{0}}, 96}, "loopback of the host"},
    /* NAT64, for which what is inside counts (RFC 6052, RFC 8215). */
    {{{{0, 0x64, 0xff, 0x9b}}, 96}, NULL},
    {{{{0, 0x64, 0xff, 0x9b, 0, 1}}, 48}, NULL},
    {{{{0}}, 8}, "reserved"},
    {{{{0xfe, 0x80}}, 10}, "link-local"},
    {{{{0xfe, 0xc0}}, 10}, "site-local"},
    {{{{0xff}}, 8}, "a group"},
    /* Clouds whose metadata are not link-local: those of Amazon by IPv6, of
     * Google and of Scaleway by it, of Alibaba and of Azure. */
    {{{{0xfd, 0x00, 0x0e, 0xc2}}, 64}, "metadata"},
    {{{{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54}}, 128}, "metadata"},
    {{{{0xfd, 0x00, 0x00, 0x42, [15] = 0x42}}, 128}, "metadata"},
    {{{{[10] = 0xff, 0xff, 100, 100, 100, 200}}, 128}, "metadata"},
    {{{{[10] = 0xff, 0xff, 168, 63, 129, 16}}, 128}, "metadata"},
};

bool
name_matches(const char *pattern, const char *name)
{
	size_t n = strlen(name), p = strlen(pattern);

	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, name) == 0;
	/* "*.x" is every name below x, not x itself. */
	return n > p - 1 && strcasecmp(name + n - (p - 1), pattern + 1) == 0;
}

static bool
ports_match(const struct rule *r, const struct flow_key *k)
{
	if (r->proto == PROTO_ICMP && k->proto == PROTO_ICMP6)
		return true;
	if (r->proto && r->proto != k->proto)
		return false;
	if (!r->port_last)
		return true;
	return (k->proto == PROTO_TCP || k->proto == PROTO_UDP) &&
	       k->far_port >= r->port_first && k->far_port <= r->port_last;
}

/* A rule that opens the guard: about a part of it, not about all the world. */
static bool
opens(
    const struct policy *p, const struct cidr *guard, const struct flow_key *k)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const struct rule *r = &p->rules[i];

		if (r->by_name || !cidr_contains(&r->net, &k->far) ||
		    !ports_match(r, k))
			continue;
		if (!r->allow)
			return false;
		if (r->net.bits >= guard->bits)
			return true;
	}
	return false;
}

/* The guard that holds this very address; NULL: none. */
static const char *
guarded_itself(
    struct lan *lan, const struct policy *p, const struct flow_key *k)
{
	struct cidr one = {.base = k->far, .bits = 128};

	if (cidr_contains(&lan->config.net4, &k->far) ||
	    cidr_contains(&lan->config.net6, &k->far))
		return "inside the LAN";
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++) {
		if (!cidr_contains(&guards[i].net, &k->far) ||
		    opens(p, &guards[i].net, k))
			continue;
		if (guards[i].reason)
			return guards[i].reason;
		break;
	}
	if (host_has(lan, &k->far) && !opens(p, &one, k))
		return "the host itself";
	return NULL;
}

/* The same of it and of what it may stand for. */
static const char *
guarded(struct lan *lan, const struct policy *p, const struct flow_key *k)
{
	struct addr inner[ADDR_INNER_MAX];
	size_t count = addr_inner(&k->far, inner);
	const char *reason = guarded_itself(lan, p, k);
	struct flow_key other = *k;

	for (size_t i = 0; i < count && !reason; i++) {
		other.far = inner[i];
		reason = guarded_itself(lan, p, &other);
	}
	return reason;
}

bool
policy_guards(struct lan *lan, const struct addr *a)
{
	struct flow_key k = {.far = *a};

	return guarded(lan, &lan->policies[0], &k) != NULL;
}

/* A connection, and what it has shown so far. */
struct question {
	const struct port *port;
	struct flow_key key;
	bool shown;       /* it has shown what it asks for */
	const char *name; /* this; NULL: no name */
};

static bool
rule_matches(struct lan *lan, const struct question *q, const struct rule *r)
{
	if (!ports_match(r, &q->key))
		return false;
	if (!r->by_name)
		return cidr_contains(&r->net, &q->key.far);
	if (q->shown)
		return q->name && name_matches(r->name, q->name);
	return learned_matches(lan, q->port, &q->key.far, r->name);
}

/* The first rule that matches; p->count: none does. */
static uint32_t
first_rule(struct lan *lan, const struct question *q, const struct policy *p)
{
	uint32_t i = 0;

	while (i < p->count && !rule_matches(lan, q, &p->rules[i]))
		i++;
	return i;
}

/* What an address stands for a rule can close, but not open: without a
 * translator it is a host of its own. */
static struct verdict
judge(struct lan *lan, const struct question *q, const struct policy *p)
{
	struct addr inner[ADDR_INNER_MAX];
	size_t count = addr_inner(&q->key.far, inner);
	uint32_t rule = first_rule(lan, q, p);
	struct question other = *q;

	for (size_t i = 0; i < count; i++) {
		uint32_t closer;

		other.key.far = inner[i];
		closer = first_rule(lan, &other, p);
		if (closer < rule && !p->rules[closer].allow)
			rule = closer;
	}
	if (rule == p->count)
		return (struct verdict){
		    .allow = p->allow_rest, .reason = "no rule allows it"};
	return (struct verdict){.allow = p->rules[rule].allow,
	    .inspect = p->rules[rule].by_name,
	    .rule = (uint16_t)(rule + 1),
	    .reason = "denied by rule"};
}

static const struct policy *
own_policy(const struct lan *lan, const struct port *port)
{
	if (!port->listener || !port->listener->policy)
		return NULL;
	return &lan->policies[port->listener->policy];
}

static struct verdict
check(struct lan *lan, const struct question *q)
{
	const struct policy *own = own_policy(lan, q->port);
	const char *guard = guarded(lan, &lan->policies[0], &q->key);
	struct verdict all, narrow;

	if (guard)
		return (struct verdict){.reason = guard};
	all = judge(lan, q, &lan->policies[0]);
	if (!all.allow || !own)
		return all;
	narrow = judge(lan, q, own);
	narrow.inspect |= all.inspect;
	return narrow;
}

struct verdict
policy_check(struct lan *lan, const struct port *port, const struct flow_key *k)
{
	struct question q = {.port = port, .key = *k};

	return check(lan, &q);
}

bool
policy_allows_shown(struct lan *lan, const struct port *port,
    const struct flow_key *k, const char *name)
{
	struct question q = {
	    .port = port, .key = *k, .shown = true, .name = name};

	return check(lan, &q).allow;
}

/* Names are asked for only if some rule could use the answer. */
static bool
policy_has_name(const struct policy *p, const char *name)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->rules[i].by_name && name_matches(p->rules[i].name, name))
			return true;
	return p->allow_rest;
}

bool
policy_allows_name(struct lan *lan, const struct port *port, const char *name)
{
	const struct policy *own = own_policy(lan, port);

	return policy_has_name(&lan->policies[0], name) &&
	       (!own || policy_has_name(own, name));
}

void
policy_refused(struct lan *lan, struct port *port, const struct addr *a,
    uint16_t at, const char *reason)
{
	char address[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 8];
	const char *name = learned_name(lan, port, a);

	port->count.refused++;
	if (lan->refusal_ms && lan->loop.now_ms - lan->refusal_ms < 1000) {
		lan->refusals_quiet++;
		return;
	}
	lan->refusal_ms = lan->loop.now_ms;
	snprintf(text, sizeof(text), "%s port %u", addr_text(a, address), at);
	log_warn("%s: %s%s%s%s: refused: %s", port_name(lan, port), text,
	    name ? " (" : "", name ? name : "", name ? ")" : "", reason);
	event_log(lan, "refused", port_name(lan, port), text);
	if (lan->refusals_quiet)
		log_warn(
		    "%u more refusals were not shown", lan->refusals_quiet);
	lan->refusals_quiet = 0;
}
