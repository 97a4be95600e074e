/* SPDX-License-Identifier: MIT */
/* clock.h - the guest's clock, set by the host */
#ifndef VK_AGENT_CLOCK_H
#define VK_AGENT_CLOCK_H

#include <stdint.h>

/* Sets CLOCK_REALTIME if it is off by more than a few ms (what reading the
 * host's took is part of any difference). Returns 1 where it was moved, 0 if
 * it was right, -1 with errno. */
int clock_set(uint64_t ns);

#endif
