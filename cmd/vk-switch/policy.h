/* SPDX-License-Identifier: MIT */
/*
 * policy.h - where VMs may connect to
 *
 * Rules are tried in order, the first that matches decides, then the default
 * action. Answers belong to a flow and need no rule. A rule names a network or
 * a name, optionally ports and a protocol.
 *
 * Names: a rule for a name matches an address only if this switch itself gave
 * that address in a DNS answer for such a name (learned.h), and such a flow is
 * inspected: TLS must ask for (SNI), HTTP must name (Host) a permitted name. If
 * it does not, the rule has not matched, and those behind it decide.
 *
 * Guards come before all rules: the host's own addresses, its loopback,
 * link-local, the clouds' metadata, groups, reserved ranges. They open only for
 * a rule that names a network within the guarded one, or that address of the
 * host alone; "allow any" does not. A rule that would open the host's loopback
 *is refused: a service (service.h) offers one port of it.
 *
 * What is guarded or denied is so also as an IPv6 address that stands for it
 * (addr_inner()).
 *
 * A VM's own rules (of its listener) narrow: they are asked in addition.
 *
 * Text form, one rule a line in files, in pieces as options:
 *
 *	allow NETWORK[:PORT[-PORT]][/tcp|/udp|/icmp]
 *	allow-name NAME[:PORT[-PORT]][/tcp|/udp]
 *	deny NETWORK...
 *	default allow|deny
 *
 * NETWORK: CIDR, "any", "private"; IPv6 before a port stands in brackets.
 */
#ifndef VK_SWITCH_POLICY_H
#define VK_SWITCH_POLICY_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A list longer than this is a blocklist, and belongs into DNS. */
#define RULES_MAX 1024
/* The global one, and those of listeners. */
#define POLICIES_MAX 16
/* RFC 1035, 3.1, as text with its final NUL. */
#define NAME_MAX_TEXT 255

struct rule {
	bool allow;
	bool by_name;
	uint8_t proto;                  /* 0: any */
	uint16_t port_first, port_last; /* 0: any */
	struct cidr net;
	char name[NAME_MAX_TEXT + 1]; /* "*.example.org" or whole */
};

struct policy {
	bool used;
	bool allow_rest;
	uint32_t count;
	struct rule rules[RULES_MAX];
};

struct verdict {
	bool allow;
	bool inspect;  /* allowed for its name */
	uint16_t rule; /* + 1; 0: the default or a guard */
	const char *reason;
};

struct lan;
struct port;
struct flow_key;

/* Adds one rule as in the text form. Returns 0, -1. */
int policy_add(struct policy *, const char *line, struct err *);
/* The same, behind what is there. */
int policy_append(struct policy *, const char *text, size_t len, struct err *);
/* Reads a whole text in its place; -1 names the line, and nothing is changed.
 */
int policy_parse(struct policy *, const char *text, size_t len, struct err *);

/* May this VM open that flow? */
struct verdict policy_check(
    struct lan *, const struct port *, const struct flow_key *);

/* Now that it has shown what name it asks for (NULL: none), may it go on? Rules
 * for names match that, and no longer what its address was given for. */
bool policy_allows_shown(struct lan *, const struct port *,
    const struct flow_key *, const char *name);

/* May this VM ask the world's DNS for the name? */
bool policy_allows_name(struct lan *, const struct port *, const char *name);
/* Is the address one that VMs do not reach by a name? */
bool policy_guards(struct lan *, const struct addr *);

bool name_matches(const char *pattern, const char *name);

/* One line for the log and the events, at most one a second. */
void policy_refused(struct lan *, struct port *, const struct addr *,
    uint16_t port, const char *reason);

#endif
