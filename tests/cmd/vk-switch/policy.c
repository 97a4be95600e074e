/* SPDX-License-Identifier: MIT */
/* policy.c - what no rule opens by accident, and what one does open */
#include "cmd/vk-switch/policy.h"

#include "tests/cmd/vk-switch/wire.h"
#include "tests/tap.h"

static struct port port;

/* Rules, one a line, in place of those before. */
static int
set_rules(const char *text, struct err *e)
{
	*e = (struct err)ERR_INIT;
	lan.policies[0] = (struct policy){.used = true, .allow_rest = true};
	return policy_parse(&lan.policies[0], text, strlen(text), e);
}

static bool
opens(const char *address, uint8_t proto, uint16_t number)
{
	struct flow_key k = {.proto = proto, .far_port = number};

	addr_parse(address, &k.far);
	return policy_check(&lan, &port, &k).allow;
}

/* An address as the host's own; its loopback is among those anyway. */
static void
host_gets(const char *address)
{
	cidr_parse(address, &lan.host.nets[lan.host.count++].net);
}

static const char *const loopback[] = {"127.0.0.1", "127.0.0.0",
    "127.255.255.255", "0.0.0.0", "0.1.2.3", "::1", "::", "::127.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::0.0.0.0", "2002:7f00:1::1",
    "64:ff9b:1::127.0.0.1",
    "64:ff9b:1:7f00:0:100::", "64:ff9b:1:7f00:0:100::77",
    "64:ff9b:1:7f:0:1::", "64:ff9b:1:abcd:7f:0:100:0", "64:ff9b:1:1:2:3:7f00:1",
    "2001::80ff:fffe", "2001:db8::5efe:7f00:1", "2001:db8::200:5efe:7f00:1"};
