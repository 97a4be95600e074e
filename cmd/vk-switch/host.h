/* SPDX-License-Identifier: MIT */
/*
 * host.h - the host's own addresses, kept up to date by rtnetlink(7)
 *
 * A service of the host that listens on all its addresses must not be within
 * reach of VMs by one of them. The kernel tells of changes; if its message is
 * lost (ENOBUFS) the list is asked for again.
 */
#ifndef VK_SWITCH_HOST_H
#define VK_SWITCH_HOST_H

#include "cmd/vk-switch/addr.h"
#include "common/err.h"

/* A host with more addresses fails at start rather than guarding half. */
#define HOST_ADDRS_MAX 1024

struct host {
	int fd;
	uint32_t count;
	struct addr addrs[HOST_ADDRS_MAX];
};

struct lan;

int host_init(struct lan *, struct err *);
void host_release(struct lan *);
bool host_has(const struct lan *, const struct addr *);

#endif
