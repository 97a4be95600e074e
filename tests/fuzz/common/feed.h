/* SPDX-License-Identifier: MIT */
/* feed.h - a fuzzer's input as a descriptor to read from */
#ifndef VK_TESTS_FUZZ_FEED_H
#define VK_TESTS_FUZZ_FEED_H

#include "common/io.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static inline int
feed(const uint8_t *data, size_t size)
{
	int fd = memfd_create("feed", MFD_CLOEXEC);

	if (fd < 0 || io_pwrite(fd, data, size, 0) < 0)
		abort();
	return fd;
}

/* The end of a socket whose other end says it and is gone. */
static inline int
feed_socket(const uint8_t *data, size_t size)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	/* What does not fit the socket's buffer is beyond these inputs. */
	if (send(ends[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		size = 0;
	shutdown(ends[1], SHUT_WR);
	/* Kept open for what the tested side says; closed by the next. */
	static int before = -1;

	if (before >= 0)
		close(before);
	before = ends[1];
	return ends[0];
}

#endif
