/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - from a request to a process
 *
 * The child becomes the user, goes to the directory and runs the command; or
 * it runs a function of the agent's own (inside) with the same streams. Until
 * the command runs, its report descriptor stays open: nothing in it at its
 * end means that the command runs, else it holds "code text": why it does
 * not, and what a shell would exit with (125 ours, 126 cannot be run, 127 not
 * found).
 */
#ifndef VK_AGENT_SPAWN_H
#define VK_AGENT_SPAWN_H

#include "agent/agent.h"
#include "agent/request.h"
#include "common/err.h"

struct spawn {
	const struct request *request;
	const struct defaults *defaults;
	const struct policy *policy;
	int (*inside)(const struct request *); /* NULL: the command */
	uint32_t session;          /* whose control group it is in (groups.h) */
	int streams[STREAM_COUNT]; /* the child's ends; taken over */
	int report;                /* the same */
};

/* Returns the process id, -1 with err. The descriptors are closed here. */
pid_t spawn(struct spawn *, struct err *);

/* Closes the streams of one that was not spawned. */
void spawn_close(struct spawn *);

#endif
