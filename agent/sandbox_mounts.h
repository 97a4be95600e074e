/* SPDX-License-Identifier: MIT */
/*
 * sandbox_mounts.h - file systems as a sandboxed root may have them
 *
 * Without any capability, user 0 still owns the kernel's files: a word in
 * /proc/sys/kernel/core_pattern has the kernel run a program with all rights,
 * and a disk's node is the disk. So the kernel's settings are read-only, /dev
 * has a container's devices and no others, and what else a disk holds is no
 * device (the system calls that make one are refused, see sandbox.c).
 */
#ifndef VK_AGENT_SANDBOX_MOUNTS_H
#define VK_AGENT_SANDBOX_MOUNTS_H

#include "common/err.h"

/* Once, by process 1, when all is mounted. Returns 0, -1 with err: then there
 * is no sandbox. */
int sandbox_mounts(struct err *);

#endif
