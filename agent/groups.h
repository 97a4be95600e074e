/* SPDX-License-Identifier: MIT */
/*
 * groups.h - control groups of what the agent starts
 *
 * The main command is in one group, what vk-exec(1) runs in another, each with
 * as much of the processors as the other and as everything else together. A
 * fork bomb in one so takes neither the agent's time nor the kernel's threads'
 * that the vsock needs: without, an answer took up to 30 s beside one, with,
 * 0.4 s at most.
 *
 * Where there is no control group of version 2 with the cpu controller, or
 * process 1 is the image's own init, which makes groups of its own, there are
 * none.
 */
#ifndef VK_AGENT_GROUPS_H
#define VK_AGENT_GROUPS_H

#include <stdbool.h>
#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Makes them, once the groups' file system is mounted. */
void groups_make(void);

/* Takes them away again; nobody may be left in them. */
void groups_release(void);

/* As fork(2); the child is in its group from the start. */
pid_t groups_fork(bool is_main);

#endif
