/* SPDX-License-Identifier: MIT */
/*
 * session.h - requests to one registry: scheme, authorization, retries
 *
 * A session knows how the registry wants to be talked to, which it learns from
 * the first answers: https or (where that is allowed) http, and a token. It
 * may be used from many threads.
 */
#ifndef VK_PULL_SESSION_H
#define VK_PULL_SESSION_H

#include "cmd/vk-pull/http.h"
#include "cmd/vk-pull/options.h"

struct session;

/* host as in a reference; name is what tokens are asked for. NULL: no memory.
 * options is borrowed. */
struct session *session_new(
    const struct options *, const char *host, const char *name);
/* The same of a mirror. A path in its URL comes before the name, as a registry
 * that is a cache of several others wants it; --user is not for it. */
struct session *session_new_mirror(
    const struct options *, const char *url, const char *name);
void session_free(struct session *);

/*
 * Gets /v2/NAME/PATH. q's url, authorization and plain are filled in here, the
 * rest is the caller's. Before each try `resume` says from where on: what came
 * of the one before stays with the caller. Returns 0 with a 2xx or 304 answer,
 * -1 with err.
 */
int session_get(struct session *, const char *path, struct http_request *q,
    uint64_t (*resume)(void *into), struct http_response *, struct err *);

#endif
