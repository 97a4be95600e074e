/* SPDX-License-Identifier: MIT */
/*
 * shelter.h - what keeps the agent going when a guest is at its limits
 *
 * It is above what it serves, and the last that want of memory would take, and
 * has descriptors for SESSIONS_MAX. Nothing of that is for commands: they
 * start as under systemd(1), with 1024 descriptors that they may raise.
 */
#ifndef VK_AGENT_SHELTER_H
#define VK_AGENT_SHELTER_H

/* Once, before anything is started. */
void shelter_take(void);

/* In a child: gives back what every command starts with; no signal is blocked
 * or ignored either. */
void shelter_leave(void);

#endif
