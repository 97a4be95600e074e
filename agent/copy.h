/* SPDX-License-Identifier: MIT */
/* copy.h - the guest's end of "vk-exec cp"; children's work */
#ifndef VK_AGENT_COPY_H
#define VK_AGENT_COPY_H

#include "agent/request.h"

/* A tree (common/tree.h) from stdin to the path. Returns an exit status. */
int copy_put(const struct request *);

/* The trees at the paths to stdout. The same. */
int copy_get(const struct request *);

#endif
