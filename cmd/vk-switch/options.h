/* SPDX-License-Identifier: MIT */
/* options.h - the command line of vk-switch(1) */
#ifndef VK_SWITCH_OPTIONS_H
#define VK_SWITCH_OPTIONS_H

#include "common/err.h"
#include "common/opt.h"

#include <stdbool.h>

/* As texts: they are understood when all are known. */
#define OPTION_LIST_MAX 1100

struct option_list {
	unsigned count;
	const char *items[OPTION_LIST_MAX];
};

struct options {
	struct option_list listeners, published, services, hosts, servers,
	    reservations, rules;
	const char *net4, *net6, *domain, *mtu, *flows, *leases, *policy,
	    *control, *pcap, *pcap_vm, *macs, *proxy, *proxy_login;
	int ready_fd, status_fd, port_fd; /* -1: none */
	bool isolate, die_with_parent;
};

extern const struct opt_command options_command;

struct lan;

void options_init(struct options *);
/* Puts all of it into the LAN: after lan_defaults(), before lan_init(). */
int options_apply(const struct options *, struct lan *, struct err *);
/* Files and sockets that they name: after lan_init(). */
int options_open(const struct options *, struct lan *, struct err *);

#endif
