/* SPDX-License-Identifier: MIT */
/* terminal.h - pseudo-terminals, and who belongs to them */
#ifndef VK_AGENT_TERMINAL_H
#define VK_AGENT_TERMINAL_H

#include "agent/request.h"
#include "common/cursor.h"

#include <sys/types.h>

/* A new terminal of the request's size. Returns the master, and the other end
 * in *slave; -1 with errno. */
int terminal_open(const struct request *, int *slave);

/* Sets the size from the four numbers at the cursor. */
void terminal_resize(int master, struct cursor *);

/* Signals all processes of a session of processes (setsid(2)), whatever
 * groups a shell put them in, and the group of its leader. */
void terminal_kill_all(pid_t session, int signal);

#endif
