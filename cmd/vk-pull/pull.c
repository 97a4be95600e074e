/* SPDX-License-Identifier: MIT */
/* pull.c - from a source to a verified image */
#include "cmd/vk-pull/pull.h"

#include "cmd/vk-pull/emit.h"
#include "cmd/vk-pull/progress.h"
#include "common/scope.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- manifests ---------------------------------------------------------- */

/* From what the reference names down to the image for our platform. */
int
image_resolve(
    struct image *m, struct source *s, const struct options *o, struct err *e)
{
	cleanup_buf struct buf inner = BUF_INIT(o->limits.manifest);
	struct descriptor want;
	struct buf *b = &m->manifest;

	*m = (struct image){.totals.limits = &o->limits};
	buf_init(&m->manifest, o->limits.manifest);
	buf_init(&m->config, o->limits.manifest);
	if (s->ops->image)
		return s->ops->image(
		    s, &m->image, &m->manifest, &m->config, &m->digest, e);
	for (int depth = 0; depth < PULL_NESTING_MAX; depth++) {
		char type[MEDIA_TYPE_MAX];
		struct digest digest;

		buf_drop(b, b->len);
		if (s->ops->manifest(
			s, depth > 0 ? &want : NULL, b, type, &digest, e) < 0)
			return -1;
		if (depth == 0)
			m->digest = digest;
		if (o->action == ACTION_DIGEST)
			return 0;
		if (manifest_parse(&m->image, b->data ? b->data : "", b->len,
			type, &o->platform, &o->limits, e) < 0)
			return -1;
		if (m->image.kind == MANIFEST_IMAGE)
			return 0;
		want = m->image.chosen;
		m->chosen = true;
		b = &inner;
	}
	return err_set(
	    e, EX_DATAERR, "index inside of index, %d times", PULL_NESTING_MAX);
}

/* ---- configuration ------------------------------------------------------ */

struct slurp {
	struct buf *into;
	struct blob *blob;
};

/* Reads a small blob whole. */
static int
read_blob(struct blob *b, struct buf *into, struct err *e)
{
	char *room = buf_reserve(into, b->size);
	uint64_t at = 0;
	ssize_t n;

	if (!room)
		return err_set(e, EX_OSERR, "out of memory");
	while ((n = blob_read(b, at, room + at, b->size - at, e)) > 0)
		at += (uint64_t)n;
	if (n < 0)
		return -1;
	into->len = b->size;
	into->data[into->len] = '\0';
	return 0;
}

/* Returns 1 if another try may help, 0, -1 with err. */
static int
try_config(struct image *m, struct source *s, struct err *e)
{
	const struct descriptor *d = &m->image.config;
	struct fetch f = {.partial.fd = -1};
	bool wrong = false;
	int rc;

	blob_init(&f.blob, d->size);
	buf_drop(&m->config, m->config.len);
	rc = s->ops->fetch(s, d, &f, e);
	if (rc == 0)
		rc = read_blob(&f.blob, &m->config, e);
	if (rc == 0 && !digest_of_is(m->config.data ? m->config.data : "",
			   m->config.len, &d->digest)) {
		wrong = true;
		rc = err_set(e, EX_DATAERR, "digest is wrong");
	}
	if (rc == 0)
		rc = source_keep(s, d, &f, e);
	else
		rc = source_reject(s, d, &f, wrong) ? 1 : -1;
	blob_release(&f.blob);
	return rc;
}

int
image_configure(
    struct image *m, struct source *s, const struct options *o, struct err *e)
{
	if (!s->ops->image) {
		int rc = try_config(m, s, e);

		if (rc > 0)
			rc = try_config(m, s, e);
		if (rc != 0)
			return err_prefix(e, "configuration %.19s",
			    m->image.config.digest.text);
	}
	if (config_check(m->config.data ? m->config.data : "", m->config.len,
		m->image.layer_count, &o->limits, NULL, e) < 0)
		return -1;
	/* What is only looked at may be for anything. */
	if (m->chosen || o->action != ACTION_TAR)
		return 0;
	return config_is_for(
	    &o->platform, m->config.data, m->config.len, &o->limits, e);
}

/* ---- layers ------------------------------------------------------------- */

/* Threads that take the next layer until there is none or one failed. */
struct crew {
	struct image *image;
	struct source *source;
	pthread_mutex_t lock;
	size_t next;
	bool failed;
	struct err *e; /* of the first that failed */
};

static void *
run_worker(void *into)
{
	struct crew *c = into;
	struct image *m = c->image;

	for (;;) {
		struct err e = ERR_INIT;
		size_t i;

		pthread_mutex_lock(&c->lock);
		i = c->failed ? SIZE_MAX : c->next++;
		pthread_mutex_unlock(&c->lock);
		if (i >= m->image.layer_count)
			return NULL;
		if (layer_load(&m->layers[i], c->source, &e) == 0)
			continue;
		pthread_mutex_lock(&c->lock);
		if (!c->failed)
			*c->e = e;
		c->failed = true;
		pthread_mutex_unlock(&c->lock);
	}
}

static int
load_all(
    struct image *m, struct source *s, const struct options *o, struct err *e)
{
	struct crew c = {.image = m, .source = s, .e = e};
	pthread_t *threads = calloc(o->jobs, sizeof(*threads));
	unsigned started = 0;
	struct progress progress;

	if (!threads)
		return err_set(e, EX_OSERR, "out of memory");
	pthread_mutex_init(&c.lock, NULL);
	progress_load(&progress, m->layers, m->image.layer_count, o->quiet);
	while (started + 1 < o->jobs && started + 1 < m->image.layer_count &&
	       pthread_create(&threads[started], NULL, run_worker, &c) == 0)
		started++;
	run_worker(&c);
	while (started > 0)
		pthread_join(threads[--started], NULL);
	progress_stop(&progress);
	free(threads);
	return c.failed ? -1 : 0;
}

int
image_load(
    struct image *m, struct source *s, const struct options *o, struct err *e)
{
	size_t count = m->image.layer_count;

	m->layers = calloc(count + 1, sizeof(*m->layers));
	m->merge = merge_new(o->limits.entries, o->limits.name);
	if (!m->layers || !m->merge)
		return err_set(e, EX_OSERR, "out of memory");
	for (size_t i = 0; i < count; i++) {
		m->layers[i].descriptor = m->image.layers[i];
		m->layers[i].totals = &m->totals;
		m->layers[i].fetch.blob.fd = -1;
	}
	if (load_all(m, s, o, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (merge_add(m->merge, &m->layers[i].index, e) < 0)
			return err_prefix(e, "layer %.19s",
			    m->layers[i].descriptor.digest.text);
		index_release(&m->layers[i].index);
	}
	/* Ours comes in its place. */
	merge_remove_file(m->merge, EMIT_FOLDER);
	merge_remove(m->merge, EMIT_CONFIG);
	return merge_finish(m->merge, e);
}

void
image_release(struct image *m)
{
	for (size_t i = 0; m->layers && i < m->image.layer_count; i++)
		layer_release(&m->layers[i]);
	free(m->layers);
	m->layers = NULL;
	manifest_release(&m->image);
	buf_release(&m->manifest);
	buf_release(&m->config);
	merge_free(m->merge);
	m->merge = NULL;
}
