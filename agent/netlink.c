/* SPDX-License-Identifier: MIT */
/* netlink.c - interfaces, addresses and routes, by rtnetlink(7) */
#include "agent/netlink.h"

#include "common/scope.h"
#include "common/size.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct message {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct rtmsg route;
		char room[256];
	};
};

static void
add_attribute(
    struct message *m, unsigned short type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(m->head.nlmsg_len);
	struct rtattr *a = (struct rtattr *)(void *)((char *)m + at);

	if (at + RTA_SPACE(len) > sizeof(*m))
		return; /* ours are all short */
	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	m->head.nlmsg_len = (uint32_t)(at + RTA_ALIGN(a->rta_len));
}

static struct message
request(uint16_t type, uint16_t flags, size_t payload)
{
	return (struct message){
	    .head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(payload),
		.nlmsg_type = type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags)}};
}

/* Sends it and takes the answer. 0, -1 with errno. */
static int
ask(struct message *m)
{
	cleanup_fd int fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} answer;
	ssize_t n;

	if (fd < 0 || send(fd, m, m->head.nlmsg_len, 0) < 0)
		return -1;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)) ||
	    answer.head.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	errno = -answer.error.error;
	return errno == 0 || errno == EEXIST ? 0 : -1;
}

int
netlink_parse(const char *text, struct netlink_address *a)
{
	char host[64];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t prefix;

	if (len >= sizeof(host))
		return -1;
	memcpy(host, text, len);
	host[len] = '\0';
	a->family = strchr(host, ':') ? AF_INET6 : AF_INET;
	a->prefix = a->family == AF_INET6 ? 128 : 32;
	if (inet_pton(a->family, host, a->bytes) != 1)
		return -1;
	if (!slash)
		return 0;
	if (number_parse(slash + 1, a->prefix, &prefix) < 0)
		return -1;
	a->prefix = (unsigned)prefix;
	return 0;
}

static size_t
size_of(const struct netlink_address *a)
{
	return a->family == AF_INET6 ? 16 : 4;
}

int
netlink_set_link(const struct netlink_link *l)
{
	struct message m = request(RTM_NEWLINK, 0, sizeof(m.link));

	m.link.ifi_index = l->index;
	if (l->up)
		m.link.ifi_flags = m.link.ifi_change = IFF_UP;
	if (l->mtu)
		add_attribute(&m, IFLA_MTU, &l->mtu, sizeof(l->mtu));
	if (l->name)
		add_attribute(&m, IFLA_IFNAME, l->name, strlen(l->name) + 1);
	return ask(&m);
}

static int
change_address(
    uint16_t type, uint16_t flags, int index, const struct netlink_address *a)
{
	struct message m = request(type, flags, sizeof(m.address));

	m.address.ifa_family = (uint8_t)a->family;
	m.address.ifa_prefixlen = (uint8_t)a->prefix;
	m.address.ifa_index = (unsigned)index;
	/* Nobody else is on the link to have it: no detection (RFC 4862). */
	if (a->family == AF_INET6)
		m.address.ifa_flags = IFA_F_NODAD;
	add_attribute(&m, IFA_LOCAL, a->bytes, size_of(a));
	add_attribute(&m, IFA_ADDRESS, a->bytes, size_of(a));
	return ask(&m);
}

int
netlink_add_address(int index, const struct netlink_address *a)
{
	return change_address(
	    RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, a);
}

int
netlink_remove_address(int index, const struct netlink_address *a)
{
	return change_address(RTM_DELADDR, 0, index, a);
}

static int
add_route(const struct netlink_route *r)
{
	struct message m = request(
	    RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(m.route));

	m.route.rtm_family = (uint8_t)(r->to ? r->to : r->via)->family;
	m.route.rtm_table = RT_TABLE_MAIN;
	m.route.rtm_protocol = RTPROT_BOOT;
	m.route.rtm_scope = r->via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	m.route.rtm_type = RTN_UNICAST;
	if (r->to) {
		m.route.rtm_dst_len = (uint8_t)r->to->prefix;
		add_attribute(&m, RTA_DST, r->to->bytes, size_of(r->to));
	}
	if (r->via)
		add_attribute(&m, RTA_GATEWAY, r->via->bytes, size_of(r->via));
	if (r->metric)
		add_attribute(&m, RTA_PRIORITY, &r->metric, sizeof(r->metric));
	add_attribute(&m, RTA_OIF, &r->index, sizeof(r->index));
	return ask(&m);
}

int
netlink_add_route(const struct netlink_route *r)
{
	struct netlink_address gateway;
	struct netlink_route link = {
	    .index = r->index, .to = &gateway, .metric = r->metric};

	if (add_route(r) == 0)
		return 0;
	if (!r->via)
		return -1;
	gateway = *r->via;
	gateway.prefix = gateway.family == AF_INET6 ? 128 : 32;
	return add_route(&link) < 0 ? -1 : add_route(r);
}
