/* SPDX-License-Identifier: MIT */
/*
 * dhcp.c - an address from the network (RFC 2131)
 *
 *	SELECTING --offer--> REQUESTING --ack--> BOUND --half the lease--+
 *	    ^                    |                 ^                     |
 *	    |                    |                 +--ack-- RENEWING <---+
 *	    |                    |                 |           |
 *	    |                    |                 |    7/8 of the lease
 *	    |                    |                 |           v
 *	    +------ refusal -----+                 +--ack-- REBINDING
 *	    |                                                  |
 *	    +--- refusal of either, or the lease's end: -------+
 *	         the address is given up
 *
 * Who gave the lease is asked to renew it, then anybody. Each unanswered
 * message is said again after 1, 2, 4, then 8 seconds; from RENEWING on, after
 * half of what is left for it if that is longer (4.4.5).
 */
#include "agent/dhcp.h"

#include "agent/files.h"
#include "agent/netlink.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/scope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define COOKIE      0x63825363
#define BROADCAST   0x8000
#define LEASE_MIN_S 60
#define LEASE_MAX_S (7 * 24 * 3600)
/* Below that of any route that was configured, above each other's. */
#define METRIC(index) (100u + (unsigned)(index))

enum message { DISCOVER = 1, OFFER = 2, REQUEST = 3, ACK = 5, NAK = 6 };

/* RFC 2132 */
enum option {
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_DNS = 6,
	OPTION_HOSTNAME = 12,
	OPTION_DOMAIN = 15,
	OPTION_MTU = 26,
	OPTION_ADDRESS = 50,
	OPTION_LEASE = 51,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_WANTED = 55,
	OPTION_END = 255,
};

struct client {
	struct agent *agent;
	struct watch watch;
	struct timer timer;
	int index;
	uint8_t mac[6];
	uint32_t transaction;
	enum { SELECTING, REQUESTING, BOUND, RENEWING, REBINDING } state;
	unsigned tries;
	int64_t rebind_ms, ends_ms;
	struct dhcp_lease lease;
	struct netlink_address address;
	bool has_address; /* the interface has it */
	bool waits;       /* for its first lease */
};

static struct client clients[CLIENTS_MAX];
static unsigned client_count, waiting_count;

unsigned
dhcp_waiting(void)
{
	return waiting_count;
}

/* ---- answers --------------------------------------------------------------
 */

static uint32_t
get_address(struct cursor *c)
{
	uint32_t address = 0;
	const uint8_t *bytes = get_bytes(c, 4);

	if (bytes)
		memcpy(&address, bytes, 4);
	return address;
}

static void
take_option(struct dhcp_lease *l, unsigned code, struct cursor o)
{
	switch (code) {
	case OPTION_TYPE:
		l->type = get_u8(&o);
		break;
	case OPTION_MASK: {
		uint32_t mask = ntohl(get_address(&o));
		unsigned prefix = 0;

		for (; mask & 0x80000000u; mask <<= 1)
			prefix++;
		if (prefix > 0)
			l->prefix = prefix;
		break;
	}
	case OPTION_ROUTER:
		l->router = get_address(&o);
		break;
	case OPTION_DNS:
		while (o.left >= 4 && l->dns_count < DHCP_SERVERS_MAX)
			l->dns[l->dns_count++] = get_address(&o);
		break;
	case OPTION_SERVER:
		l->server = get_address(&o);
		break;
	case OPTION_LEASE:
		l->seconds = get_be32(&o);
		break;
	case OPTION_MTU:
		l->mtu = get_be16(&o);
		break;
	case OPTION_DOMAIN:
		snprintf(l->domain, sizeof(l->domain), "%.*s", (int)o.left,
		    (const char *)o.at);
		break;
	default:
		break;
	}
}

/* Whether a host can have it: not 0.*, not loopback, not multicast or above. */
static bool
is_host(uint32_t address)
{
	unsigned first = ntohl(address) >> 24;

	return first != 0 && first != 127 && first < 224;
}

