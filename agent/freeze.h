/* SPDX-License-Identifier: MIT */
/* freeze.h - file systems hold still, for a copy of their disk */
#ifndef VK_AGENT_FREEZE_H
#define VK_AGENT_FREEZE_H

#include "agent/request.h"

/* All file systems on disks that are mounted for writing are meant; a freeze
 * that fails half way is undone. Both return an exit status, and say on stderr
 * what went wrong. A freeze waits for writers, and so is a child's work; a thaw
 * waits for nobody, and may be anybody's. */
int freeze_all(const struct request *);
int thaw_all(const struct request *);

#endif
