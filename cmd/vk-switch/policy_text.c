/* SPDX-License-Identifier: MIT */
/* policy_text.c - rules as users write them */
#include "cmd/vk-switch/flow.h"
#include "cmd/vk-switch/policy.h"
#include "common/size.h"

#include <ctype.h>
#include <stdio.h>

/* RFC 1918, RFC 6598 and RFC 4193 */
static const char *const private_nets[] = {"10.0.0.0/8", "172.16.0.0/12",
    "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"};
static const char *const any_nets[] = {"0.0.0.0/0", "::/0"};
/* What leads to the host's loopback when a socket is connected to it: all of
 * these do (ip(7) and ipv6(7), of the unspecified address). */
static const char *const loopback_nets[] = {
    "127.0.0.0/8", "0.0.0.0/8", "::/96"};

static int
parse_proto(const char *text, uint8_t *proto)
{
	static const struct {
		const char *name;
		uint8_t proto;
	} known[] = {
	    {"tcp", PROTO_TCP}, {"udp", PROTO_UDP}, {"icmp", PROTO_ICMP}};

	for (size_t i = 0; i < 3; i++)
		if (strcmp(text, known[i].name) == 0) {
			*proto = known[i].proto;
			return 0;
		}
	return -1;
}

static int
parse_ports(const char *text, struct rule *r)
{
	const char *dash = strchr(text, '-');
	char first[8];
	uint64_t a, b;

	snprintf(
	    first, sizeof(first), "%.*s", dash ? (int)(dash - text) : 7, text);
	if (number_parse(first, 65535, &a) < 0 || a == 0)
		return -1;
	b = a;
	if (dash && (number_parse(dash + 1, 65535, &b) < 0 || b < a))
		return -1;
	r->port_first = (uint16_t)a;
	r->port_last = (uint16_t)b;
	return 0;
}

/* Cuts "/tcp" and ":PORT" off; what is left is the target. */
static int
parse_tail(char *target, struct rule *r)
{
	char *slash = strrchr(target, '/'), *colon, *close;

	if (slash && isalpha((unsigned char)slash[1])) {
		*slash = '\0';
		if (parse_proto(slash + 1, &r->proto) < 0)
			return -1;
	}
	close = strrchr(target, ']');
	if (target[0] == '[' && close) {
		*close = '\0';
		memmove(target, target + 1, (size_t)(close - target));
		colon = close + 1;
		if (*colon == '\0')
			return 0;
		return *colon == ':' ? parse_ports(colon + 1, r) : -1;
	}
	colon = strchr(target, ':');
	if (!colon || strchr(colon + 1, ':')) /* none, or bare IPv6 */
		return 0;
	*colon = '\0';
	return parse_ports(colon + 1, r);
}

static int
append(struct policy *p, const struct rule *r, struct err *e)
{
	if (p->count == RULES_MAX)
		return err_set(e, EX_CONFIG, "more than %d rules", RULES_MAX);
	p->rules[p->count++] = *r;
	return 0;
}

static int
append_nets(struct policy *p, struct rule *r, const char *const *nets,
    size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (cidr_parse(nets[i], &r->net) < 0 || append(p, r, e) < 0)
			return -1;
	return 0;
}

static bool
is_loopback(const struct cidr *net)
{
	struct cidr loopback;

	for (size_t i = 0; i < 3; i++)
		if (cidr_parse(loopback_nets[i], &loopback) == 0 &&
		    net->bits >= loopback.bits &&
		    cidr_contains(&loopback, &net->base))
			return true;
	return false;
}

/* A guest keeps these addresses to itself, so such a rule would be of use to
 * nobody but one who forges frames. */
static int
refuse_loopback(const char *text, struct err *e)
{
	err_set(e, EX_CONFIG,
	    "%s: no rule opens the host's loopback (all addresses are \"any\")",
	    text);
	return err_hint(e, "to offer a port of it at the gateway: "
			   "--service PORT=tcp:127.0.0.1:PORT");
}

