/* SPDX-License-Identifier: MIT */
/*
 * download.h - a blob brought from a registry, over one connection or several
 *
 * The first piece of a large blob is asked for by itself. If it comes fast, so
 * does the rest, in one answer. If it does not, it is not the machine that is
 * slow but the way: what one connection gets is limited by its round trips, or
 * by the other end. Then the rest is cut into parts, each of which comes over
 * a connection of its own.
 *
 * The partial file always holds the blob's beginning and nothing else, so that
 * whoever finds it after a kill -9 can go on at its end. Only the first part
 * goes straight into it; the others go to a scratch file without a name and
 * follow when the parts before them are whole. A part that fails is asked for
 * once more, as the rest of what came before it. A registry without ranges
 * sends everything with the first answer.
 */
#ifndef VK_PULL_DOWNLOAD_H
#define VK_PULL_DOWNLOAD_H

#include "cmd/vk-pull/http.h"
#include "cmd/vk-pull/source.h"

#include <stdatomic.h>

/* Sends one request for the blob, from any thread; as session_get. */
typedef int download_ask(void *with, const char *path, struct http_request *,
    uint64_t (*resume)(void *), struct http_response *, struct err *);

struct download_from {
	download_ask *ask;
	void *with;
	const char *path; /* the blob's */
	struct cache *cache;
	_Atomic unsigned *extra; /* connections of parts, of all blobs */
};

/* Brings the rest of f->partial, telling f->blob of every piece. Returns 0,
 * -1 with err. */
int download(const struct download_from *, struct fetch *, struct err *);

#endif
