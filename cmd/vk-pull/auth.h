/* SPDX-License-Identifier: MIT */
/*
 * auth.h - which name and password belong to a registry
 *
 * In this order: --user; $REGISTRY_AUTH_FILE; the containers tools' auth.json
 * ($XDG_RUNTIME_DIR/containers/, ~/.config/containers/); docker's config.json
 * ($DOCKER_CONFIG, ~/.docker/). In each: the helper program that credHelpers
 * names for the host, the entry under auths, the program of credsStore
 * (docker-credential-NAME, asked with "get" and the host on its stdin).
 *
 * Nothing of it is ever printed, put into an argument list or kept on disk.
 */
#ifndef VK_PULL_AUTH_H
#define VK_PULL_AUTH_H

#include "common/err.h"

#include <stdint.h>

struct credentials {
	char *name, *password;
	char *identity_token; /* instead: for the token realm */
};

struct auth_wanted {
	const char *user;    /* --user's value or NULL */
	const char *host;    /* "registry-1.docker.io" is docker.io */
	const char *name;    /* of the image: logins may be per repository */
	uint64_t timeout_ms; /* for a helper */
};

/* Returns 0, also where there is none (all NULL); -1 with err where a file or
 * helper is broken. */
int auth_find(const struct auth_wanted *, struct credentials *, struct err *);

/* Overwrites and frees; twice is fine. */
void credentials_release(struct credentials *);

/* "Basic ..." as a header's value, to free. NULL: no memory. */
char *credentials_basic(const struct credentials *);

#endif
