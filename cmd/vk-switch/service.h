/* SPDX-License-Identifier: MIT */
/*
 * service.h - TCP services that the gateway has
 *
 * A service is a port of the gateway that leads to a socket of the host, the
 * one way into the host's loopback. Its name, if it has one, is in DNS.
 */
#ifndef VK_SWITCH_SERVICE_H
#define VK_SWITCH_SERVICE_H

#include "cmd/vk-switch/addr.h"
#include "cmd/vk-switch/egress.h"
#include "common/err.h"

#include <sys/un.h>

#define SERVICES_MAX 32

struct service {
	char name[64]; /* empty: none */
	uint16_t port; /* at the gateway */
	bool is_unix;
	struct sockaddr_un at; /* is_unix */
	struct addr addr;
	uint16_t to_port;
};

/* "[NAME:]PORT=unix:PATH" or "[NAME:]PORT=tcp:ADDR:PORT". Returns 0, -1. */
int service_parse(const char *text, struct service *, struct err *);

/* "ADDR:PORT" or "[V6]:PORT". Returns 0, -1. */
int service_parse_target(const char *text, struct addr *, uint16_t *port);

/* As egress_open(), for a flow to the gateway. */
int service_open(struct lan *, const struct station *, const struct flow_key *,
    struct egress *);

/* Is there a service of that name? */
bool service_has_name(const struct lan *, const char *name);

#endif
