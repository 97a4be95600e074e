/* SPDX-License-Identifier: MIT */
/*
 * agent.h - what vk-boot hears of an agent once a guest is up (common/frame.h)
 *
 * The agent's announcing connection, and then nothing: a command that the host
 * would have run is never answered.
 */
#ifndef TESTS_BARE_AGENT_H
#define TESTS_BARE_AGENT_H

#include <stdbool.h>

/* False: there is no vsock device, or nobody answers. */
bool agent_announce(void);

#endif
