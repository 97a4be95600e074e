/* SPDX-License-Identifier: MIT */
/*
 * challenge.h - what a registry answers who may not yet
 *
 * WWW-Authenticate, RFC 9110 11.6.1, with the schemes Basic (RFC 7617) and
 * Bearer as registries use it (distribution specification, "Token
 * Authentication"): the realm is a URL where a token is to be had.
 */
#ifndef VK_PULL_CHALLENGE_H
#define VK_PULL_CHALLENGE_H

#include "cmd/vk-pull/auth.h"
#include "common/buf.h"

#define CHALLENGE_VALUE_MAX 2048

enum challenge_scheme {
	CHALLENGE_BASIC,
	CHALLENGE_BEARER,
};

struct challenge {
	enum challenge_scheme scheme;
	char realm[CHALLENGE_VALUE_MAX];
	char service[CHALLENGE_VALUE_MAX];
	char scope[CHALLENGE_VALUE_MAX];
};

/* Takes the first scheme that we know, Bearer before Basic. -1: none. */
int challenge_parse(struct challenge *, const char *header);

/*
 * The request for a token to pull `name`: the URL to get, or with an identity
 * token the URL to post `form` to. Returns 0, -1 where it makes no URL.
 */
int challenge_request(const struct challenge *, const char *name,
    const struct credentials *, struct buf *url, struct buf *form);

#endif
