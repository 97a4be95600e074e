/* SPDX-License-Identifier: MIT */
/*
 * names.h - what the LAN itself knows: VMs, --host entries, services
 *
 * NAME and NAME.DOMAIN mean the same. Names of the domain, and names without a
 * dot, are never asked of the world: they are known here or do not exist.
 */
#ifndef VK_SWITCH_NAMES_H
#define VK_SWITCH_NAMES_H

#include "cmd/vk-switch/dns.h"
#include "common/err.h"

#define HOSTS_MAX 1024

struct host_name {
	char name[64];
	struct addr addr;
};

struct lan;
struct port;

/* "NAME=ADDR" */
int name_add_host(struct lan *, const char *text, struct err *);
/* Is it a --host entry, a service or the gateway? */
bool name_is_host(const struct lan *, const char *name);

/* Answers a query from what is known here. Returns the length of the answer
 * in into, 0 where the world has to be asked. */
size_t name_answer(
    struct lan *, const struct dns_query *, uint8_t *into, size_t size);

/* The VM was answered so: for its rules it knows the addresses by that name. */
void name_learn(struct lan *, const struct port *, const struct dns_query *);

/* The IPv4 (or IPv6) address of a VM by name. Returns false: none. */
bool name_addr_of_vm(
    const struct lan *, const char *name, bool four, struct addr *);

#endif
