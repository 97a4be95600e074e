/* SPDX-License-Identifier: MIT */
/*
 * session.h - the host's end of one session with the guest's agent
 *
 *	fd = session_connect(".../vsock", &e);
 *	struct session_request r = SESSION_REQUEST_INIT;
 *	r.port = EXEC_PORT;
 *	r.argv = argv;
 *	r.flags = OPEN_STDIN | OPEN_DEFAULTS;
 *	if (session_run(fd, &r, &result, &e) < 0)
 *		die_err(&e);
 *	return session_status(&result);
 *
 * session_run() blocks until the command has ended and all that it wrote is
 * written, so it has a thread or a process of its own. It allocates at most
 * a few STREAM_WINDOWs, whatever the guest says: everything the guest says is
 * checked, and a breach ends the session with EX_PROTOCOL.
 *
 * The caller ignores SIGPIPE. The descriptors stay the caller's and keep their
 * flags (no O_NONBLOCK is set on what others share). A pipe or a terminal is
 * opened anew through /proc/self/fd where that is allowed, so that large
 * writes cannot block; where it is not, writes are short ones.
 */
#ifndef VK_COMMON_SESSION_H
#define VK_COMMON_SESSION_H

#include "common/err.h"
#include "common/filter.h"
#include "common/frame.h"
#include "common/sink.h"

#include <stdbool.h>
#include <stdint.h>

struct session_request {
	/* Where the connection is a VM's `vsock` socket that still has to be
	 * asked for a port of the guest; 0: it is the agent's already. */
	unsigned port;
	unsigned greeting_ms; /* how long the agent may not answer */

	enum open_kind kind;
	unsigned flags;      /* OPEN_* */
	char *const *argv;   /* ends with NULL; NULL: none */
	char *const *env;    /* "K=V" ..., ends with NULL; NULL: none */
	char *const *paths;  /* ITEM_PATHs, ends with NULL; NULL: none */
	const char *user;    /* NULL: the default */
	const char *dir;     /* NULL: the default */
	const char *term;    /* TERM for OPEN_TTY; NULL: xterm */
	const char *target;  /* OPEN_CONNECT, OPEN_LISTEN */
	uint32_t id;         /* OPEN_ATTACH, _KILL, _LOGS: a session; 0: main */
	int signal;          /* OPEN_KILL, OPEN_STOP; 0: none */
	uint64_t token;      /* OPEN_JOIN */
	uint64_t clock_ns;   /* OPEN_CLOCK */
	uint32_t grace_ms;   /* between TERM and KILL when this end is gone */
	uint64_t timeout_ms; /* the command is ended after that; 0: never */

	/* Where the streams are; -1: nowhere (reads give EOF, and what the
	 * guest writes is dropped), as all of OPEN_DETACH's are. in is used
	 * with OPEN_STDIN only. in and out may be one socket: an EOF then
	 * shuts down its one half. */
	int in, out, err;
	/* What comes on err is the agent's word to a user, not a command's
	 * bytes: what a terminal would obey becomes "?", and this stands in
	 * front of each line; NULL: it is a command's. */
	const char *err_lines;
	int tty; /* whose window size is sent; -1: none */

	/* A pipe's read end, or -1: each byte is a signal's number for the
	 * command; SIGWINCH sends the size of tty. A signal handler, or any
	 * thread, writes to the other end. Before the agent has answered, INT,
	 * TERM, HUP and QUIT end the session (SESSION_KILLED). */
	int signals;
	/* Ends the session when it becomes readable (an eventfd); -1: none.
	 * The agent then ends the command: TERM, grace_ms, KILL. */
	int cancel;
	/* Once it is readable (an eventfd), or signals has had TERM or HUP,
	 * who does not take the output of a command that has ended is waited
	 * for no longer than SESSION_PATIENCE_MS; -1: none. */
	int hurry;
	/* The same when the guest is gone. Else the session goes on until all
	 * is written, or until one of those signals that end it before the
	 * agent's answer. */
	bool with_guest;

	/* Called for SIGTSTP once the guest's command was told: it stops the
	 * caller's own process. NULL: nothing more happens. */
	void (*stop_self)(void);
	/* Called when the agent has answered, when the command runs, and for
	 * each OPEN_LISTEN connection. NULL: not. */
	void (*greeted)(void *context);
	void (*started)(void *context, uint32_t id, uint32_t pid);
	void (*accepted)(void *context, uint64_t token);
	/* Called when nothing more will be written to out (STREAM_OUT) or err:
	 * all of it is written. NULL: not. */
	void (*ended)(void *context, unsigned stream);
	void *context;

	/* Of out and err, learnt before this process was confined (borrowed);
	 * NULL: made here. */
	const struct sink *sinks;
};

#define SESSION_GRACE_MS 1000
/* An agent answers at once; a guest under heavy load within seconds. */
#define SESSION_GREETING_MS 30000
/* Since an output took something last; and in all, for one that trickles. */
#define SESSION_PATIENCE_MS     1000
#define SESSION_PATIENCE_MAX_MS 5000
#define SESSION_REQUEST_INIT                                                   \
	{                                                                      \
		.kind = OPEN_EXEC, .grace_ms = SESSION_GRACE_MS, .in = -1,     \
		.out = -1, .err = -1, .tty = -1, .signals = -1, .cancel = -1,  \
		.hurry = -1, .greeting_ms = SESSION_GREETING_MS                \
	}

/* What a session asks of the host (filter.h), where nothing is opened for its
 * output (sinks) and no output is also its input. */
extern const struct filter_call session_calls[];

enum session_end {
	SESSION_EXITED,    /* code is its exit code */
	SESSION_KILLED,    /* code is the signal */
	SESSION_FAILED,    /* never ran; code is 125, 126 or 127, text why */
	SESSION_TIMED_OUT, /* ended by timeout_ms */
	SESSION_CANCELLED, /* cancel */
	SESSION_DETACHED,  /* runs on (OPEN_DETACH): id is its name */
};

struct session_result {
	enum session_end end;
	int code;
	bool core;               /* SESSION_KILLED: it dumped core */
	uint32_t id;             /* 0 until it started */
	uint32_t pid;            /* in the guest */
	bool dropped;            /* some output, that nobody took in time */
	char text[ERR_TEXT_MAX]; /* SESSION_FAILED; printable */
};

/* Connects to a VM's `vsock` socket. Returns the descriptor, -1 with err:
 * EX_NOINPUT no such VM. */
int session_connect(const char *path, struct err *);

/* Runs a session over a connected stream. Returns 0 with the result, -1 with
 * err: EX_UNAVAILABLE nobody listens or answers, EX_IOERR the connection was
 * lost, EX_PROTOCOL the guest broke the rules. fd is not closed. */
int session_run(int fd, const struct session_request *, struct session_result *,
    struct err *);

/* What a shell would say of it: the exit code, 128 + signal, 125 to 127,
 * 124 for a time-out, 130 if cancelled, 0 if detached. */
int session_status(const struct session_result *);

/* The payload of an OPEN for it. Returns 0, -1 with err where it passes
 * FRAME_OPEN_MAX. */
int session_open_payload(
    const struct session_request *, struct buf *, struct err *);

#endif
