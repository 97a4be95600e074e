/* SPDX-License-Identifier: MIT */
/*
 * logs.c - OPEN_LOGS: what a session wrote last, and goes on to write
 *
 * A reader has its own place in the backlog and never holds the command up:
 * one that is too slow misses what was overwritten.
 */
#include "agent/logs.h"

#include "agent/session.h"

#include <stdlib.h>

struct reader {
	struct reader *next;
	struct connection *connection;
	uint32_t id;
	uint64_t at;
	bool follow;
};

static struct reader *readers;

static void
forget(struct reader *reader)
{
	struct reader **at = &readers;

	while (*at != reader)
		at = &(*at)->next;
	*at = reader->next;
	free(reader);
}

/* Whoever was told that the VM is ready may ask before the main command has
 * been started. */
static bool
is_early(const struct reader *reader)
{
	const struct agent *a = reader->connection->agent;

	return reader->id == 0 && reader->follow && !a->main &&
	       !a->defaults.env;
}

/* Sends what there is and fits; ends with the session it reads. */
static void
pump(struct reader *reader)
{
	struct connection *c = reader->connection;
	struct session *s = session_find(c->agent, reader->id);
	unsigned stream;
	uint8_t *into;
	size_t n = 0;

	/* A record is at most a sixteenth of the backlog, so it fits. */
	while (s && s->backlog &&
	       connection_may_send(c, STREAM_OUT) >= BACKLOG_SIZE / 16 &&
	       connection_may_send(c, STREAM_ERR) >= BACKLOG_SIZE / 16) {
		into = connection_room(c, BACKLOG_SIZE / 16);
		n = into ? backlog_read(s->backlog, &reader->at, &stream, into,
			       BACKLOG_SIZE / 16)
			 : 0;
		if (n == 0)
			break;
		connection_sent(c, stream, n);
	}
	if (is_early(reader) ||
	    (s && s->backlog &&
		(reader->at < s->backlog->end ||
		    (reader->follow && !session_is_over(s))))) {
		connection_flush(c);
		return;
	}
	forget(reader);
	connection_exited(c, 0);
}

static int
frame(void *reader, const struct frame *f)
{
	(void)reader;
	(void)f;
	return 0; /* EOFs and signals mean nothing here */
}

static void
room(void *reader)
{
	pump(reader);
}

static void
lost(void *reader)
{
	forget(reader);
}

static const struct connection_user log_user = {
    .frame = frame, .room = room, .lost = lost};

static void
output(struct session *s)
{
	struct reader *next;

	for (struct reader *r = readers; r; r = next) {
		next = r->next;
		if (session_find(s->agent, r->id) == s)
			pump(r);
	}
}

void
logs_open(struct connection *c, struct request *r)
{
	struct session *s = session_find(c->agent, r->id);
	bool early = r->id == 0 && !s && !c->agent->defaults.env;
	struct reader *reader;

	if (!early && r->id == 0 && !s) {
		connection_failed(c, 125, "there is no main command");
		return;
	}
	if (!early && (!s || !s->backlog)) {
		connection_failed(c, 125, "session %u: no log is kept", r->id);
		return;
	}
	reader = calloc(1, sizeof(*reader));
	if (!reader) {
		connection_failed(c, 125, "out of memory");
		return;
	}
	session_set_follower(output);
	*reader = (struct reader){.next = readers,
	    .connection = c,
	    .id = r->id,
	    .follow = r->flags & OPEN_FOLLOW};
	readers = reader;
	connection_use(c, &log_user, reader);
	pump(reader);
}
