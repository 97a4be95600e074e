/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - the user's terminal in raw mode, and back whatever happens
 *
 * A small child of this process waits for its death and gives the terminal
 * its settings back then, so that kill -9 leaves no raw terminal behind. It
 * is made by fork(2): call this before threads and before confinement.
 */
#ifndef VK_COMMON_TERMINAL_H
#define VK_COMMON_TERMINAL_H

#include "common/err.h"

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

struct terminal {
	int fd; /* the caller's; -1: not raw */
	struct termios before, raw;
	pid_t guard;
	int guard_pipe;
};

#define TERMINAL_INIT                                                          \
	{                                                                      \
		.fd = -1, .guard_pipe = -1                                     \
	}

/* Returns 0, -1 with err: no terminal. */
int terminal_raw(struct terminal *, int fd, struct err *);

/* Raw again, after the process was stopped and goes on. */
void terminal_again(const struct terminal *);

/* As it was, but still watched: before the process stops itself. */
void terminal_pause(const struct terminal *);

/* As it was, for good. May be called twice. */
void terminal_restore(struct terminal *);

#endif
