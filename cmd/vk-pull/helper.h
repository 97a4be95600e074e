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

/* A keyring may ask its user something. */
#define HELPER_TIMEOUT_S 60

/* Returns 1 with the answer, 0 if it knows nothing, -1 with err. */
int helper_get(
    const char *name, const char *server, struct buf *answer, struct err *);

#endif
