/* SPDX-License-Identifier: MIT */
/* session_out.c - from the command's stdout and stderr to the client */
#include "agent/session_parts.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Reads of one stream before the others get their turn. */
#define TURN_READS 4
/* Fewer bytes than that get no more room than that. */
#define FEW 1024

static void (*follower)(struct session *);

void
session_set_follower(void (*output)(struct session *))
{
	follower = output;
}

void
session_out_follow(struct session *s)
{
	if (s->backlog && follower)
		follower(s);
}

void
session_out_end(struct session *s, unsigned i)
{
	struct outflow *o = &s->out[i];

	loop_remove(&s->agent->loop, &o->watch);
	o->open = false;
	if (!o->told && s->connection)
		connection_say(s->connection, FRAME_EOF, i, NULL, 0);
	o->told = true;
}

/* One read towards the client. Returns the count, 0 at the end, -1
 * EAGAIN, -2 when the client has to give room first. */
static ssize_t
forward_once(struct session *s, unsigned i)
{
	struct connection *c = s->connection;
	size_t want = connection_may_send(c, i);
	int there = 0;
	uint8_t *room;
	ssize_t n;

	if (want == 0)
		return -2;
	if (want > connection_room_left(c) &&
	    ioctl(s->out[i].watch.fd, FIONREAD, &there) == 0 && there < FEW)
		want = FEW;
	room = connection_room(c, want);
	if (!room)
		return 0;
	n = read(s->out[i].watch.fd, room, want);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n <= 0)
		return 0; /* EIO: a terminal that nobody holds any more
			   */
	if (s->backlog)
		backlog_add(s->backlog, i, room, (size_t)n);
	connection_sent(c, i, (size_t)n);
	connection_flush(c);
	return n;
}

/* One read that only the backlog keeps. */
static ssize_t
keep_once(struct session *s, unsigned i)
{
	char scratch[16384];
	ssize_t n = read(s->out[i].watch.fd, scratch, sizeof(scratch));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n > 0 && s->backlog)
		backlog_add(s->backlog, i, scratch, (size_t)n);
	return n < 0 ? 0 : n;
}

/* Forwards what is there; ends the stream at its end, or when the
 * command has ended and nothing is left in it. */
void
session_out_pump(struct session *s, unsigned i)
{
	struct outflow *o = &s->out[i];
	ssize_t n = -1;

	if (!o->open)
		return;
	for (int reads = 0; reads < TURN_READS || s->ended; reads++) {
		if (s->ended && o->left == 0)
			n = 0;
		else if (s->connection)
			n = forward_once(s, i);
		else
			n = keep_once(s, i);
		if (n <= 0)
			break;
		o->left -= (size_t)n < o->left ? (size_t)n : o->left;
	}
	if (n == 0 || (n == -1 && s->ended))
		session_out_end(s, i);
	else
		loop_want(&s->agent->loop, &o->watch, n == -2 ? 0 : EPOLLIN);
	session_out_follow(s);
}

bool
session_out_any(const struct session *s)
{
	return s->out[STREAM_OUT].open || s->out[STREAM_ERR].open;
}

/* What is in a pipe now was written before the end; what comes later is
 * a left-behind child's. A terminal is hung up by its leader's end. */
void
session_out_count_left(struct session *s, unsigned i)
{
	int left = 0;

	if (!s->is_tty && s->out[i].open &&
	    ioctl(s->out[i].watch.fd, FIONREAD, &left) == 0)
		s->out[i].left = (size_t)left;
	else
		s->out[i].left = SIZE_MAX;
}

void
session_out_ready(struct watch *w, uint32_t events)
{
	struct outflow *o = container_of(w, struct outflow, watch);
	struct session *s = o->session;

	(void)events;
	session_out_pump(s, (unsigned)(o - s->out));
	/* A command's end is near, and is told along with this; a connection's
	 * other half may go on. */
	if (!o->open && !s->pid && s->connection)
		connection_flush(s->connection);
	session_check_end(s);
}
