/* SPDX-License-Identifier: MIT */
/*
 * init.h - process 1 is handed to the image's own init
 *
 * The agent forks; the parent, process 1, becomes the init, and the child goes
 * on serving below it (spawn.h). What the init says of itself comes by
 * notify.h.
 */
#ifndef VK_AGENT_INIT_H
#define VK_AGENT_INIT_H

#include "agent/agent.h"

/* Before the fork: makes ready what an init would wait for in vain. */
void init_prepare(void);

/* After it, in the child. */
void init_took_over(struct agent *);

#endif
