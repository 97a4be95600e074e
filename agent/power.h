/* SPDX-License-Identifier: MIT */
/* power.h - the end of the guest */
#ifndef VK_AGENT_POWER_H
#define VK_AGENT_POWER_H

#include "agent/agent.h"

#include <stdbool.h>

/* Signals every process but this one: all there are for process 1, the
 * sessions' for an agent that is not. */
void power_signal_all(struct agent *, int signal);

/* Kills what is left, writes the disks, and powers off or reboots. Returns
 * only where this is not process 1. */
void power_down(struct agent *, bool reboot);

#endif
