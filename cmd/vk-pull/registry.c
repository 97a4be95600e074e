/* SPDX-License-Identifier: MIT */
/*
 * registry.c - images from a registry
 *
 * A tag is looked up each time unless the user says otherwise; the answer's
 * digest goes with the next request, so that an unmoved tag costs one round
 * trip and no body. Everything with a digest is taken from the cache if it is
 * there, and downloaded into the cache if not.
 */
#include "cmd/vk-pull/registry.h"

#include "cmd/vk-pull/download.h"
#include "cmd/vk-pull/session.h"
#include "common/io.h"
#include "common/log.h"
#include "common/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct registry {
	struct source source;
	const struct options *options;
	struct cache *cache;
	struct ref ref;
	struct session *session;
	struct session *mirror; /* NULL: none */
	_Atomic unsigned extra; /* connections, see download.h */
};

/* ---- manifests ---------------------------------------------------------- */

/* Asks the mirror, if there is one, then the registry. */
static int
ask(void *with, const char *path, struct http_request *q,
    uint64_t (*resume)(void *), struct http_response *answer, struct err *e)
{
	struct registry *r = with;

	if (r->mirror) {
		if (session_get(r->mirror, path, q, resume, answer, e) == 0)
			return 0;
		log_info("mirror: %s", e->text);
		http_response_release(answer);
		*answer = (struct http_response){0};
	}
	return session_get(r->session, path, q, resume, answer, e);
}

static int
body_sink(void *into, const void *data, size_t len, struct err *e)
{
	if (buf_add(into, data, len) < 0)
		return err_set(e, EX_DATAERR,
		    "larger than the limit of %zu bytes (manifest)",
		    ((struct buf *)into)->max);
	return 0;
}

/* A document that broke off comes again from its start. */
static uint64_t
body_restart(void *into)
{
	buf_drop(into, ((struct buf *)into)->len);
	return 0;
}

/* What the cache holds of a digest, if it is right. */
static int
cached_document(struct registry *r, const struct digest *d, struct buf *b)
{
	uint64_t size;
	cleanup_fd int fd = cache_find(r->cache, d, &size);
	char *room;

	buf_drop(b, b->len);
	if (fd < 0 || size > b->max || !(room = buf_reserve(b, size)))
		return -1;
	if (io_pread(fd, room, size, 0) != (ssize_t)size ||
	    !digest_of_is(room, size, d)) {
		cache_discard(r->cache, d);
		return -1;
	}
	b->len = size;
	b->data[size] = '\0';
	return 0;
}

static void
cache_document(struct registry *r, const struct digest *d, const struct buf *b)
{
	struct err ignored = ERR_INIT;
	struct cache_partial p;

	if (cache_begin(r->cache, d, &p, &ignored) != 0)
		return;
	if (ftruncate(p.fd, 0) < 0 || io_pwrite(p.fd, b->data, b->len, 0) < 0 ||
	    cache_commit(r->cache, d, &p, &ignored) < 0)
		cache_drop(r->cache, &p);
	fd_close(&p.fd);
}

/*
 * Gets manifests/WHAT. known is the digest it had last time (empty: none): if
 * it still has it, *b stays empty and 1 is returned.
 */
static int
load_manifest(struct registry *r, const char *what, const struct digest *known,
    struct buf *b, char *type, struct digest *digest, struct err *e)
{
	char path[512], etag[DIGEST_TEXT_MAX + 2];
	struct http_response answer = {0};
	struct http_request q = {.accept = manifest_accept,
	    .length_max = UINT64_MAX,
	    .sink = body_sink,
	    .into = b};
	struct digest told;
	int rc;

	snprintf(path, sizeof(path), "manifests/%.300s", what);
	if (known && known->text[0]) {
		snprintf(etag, sizeof(etag), "\"%s\"", known->text);
		q.if_none_match = etag;
	}
	rc = ask(r, path, &q, body_restart, &answer, e);
	if (rc == 0 && answer.status == 304) {
		rc = 1;
	} else if (rc == 0) {
		snprintf(type, MEDIA_TYPE_MAX, "%.127s", answer.type);
		digest_of(b->data ? b->data : "", b->len, digest);
		/* The registry's own claim must be true. */
		if (digest_parse(&told, answer.digest) == 0 &&
		    !digest_of_is(b->data ? b->data : "", b->len, &told))
			rc = err_set(e, EX_PROTOCOL,
			    "manifest is not what its digest header says");
	}
	http_response_release(&answer);
	return rc;
}

