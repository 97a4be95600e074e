/* SPDX-License-Identifier: MIT */
/*
 * session.h - a command in the guest and its streams
 *
 *	client ── frames ── connection ══ session ── pipes or terminal ──
 *command
 *
 * A session has a process (an exec) or only a socket (a forwarded
 * connection). It ends for the client when the process has been reaped and
 * what it wrote is sent: a child that it left behind in the background and
 * that still holds its stdout does not hold up the end, and lives on.
 *
 * A client that goes away before: the process group gets TERM (a terminal is
 * hung up), after the grace time the whole session of processes gets KILL. A
 * detached session, or a main one that was asked to, stays.
 */
#ifndef VK_AGENT_SESSION_H
#define VK_AGENT_SESSION_H

#include "agent/agent.h"
#include "agent/backlog.h"
#include "agent/connection.h"
#include "agent/request.h"

struct inflow { /* to the command */
	struct watch watch;
	struct buf waiting;
	uint32_t granted;  /* what the client may still send */
	uint32_t consumed; /* not told the client yet */
	bool eof;          /* the client sends no more */
	bool is_socket;    /* an EOF shuts down its one half */
};

struct outflow { /* from it */
	struct watch watch;
	struct session *session;
	bool open;
	bool told;   /* the client had its EOF */
	size_t left; /* once the command has ended: what it still wrote */
};

struct session {
	struct agent *agent;
	struct session *next;
	uint32_t id;
	pid_t pid; /* 0: none */
	struct request request;
	struct connection *connection; /* NULL: no client */
	struct watch report;           /* of spawn() */
	struct inflow in;
	struct outflow out[STREAM_COUNT]; /* [STREAM_IN] is unused */
	struct backlog *backlog;
	struct timer grace;
	int64_t started_s; /* CLOCK_REALTIME */
	bool running;      /* the command runs, as far as the report was read */
	bool ended;        /* reaped; status holds */
	bool ending;       /* the client went away: TERM was sent */
	bool is_tty;
	int status;
};

/* Runs the request's command, or `inside`, for the client. */
void session_exec(struct connection *, struct request *,
    int (*inside)(const struct request *));

/* A session around a connected socket; taken over. */
void session_socket(struct connection *, struct request *, int fd);

/* Joins a session that has no client. A terminal gets the new one's size, if
 * the request tells that. */
void session_attach(
    struct connection *, struct session *, const struct request *);

/* 0 is the main one, also where that has ended and the VM lives on. */
struct session *session_find(struct agent *, uint32_t id);

/* Ended, and all that it wrote has been taken. */
bool session_is_over(const struct session *);

/* Signals its process group. 0, -1 with errno. */
int session_kill(struct session *, int signal);

/* A child ended, and is not reaped yet. */
void session_child_ended(struct agent *, pid_t, int status);

/* All output there is was forwarded: a follower of the backlog goes on. */
void session_set_follower(void (*output)(struct session *));

#endif
