/* SPDX-License-Identifier: MIT */
/*
 * unix_place.h - a unix socket by its path, also once that cannot be reached
 *
 * The folder is opened when the path can still be seen; the socket in it is
 * connected to and removed by way of that, in the sandbox too. The path of the
 * folder may be longer than a socket's address.
 */
#ifndef VK_BOOT_UNIX_PLACE_H
#define VK_BOOT_UNIX_PLACE_H

#include "common/err.h"
#include "common/filter.h"

#include <limits.h>
#include <stdbool.h>

struct unix_place {
	int folder; /* O_PATH; -1: none */
	char name[NAME_MAX + 1];
	char path[PATH_MAX]; /* as it was given, for messages */
};

/* Before it is opened. */
#define UNIX_PLACE_INIT                                                        \
	{                                                                      \
		.folder = -1                                                   \
	}

/* What connecting asks of the host (filter.h). */
extern const struct filter_call unix_place_calls[];

/* 0, -1 with err. */
int unix_place_open(struct unix_place *, const char *path, struct err *);
void unix_place_close(struct unix_place *); /* may be called twice */

/* A connected socket that does not block; never waits. -1 with errno. */
int unix_place_connect(const struct unix_place *);

/* A listening one, made with mode 0600, in the place of one that nobody listens
 * on any more; while paths can be seen. -1 with err. */
int unix_place_listen(const struct unix_place *, struct err *);

/* The next client of a listening one, whose socket does not block; -1: there is
 * no more. Then starved is set if one waits for a free descriptor: it does not
 * wake an edge-triggered loop again. */
int unix_place_accept(int listener, bool *starved);

/* Removes what was made. */
void unix_place_remove(const struct unix_place *);

#endif
