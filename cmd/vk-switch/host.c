/* SPDX-License-Identifier: MIT */
/* host.c - what the host takes for itself, kept up to date by rtnetlink(7) */
#include "cmd/vk-switch/host.h"

#include "cmd/vk-switch/lan.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/epoll.h>

#define PATIENCE_MS 5000
/* Where addresses change all the time, what was heard till then is enough to
 * begin with. */
#define FIRST_ROUNDS_MAX 4

static watch_handler host_event;

/* One after the other: a socket has one list under way. */
static const struct {
	uint16_t type;
	uint8_t family;
} lists[] = {{RTM_GETADDR, AF_UNSPEC}, {RTM_GETROUTE, AF_INET},
    {RTM_GETROUTE, AF_INET6}};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

static void
host_add(struct host *h, const struct cidr *net)
{
	uint32_t i = 0;

	while (
	    i < h->count && (h->nets[i].net.bits != net->bits ||
				!addr_equal(&h->nets[i].net.base, &net->base)))
		i++;
	if (i == HOST_NETS_MAX) {
		if (!h->full)
			log_warn("the host has more than %d addresses: VMs may "
				 "reach some",
			    HOST_NETS_MAX);
		h->full = true;
		return;
	}
	h->nets[i] = (struct host_net){*net, h->round};
	h->count += i == h->count;
}

/* What none of the lists had. */
static void
host_sweep(struct host *h)
{
	for (uint32_t i = 0; i < h->count;)
		if (h->nets[i].round == h->round)
			i++;
		else
			h->nets[i] = h->nets[--h->count];
}

bool
host_has(const struct lan *lan, const struct addr *a)
{
	for (uint32_t i = 0; i < lan->host.count; i++)
		if (cidr_contains(&lan->host.nets[i].net, a))
			return true;
	return false;
}

/* ---- messages ----------------------------------------------------------- */

static bool
net_of(uint8_t family, const void *bytes, size_t len, unsigned bits,
    struct cidr *net)
{
	*net = (struct cidr){.bits = bits};
	if (family == AF_INET && len == 4) {
		net->base = addr_of4(bytes);
		net->bits += 96;
	} else if (family == AF_INET6 && len == 16) {
		memcpy(net->base.b, bytes, 16);
	} else {
		return false;
	}
	return net->bits <= 128;
}

/* IFA_LOCAL where there is one (IPv4), else IFA_ADDRESS. */
static bool
take_address(const struct nlmsghdr *n, struct cidr *net)
{
	const struct ifaddrmsg *m = NLMSG_DATA(n);
	const struct rtattr *r = IFA_RTA(m);
	unsigned bits = m->ifa_family == AF_INET ? 32 : 128;
	int left = (int)IFA_PAYLOAD(n);
	bool found = false;

	for (; RTA_OK(r, left); r = RTA_NEXT(r, left)) {
		bool local = r->rta_type == IFA_LOCAL;

		if (!local && (r->rta_type != IFA_ADDRESS || found))
			continue;
		found |= net_of(
		    m->ifa_family, RTA_DATA(r), RTA_PAYLOAD(r), bits, net);
		if (local && found)
			return true;
	}
	return found;
}

static bool
take_route(const struct nlmsghdr *n, struct cidr *net)
{
	static const uint8_t any[16];
	const struct rtmsg *m = NLMSG_DATA(n);
	const struct rtattr *r = RTM_RTA(m);
	int left = (int)RTM_PAYLOAD(n);

	if (m->rtm_table != RT_TABLE_LOCAL ||
	    (m->rtm_type != RTN_LOCAL && m->rtm_type != RTN_ANYCAST))
		return false;
	for (; RTA_OK(r, left); r = RTA_NEXT(r, left))
		if (r->rta_type == RTA_DST)
			return net_of(m->rtm_family, RTA_DATA(r),
			    RTA_PAYLOAD(r), m->rtm_dst_len, net);
	return m->rtm_dst_len == 0 &&
	       net_of(m->rtm_family, any, m->rtm_family == AF_INET ? 4 : 16, 0,
		   net);
}

