/* SPDX-License-Identifier: MIT */
/* layout.c - images in OCI layouts: a folder, or a tar of one */
#include "cmd/vk-pull/layout.h"

#include "cmd/vk-pull/archive.h"
#include "common/io.h"
#include "common/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct layout {
	struct source source;
	const struct options *options;
	const struct ref *ref;
	int folder; /* -1: it is an archive */
	struct archive archive;
};

/* A file of the layout: descriptor (the caller's to close unless it is the
 * archive's), offset and size. */
struct place {
	int fd;
	bool borrowed;
	uint64_t offset, size;
};

static int
find(struct layout *l, const char *name, struct place *p, struct err *e)
{
	struct stat st;

	*p = (struct place){.fd = -1};
	if (l->folder < 0) {
		p->fd = l->archive.fd;
		p->borrowed = true;
		return archive_find(&l->archive, name, &p->offset, &p->size, e);
	}
	p->fd = openat(l->folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		return err_errno(e, 0, "%s", name);
	if (fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		fd_close(&p->fd);
		return err_set(e, EX_DATAERR, "%s: not a file", name);
	}
	p->size = (uint64_t)st.st_size;
	return 0;
}

static int
read_document(struct layout *l, const char *name, struct buf *b, struct err *e)
{
	struct place p;
	char *room;
	int rc = 0;

	if (find(l, name, &p, e) < 0)
		return -1;
	room = p.size <= b->max ? buf_reserve(b, p.size) : NULL;
	if (!room)
		rc = err_set(e, EX_DATAERR,
		    "%s: larger than the limit of %zu bytes (manifest)", name,
		    b->max);
	else if (io_pread(p.fd, room, p.size, p.offset) != (ssize_t)p.size)
		rc = err_set(e, EX_IOERR, "%s: cannot be read whole", name);
	else
		b->len = p.size;
	if (!p.borrowed)
		fd_close(&p.fd);
	return rc;
}

static void
blob_name(const struct digest *d, char *into, size_t size)
{
	snprintf(into, size, "blobs/%.6s/%s", d->text, digest_hex(d));
}

static int
layout_manifest(struct source *s, const struct descriptor *want, struct buf *b,
    char type[MEDIA_TYPE_MAX], struct digest *digest, struct err *e)
{
	struct layout *l = (struct layout *)s;
	cleanup_buf struct buf index = BUF_INIT(l->options->limits.manifest);
	char name[DIGEST_TEXT_MAX + 16];
	struct descriptor d;

	if (!want) {
		if (read_document(l, "index.json", &index, e) < 0 ||
		    manifest_of_layout(index.data ? index.data : "", index.len,
			l->ref->tag, &l->options->limits, &d, e) < 0)
			return -1;
		want = &d;
	}
	blob_name(&want->digest, name, sizeof(name));
	if (read_document(l, name, b, e) < 0)
		return -1;
	if (!digest_of_is(b->data ? b->data : "", b->len, &want->digest))
		return err_set(e, EX_DATAERR, "manifest %.19s: digest is wrong",
		    want->digest.text);
	snprintf(type, MEDIA_TYPE_MAX, "%s", want->type);
	*digest = want->digest;
	return 0;
}

static int
layout_fetch(struct source *s, const struct descriptor *d, struct fetch *f,
    struct err *e)
{
	struct layout *l = (struct layout *)s;
	char name[DIGEST_TEXT_MAX + 16];
	struct place p;

	blob_name(&d->digest, name, sizeof(name));
	if (find(l, name, &p, e) < 0)
		return -1;
	f->from = FETCH_LOCAL;
	f->blob.borrowed = p.borrowed;
	blob_arrived(&f->blob, p.fd, p.offset, p.size);
	if (p.size != d->size)
		return err_set(e, EX_DATAERR,
		    "%llu bytes, and not %llu as the manifest says",
		    (unsigned long long)p.size, (unsigned long long)d->size);
	return 0;
}

static void
layout_release(struct source *s)
{
	struct layout *l = (struct layout *)s;

	fd_close(&l->folder);
	archive_close(&l->archive);
	free(l);
}

struct source *
layout_new(const struct options *o, struct cache *cache, const struct ref *ref,
    struct err *e)
{
	static const struct source_ops ops = {
	    .manifest = layout_manifest,
	    .fetch = layout_fetch,
	    .release = layout_release,
	};
	struct layout *l = calloc(1, sizeof(*l));
	int rc = 0;

	if (!l) {
		err_set(e, EX_OSERR, "out of memory");
		return NULL;
	}
	*l = (struct layout){.source.ops = &ops,
	    .options = o,
	    .ref = ref,
	    .folder = -1,
	    .archive.fd = -1};
	if (ref->kind == REF_OCI) {
		l->folder = open(ref->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (l->folder < 0)
			rc = err_errno(e, 0, "%s", ref->path);
	} else {
		rc = archive_open(&l->archive, ref->path, cache, &o->limits, e);
	}
	if (rc < 0) {
		layout_release(&l->source);
		return NULL;
	}
	return &l->source;
}