int
dhcp_parse(struct dhcp_lease *l, const uint8_t *packet, size_t len,
    uint32_t transaction, const uint8_t mac[6])
{
	struct cursor c = cursor_of(packet, len);
	const uint8_t *hardware;
	uint32_t head = get_be32(&c), number;

	*l = (struct dhcp_lease){.prefix = 24};
	number = get_be32(&c);
	get_bytes(&c, 8); /* seconds, flags, ciaddr */
	l->address = get_address(&c);
	get_bytes(&c, 8); /* siaddr, giaddr */
	hardware = get_bytes(&c, 16);
	get_bytes(&c, 192); /* sname, file */
	if (get_be32(&c) != COOKIE || c.bad || head >> 8 != 0x020106 ||
	    number != transaction || memcmp(hardware, mac, 6) != 0)
		return -1;
	while (c.left > 0) {
		unsigned code = get_u8(&c), size;
		const uint8_t *value;

		if (code == OPTION_END)
			break;
		if (code == 0)
			continue;
		size = get_u8(&c);
		value = get_bytes(&c, size);
		if (!value)
			return -1;
		take_option(l, code, cursor_of(value, size));
	}
	if (l->seconds < LEASE_MIN_S)
		l->seconds = LEASE_MIN_S;
	if (l->seconds > LEASE_MAX_S)
		l->seconds = LEASE_MAX_S;
	if (l->type == NAK)
		return 0;
	return (l->type == OFFER || l->type == ACK) && is_host(l->address) ? 0
									   : -1;
}

/* ---- questions ------------------------------------------------------------
 */

static void
put_option(struct writer *w, enum option code, const void *data, size_t len)
{
	put_be(w, code, 1);
	put_be(w, len, 1);
	put_bytes(w, data, len);
}

/* It has a lease, which is to last longer. */
static bool
extends(const struct client *c)
{
	return c->state == RENEWING || c->state == REBINDING;
}

static size_t
build(const struct client *c, uint8_t *packet, size_t size)
{
	static const uint8_t wanted[] = {OPTION_MASK, OPTION_ROUTER, OPTION_DNS,
	    OPTION_DOMAIN, OPTION_MTU, OPTION_LEASE};
	struct writer w = writer_of(packet, size);
	uint8_t type = c->state == SELECTING ? DISCOVER : REQUEST;
	const char *name = c->agent->policy.hostname;

	put_be(&w, 0x01010600, 4);
	put_be(&w, c->transaction, 4);
	put_be(&w, 0, 2);
	put_be(&w, extends(c) ? 0 : BROADCAST, 2);
	if (extends(c))
		put_bytes(&w, &c->lease.address, 4);
	else
		put_zeros(&w, 4);
	put_zeros(&w, 12);
	put_bytes(&w, c->mac, 6);
	put_zeros(&w, 10 + 192);
	put_be(&w, COOKIE, 4);
	put_option(&w, OPTION_TYPE, &type, 1);
	if (c->state == REQUESTING) {
		put_option(&w, OPTION_ADDRESS, &c->lease.address, 4);
		put_option(&w, OPTION_SERVER, &c->lease.server, 4);
	}
	put_option(&w, OPTION_WANTED, wanted, sizeof(wanted));
	if (*name)
		put_option(&w, OPTION_HOSTNAME, name, strlen(name));
	put_be(&w, OPTION_END, 1);
	/* RFC 1542: at least 300 bytes. */
	if (writer_len(&w) < 300)
		put_zeros(&w, 300 - writer_len(&w));
	return writer_len(&w);
}

/* How long an answer may take, in ms. */
static int64_t
patience(const struct client *c)
{
	int64_t left = 0;

	if (c->tries < 3)
		return 1000 << c->tries;
	if (extends(c))
		left = (c->state == RENEWING ? c->rebind_ms : c->ends_ms) -
		       loop_now_ms();
	return left > 16000 ? left / 2 : 8000;
}

static void again(struct timer *);

static void
say(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(67)};
	uint8_t packet[600];
	size_t len = build(c, packet, sizeof(packet));

	to.sin_addr.s_addr = c->state == RENEWING && c->lease.server
				 ? c->lease.server
				 : INADDR_BROADCAST;
	if (sendto(c->watch.fd, packet, len, 0, (struct sockaddr *)&to,
		sizeof(to)) < 0)
		log_info("dhcp: %s", strerror(errno));
	loop_timer(&c->agent->loop, &c->timer, patience(c), again);
	c->tries++;
}

static void
start_over(struct client *c)
{
	c->state = SELECTING;
	c->tries = 0;
	if (getrandom(&c->transaction, 4, 0) != 4)
		c->transaction++;
	say(c);
}

/* The interface's address is not ours any more, and routes go with it. */
static void
give_up_address(struct client *c)
{
	if (c->has_address && netlink_remove_address(c->index, &c->address) < 0)
		log_info("dhcp: address: %s", strerror(errno));
	c->has_address = false;
}