/* Returns false for a list that there is not. */
static bool
take_message(struct host *h, const struct nlmsghdr *m)
{
	const struct nlmsgerr *error = NLMSG_DATA(m);
	struct cidr net;

	if (m->nlmsg_flags & NLM_F_DUMP_INTR)
		h->again = true;
	switch (m->nlmsg_type) {
	case RTM_NEWADDR:
		if (take_address(m, &net))
			host_add(h, &net);
		break;
	case RTM_NEWROUTE:
		if (take_route(m, &net))
			host_add(h, &net);
		break;
	case RTM_DELADDR:
		h->again = true;
		break;
	case RTM_DELROUTE:
		h->again |= take_route(m, &net);
		break;
	case NLMSG_ERROR:
		errno = -error->error;
		return errno == 0;
	}
	return true;
}

/* ---- lists -------------------------------------------------------------- */

static int
request_list(struct host *h)
{
	struct {
		struct nlmsghdr n;
		union {
			struct ifaddrmsg address;
			struct rtmsg route;
		};
	} request = {.n = {.nlmsg_type = lists[h->list].type,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = 1}};
	size_t len = sizeof(request.address);

	request.address.ifa_family = lists[h->list].family;
	if (request.n.nlmsg_type == RTM_GETROUTE) {
		request.route.rtm_family = lists[h->list].family;
		request.route.rtm_table = RT_TABLE_LOCAL;
		len = sizeof(request.route);
	}
	request.n.nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	return send(h->fd, &request, request.n.nlmsg_len, 0) < 0 ? -1 : 0;
}

static int
start_lists(struct host *h)
{
	h->again = false;
	h->list = 0;
	h->round++;
	return request_list(h);
}

/* Nothing is dropped by lists that something changed in. */
static int
next_list(struct host *h)
{
	if (++h->list < LISTS)
		return request_list(h);
	if (!h->again)
		host_sweep(h);
	return 0;
}

/* Takes what is there. Returns 0 when nothing more is, -1. */
static int
host_read(struct host *h)
{
	_Alignas(struct nlmsghdr) char buffer[16384];

	for (;;) {
		ssize_t n = recv(h->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		struct nlmsghdr *m = (void *)buffer;
		unsigned left = n > 0 ? (unsigned)n : 0;

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == ENOBUFS)
			h->again = true;
		else if (n < 0)
			return -1;
		for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
			bool there = take_message(h, m);

			/* Without IPv6 there is no list of its routes. */
			if (h->list == LISTS ||
			    (there && m->nlmsg_type != NLMSG_DONE))
				continue;
			if (!there && lists[h->list].type == RTM_GETADDR)
				return -1;
			if (next_list(h) < 0)
				return -1;
		}
	}
	return h->again && h->list == LISTS ? start_lists(h) : 0;
}

static void
host_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	(void)w, (void)events;
	if (host_read(&lan->host) < 0)
		log_warn("rtnetlink: %s", strerror(errno));
}

int
host_init(struct lan *lan, struct err *e)
{
	struct host *h = &lan->host;
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
			 RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	struct watch w = {.kind = WATCH_HOST};
	static const int one = 1;

	h->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	/* Old kernels know of no choice, and list all tables. */
	if (h->fd >= 0)
		setsockopt(h->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
		    sizeof(one));
	if (h->fd < 0 || bind(h->fd, (void *)&nl, sizeof(nl)) < 0 ||
	    start_lists(h) < 0)
		return err_errno(e, EX_OSERR, "rtnetlink");
	while (h->list < LISTS && h->round <= FIRST_ROUNDS_MAX) {
		struct pollfd p = {.fd = h->fd, .events = POLLIN};

		errno = ETIMEDOUT;
		if (poll(&p, 1, PATIENCE_MS) <= 0 || host_read(h) < 0)
			return err_errno(e, EX_OSERR, "rtnetlink");
	}
	if (h->full)
		return err_set(e, EX_OSERR,
		    "the host has more than %d addresses", HOST_NETS_MAX);
	lan->loop.handlers[WATCH_HOST] = host_event;
	if (loop_watch(&lan->loop, h->fd, &w, EPOLLIN) < 0)
		return err_errno(e, EX_OSERR, "rtnetlink");
	return 0;
}

void
host_release(struct lan *lan)
{
	fd_close(&lan->host.fd);
}
