/* SPDX-License-Identifier: MIT */
/*
 * manifest.h - indexes, manifests and configurations of images
 *
 * OCI image specification 1.1 and Docker's schema 2, which differ in names of
 * media types only. Bytes are verified before they come here, and still from a
 * stranger: every member is checked for its type and range. jansson is known to
 * this file alone.
 */
#ifndef VK_PULL_MANIFEST_H
#define VK_PULL_MANIFEST_H

#include "cmd/vk-pull/digest.h"
#include "cmd/vk-pull/limits.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEDIA_TYPE_MAX 128

/* What a registry is asked for, as an Accept header. */
extern const char manifest_accept[];

struct platform { /* empty strings: any */
	char os[32], architecture[32], variant[32];
};

/* This machine's. */
void platform_host(struct platform *);
/* "linux/arm64/v8". Returns 0, -1 with err (EX_USAGE). */
int platform_parse(struct platform *, const char *text, struct err *);

struct descriptor {
	char type[MEDIA_TYPE_MAX];
	struct digest digest;
	uint64_t size;
};

enum manifest_kind {
	MANIFEST_INDEX,
	MANIFEST_IMAGE,
};

struct manifest {
	enum manifest_kind kind;
	/* of an index: the entry that fits the platform best */
	struct descriptor chosen;
	/* of an image */
	struct descriptor config;
	struct descriptor *layers; /* lowest first */
	size_t layer_count;
};

/*
 * type is what the transport says it is ("" if nothing); what the document
 * itself says must agree. Returns 0, -1 with err: EX_DATAERR for what is
 * wrong, EX_UNAVAILABLE where no entry of an index fits.
 */
int manifest_parse(struct manifest *, const char *data, size_t len,
    const char *type, const struct platform *, const struct limits *,
    struct err *);
void manifest_release(struct manifest *); /* twice is fine */

/*
 * An OCI layout's index.json: the entry whose annotation
 * org.opencontainers.image.ref.name is tag; the only one if tag is empty.
 */
int manifest_of_layout(const char *data, size_t len, const char *tag,
    const struct limits *, struct descriptor *, struct err *);

/* docker-archive's manifest.json: the image called name ("": the only one). */
struct archive_manifest {
	char *config; /* names of members of the archive */
	char **layers;
	size_t layer_count;
};
int archive_manifest_parse(struct archive_manifest *, const char *data,
    size_t len, const char *name, const struct limits *, struct err *);
void archive_manifest_release(struct archive_manifest *);

/*
 * Checks a configuration: an object, for the platform's os and architecture,
 * with as many diff_ids as there are layers. diff_ids (layer_count of them)
 * may be NULL.
 */
int config_check(const char *data, size_t len, size_t layer_count,
    const struct limits *, struct digest *diff_ids, struct err *);

/* It is for that platform, or does not say. Returns 0, -1 with err
 * (EX_UNAVAILABLE). */
int config_is_for(const struct platform *, const char *data, size_t len,
    const struct limits *, struct err *);

#endif
