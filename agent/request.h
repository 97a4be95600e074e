/* SPDX-License-Identifier: MIT */
/*
 * request.h - what a client asks for with OPEN
 *
 * The host is trusted, but its bytes are checked like anybody's: a request
 * that parsed holds only whole strings and numbers in their ranges. Strings
 * point into the request's own copy of the payload.
 */
#ifndef VK_AGENT_REQUEST_H
#define VK_AGENT_REQUEST_H

#include "common/err.h"
#include "common/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct request {
	uint8_t *bytes; /* the payload, which the strings below point into */
	enum open_kind kind;
	uint32_t flags;
	char **argv;  /* ends with NULL */
	char **env;   /* ends with NULL */
	char **paths; /* ends with NULL */
	size_t argc, env_count, path_count;
	const char *user, *dir, *term, *target; /* NULL: not given */
	uint16_t rows, columns, x_pixels, y_pixels;
	uint32_t id, grace_ms;
	uint8_t signal;
	uint64_t token, clock_ns;
};

/* Returns 0, -1 with err. Either way request_release() is due. */
int request_parse(
    struct request *, const uint8_t *payload, size_t len, struct err *);
void request_release(struct request *);

#endif
