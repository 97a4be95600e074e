/* SPDX-License-Identifier: MIT */
/* process_time.h - the processor time of a process and all its descendants */
#ifndef VK_BOOT_PROCESS_TIME_H
#define VK_BOOT_PROCESS_TIME_H

#include <stdint.h>
#include <sys/types.h>

/* A guest can make processes: more than these are not counted. */
#define PROCESS_TIME_MAX 4096

/* Time used so far, that of waited-for children included, as /proc, of which
 * proc is a descriptor, tells it (to 10 ms). 0; -1 where it does not tell. */
int process_time(int proc, pid_t, uint64_t *ms);

#endif
