/* SPDX-License-Identifier: MIT */
/*
 * groups.h - control groups of what the agent starts
 *
 *	/vk-main	the main command
 *	/vk-exec	what vk-exec(1) runs,
 *	/vk-exec/ID	each session in a group of its own
 *
 * Main and exec have as much of the processors as each other and as everything
 * else together, and so have the sessions among themselves. A fork bomb so
 * takes neither the agent's time, nor the kernel's threads' that the vsock
 * needs, nor another session's; and as each may have half of the processes that
 * the kernel has room for, it leaves room for others, root's too. Whatever a
 * session started can be killed at once, however fast it forks.
 *
 * A session's group has no limit of memory, and its commands are killed one by
 * one for want of it: the compiler, not the shell that it was started from.
 *
 * An image's own init has no /vk-main; systemd(1) leaves alone what is beside
 * its own groups. Where there is no control group of version 2, there are
 * none, and nothing here fails for that.
 */
#ifndef VK_AGENT_GROUPS_H
#define VK_AGENT_GROUPS_H

#include "agent/loop.h"

#include <stdint.h>
#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* In place of a session's id. */
#define GROUP_MAIN 0

/* Makes them, once the groups' file system is mounted. */
void groups_make(struct loop *);

/* The main command gets none: it is an init, and makes its own. */
void groups_hand_over(void);

/* Takes them away again; nobody may be left in them. */
void groups_release(void);

/* As fork(2); the child is in its group from the start. */
pid_t groups_fork(uint32_t session);

/* Kills all that a session started, wherever it went since. Returns 0, -1
 * where it has no group, or a kernel before 5.14. */
int groups_kill(uint32_t session);

/* A session is over: its group goes, as soon as nobody is left in it. */
void groups_leave(uint32_t session);

#endif
