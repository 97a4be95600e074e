/* SPDX-License-Identifier: MIT */
/*
 * vk-port.c - ports that nobody has
 *
 *	vk-port COUNT
 *
 * Prints so many TCP ports, all different, a line each, as the kernel gives
 * them: free on every address of both families. Nobody else is likely to be
 * given one soon, of the thousands that there are.
 */
#include "common/scope.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define COUNT_MAX 64

/* A socket that has one. -1 with errno. Where there is no IPv6, of IPv4. */
static int
take(unsigned *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	socklen_t len = sizeof(six);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&six, sizeof(six)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&six, &len) == 0) {
		*port = ntohs(six.sin6_port);
		return fd;
	}
	fd_close(&fd);
	len = sizeof(four);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&four, sizeof(four)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&four, &len) == 0)
		*port = ntohs(four.sin_port);
	else
		fd_close(&fd);
	return fd;
}

int
main(int argc, char **argv)
{
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;

	if (count == 0 || count > COUNT_MAX)
		return 64;
	/* Each is kept to the end: so they differ. */
	for (unsigned long i = 0; i < count; i++) {
		unsigned port = 0;

		if (take(&port) < 0)
			return 71;
		printf("%u\n", port);
	}
	return 0;
}
