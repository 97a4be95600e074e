/* SPDX-License-Identifier: MIT */
/*
 * environment.h - what a command finds in its environment
 *
 * The same as in a container: what was given, and PATH, HOSTNAME, HOME (and
 * TERM on a terminal) where that did not name them.
 */
#ifndef VK_AGENT_ENVIRONMENT_H
#define VK_AGENT_ENVIRONMENT_H

#include <stddef.h>

#define ENVIRONMENT_PATH                                                       \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct environment {
	char **list; /* ends with NULL once something was set */
	size_t count, size;
};

void environment_release(struct environment *);

/* Sets "NAME=value", in the place of one of that name. What has no name is
 * left out, as by env(1). Returns 0, -1 when memory ran out. */
int environment_set(struct environment *, const char *assignment);

/* Sets name to value where it is not set yet. The same. */
int environment_default(
    struct environment *, const char *name, const char *value);

/* The value, borrowed; NULL if it is not set. */
const char *environment_get(const struct environment *, const char *name);

#endif
