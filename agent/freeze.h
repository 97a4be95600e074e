/* SPDX-License-Identifier: MIT */
/* freeze.h - file systems hold still, for a copy of their disk */
#ifndef VK_AGENT_FREEZE_H
#define VK_AGENT_FREEZE_H

#include "agent/request.h"

/* Both are children's work (a freeze waits for writers) and return an exit
 * status; what went wrong is said on stderr (a thaw waits for nobody, and may
 * be anybody's). All file systems on disks that
 * are mounted for writing are meant; a freeze that fails half way is undone. */
int freeze_all(const struct request *);
int thaw_all(const struct request *);

#endif