static int
manifest_by_digest(struct registry *r, const struct descriptor *want,
    struct buf *b, char *type, struct digest *digest, struct err *e)
{
	*digest = want->digest;
	snprintf(type, MEDIA_TYPE_MAX, "%s", want->type);
	if (cached_document(r, &want->digest, b) == 0)
		return 0;
	if (r->options->policy == POLICY_NEVER) {
		err_set(e, EX_NOINPUT, "%.19s: not in the cache",
		    want->digest.text);
		return err_hint(e, "pull it once without --offline");
	}
	buf_drop(b, b->len);
	if (load_manifest(r, want->digest.text, NULL, b, type, digest, e) < 0)
		return -1;
	if (!digest_of_is(b->data ? b->data : "", b->len, &want->digest))
		return err_set(e, EX_DATAERR, "manifest %.19s: digest is wrong",
		    want->digest.text);
	/* What pointed here said what it is; a transport may be vague. */
	if (want->type[0])
		snprintf(type, MEDIA_TYPE_MAX, "%s", want->type);
	*digest = want->digest;
	cache_document(r, digest, b);
	return 0;
}

/* ---- tags --------------------------------------------------------------- */

/* A tag's memory is three lines: the digest, the type, the name. */
static void
remember(struct registry *r, const char *key, const struct digest *d,
    const char *type)
{
	char text[CACHE_TAG_MAX];

	snprintf(text, sizeof(text), "%s\n%s\n%s\n", d->text, type, key);
	cache_put_tag(r->cache, key, text);
}

static bool
recall(struct registry *r, const char *key, struct digest *d, char *type)
{
	cleanup_free char *text = cache_get_tag(r->cache, key);
	char *line, *rest = text;

	*type = '\0';
	d->text[0] = '\0';
	if (!text || !(line = strsep(&rest, "\n")) ||
	    digest_parse(d, line) < 0 || !(line = strsep(&rest, "\n")))
		return false;
	snprintf(type, MEDIA_TYPE_MAX, "%.127s", line);
	return true;
}

static int
manifest_by_tag(struct registry *r, struct buf *b, char *type,
    struct digest *digest, struct err *e)
{
	const char *tag = r->ref.tag[0] ? r->ref.tag : "latest";
	char key[2 * REF_NAME_MAX + REF_TAG_MAX + 8];
	char known_type[MEDIA_TYPE_MAX];
	struct digest known;
	bool have;
	int rc;

	snprintf(key, sizeof(key), "%.255s/%.255s:%.128s", r->ref.host,
	    r->ref.name, tag);
	have = recall(r, key, &known, known_type) &&
	       cached_document(r, &known, b) == 0;
	if (have && r->options->policy != POLICY_ALWAYS)
		rc = 1;
	else if (r->options->policy == POLICY_NEVER) {
		err_set(e, EX_NOINPUT, "not in the cache");
		return err_hint(e, "pull it once without --offline");
	} else {
		if (!have)
			known.text[0] = '\0';
		if (!have || r->options->policy == POLICY_ALWAYS) {
			cleanup_buf struct buf fresh =
			    BUF_INIT(r->options->limits.manifest);
			struct buf swap;

			rc = load_manifest(
			    r, tag, &known, &fresh, type, digest, e);
			if (rc < 0)
				return -1;
			if (rc == 0) {
				swap = *b;
				*b = fresh;
				fresh = swap;
				cache_document(r, digest, b);
				remember(r, key, digest, type);
				return 0;
			}
		}
		rc = 1;
	}
	*digest = known;
	snprintf(type, MEDIA_TYPE_MAX, "%s", known_type);
	return rc > 0 ? 0 : rc;
}

