/* SPDX-License-Identifier: MIT */
/* session_in.c - from the client to the command's stdin */
#include "agent/session_parts.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The command's stdin ends, or nobody reads it any more. */
void
session_in_close(struct session *s)
{
	struct inflow *in = &s->in;
	char end_of_file = 4; /* VEOF as terminals start with it */

	if (in->watch.fd >= 0 && in->is_socket)
		shutdown(in->watch.fd, SHUT_WR);
	if (in->watch.fd >= 0 && s->is_tty && !s->ended &&
	    write(in->watch.fd, &end_of_file, 1) < 0)
		errno = 0; /* a terminal whose input is full */
	loop_remove(&s->agent->loop, &in->watch);
	buf_release(&in->waiting);
}

static void
inflow_gone(struct session *s)
{
	buf_release(&s->in.waiting);
	loop_remove(&s->agent->loop, &s->in.watch);
	if (s->connection && !s->in.eof)
		connection_say(s->connection, FRAME_EOF, STREAM_IN, NULL, 0);
	s->in.eof = true;
}

/* Writes what it can. Returns the count. */
static size_t
inflow_write(struct session *s, const void *from, size_t len)
{
	struct inflow *in = &s->in;
	size_t done = 0;

	while (done < len && in->watch.fd >= 0) {
		ssize_t n =
		    write(in->watch.fd, (const char *)from + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			inflow_gone(s);
			return len;
		}
		done += (size_t)n;
	}
	in->consumed += (uint32_t)done;
	if (in->consumed >= STREAM_WINDOW / 2 && s->connection && !in->eof) {
		connection_say_u32(
		    s->connection, FRAME_CREDIT, STREAM_IN, in->consumed);
		in->granted += in->consumed;
		in->consumed = 0;
	}
	return done;
}

void
session_in_ready(struct watch *w, uint32_t events)
{
	struct session *s = container_of(w, struct session, in.watch);
	struct inflow *in = &s->in;

	if (in->is_socket ? events & EPOLLHUP : events & EPOLLERR) {
		inflow_gone(s); /* nobody reads there any more */
	} else if (in->waiting.len) {
		size_t n = inflow_write(s, in->waiting.data, in->waiting.len);

		buf_drop(&in->waiting, n);
	}
	if (in->waiting.len == 0) {
		loop_want(&s->agent->loop, &in->watch, 0);
		if (in->eof)
			session_in_close(s);
	}
	if (s->connection)
		connection_flush(s->connection);
	session_check_end(s);
}

int
session_in_data(struct session *s, const struct frame *f)
{
	struct inflow *in = &s->in;
	size_t n = 0;

	if (f->stream != STREAM_IN || f->len == 0 || f->len > in->granted ||
	    (in->eof && in->watch.fd >= 0))
		return -1;
	in->granted -= f->len;
	if (in->watch.fd < 0)
		return 0;
	if (in->waiting.len == 0)
		n = inflow_write(s, f->data, f->len);
	if (n < f->len && in->watch.fd >= 0) {
		buf_add(&in->waiting, f->data + n, f->len - n);
		loop_want(&s->agent->loop, &in->watch, EPOLLOUT);
	}
	return 0;
}
