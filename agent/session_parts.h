/* SPDX-License-Identifier: MIT */
/* session_parts.h - what the files of session.h share */
#ifndef VK_AGENT_SESSION_PARTS_H
#define VK_AGENT_SESSION_PARTS_H

#include "agent/session.h"
#include "common/err.h"

/* What happens on a session's descriptors: session_out.c, session_in.c,
 * session.c. */
void session_out_ready(struct watch *, uint32_t events);
void session_in_ready(struct watch *, uint32_t events);
void session_report_ready(struct watch *, uint32_t events);

/* Tells the client what there is to tell, and lets it go at the end. The
 * session may be gone when this returns. */
void session_check_end(struct session *);

/* Whether somebody waits for the command to run, not only for its end. */
bool session_start_awaited(const struct session *);

/* session_out.c: forwards what there is of a stream; ends it at its end, or
 * when the command has ended and nothing is left in it. */
void session_out_pump(struct session *, unsigned stream);
void session_out_end(struct session *, unsigned stream);
/* Whether a stream is open still. */
bool session_out_any(const struct session *);
/* The command has ended: what it wrote before is still to come. */
void session_out_count_left(struct session *, unsigned stream);
/* All output there is was forwarded: a follower of the backlog goes on. */
void session_out_follow(struct session *);

/* session_in.c: the command's stdin ends. */
void session_in_close(struct session *);
/* A DATA frame of the client. 0, -1 where it breaks the rules. */
int session_in_data(struct session *, const struct frame *);

/* session_start.c: streams and process of a session that is otherwise made.
 * 0, -1 with err. */
int session_start(
    struct session *, int (*inside)(const struct request *), struct err *);

/* Watches a stream's descriptor; *fd is -1 once it is the watch's. 0, -1. */
int session_watch_out(struct session *, unsigned stream, int *fd);
int session_watch_in(struct session *, int *fd);

/* What the main command was given is what later ones may ask for. 0, -1. */
int session_keep_defaults(struct agent *, const struct request *);

#endif
