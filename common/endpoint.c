/* SPDX-License-Identifier: MIT */
/* endpoint.c - where a stream socket listens or connects, as text */
#include "common/endpoint.h"

#include "common/scope.h"
#include "common/size.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

/* "host" to a numeric address. Returns its length, 0. */
static socklen_t
parse_host(const char *host, uint16_t port, union endpoint *a)
{
	if (*host == '\0' || strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof(a->v6);
	}
	return 0;
}

socklen_t
endpoint_parse(const char *text, union endpoint *a)
{
	char host[64] = "";
	const char *port = text, *colon = strrchr(text, ':');
	size_t len;
	uint64_t number;

	*a = (union endpoint){.any.sa_family = AF_UNSPEC};
	if (*text == '/') {
		if (strlen(text) >= sizeof(a->local.sun_path))
			return 0;
		a->local.sun_family = AF_UNIX;
		memcpy(a->local.sun_path, text, strlen(text) + 1);
		return sizeof(a->local);
	}
	if (colon) {
		port = colon + 1;
		len = (size_t)(colon - text);
		if (len >= 2 && *text == '[' && colon[-1] == ']') {
			text++;
			len -= 2;
		}
		if (len >= sizeof(host))
			return 0;
		memcpy(host, text, len);
	}
	if (number_parse(port, UINT16_MAX, &number) < 0 || number == 0)
		return 0;
	return parse_host(host, (uint16_t)number, a);
}

/* A write of ours is what the other end wrote at a time: it does not wait for
 * more. */
static void
set_nodelay(int fd, const union endpoint *a)
{
	int on = 1;

	if (a->any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int
endpoint_listen(const union endpoint *a, socklen_t len)
{
	cleanup_fd int fd =
	    socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return -1;
	set_nodelay(fd, a); /* what is accepted inherits it */
	if (bind(fd, &a->any, len) < 0 || listen(fd, 128) < 0)
		return -1;
	return steal_fd(&fd);
}

int
endpoint_connect(const union endpoint *a, socklen_t len, int nonblock)
{
	cleanup_fd int fd = socket(a->any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0);

	if (fd < 0)
		return -1;
	set_nodelay(fd, a);
	if (connect(fd, &a->any, len) < 0 && errno != EINPROGRESS)
		return -1;
	return steal_fd(&fd);
}