static int
registry_manifest(struct source *s, const struct descriptor *want,
    struct buf *b, char type[MEDIA_TYPE_MAX], struct digest *digest,
    struct err *e)
{
	struct registry *r = (struct registry *)s;
	struct descriptor named = {.digest = r->ref.digest};

	if (!want && r->ref.digest.text[0])
		want = &named;
	if (want)
		return manifest_by_digest(r, want, b, type, digest, e);
	return manifest_by_tag(r, b, type, digest, e);
}

/* ---- layers ------------------------------------------------------------- */

static int
from_cache(struct registry *r, const struct descriptor *d, struct fetch *f)
{
	uint64_t size;
	int fd = cache_find(r->cache, &d->digest, &size);

	if (fd < 0)
		return -1;
	if (size != d->size) {
		fd_close(&fd);
		cache_discard(r->cache, &d->digest);
		return -1;
	}
	f->from = FETCH_CACHED;
	blob_arrived(&f->blob, fd, 0, size);
	return 0;
}

static int
registry_fetch(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	struct registry *r = (struct registry *)s;
	char path[DIGEST_TEXT_MAX + 16];
	struct download_from from = {
	    .ask = ask,
	    .with = r,
	    .path = path,
	    .cache = r->cache,
	    .extra = &r->extra,
	};
	int rc;

	do {
		if (from_cache(r, d, f) == 0)
			return 0;
		if (r->options->policy == POLICY_NEVER) {
			err_set(e, EX_NOINPUT, "not in the cache");
			return err_hint(e, "pull it once without --offline");
		}
		rc = cache_begin(r->cache, &d->digest, &f->partial, e);
		if (rc < 0)
			return -1;
	} while (rc > 0);
	f->from = FETCH_LOADED;
	if (f->partial.have > d->size) {
		f->partial.have = 0;
		if (ftruncate(f->partial.fd, 0) < 0)
			return err_errno(e, EX_IOERR, "cache");
	}
	f->resumed = f->partial.have;
	blob_arrived(&f->blob, f->partial.fd, 0, f->partial.have);
	snprintf(path, sizeof(path), "blobs/%s", d->digest.text);
	return download(&from, f, e);
}

static int
registry_keep(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	struct registry *r = (struct registry *)s;

	if (f->from != FETCH_LOADED)
		return 0;
	return cache_commit(r->cache, &d->digest, &f->partial, e);
}

static bool
registry_reject(
    struct source *s, const struct descriptor *d, struct fetch *f, bool wrong)
{
	struct registry *r = (struct registry *)s;

	if (f->blob.fd < 0)
		return false;
	if (f->from == FETCH_CACHED) {
		if (wrong)
			cache_discard(r->cache, &d->digest);
		return wrong && r->options->policy != POLICY_NEVER;
	}
	if (wrong)
		cache_drop(r->cache, &f->partial);
	else
		cache_leave(r->cache, &f->partial);
	return wrong && f->resumed > 0;
}

static void
registry_release(struct source *s)
{
	struct registry *r = (struct registry *)s;

	session_free(r->session);
	session_free(r->mirror);
	free(r);
}

struct source *
registry_new(const struct options *options, struct cache *cache,
    const struct ref *ref, struct err *e)
{
	static const struct source_ops ops = {
	    .manifest = registry_manifest,
	    .fetch = registry_fetch,
	    .keep = registry_keep,
	    .reject = registry_reject,
	    .release = registry_release,
	};
	struct registry *r = calloc(1, sizeof(*r));

	if (r) {
		*r = (struct registry){
		    .source.ops = &ops,
		    .options = options,
		    .cache = cache,
		    .ref = *ref,
		};
		if (!r->ref.host[0])
			ref_on(&r->ref, "docker.io");
		r->session = session_new(options, r->ref.host, r->ref.name);
		if (options->mirror)
			r->mirror = session_new_mirror(
			    options, options->mirror, r->ref.name);
	}
	if (!r || !r->session) {
		free(r);
		err_set(e, EX_OSERR, "out of memory");
		return NULL;
	}
	return &r->source;
}
