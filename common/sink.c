/* SPDX-License-Identifier: MIT */
/* sink.c - writes to a descriptor of the user's without blocking on it */
#include "common/sink.h"

#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void
sink_init(struct sink *s, int fd)
{
	*s = (struct sink){.fd = fd, .opened = -1};
}

void
sink_release(struct sink *s)
{
	fd_close(&s->opened);
}

void
sink_learn(struct sink *s)
{
	char path[32];
	struct stat st;

	s->manner = SINK_SHORT;
	if (fstat(s->fd, &st) < 0)
		return;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		s->manner = SINK_FILE;
	if (S_ISSOCK(st.st_mode))
		s->manner = SINK_SOCKET;
	if (s->manner != SINK_SHORT)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	s->opened = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->opened >= 0)
		s->manner = SINK_OPENED;
}

ssize_t
sink_write(struct sink *s, const void *from, size_t len)
{
	struct pollfd ready = {.fd = s->fd, .events = POLLOUT};

	if (s->manner == SINK_UNKNOWN)
		sink_learn(s);
	switch (s->manner) {
	case SINK_OPENED:
		return write(s->opened, from, len);
	case SINK_SOCKET:
		return send(s->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case SINK_FILE:
		return write(s->fd, from, len);
	default:
		if (poll(&ready, 1, 0) <= 0) {
			errno = EAGAIN;
			return -1;
		}
		return write(s->fd, from, len < PIPE_BUF ? len : PIPE_BUF);
	}
}
