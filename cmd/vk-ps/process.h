/* SPDX-License-Identifier: MIT */
/* process.h - what a process and its descendants use, from proc(5) */
#ifndef VK_PS_PROCESS_H
#define VK_PS_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* An engine's processes: UML has a warden, a kernel and its threads. */
#define PROCESS_DEPTH_MAX 8

struct process_use {
	uint64_t up_ms;  /* since the process itself started */
	uint64_t cpu_ms; /* of all of them, so far */
	uint64_t memory; /* bytes that are theirs alone or their share (PSS) */
};

/* Adds all up. Returns 0, -1 with errno if there is no such process. One that
 * ends meanwhile counts for nothing. */
int process_use(pid_t, struct process_use *);

#endif
