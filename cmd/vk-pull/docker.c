/* SPDX-License-Identifier: MIT */
/* docker.c - images as "docker save" writes them, from a file or an engine */
#include "cmd/vk-pull/docker.h"

#include "cmd/vk-pull/archive.h"
#include "common/io.h"
#include "common/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE_SOCKET "/run/docker.sock"

struct docker {
	struct source source;
	const struct options *options;
	const struct ref *ref;
	struct archive archive;
	/* of the image that was asked for */
	struct digest *diff_ids;
	uint64_t *offsets;
	size_t layer_count;
};

static int
read_member(struct docker *d, const char *name, struct buf *b, struct err *e)
{
	uint64_t offset, size;
	char *room;

	if (archive_find(&d->archive, name, &offset, &size, e) < 0)
		return -1;
	room = size <= b->max ? buf_reserve(b, size) : NULL;
	if (!room)
		return err_set(e, EX_DATAERR,
		    "%s: larger than the limit of %zu bytes (manifest)", name,
		    b->max);
	if (io_pread(d->archive.fd, room, size, offset) != (ssize_t)size)
		return err_set(e, EX_IOERR, "%s: cannot be read whole", name);
	b->len = size;
	b->data[size] = '\0';
	return 0;
}

static int
find_layers(struct docker *d, const struct archive_manifest *a,
    struct manifest *m, struct err *e)
{
	m->layers = calloc(a->layer_count + 1, sizeof(*m->layers));
	d->offsets = calloc(a->layer_count + 1, sizeof(*d->offsets));
	if (!m->layers || !d->offsets)
		return err_set(e, EX_OSERR, "out of memory");
	m->layer_count = d->layer_count = a->layer_count;
	for (size_t i = 0; i < a->layer_count; i++) {
		m->layers[i].digest = d->diff_ids[i];
		if (archive_find(&d->archive, a->layers[i], &d->offsets[i],
			&m->layers[i].size, e) < 0)
			return -1;
	}
	return 0;
}

static int
read_image(struct docker *d, const struct archive_manifest *a,
    struct manifest *m, struct buf *config, struct err *e)
{
	if (read_member(d, a->config, config, e) < 0)
		return -1;
	d->diff_ids = calloc(a->layer_count + 1, sizeof(*d->diff_ids));
	if (!d->diff_ids)
		return err_set(e, EX_OSERR, "out of memory");
	if (config_check(config->data ? config->data : "", config->len,
		a->layer_count, &d->options->limits, d->diff_ids, e) < 0)
		return -1;
	return find_layers(d, a, m, e);
}

static int
docker_image(struct source *s, struct manifest *m, struct buf *document,
    struct buf *config, struct digest *digest, struct err *e)
{
	struct docker *d = (struct docker *)s;
	struct archive_manifest a = {0};
	int rc;

	*m = (struct manifest){.kind = MANIFEST_IMAGE};
	if (read_member(d, "manifest.json", document, e) < 0)
		return -1;
	rc = archive_manifest_parse(&a, document->data ? document->data : "",
	    document->len, d->ref->tag, &d->options->limits, e);
	if (rc == 0)
		rc = read_image(d, &a, m, config, e);
	archive_manifest_release(&a);
	/* The engine's name for an image: its configuration's digest. */
	if (rc == 0)
		digest_of(
		    config->data ? config->data : "", config->len, digest);
	return rc;
}

static int
docker_fetch(struct source *s, const struct descriptor *want, struct fetch *f,
    struct err *e)
{
	struct docker *d = (struct docker *)s;

	for (size_t i = 0; i < d->layer_count; i++) {
		if (!digest_same(&d->diff_ids[i], &want->digest))
			continue;
		f->from = FETCH_LOCAL;
		f->blob.borrowed = true;
		blob_arrived(
		    &f->blob, d->archive.fd, d->offsets[i], want->size);
		return 0;
	}
	return err_set(e, EX_DATAERR, "not in the archive");
}

static void
docker_release(struct source *s)
{
	struct docker *d = (struct docker *)s;

	archive_close(&d->archive);
	free(d->diff_ids);
	free(d->offsets);
	free(d);
}

/* ---- the engine --------------------------------------------------------- */

struct saving {
	int fd;
	uint64_t size;
};

static int
save_sink(void *into, const void *data, size_t len, struct err *e)
{
	struct saving *s = into;

	if (io_pwrite(s->fd, data, len, s->size) < 0)
		return err_errno(e, EX_IOERR, "cache");
	s->size += len;
	return 0;
}

static const char *
engine_socket(struct err *e)
{
	const char *host = getenv("DOCKER_HOST");

	if (!host || !host[0])
		return ENGINE_SOCKET;
	if (strncmp(host, "unix://", 7) == 0)
		return host + 7;
	err_set(e, EX_CONFIG, "DOCKER_HOST=%s: only unix:// is spoken", host);
	return NULL;
}

static int
save(struct docker *d, struct http *h, const char *path, struct saving *s,
    struct err *e)
{
	struct http_response r = {0};
	struct http_request q = {.plain = true,
	    .length_max = d->options->limits.size,
	    .sink = save_sink,
	    .into = s};
	char url[1024];
	int rc;

	snprintf(url, sizeof(url), "http://engine/images/%s/get", d->ref->name);
	q.url = url;
	rc = http_do(h, &q, &r, e);
	if (rc < 0 && r.status == 0)
		err_set(e, EX_UNAVAILABLE, "%s: no engine answers", path);
	else if (rc < 0)
		err_prefix(e, "%s", path);
	else if (r.status == 404)
		rc = err_set(e, EX_NOINPUT, "the engine has no such image");
	else if (r.status != 200)
		rc = err_set(
		    e, EX_UNAVAILABLE, "the engine answers %d", r.status);
	http_response_release(&r);
	return rc;
}

/* The engine sends archives that are read more than once: kept in a file. */
static int
load_from_engine(struct docker *d, struct cache *cache, struct err *e)
{
	struct http_options options = d->options->http;
	struct saving s = {.fd = -1};
	struct http *h;
	int rc;

	options.socket = engine_socket(e);
	if (!options.socket)
		return -1;
	s.fd = cache_scratch(cache, e);
	if (s.fd < 0)
		return -1;
	h = http_new(&options);
	rc = h ? save(d, h, options.socket, &s, e)
	       : err_set(e, EX_OSERR, "out of memory");
	http_free(h);
	if (rc < 0) {
		fd_close(&s.fd);
		return -1;
	}
	return archive_open_fd(&d->archive, s.fd, &d->options->limits, e);
}

struct source *
docker_new(const struct options *o, struct cache *cache, const struct ref *ref,
    struct err *e)
{
	static const struct source_ops ops = {
	    .image = docker_image,
	    .fetch = docker_fetch,
	    .release = docker_release,
	};
	struct docker *d = calloc(1, sizeof(*d));
	int rc;

	if (!d) {
		err_set(e, EX_OSERR, "out of memory");
		return NULL;
	}
	*d = (struct docker){
	    .source.ops = &ops, .options = o, .ref = ref, .archive.fd = -1};
	if (ref->kind == REF_DOCKER_DAEMON)
		rc = load_from_engine(d, cache, e);
	else
		rc = archive_open(&d->archive, ref->path, cache, &o->limits, e);
	if (rc < 0) {
		docker_release(&d->source);
		return NULL;
	}
	return &d->source;
}
