/* SPDX-License-Identifier: MIT */
/*
 * ref.h - what a user calls an image
 *
 *	[docker://][HOST[:PORT]/]NAME[:TAG][@DIGEST]
 *	oci:DIR[:TAG]   oci-archive:FILE[:TAG] docker-archive:FILE[:NAME[:TAG]]
 *	docker-daemon:NAME[:TAG]
 *
 * The grammar of names and tags is that of the OCI distribution specification
 * ("Pulling manifests"). The first component of a name is a host if it holds a
 * dot or a colon or is "localhost". A name on docker.io without a folder is in
 * "library".
 */
#ifndef VK_PULL_REF_H
#define VK_PULL_REF_H

#include "cmd/vk-pull/digest.h"
#include "common/err.h"

/* NAME with its host: what docker allows. */
#define REF_NAME_MAX 255
#define REF_TAG_MAX  128
#define REF_TEXT_MAX 4096

enum ref_kind {
	REF_REGISTRY,
	REF_OCI,
	REF_OCI_ARCHIVE,
	REF_DOCKER_ARCHIVE,
	REF_DOCKER_DAEMON,
};

struct ref {
	enum ref_kind kind;
	char text[REF_TEXT_MAX];     /* as the user wrote it */
	char host[REF_NAME_MAX + 1]; /* "" if the user named none */
	char name[REF_NAME_MAX + 1]; /* without host; daemon: with all */
	char path[REF_TEXT_MAX];     /* of local ones; "-" is stdin */
	char tag[REF_TEXT_MAX];      /* "" if none was given */
	struct digest digest;        /* empty if none was given */
};

/* Returns 0, -1 with err (EX_USAGE). */
int ref_parse(struct ref *, const char *text, struct err *);

/* Makes the name one of host's; adds "library/" on docker.io. */
void ref_on(struct ref *, const char *host);

/* The same for a host that the user wrote. Returns 0, -1 with err. */
int ref_set_host(struct ref *, const char *host, struct err *);

/* Whether host (with or without port) can only be this machine. */
bool ref_is_loopback(const char *host);

#endif
