/* SPDX-License-Identifier: MIT */
/*
 * sink.h - writes to a descriptor of the user's without blocking on it
 *
 * O_NONBLOCK belongs to the open file that a shell, a pipe's other users and
 * this process share, so it is not set. A pipe or a terminal is opened anew
 * through /proc/self/fd for itself, a socket is written with MSG_DONTWAIT, a
 * file does not block, and for what is left poll(2) says when PIPE_BUF bytes
 * have room.
 */
#ifndef VK_COMMON_SINK_H
#define VK_COMMON_SINK_H

#include <stddef.h>
#include <sys/types.h>

enum sink_manner {
	SINK_UNKNOWN, /* learnt with the first write */
	SINK_FILE,
	SINK_OPENED,
	SINK_SOCKET,
	SINK_SHORT,
};

struct sink {
	int fd; /* the user's: never closed here */
	int opened;
	enum sink_manner manner;
};

void sink_init(struct sink *, int fd);

/* Learns what fd is at once: what confines itself does it before, and hands
 * the sink on. */
void sink_learn(struct sink *);

void sink_release(struct sink *);

/* One write. Returns the count, -1 with errno (EAGAIN: not now; poll fd for
 * POLLOUT). SIGPIPE has to be ignored. */
ssize_t sink_write(struct sink *, const void *, size_t len);

#endif
