/* SPDX-License-Identifier: MIT */
/* host.c - the host's own addresses, kept up to date by rtnetlink(7) */
#include "cmd/vk-switch/host.h"

#include "cmd/vk-switch/lan.h"
#include "common/scope.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/epoll.h>

static watch_handler host_event;

static void
host_add(struct host *h, const struct addr *a)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (addr_equal(&h->addrs[i], a))
			return;
	if (h->count < HOST_ADDRS_MAX)
		h->addrs[h->count++] = *a;
}

static void
host_remove(struct host *h, const struct addr *a)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (addr_equal(&h->addrs[i], a))
			h->addrs[i] = h->addrs[--h->count];
}

bool
host_has(const struct lan *lan, const struct addr *a)
{
	for (uint32_t i = 0; i < lan->host.count; i++)
		if (addr_equal(&lan->host.addrs[i], a))
			return true;
	return false;
}

/* The address of one RTM_NEWADDR: IFA_LOCAL where there is one (IPv4), else
 * IFA_ADDRESS. */
static bool
address_of(const struct nlmsghdr *n, struct addr *a)
{
	const struct ifaddrmsg *m = NLMSG_DATA(n);
	const struct rtattr *r = IFA_RTA(m);
	int left = (int)IFA_PAYLOAD(n);
	bool found = false;

	for (; RTA_OK(r, left); r = RTA_NEXT(r, left)) {
		bool local = r->rta_type == IFA_LOCAL;

		if (!local && (r->rta_type != IFA_ADDRESS || found))
			continue;
		if (m->ifa_family == AF_INET && RTA_PAYLOAD(r) == 4)
			*a = addr_of4(RTA_DATA(r));
		else if (m->ifa_family == AF_INET6 && RTA_PAYLOAD(r) == 16)
			memcpy(a->b, RTA_DATA(r), 16);
		else
			continue;
		found = true;
		if (local)
			return true;
	}
	return found;
}

static int
request_list(int fd)
{
	struct {
		struct nlmsghdr n;
		struct ifaddrmsg m;
	} request = {.n = {.nlmsg_len = sizeof(request),
			 .nlmsg_type = RTM_GETADDR,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = 1}};

	return send(fd, &request, sizeof(request), 0) < 0 ? -1 : 0;
}

/* Returns 1 when a list has ended, 0 with nothing more to read, -1. */
static int
host_read(struct lan *lan)
{
	_Alignas(struct nlmsghdr) char buffer[16384];
	ssize_t n = recv(lan->host.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	struct nlmsghdr *m = (void *)buffer;
	unsigned left = n > 0 ? (unsigned)n : 0;
	struct addr a;

	if (n < 0)
		return errno == EAGAIN ? 0 : -1;
	for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return 1;
		if (m->nlmsg_type == RTM_NEWADDR && address_of(m, &a))
			host_add(&lan->host, &a);
		else if (m->nlmsg_type == RTM_DELADDR && address_of(m, &a))
			host_remove(&lan->host, &a);
	}
	return 2;
}

static void
host_event(struct lan *lan, const struct watch *w, uint32_t events)
{
	int result;

	(void)w, (void)events;
	while ((result = host_read(lan)) > 0)
		;
	/* Messages were lost: what was removed meanwhile stays guarded. */
	if (result < 0 && errno == ENOBUFS)
		request_list(lan->host.fd);
}

int
host_init(struct lan *lan, struct err *e)
{
	struct host *h = &lan->host;
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	struct watch w = {.kind = WATCH_HOST};
	int result = 2;

	h->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (h->fd < 0 || bind(h->fd, (void *)&nl, sizeof(nl)) < 0 ||
	    request_list(h->fd) < 0)
		return err_errno(e, EX_OSERR, "rtnetlink");
	while (result != 1) {
		struct pollfd p = {.fd = h->fd, .events = POLLIN};

		if (poll(&p, 1, 5000) <= 0 || (result = host_read(lan)) < 0)
			return err_errno(e, EX_OSERR, "rtnetlink");
	}
	if (h->count == HOST_ADDRS_MAX)
		return err_set(e, EX_OSERR,
		    "the host has more than %d addresses", HOST_ADDRS_MAX - 1);
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
