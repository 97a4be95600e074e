/* SPDX-License-Identifier: MIT */
/* options.c - the command line of vk-switch(1) */
#include "cmd/vk-switch/options.h"

#include "cmd/vk-switch/lan.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* A login is far shorter. */
#define TEXT_FILE_MAX 4096

static int
add(struct option_list *l, const char *value, struct err *e)
{
	if (l->count == OPTION_LIST_MAX)
		return err_set(e, EX_USAGE, "given too often");
	l->items[l->count++] = value;
	return 0;
}

#define LIST_OPTION(name)                                                      \
	static int set_##name(void *into, const char *value, struct err *e)    \
	{                                                                      \
		return add(&((struct options *)into)->name, value, e);         \
	}
LIST_OPTION(listeners)
LIST_OPTION(published)
LIST_OPTION(services)
LIST_OPTION(hosts)
LIST_OPTION(servers)
LIST_OPTION(reservations)

static int
set_descriptor(int *into, const char *value, struct err *e)
{
	uint64_t n;

	if (number_parse(value, 1 << 20, &n) < 0 || fcntl((int)n, F_GETFD) < 0)
		return err_set(
		    e, EX_USAGE, "%s: not an open descriptor", value);
	*into = (int)n;
	return 0;
}

#define FD_OPTION(name)                                                        \
	static int set_##name(void *into, const char *value, struct err *e)    \
	{                                                                      \
		return set_descriptor(                                         \
		    &((struct options *)into)->name, value, e);                \
	}
FD_OPTION(ready_fd)
FD_OPTION(status_fd)
FD_OPTION(port_fd)

/* Rules keep their order across the four options: each is stored with its
 * first word. */
static char rule_texts[OPTION_LIST_MAX][NAME_MAX_TEXT + 64];

static int
add_rule(void *into, const char *word, const char *value, struct err *e)
{
	struct options *o = into;
	char *text;

	if (o->rules.count == OPTION_LIST_MAX)
		return err_set(e, EX_USAGE, "given too often");
	text = rule_texts[o->rules.count];
	if (strlen(value) > NAME_MAX_TEXT + 32)
		return err_set(e, EX_USAGE, "too long");
	snprintf(text, sizeof(rule_texts[0]), "%s %s", word, value);
	return add(&o->rules, text, e);
}

#define RULE_OPTION(name, word)                                                \
	static int set_##name(void *into, const char *value, struct err *e)    \
	{                                                                      \
		return add_rule(into, word, value, e);                         \
	}
RULE_OPTION(allow, "allow")
RULE_OPTION(allow_name, "allow-name")
RULE_OPTION(deny, "deny")
RULE_OPTION(default, "default")

static const struct opt table[] = {
    {'l', "listen", "SOCKET[,OPTION...]", "where VMs connect",
	.set = set_listeners},
    {'p', "publish", "[ADDR:]PORT:[VM:]PORT", "a port of the host for a VM",
	.set = set_published},
    {'s', "service", "[NAME:]PORT=unix:PATH|tcp:ADDR:PORT",
	"a socket of the host, offered at the gateway", .set = set_services},
    {0, "subnet", "CIDR", "IPv4 network of the LAN",
	OPT_TEXT(struct options, net4)},
    {0, "subnet6", "CIDR", "IPv6 network of the LAN, a /64",
	OPT_TEXT(struct options, net6)},
    {0, "mtu", "BYTES", "largest packet on the LAN, 1280 to 65520",
	OPT_TEXT(struct options, mtu)},
    {0, "domain", "NAME", "domain of the VMs' names",
	OPT_TEXT(struct options, domain)},
    {0, "host", "NAME=ADDR", "a name for the VMs", .set = set_hosts},
    {0, "dns", "ADDR[:PORT]", "a DNS server instead of the host's",
	.set = set_servers},
    {0, "lease", "MAC|NAME=ADDR", "an address kept for a VM",
	.set = set_reservations},
    {0, "leases", "FILE", "keep leases across restarts",
	OPT_TEXT(struct options, leases)},
    {0, "isolate", NULL, "VMs reach the gateway only",
	OPT_FLAG(struct options, isolate)},
    {0, "macs", "N", "MAC addresses that a VM may have, 1 to 4",
	OPT_TEXT(struct options, macs)},
    {0, "allow", "NETWORK[:PORT][/PROTOCOL]", "VMs may connect there",
	.set = set_allow},
    {0, "allow-name", "NAME[:PORT]", "VMs may connect to this name",
	.set = set_allow_name},
    {0, "deny", "NETWORK[:PORT][/PROTOCOL]", "VMs may not connect there",
	.set = set_deny},
    {0, "default", "allow|deny", "where no rule matches", .set = set_default},
    {0, "policy", "FILE", "rules, behind those given here",
	OPT_TEXT(struct options, policy)},
    {0, "proxy", "URL", "the world is behind socks5:// or http://",
	OPT_TEXT(struct options, proxy)},
    {0, "proxy-login", "FILE", "USER:PASSWORD for it",
	OPT_TEXT(struct options, proxy_login)},
    {0, "flows", "N", "connections at the same time",
	OPT_TEXT(struct options, flows)},
    {0, "control", "SOCKET", "where the switch is watched and changed",
	OPT_TEXT(struct options, control)},
    {0, "pcap", "FILE", "record frames; - is the output",
	OPT_TEXT(struct options, pcap)},
    {0, "pcap-vm", "NAME", "record this VM only",
	OPT_TEXT(struct options, pcap_vm)},
    {0, "fd", "N", "a VM connected already, or a tap", .set = set_port_fd},
    {0, "ready-fd", "N", "write a newline there when ready",
	.set = set_ready_fd},
    {0, "status-fd", "N", "write events there", .set = set_status_fd},
    {0, "die-with-parent", NULL, "end when the parent does",
	OPT_FLAG(struct options, die_with_parent)},
    {'v', "verbose", NULL, "say more", .set = opt_set_verbose},
};

