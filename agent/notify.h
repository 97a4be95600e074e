/* SPDX-License-Identifier: MIT */
/*
 * notify.h - what an image's own init says of itself
 *
 * systemd(1) and its like tell sd_notify(3)'s socket when they are up; the
 * host hears of it as EVENT_INIT_READY and EVENT_INIT_STATUS.
 */
#ifndef VK_AGENT_NOTIFY_H
#define VK_AGENT_NOTIFY_H

#include "agent/agent.h"

#define NOTIFY_PATH "/run/.vk/notify"

/* Listens there, once /run is mounted. What fails is logged. */
void notify_listen(struct agent *);

#endif
