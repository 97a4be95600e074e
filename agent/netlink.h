/* SPDX-License-Identifier: MIT */
/*
 * netlink.h - interfaces, addresses and routes, by rtnetlink(7)
 *
 * Each call is one request and its acknowledgement. 0, -1 with errno. Adding
 * what is there already is success.
 */
#ifndef VK_AGENT_NETLINK_H
#define VK_AGENT_NETLINK_H

#include <net/if.h>
#include <stdint.h>
#include <sys/socket.h>

struct netlink_address {
	int family;        /* AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* network order */
	unsigned prefix;   /* bits */
};

/* "10.0.0.2/24", "fd00::2/64", or without prefix. 0, -1. */
int netlink_parse(const char *text, struct netlink_address *);

struct netlink_link {
	int index;
	const char *name; /* NULL: as it is */
	uint32_t mtu;     /* 0: as it is */
	int up;           /* 1: up; 0: as it is */
};
int netlink_set_link(const struct netlink_link *);

int netlink_add_address(int index, const struct netlink_address *);
int netlink_remove_address(int index, const struct netlink_address *);

struct netlink_route {
	int index;
	const struct netlink_address *to;  /* NULL: the default */
	const struct netlink_address *via; /* NULL: on the link itself */
	unsigned metric;                   /* the least is used; 0: none */
};
/* A gateway outside of the address's net is reached by the link. */
int netlink_add_route(const struct netlink_route *);

#endif