static int
add_rule(struct policy *p, struct rule *r, const char *text, struct err *e)
{
	char target[NAME_MAX_TEXT + 16];

	if (strlen(text) >= sizeof(target))
		return err_set(e, EX_CONFIG, "too long a rule");
	memcpy(target, text, strlen(text) + 1);
	if (parse_tail(target, r) < 0)
		return err_set(e, EX_CONFIG, "%s: bad port or protocol", text);
	if (r->by_name) {
		size_t len = strlen(target);

		/* As names are written that are whole. */
		if (len > 1 && target[len - 1] == '.')
			target[len - 1] = '\0';
		if (!*target || strlen(target) > NAME_MAX_TEXT ||
		    strspn(target, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.*") != strlen(target) ||
		    (strchr(target, '*') && (strncmp(target, "*.", 2) != 0 ||
						strchr(target + 1, '*'))))
			return err_set(e, EX_CONFIG, "%s: bad name", text);
		/* HTTP/3 shows no name that could be checked. */
		if (!r->proto)
			r->proto = PROTO_TCP;
		memcpy(r->name, target, strlen(target) + 1);
		return append(p, r, e);
	}
	if (strcmp(target, "any") == 0)
		return append_nets(p, r, any_nets, 2, e);
	if (strcmp(target, "private") == 0)
		return append_nets(p, r, private_nets, 5, e);
	if (cidr_parse(target, &r->net) < 0)
		return err_set(e, EX_CONFIG, "%s: bad network", text);
	if (r->allow && is_loopback(&r->net))
		return refuse_loopback(text, e);
	return append(p, r, e);
}

int
policy_add(struct policy *p, const char *line, struct err *e)
{
	struct rule r = {.allow = true};
	size_t word = strcspn(line, " \t");
	const char *rest = line + word + strspn(line + word, " \t");

	if (word == 7 && strncmp(line, "default", 7) == 0) {
		p->allow_rest = strcmp(rest, "allow") == 0;
		if (!p->allow_rest && strcmp(rest, "deny") != 0)
			return err_set(e, EX_CONFIG,
			    "default %s: neither allow nor deny", rest);
		return 0;
	}
	if (word == 5 && strncmp(line, "allow", 5) == 0)
		return add_rule(p, &r, rest, e);
	if (word == 10 && strncmp(line, "allow-name", 10) == 0) {
		r.by_name = true;
		return add_rule(p, &r, rest, e);
	}
	if (word == 4 && strncmp(line, "deny", 4) == 0) {
		r.allow = false;
		return add_rule(p, &r, rest, e);
	}
	return err_set(e, EX_CONFIG, "%.*s: unknown rule", (int)word, line);
}

static int
parse_lines(struct policy *p, const char *text, size_t len, struct err *e)
{
	unsigned number = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		char line[NAME_MAX_TEXT + 64];
		size_t start;

		number++;
		if (n >= sizeof(line))
			return err_set(
			    e, EX_CONFIG, "line %u: too long", number);
		memcpy(line, text + at, n);
		at += n + 1;
		line[n] = '\0';
		line[strcspn(line, "#\r")] = '\0';
		n = strlen(line);
		while (n > 0 && isspace((unsigned char)line[n - 1]))
			line[--n] = '\0';
		start = strspn(line, " \t");
		if (line[start] == '\0')
			continue;
		if (policy_add(p, line + start, e) < 0)
			return err_prefix(e, "line %u", number);
	}
	return 0;
}

int
policy_append(struct policy *p, const char *text, size_t len, struct err *e)
{
	return parse_lines(p, text, len, e);
}

int
policy_parse(struct policy *p, const char *text, size_t len, struct err *e)
{
	/* Static: half a MiB, and only the one thread comes here. */
	static struct policy fresh;

	fresh = (struct policy){.used = true, .allow_rest = p->allow_rest};
	if (parse_lines(&fresh, text, len, e) < 0)
		return -1;
	*p = fresh;
	return 0;
}