static const char *const guarded[] = {"169.254.169.254", "fe80::2",
    "fd00:ec2::254", "fec0::1", "224.0.0.1", "255.255.255.255", "ff02::1",
    "10.76.0.9", "fd76:6b00::9", "198.51.100.2", "2001:db8:1::2",
    "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "fd20:ce::254",
    "fd00:42::42", "100.100.100.200", "168.63.129.16", "64:ff9b::198.51.100.2",
    "64:ff9b:1::169.254.169.254", "64:ff9b:1::10.76.0.9", "2002:c000:201::5"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* What opens the world opens none of these. */
static void
not_by_accident(void)
{
	static const char *const wide[] = {"default allow", "allow any",
	    "allow 0.0.0.0/0\nallow ::/0", "allow 0.0.0.0/1\nallow ::/1",
	    "allow 126.0.0.0/7\nallow 0.0.0.0/7", "allow ::/95", "allow ::/8",
	    "allow any:8080/tcp", "allow private", "allow 198.51.100.0/24",
	    "allow 64:ff9b::/96\nallow 2002::/16\nallow 64:ff9b:1::/48"};
	struct err e;

	for (size_t i = 0; i < COUNT(wide); i++) {
		bool shut = set_rules(wide[i], &e) == 0;

		for (size_t n = 0; n < COUNT(loopback); n++)
			shut &= !opens(loopback[n], PROTO_TCP, 8080) &&
				!opens(loopback[n], PROTO_UDP, 8080) &&
				!opens(loopback[n], PROTO_ICMP, 0);
		for (size_t n = 0; n < COUNT(guarded); n++)
			shut &= !opens(guarded[n], PROTO_TCP, 8080);
		ok(shut && opens("192.0.2.1", PROTO_TCP, 8080),
		    "%.*s: the world, and nothing of the host",
		    (int)strcspn(wide[i], "\n"), wide[i]);
	}
}

/* A rule for loopback is an error that tells of another way. */
static void
loopback_is_refused(void)
{
	static const char *const rules[] = {"127.0.0.1", "127.0.0.0/8",
	    "127.0.0.0/9", "127.0.0.1:5432/tcp", "0.0.0.0", "0.0.0.0/8",
	    "0.0.0.0:80", "::1", "[::1]:5432/tcp", "::", "::/96", "::127.0.0.1",
	    "::ffff:127.0.0.1"};
	char line[64];
	struct err e;

	for (size_t i = 0; i < COUNT(rules); i++) {
		snprintf(line, sizeof(line), "allow %s", rules[i]);
		ok(set_rules(line, &e) < 0 && strstr(e.text, "loopback") &&
			strstr(e.hint, "--service") &&
			lan.policies[0].count == 0,
		    "%s: refused, and --service is named", line);
		snprintf(line, sizeof(line), "deny %s", rules[i]);
		ok(set_rules(line, &e) == 0, "%s: as you like", line);
	}
}

/* What is guarded otherwise opens for who names it. */
static void
by_name_of_its_own(void)
{
	struct err e;

	is_int(set_rules("allow 169.254.169.254:80/tcp\n"
			 "allow fd00:ec2::254\n"
			 "allow 198.51.100.2:8080/tcp\n"
			 "default deny",
		   &e),
	    0, "rules for one address each");
	ok(opens("169.254.169.254", PROTO_TCP, 80), "the metadata service");
	ok(!opens("169.254.169.254", PROTO_TCP, 81) &&
		!opens("169.254.169.254", PROTO_UDP, 80) &&
		!opens("169.254.169.253", PROTO_TCP, 80),
	    "that port, that protocol, that address");
	ok(opens("fd00:ec2::254", PROTO_TCP, 80), "so by IPv6");
	ok(opens("198.51.100.2", PROTO_TCP, 8080), "the host's own address");
	ok(!opens("198.51.100.2", PROTO_TCP, 22) &&
		!opens("2001:db8:1::2", PROTO_TCP, 8080),
	    "and neither another port nor another address");
	set_rules("deny 169.254.169.254\nallow 169.254.169.254", &e);
	ok(!opens("169.254.169.254", PROTO_TCP, 80),
	    "the first that matches decides");
	set_rules("allow 10.76.0.0/24\nallow 10.76.0.9", &e);
	ok(!opens("10.76.0.9", PROTO_TCP, 80), "no rule leads into the LAN");
}

/* A rule for a network of one family says nothing about the other. */
static void
families(void)
{
	static const char *const wide[] = {"::/0", "::/8", "::/80"};
	char rules[64];
	struct err e;

	for (size_t i = 0; i < COUNT(wide); i++) {
		snprintf(
		    rules, sizeof(rules), "allow %s\ndefault deny", wide[i]);
		set_rules(rules, &e);
		ok(!opens("192.0.2.1", PROTO_TCP, 80),
		    "allow %s: nothing of IPv4", wide[i]);
		snprintf(
		    rules, sizeof(rules), "deny %s\ndefault allow", wide[i]);
		set_rules(rules, &e);
		ok(opens("192.0.2.1", PROTO_TCP, 80), "deny %s: nothing of it",
		    wide[i]);
	}
	set_rules("deny 0.0.0.0/0\ndefault allow", &e);
	ok(opens("2001:db8::1", PROTO_TCP, 80) &&
		!opens("192.0.2.1", PROTO_TCP, 80),
	    "nor 0.0.0.0/0 about IPv6");
	set_rules("allow any\ndefault deny", &e);
	ok(opens("2001:db8::1", PROTO_TCP, 80) &&
		opens("192.0.2.1", PROTO_TCP, 80),
	    "any is both");
}

/* What is denied is so by another way to it, where such a rule comes first. */
static void
another_way(void)
{
	static const char *const ways[] = {"64:ff9b::10.1.2.3",
	    "64:ff9b:1::10.1.2.3", "64:ff9b:1:a01:2:300::", "2002:a01:203::1",
	    "2001::f5fe:fdfc", "2001:db8::5efe:10.1.2.3"};
	struct err e;

	for (size_t i = 0; i < COUNT(ways); i++) {
		set_rules("deny private\ndefault allow", &e);
		ok(!opens(ways[i], PROTO_TCP, 80), "%s: denied", ways[i]);
		set_rules("deny 10.0.0.0/8:25/tcp\ndefault allow", &e);
		ok(opens(ways[i], PROTO_TCP, 80) &&
			!opens(ways[i], PROTO_TCP, 25),
		    "%s: that port", ways[i]);
		set_rules("allow 10.1.0.0/16\ndeny private\ndefault allow", &e);
		ok(opens(ways[i], PROTO_TCP, 80),
		    "%s: behind a rule that allows it", ways[i]);
		set_rules("allow 10.1.0.0/16\ndefault deny", &e);
		ok(!opens(ways[i], PROTO_TCP, 80),
		    "%s: which by itself does not", ways[i]);
	}
	set_rules("allow 64:ff9b::/96\ndeny private\ndefault deny", &e);
	ok(opens("64:ff9b::10.1.2.3", PROTO_TCP, 80), "the first decides");
	set_rules("default allow", &e);
	ok(opens("64:ff9b:1::192.0.2.1", PROTO_TCP, 80) &&
		opens("64:ff9b:1:1::192.0.2.1", PROTO_TCP, 80) &&
		opens("64:ff9b:1:c000:2:100::", PROTO_TCP, 80),
	    "the world behind a translator is open");
}

static bool
opens_shown(const char *address, const char *name)
{
	struct flow_key k = {.proto = PROTO_TCP, .far_port = 443};

	addr_parse(address, &k.far);
	return policy_allows_shown(&lan, &port, &k, name);
}

/* A rule for a name decides about who asks for it, not about all who know an
 * address of it: behind one there may be many names. */
static void
shown(void)
{
	struct flow_key k = {.proto = PROTO_TCP, .far_port = 443};
	struct verdict v;
	struct err e;

	addr_parse("203.0.113.7", &k.far);
	set_rules("allow-name good.example:443\ndeny 203.0.113.0/24\n"
		  "allow-name other.example:443",
	    &e);
	ok(!opens("203.0.113.7", PROTO_TCP, 443),
	    "a name that nobody asked for");
	learned_add(&lan, &port, &k.far, "good.example", 60);
	v = policy_check(&lan, &port, &k);
	ok(v.allow && v.inspect, "one that was: to be looked at");
	ok(opens_shown("203.0.113.7", "good.example"), "it asks for it");
	ok(!opens_shown("203.0.113.7", "evil.example"),
	    "for another: the next rule decides");
	ok(!opens_shown("203.0.113.7", "other.example"), "as it would have");
	ok(!opens_shown("203.0.113.7", NULL), "so where it asks for none");
	set_rules("allow-name good.example:443\ndefault allow", &e);
	ok(opens_shown("203.0.113.7", "evil.example") &&
		opens_shown("203.0.113.7", NULL),
	    "or the default");
	set_rules("allow-name Good.Example.:443\ndefault deny", &e);
	ok(!opens_shown("203.0.113.7", "evil.example") &&
		!opens_shown("203.0.113.7", NULL) &&
		opens_shown("203.0.113.7", "good.example"),
	    "whatever that is; names with a dot at their end are the same");
}

/* A VM's own rules: what they do not name is denied. */
static void
narrowed(void)
{
	static struct listener l = {.policy = 1};
	const char *own = "allow 192.0.2.0/24";
	struct err e;

	set_rules("default allow", &e);
	port.listener = &l;
	is_int(policy_parse(&lan.policies[1], own, strlen(own), &e), 0,
	    "rules of a VM without a default");
	ok(opens("192.0.2.1", PROTO_TCP, 80) &&
		!opens("203.0.113.1", PROTO_TCP, 80),
	    "deny the rest");
	own = "allow any\nallow 169.254.0.0/16\ndefault allow";
	policy_parse(&lan.policies[1], own, strlen(own), &e);
	ok(opens("203.0.113.1", PROTO_TCP, 80) &&
		!opens("169.254.169.254", PROTO_TCP, 80),
	    "and open nothing that is guarded");
	set_rules("default deny", &e);
	ok(!opens("203.0.113.1", PROTO_TCP, 80), "nor what all are denied");
	port.listener = NULL;
}

int
main(void)
{
	wire_lan();
	host_gets("198.51.100.2");
	host_gets("2001:db8:1::2");
	host_gets("2002:c000:201::5");
	not_by_accident();
	loopback_is_refused();
	by_name_of_its_own();
	families();
	another_way();
	shown();
	narrowed();
	lan_release(&lan);
	return tap_done();
}
