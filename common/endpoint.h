/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h - where a stream socket listens or connects, as text
 *
 *	80  :80  localhost:80	the loopback's port
 *	10.0.0.2:80  [fd00::2]:80
 *	/run/x.sock		a unix socket
 *
 * Hosts are numbers or "localhost": nothing here asks a resolver.
 */
#ifndef VK_COMMON_ENDPOINT_H
#define VK_COMMON_ENDPOINT_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

union endpoint {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

/* Returns the address's length, 0 if the text is none of the above. */
socklen_t endpoint_parse(const char *text, union endpoint *);

/* A listening socket (SO_REUSEADDR, CLOEXEC). -1 with errno. */
int endpoint_listen(const union endpoint *, socklen_t);

/* A connected one, or one that connects if nonblock. -1 with errno. */
int endpoint_connect(const union endpoint *, socklen_t, int nonblock);

#endif
