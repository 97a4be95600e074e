/* SPDX-License-Identifier: MIT */
/* oom.h - tells the host when the kernel kills for want of memory */
#ifndef VK_AGENT_OOM_H
#define VK_AGENT_OOM_H

#include "agent/agent.h"

#include <stdbool.h>
#include <stddef.h>

void oom_watch(struct agent *);

/* Whether a kernel message tells of a kill; text is then what it says. */
bool oom_message(const char *message, size_t len, char *text, size_t size);

#endif
