/* SPDX-License-Identifier: MIT */
/*
 * agent.h - what the parts of the agent share
 *
 * The agent is one thread around one loop. It holds connections (the wire),
 * and sessions (a command and its streams, which may outlive a connection).
 * Whatever may block for long - copying trees, freezing file systems, looking
 * users up - is done by a forked child whose streams are a session's like any
 * command's.
 */
#ifndef VK_AGENT_AGENT_H
#define VK_AGENT_AGENT_H

#include "agent/loop.h"
#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Each costs some descriptors and up to STREAM_WINDOW times two of memory;
 * a host that opens more is told so. */
#define SESSIONS_MAX 1024

struct session;
struct connection;

/* What the main command was started with; later ones may ask for the same. */
struct defaults {
	char **env; /* ends with NULL; NULL: there was no main command yet */
	char *user, *dir;
};

/* How commands are run, from the configuration. */
struct policy {
	char *root;     /* the image's root seen from here; NULL: "/" */
	char **wrapper; /* put before each command; NULL: none */
	char **allow;   /* patterns for a command's first word; NULL: any */
	bool sandbox;   /* untrusted workloads, see sandbox.h */
	bool is_init;   /* this process is process 1 */
	char hostname[65];
};

struct agent {
	struct loop loop;
	struct policy policy;
	struct defaults defaults;
	struct session *sessions;
	unsigned session_count;
	uint32_t next_id;
	struct session *main; /* NULL: none yet, or it is over */
	int main_signal;      /* what ends it in order; 0: TERM */
	bool handed_over;     /* process 1 is the image's own init */
	char *own_name;       /* argv[0] */
	uint64_t next_token;
};

/* ---- server.c: what the others ask of the agent as a whole ----------------
 */

/* The main command ended and the host knows: go down, or stay. */
void agent_main_over(struct agent *, bool keep);

struct stop_request {
	int signal; /* 0: the main command's own */
	bool reboot;
	uint32_t deadline_ms;
};
/* Another process is process 1 now, and this one its child: signals come to us
 * anew. */
void agent_moved(struct agent *);

/* Goes down in order. A second call only shortens the deadline. */
void agent_stop(struct agent *, const struct stop_request *);

/* Tells the host, where it listens. */
void agent_event(struct agent *, enum event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
