/* SPDX-License-Identifier: MIT */
/*
 * guest_clock.h - the guest's clock is the host's
 *
 * The agent is told the time when it calls, every minute (whatever its clock
 * source does), and whenever the host's own clock was set, which is what the
 * end of its sleep is, too. It sets its clock where that is off by more than
 * some milliseconds.
 */
#ifndef VK_BOOT_GUEST_CLOCK_H
#define VK_BOOT_GUEST_CLOCK_H

#include "cmd/vk-boot/loop.h"

#include "common/err.h"

struct guest_clock {
	struct loop_source timer;
	const int *agent_fd; /* the announcing connection; -1: none */
};

/* 0, -1 with err. *agent_fd is read each time. The timer is the
 * caller's to close. */
int guest_clock_start(
    struct guest_clock *, struct loop *, const int *agent_fd, struct err *);

/* Tells the time now. */
void guest_clock_tell(const struct guest_clock *);

#endif
