/* SPDX-License-Identifier: MIT */
/* processes.h - what /proc says of the guest's processes */
#ifndef VK_AGENT_PROCESSES_H
#define VK_AGENT_PROCESSES_H

#include "agent/request.h"

#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid, parent, group, session;
	char state;
	uint64_t cpu_ms;   /* user and system time */
	uint64_t start_ms; /* since the kernel's start */
	uint64_t rss_bytes;
	char name[64];
};

/* Calls back for each process; ends early when that returns other than 0.
 * Returns that, or -1 without a /proc. */
int processes_each(
    int (*each)(void *context, const struct process *), void *context);

/* OPEN_PS: a line for each process on stdout; see vk-exec(5). */
int processes_list(const struct request *);

#endif
