/* SPDX-License-Identifier: MIT */
/*
 * child.h - a process of its own for what reads hostile bytes with much code
 *
 * It has the descriptors that it was given and no others, ends with its
 * parent, can start nothing and gain nothing, and is limited in time and
 * memory: a file that sends a library into a loop, or worse, ends it alone.
 */
#ifndef VK_BOOT_CHILD_H
#define VK_BOOT_CHILD_H

#include "common/err.h"

#include <stddef.h>

/* Processor time, and memory beside what was mapped at the fork: the largest
 * kernel takes 4 s, and xz's window 64 MiB. */
#define CHILD_SECONDS 30
#define CHILD_MEMORY  ((size_t)512 << 20)

/* Descriptors that a child may keep. */
#define CHILD_KEEP_MAX 4

/* To be called in a new process: gives up all but these descriptors, which
 * keep their numbers. */
void child_confine(const int *keep, size_t count);

/*
 * Does work in a child that keeps these descriptors (at most CHILD_KEEP_MAX -
 * 1), and waits for its end. There must be no other threads. Returns what work
 * did, 0 or -1 with err; -1 also if the child did not come to its end
 * (EX_DATAERR).
 */
int child_run(int (*work)(void *owner, struct err *), void *owner,
    const int *keep, size_t count, struct err *);

#endif
