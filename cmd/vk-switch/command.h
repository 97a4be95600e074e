/* SPDX-License-Identifier: MIT */
/*
 * command.h - a command that has the switch to itself
 *
 *	vk-switch -p 8080:80 -- vk-boot --net fd:3 web.ext4
 *
 * The switch becomes a child process; what was started becomes the command, so
 * that its process id, terminal, signals and status are those of the whole. The
 * command begins when the switch is ready, and the switch ends when the command
 * does, however that happens: by the signal of a parent's death, and because
 *its only connection closes (a command in a Landlock domain of its own can send
 *no signal, not even by dying). No socket has a name, so nothing is left and
 *nobody else can connect.
 */
#ifndef VK_SWITCH_COMMAND_H
#define VK_SWITCH_COMMAND_H

#include "cmd/vk-switch/options.h"

/* Where the command finds its end of the connection. */
#define COMMAND_FD 3

/*
 * Returns 0 in the child, which is to be the switch: options are changed for
 * that. In the parent it does not return 0: it becomes the command, or returns
 * the status of the switch that did not start (its reason is told), or -1 with
 * err (126, 127: the command cannot be run).
 */
int command_start(struct options *, char **argv, struct err *);

#endif
