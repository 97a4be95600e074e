/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON from strangers, through jansson
 *
 * Depth is checked before jansson sees the text: it recurses.
 */
#ifndef VK_PULL_JSON_H
#define VK_PULL_JSON_H

#include "cmd/vk-pull/limits.h"
#include "common/err.h"

#include <jansson.h>

/* Parses an object or array. NULL with err (EX_DATAERR, "what: reason"). */
json_t *json_parse(const char *data, size_t len, const char *what,
    const struct limits *, struct err *);

/* A member that is a string, or "" */
const char *json_text(const json_t *object, const char *member);

static inline void
json_release(json_t **at)
{
	json_decref(*at);
	*at = NULL;
}

#define cleanup_json __attribute__((cleanup(json_release)))

#endif
