/* SPDX-License-Identifier: MIT */
/*
 * sandbox.h - less power for commands that nobody trusts (vk-boot --sandbox)
 *
 * The guest is the border; this makes it thicker from within: no set-id gain,
 * the capabilities and the system calls that container engines leave by
 * default, and the kernel's own knobs turned down. The calls are all for a
 * child about to run a command, except sandbox_kernel.
 */
#ifndef VK_AGENT_SANDBOX_H
#define VK_AGENT_SANDBOX_H

/* The bounding set, while the process is root still. 0, -1 with errno. */
int sandbox_before_user(void);

/* no_new_privs and the system call filter. 0, -1 with errno. */
int sandbox_after_user(void);

/* The kernel's settings, once, by process 1. What a kernel has not is
 * skipped. */
void sandbox_kernel(void);

#endif