static void
again(struct timer *t)
{
	struct client *c = container_of(t, struct client, timer);
	int64_t now = loop_now_ms();

	if (extends(c) && now >= c->ends_ms) {
		give_up_address(c);
		start_over(c);
		return;
	}
	if (c->state == REQUESTING && c->tries > 4) {
		start_over(c);
		return;
	}
	if (c->state == BOUND) { /* half of the lease is over */
		c->state = RENEWING;
		c->tries = 0;
	} else if (c->state == RENEWING && now >= c->rebind_ms) {
		c->state = REBINDING;
		c->tries = 0;
	}
	say(c);
}

/* ---- the lease ------------------------------------------------------------
 */

static void
tell_dns(const struct client *c, const struct dhcp_lease *l)
{
	char text[INET_ADDRSTRLEN];

	for (unsigned i = 0; i < l->dns_count; i++)
		if (inet_ntop(AF_INET, &l->dns[i], text, sizeof(text)))
			files_add_dns(text);
	if (*l->domain)
		files_add_search(l->domain);
	/* Nobody waited for it. An init of the image's own has its files. */
	if (!c->agent->handed_over)
		files_write_dns();
}

/* The interface gets what the lease says, where that is new. */
static void
use_lease(struct client *c, const struct dhcp_lease *l)
{
	struct netlink_address address = {
	    .family = AF_INET, .prefix = l->prefix};
	struct netlink_address router = {.family = AF_INET, .prefix = 32};
	struct netlink_link link = {.index = c->index, .mtu = l->mtu};
	struct netlink_route route = {
	    .index = c->index, .via = &router, .metric = METRIC(c->index)};

	memcpy(address.bytes, &l->address, 4);
	memcpy(router.bytes, &l->router, 4);
	if (c->has_address &&
	    memcmp(&address, &c->address, sizeof(address)) == 0 &&
	    l->router == c->lease.router)
		return;
	give_up_address(c);
	c->address = address;
	c->has_address = netlink_add_address(c->index, &address) == 0;
	if (!c->has_address)
		log_warn("dhcp: address: %s", strerror(errno));
	if (l->mtu >= 576)
		netlink_set_link(&link);
	if (l->router && netlink_add_route(&route) < 0)
		log_warn("dhcp: route: %s", strerror(errno));
	tell_dns(c, l);
}

static void
bind_lease(struct client *c, const struct dhcp_lease *l)
{
	uint32_t server = l->server ? l->server : c->lease.server;
	int64_t whole = (int64_t)l->seconds * 1000, now = loop_now_ms();

	use_lease(c, l);
	c->lease = *l;
	c->lease.server = server;
	if (c->waits)
		waiting_count--;
	c->waits = false;
	c->state = BOUND;
	c->tries = 0;
	c->rebind_ms = now + whole / 8 * 7;
	c->ends_ms = now + whole;
	loop_timer(&c->agent->loop, &c->timer, whole / 2, again);
}

static void
take(struct client *c, const struct dhcp_lease *l)
{
	if (l->type == NAK && (c->state == REQUESTING || extends(c))) {
		give_up_address(c);
		start_over(c);
	} else if (l->type == OFFER && c->state == SELECTING) {
		c->lease = *l;
		c->state = REQUESTING;
		c->tries = 0;
		say(c);
	} else if (l->type == ACK && (c->state == REQUESTING || extends(c))) {
		bind_lease(c, l);
	}
}

static void
ready(struct watch *w, uint32_t events)
{
	struct client *c = container_of(w, struct client, watch);
	struct dhcp_lease lease;
	uint8_t packet[1500];
	ssize_t n = recv(w->fd, packet, sizeof(packet), 0);

	(void)events;
	/* One a turn: a flood is not to keep others waiting. */
	if (n > 0 &&
	    dhcp_parse(&lease, packet, (size_t)n, c->transaction, c->mac) == 0)
		take(c, &lease);
}

static int
open_socket(const struct ifreq *interface)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(68)};
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface->ifr_name,
		(socklen_t)strlen(interface->ifr_name)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -1;
	return steal_fd(&fd);
}

int
dhcp_start(struct agent *a, int index)
{
	struct client *c = &clients[client_count];
	struct ifreq interface = {.ifr_ifindex = index};
	cleanup_fd int fd = -1;

	if (client_count == CLIENTS_MAX) {
		errno = ENFILE;
		return -1;
	}
	*c = (struct client){.agent = a, .index = index};
	if (!if_indextoname((unsigned)index, interface.ifr_name))
		return -1;
	fd = open_socket(&interface);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &interface) < 0 ||
	    loop_add(&a->loop, &c->watch, fd, EPOLLIN, ready) < 0)
		return -1;
	steal_fd(&fd);
	memcpy(c->mac, interface.ifr_hwaddr.sa_data, 6);
	client_count++;
	c->waits = true;
	waiting_count++;
	start_over(c);
	return 0;
}
