/* SPDX-License-Identifier: MIT */
/*
 * forward.h - connections into the guest and out of it
 *
 * Targets: a port ("80": of the loopback), "host:port", "[v6]:port", or a
 * path of a unix socket. Host names are numbers or "localhost": a resolver
 * would block.
 */
#ifndef VK_AGENT_FORWARD_H
#define VK_AGENT_FORWARD_H

#include "agent/connection.h"
#include "agent/request.h"

#include <sys/socket.h>

void forward_connect(struct connection *, struct request *);
void forward_listen(struct connection *, struct request *);
void forward_join(struct connection *, struct request *);

#endif
