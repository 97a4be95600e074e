/* SPDX-License-Identifier: MIT */
/* stats.h - what a VM used and did so far, for the control socket */
#ifndef VK_BOOT_STATS_H
#define VK_BOOT_STATS_H

#include "common/filter.h"

#include <jansson.h>

struct vm;

/* The members of the answer to "stats" (vk-control(5)). For the main thread;
 * each device is asked in its own loop. */
/* What it asks of the host (filter.h). */
extern const struct filter_call stats_calls[];

json_t *stats_make(struct vm *);

#endif
