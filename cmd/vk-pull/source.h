/* SPDX-License-Identifier: MIT */
/*
 * source.h - where an image comes from
 *
 * A registry, an OCI layout, an archive, an engine: each is a file with one
 * struct source_ops. What it hands out is not verified; pull.c does that, and
 * says afterwards whether it was right.
 *
 * manifest and config are called from one thread, the others from many.
 */
#ifndef VK_PULL_SOURCE_H
#define VK_PULL_SOURCE_H

#include "cmd/vk-pull/blob.h"
#include "cmd/vk-pull/cache.h"
#include "cmd/vk-pull/manifest.h"
#include "common/buf.h"

struct source;

/* One attempt to get a layer. */
struct fetch {
	struct blob blob;
	struct cache_partial partial; /* of a download */
	enum {
		FETCH_LOCAL,  /* a file of the user's */
		FETCH_CACHED, /* from the cache */
		FETCH_LOADED, /* from the network, into partial */
	} from;
	uint64_t resumed; /* bytes that an earlier run had loaded */
	bool unpacked;    /* the digest is that of the unpacked layer */
};

struct source_ops {
	/*
	 * Reads the manifest (or index): that of the reference where want is
	 * NULL, else the one that an index named. *type is what the source
	 * calls it, *digest what it has. Verified where a digest was known.
	 */
	int (*manifest)(struct source *, const struct descriptor *want,
	    struct buf *, char type[MEDIA_TYPE_MAX], struct digest *,
	    struct err *);
	/* Brings a blob's bytes into f->blob, which others read already. */
	int (*fetch)(struct source *, const struct descriptor *, struct fetch *,
	    struct err *);
	/* They were right. NULL: there is nothing to do then. */
	int (*keep)(struct source *, const struct descriptor *, struct fetch *,
	    struct err *);
	/* They were not, or did not come: true if another try may help. NULL:
	 * it never does. */
	bool (*reject)(struct source *, const struct descriptor *,
	    struct fetch *, bool wrong);
	/* What docker saves has no manifest of the usual kind, and layers with
	 * the digests of what they unpack to: this fills in everything. NULL
	 * elsewhere, and where it is set manifest is not called. */
	int (*image)(struct source *, struct manifest *, struct buf *document,
	    struct buf *config, struct digest *, struct err *);
	void (*release)(struct source *);
};

struct source {
	const struct source_ops *ops;
};

int source_keep(
    struct source *, const struct descriptor *, struct fetch *, struct err *);
bool source_reject(
    struct source *, const struct descriptor *, struct fetch *, bool wrong);

struct options;
struct ref;

/* Opens what ref names; everything is borrowed. NULL with err. End it with
 * ops->release. */
struct source *source_open(
    const struct options *, struct cache *, const struct ref *, struct err *);

#endif