const struct opt_command options_command = {
    .name = "vk-switch",
    .synopsis = "[-l SOCKET] [options] [--] [COMMAND [ARG...]]",
    .purpose = "a LAN for VMs, and a way out through ordinary sockets",
    .options = table,
    .count = OPT_COUNT(table),
    .operands_end = true,
};

void
options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->ready_fd = o->status_fd = o->port_fd = -1;
}

/* ---- applying ----------------------------------------------------------- */

/* Reads a small file whole; NUL behind it. Returns its length, -1. */
static ssize_t
read_text(const char *path, char *into, struct err *e)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_read(fd, into, TEXT_FILE_MAX);

	if (n < 0)
		return err_errno(e, 0, "%s", path);
	if (n == TEXT_FILE_MAX)
		return err_set(e, EX_CONFIG, "%s: too long", path);
	into[n] = '\0';
	return n;
}

static int
apply_number(const char *text, uint64_t least, uint64_t most, uint64_t *into,
    struct err *e)
{
	if (text && (number_parse(text, most, into) < 0 || *into < least))
		return err_set(e, EX_USAGE, "%s: not between %llu and %llu",
		    text, (unsigned long long)least, (unsigned long long)most);
	return 0;
}

static int
apply_network(const struct options *o, struct lan_config *c, struct err *e)
{
	uint64_t mtu = c->mtu, flows = c->flows, macs = c->macs_per_port;
	struct dns_name domain;

	if (o->net4 &&
	    (cidr_parse(o->net4, &c->net4) < 0 || !addr_is4(&c->net4.base) ||
		c->net4.bits < 104 || c->net4.bits > 126))
		return err_set(e, EX_USAGE,
		    "%s: not an IPv4 network between /8 and /30", o->net4);
	if (o->net6 && (cidr_parse(o->net6, &c->net6) < 0 ||
			   addr_is4(&c->net6.base) || c->net6.bits != 64))
		return err_set(e, EX_USAGE, "%s: not an IPv6 /64", o->net6);
	if (o->domain &&
	    (strlen(o->domain) >= sizeof(c->domain) || strchr(o->domain, '.') ||
		dns_name_of(o->domain, &domain) < 0))
		return err_set(e, EX_USAGE, "%s: not one label", o->domain);
	if (o->domain)
		snprintf(c->domain, sizeof(c->domain), "%s", o->domain);
	if (apply_number(o->mtu, 1280, 65520, &mtu, e) < 0 ||
	    apply_number(o->flows, FLOWS_LEAST, FLOWS_LIMIT, &flows, e) < 0 ||
	    apply_number(o->macs, 1, PORT_MACS_MAX, &macs, e) < 0)
		return -1;
	c->mtu = (uint16_t)mtu;
	c->flows = (uint32_t)flows;
	c->flows_wanted = o->flows != NULL;
	c->macs_per_port = (uint32_t)macs;
	c->isolate = o->isolate;
	return 0;
}

static int
apply_list(struct lan *lan, const struct option_list *l,
    int (*one)(struct lan *, const char *, struct err *), struct err *e)
{
	for (unsigned i = 0; i < l->count; i++)
		if (one(lan, l->items[i], e) < 0)
			return -1;
	return 0;
}

