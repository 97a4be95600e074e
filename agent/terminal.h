/* SPDX-License-Identifier: MIT */
/* terminal.h - pseudo-terminals, and who belongs to them */
#ifndef VK_AGENT_TERMINAL_H
#define VK_AGENT_TERMINAL_H

#include "agent/request.h"

#include <sys/ioctl.h>
#include <sys/types.h>

/* A new terminal of the request's size. Returns the master, and the other end
 * in *slave; -1 with errno. */
int terminal_open(const struct request *, int *slave);

/* The size that a request asks for; what it does not say is as usual. */
struct winsize terminal_size(const struct request *);

/* Signals all processes of a session of processes (setsid(2)), whatever
 * groups a shell put them in, and the group of its leader. */
void terminal_kill_all(pid_t session, int signal);

#endif
