/* SPDX-License-Identifier: MIT */
/*
 * host.h - what the host takes for itself, kept up to date by rtnetlink(7)
 *
 * A service of the host that listens on all its addresses must not be within
 * reach of VMs by one of them. These are the addresses of its interfaces, and
 * what its table of local routes has besides: whole networks (as a cloud's
 * agent adds them for a load balancer) and, on a host that forwards, the
 * anycast address of each IPv6 network.
 *
 * The kernel tells of what is new. When something goes, or a message is lost
 * (ENOBUFS), all is asked for again, and what was not in those lists goes then:
 * an address may be on two interfaces, and leave one.
 */
#ifndef VK_SWITCH_HOST_H
#define VK_SWITCH_HOST_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

/* A host with more fails at start rather than guarding half. */
#define HOST_NETS_MAX 1024

struct host_net {
	struct cidr net;
	uint32_t round; /* when it was heard of last */
};

struct host {
	int fd;
	uint32_t list; /* that is under way, see host.c */
	uint32_t round;
	bool again; /* once more after this */
	bool full;  /* more than fits: it was said */
	uint32_t count;
	struct host_net nets[HOST_NETS_MAX];
};

struct lan;

int host_init(struct lan *, struct err *);
void host_release(struct lan *);
bool host_has(const struct lan *, const struct addr *);

#endif
