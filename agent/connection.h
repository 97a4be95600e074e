/* SPDX-License-Identifier: MIT */
/*
 * connection.h - one client on the wire
 *
 *	GREETING  -> HELLO came, ours was sent
 *	OPENING   -> OPEN came: open.c decides what it becomes
 *	RUNNING   -> a session's frames, or the open's own
 *	CLOSING   -> all was said: the client closes, or is closed on
 *
 * The client closes first, so that nothing said last is lost; one that does
 * not is closed on after CLOSING_MS, but not while it still has to read.
 */
#ifndef VK_AGENT_CONNECTION_H
#define VK_AGENT_CONNECTION_H

#include "agent/agent.h"
#include "agent/request.h"
#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>

enum connection_state {
	CONNECTION_LINE, /* unix listener: "CONNECT port" comes first */
	CONNECTION_GREETING,
	CONNECTION_OPENING,
	CONNECTION_RUNNING,
	CONNECTION_CLOSING,
};

/* What a running connection is for; each call gets what it was set with. */
struct connection_user {
	/* Returns 0, -1: the client broke the rules. */
	int (*frame)(void *, const struct frame *);
	void (*room)(void *); /* what waited was sent: go on */
	void (*lost)(void *); /* the client is gone */
};

struct connection {
	struct agent *agent;
	struct watch watch;
	struct timer closing;
	struct frame_reader reader;
	struct buf out;
	enum connection_state state;
	const struct connection_user *user; /* NULL: none */
	void *context;
	uint32_t credit[STREAM_COUNT]; /* what the client lets us send */
	bool held;                     /* its frames wait */
	bool starved;                  /* DATA waits: user->room is due */
};

/* Serves a connected stream; takes the descriptor over. */
void connection_new(struct agent *, int fd, enum connection_state);

void connection_use(
    struct connection *, const struct connection_user *, void *context);

/* Says something; goes out with the next flush. */
void connection_say(struct connection *, enum frame_type, unsigned stream,
    const void *payload, size_t len);
void connection_say_u32(
    struct connection *, enum frame_type, unsigned stream, uint32_t);

/* How much DATA may be sent on the stream now; 0: credit or room is missing,
 * and user->room is called when that changes. */
size_t connection_may_send(struct connection *, unsigned stream);
/* How much room there is already. */
size_t connection_room_left(const struct connection *);
/* Room for that much, to be filled and then sent. NULL: no memory. */
uint8_t *connection_room(struct connection *, size_t len);
void connection_sent(struct connection *, unsigned stream, size_t len);

void connection_flush(struct connection *);

/* Lets the client's frames wait, or go on: then the connection may be gone
 * when this returns. */
void connection_hold(struct connection *);
void connection_resume(struct connection *);

/* The end: EXITED with a wait status, or FAILED; nothing is said after it. */
void connection_exited(struct connection *, int wait_status);
void connection_failed(struct connection *, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* All was said. */
void connection_close(struct connection *);

#endif