static int
add_service(struct lan *lan, const char *text, struct err *e)
{
	if (lan->service_count == SERVICES_MAX)
		return err_set(
		    e, EX_CONFIG, "more than %d services", SERVICES_MAX);
	if (service_parse(text, &lan->services[lan->service_count], e) < 0)
		return -1;
	lan->service_count++;
	return 0;
}

int
options_apply(const struct options *o, struct lan *lan, struct err *e)
{
	if (o->listeners.count == 0 && o->port_fd < 0) {
		err_set(e, EX_USAGE, "no socket to listen on");
		return err_hint(
		    e, "usage: vk-switch %s", options_command.synopsis);
	}
	if (apply_network(o, &lan->config, e) < 0)
		return -1;
	lan->config.gateway4 = cidr_at(&lan->config.net4, 1);
	for (unsigned i = 0; i < o->rules.count; i++)
		if (policy_add(&lan->policies[0], o->rules.items[i], e) < 0)
			return -1;
	if (apply_list(lan, &o->listeners, listener_add, e) < 0 ||
	    apply_list(lan, &o->published, publish_add, e) < 0 ||
	    apply_list(lan, &o->services, add_service, e) < 0 ||
	    apply_list(lan, &o->hosts, name_add_host, e) < 0 ||
	    apply_list(lan, &o->servers, resolver_add_server, e) < 0 ||
	    apply_list(lan, &o->reservations, lease_reserve, e) < 0)
		return -1;
	lan->control.status_fd = o->status_fd;
	/* A reader that does not read must not stop the switch. */
	if (o->status_fd >= 0 && io_nonblock(o->status_fd, 1) < 0)
		return err_errno(e, EX_USAGE, "--status-fd");
	if (o->pcap_vm)
		snprintf(
		    lan->pcap.port, sizeof(lan->pcap.port), "%s", o->pcap_vm);
	return 0;
}

/* ---- files and sockets -------------------------------------------------- */

static int
add_policies(const struct options *o, struct lan *lan, struct err *e)
{
	struct reload_item item = {.path = o->policy};
	uint32_t used = 1;

	lan->reload.rules = o->rules.items;
	lan->reload.rule_count = o->rules.count;
	if (o->policy)
		reload_add(lan, &item);
	for (uint32_t i = 0; i < lan->listener_count; i++) {
		struct listener *l = &lan->listeners[i];

		if (!l->policy_path[0])
			continue;
		if (used == POLICIES_MAX)
			return err_set(e, EX_CONFIG,
			    "more than %d policies of VMs", POLICIES_MAX - 1);
		item.path = l->policy_path;
		item.policy = l->policy = used++;
		reload_add(lan, &item);
	}
	return 0;
}

static int
open_proxy(const struct options *o, struct lan *lan, struct err *e)
{
	static char text[TEXT_FILE_MAX + 1];
	ssize_t n;

	if (o->proxy_login && !o->proxy)
		return err_set(e, EX_USAGE, "--proxy-login: no --proxy");
	if (o->proxy && proxy_parse(o->proxy, &lan->proxy, e) < 0)
		return -1;
	if (!o->proxy_login)
		return 0;
	n = read_text(o->proxy_login, text, e);
	if (n < 0)
		return -1;
	if (proxy_parse_login(text, (size_t)n, &lan->proxy, e) < 0)
		return err_prefix(e, "%s", o->proxy_login);
	return 0;
}

/* Everything that is read from files, now and again. */
static int
open_files(const struct options *o, struct lan *lan, struct err *e)
{
	static const struct reload_item servers = {
	    .path = "/etc/resolv.conf", .servers = true};

	if (add_policies(o, lan, e) < 0)
		return -1;
	if (lan->resolver.server_count == 0)
		reload_add(lan, &servers);
	if (reload_first(lan, e) < 0)
		return -1;
	if (lan->resolver.server_count == 0)
		log_warn("no DNS server is known: names of the world will "
			 "not be found");
	return reload_start(lan, e);
}

int
options_open(const struct options *o, struct lan *lan, struct err *e)
{
	if (open_proxy(o, lan, e) < 0 || open_files(o, lan, e) < 0)
		return -1;
	if (o->leases && leases_open(lan, o->leases, e) < 0)
		return -1;
	if (listeners_open(lan, e) < 0 || publish_open_all(lan, e) < 0)
		return -1;
	if (o->control && control_open(lan, o->control, e) < 0)
		return -1;
	if (o->pcap && pcap_open(lan, o->pcap, e) < 0)
		return -1;
	if (o->port_fd >= 0 && (io_nonblock(o->port_fd, 1) < 0 ||
				   !port_open(lan, o->port_fd, NULL)))
		return err_set(e, EX_USAGE, "--fd: neither a socket nor a tap");
	return 0;
}
