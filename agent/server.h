/* SPDX-License-Identifier: MIT */
/*
 * server.h - the agent as a whole: who may connect, who is told, how it ends
 */
#ifndef VK_AGENT_SERVER_H
#define VK_AGENT_SERVER_H

#include "agent/agent.h"
#include "agent/config.h"
#include "common/err.h"

/* Listens for sessions: "vsock:PORT", or "unix:PATH" (where "CONNECT port"
 * comes first, as on the host's socket of a VM). 0, -1 with err. */
int server_listen(struct agent *, const char *address, struct err *);

/* Connects to the host: the same forms. 0, -1 with err. */
int server_announce(struct agent *, const char *address, struct err *);

/* Notes when a stage of the boot was over, for the greeting. */
void server_stage(const char *name);

/* Says HELLO, the image's configuration and READY, and takes connections:
 * those that came before have waited. */
void server_ready(struct agent *);

/* Reaps, serves and, at the end, powers off (process 1) or returns. */
void server_run(struct agent *);

/* Signals to the agent, and its children's ends. 0, -1 with errno. */
int server_signals(struct agent *);

#endif
