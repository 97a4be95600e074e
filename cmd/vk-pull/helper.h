/* SPDX-License-Identifier: MIT */
/*
 * helper.h - docker-credential-NAME programs
 *
 * The protocol of docker's credential helpers: run with the argument "get" and
 * the server on stdin, they print JSON, or fail if they know nothing.
 */
#ifndef VK_PULL_HELPER_H
#define VK_PULL_HELPER_H

#include "common/buf.h"
#include "common/err.h"

#include <stdint.h>

struct helper {
	const char *name;
	const char *server;  /* whose login is asked for */
	uint64_t timeout_ms; /* a keyring may ask its user something */
};

/* Returns 1 with the answer, 0 if it knows nothing, -1 with err: it cannot be
 * started, or says nothing in time and is ended with all that it has started
 * (but daemons). */
int helper_get(const struct helper *, struct buf *answer, struct err *);

#endif
