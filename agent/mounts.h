/* SPDX-License-Identifier: MIT */
/* mounts.h - the file systems and links that programs expect */
#ifndef VK_AGENT_MOUNTS_H
#define VK_AGENT_MOUNTS_H

#include "agent/config.h"

/* In the image's root: dev with pts, shm, mqueue and its links; cgroup as
 * asked; bpf, tracing and the like where the kernel has them; run and tmp as
 * tmpfs with the image's own top-level directories; then what the
 * configuration adds. What cannot be mounted is logged, and the guest goes
 * on; unless the line says x-required: then -1 with err. */
int mounts_all(const struct config *, struct err *);

/* Makes the root read-only, where that was asked for. Last of all. */
void mounts_lock(const struct config *);

/* Makes dir and what leads there, mode 0755. Returns 0, -1 with errno. */
int mounts_make_dir(const char *dir);

#endif
