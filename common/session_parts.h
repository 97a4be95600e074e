/* SPDX-License-Identifier: MIT */
/* session_parts.h - what the files of session.h share */
#ifndef VK_COMMON_SESSION_PARTS_H
#define VK_COMMON_SESSION_PARTS_H

#include "common/session.h"

/* A stream of the guest's on its way to the caller's descriptor. */
struct output {
	struct sink sink;
	struct buf waiting;
	uint32_t granted; /* what the guest may still send */
	uint32_t written; /* not told the guest yet */
	bool eof;         /* the guest sends no more */
	bool gone;        /* nobody reads it here */
	uint8_t before;   /* the last byte, of text */
};

struct session {
	const struct session_request *request;
	struct session_result *result;
	struct err *e;
	int fd;
	struct frame_reader reader;
	struct buf out;                     /* to the guest */
	struct output output[STREAM_COUNT]; /* [STREAM_IN] is unused */
	bool in_open;
	uint32_t in_credit;
	bool connected; /* the guest's port is known to be there */
	bool greeted, ended;
	bool left; /* nobody looks any more: what still comes is passed over */
	int64_t deadline_ms; /* of what comes next; 0: none */
	bool timed_out, hung_up;
	bool gone;           /* the guest is */
	bool cut;            /* before it had said all */
	bool hurried;        /* output is not waited for as long as it takes */
	int64_t patience_ms; /* since when that counts; 0: not yet */
	int64_t taken_ms;    /* when an output took something last */
};

/* Whether it only takes what the guest tells: then it is over when nobody
 * takes that any more, and a guest that does not end is not waited for. */
static inline bool
session_is_onlooker(const struct session *s)
{
	switch (s->request->kind) {
	case OPEN_LOGS:
	case OPEN_ATTACH:
	case OPEN_LIST:
	case OPEN_PS:
	case OPEN_GET:
		return true;
	default:
		return false;
	}
}

/* Whether the guest has said all that it has to say. */
bool session_has_all(const struct session *);

/* CLOCK_MONOTONIC. */
int64_t session_now_ms(void);

/* session_output.c: takes bytes of the guest's in turn: written as far as that
 * goes, the rest waits. 0, -1 with err. */
int session_output_add(
    struct session *, struct output *, const uint8_t *from, size_t len);

/* The events of poll(2) to wait for at its descriptor; -1: not at all. */
int session_output_events(const struct session *, const struct output *);

/* They have come: writes what waits, or learns that nobody reads. */
void session_output_ready(struct session *, struct output *, int events);

/* What waits is not for anybody. */
void session_output_drop(struct output *);

/* The guest's EOF: a connection's other half is told, once all is written; a
 * plain stdout has no such thing. */
void session_output_finish(struct session *, struct output *);

/* session_guest.c: reads once from the guest and acts on all that is whole.
 * 0, -1 with err. */
int session_guest_take(struct session *);

/* -1 with err: the connection was lost. */
int session_guest_lost(struct session *);

#endif
