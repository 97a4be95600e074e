/* SPDX-License-Identifier: MIT */
/* tar_write.c - a tree's records to a tar stream */
#include "cmd/vk-exec/tar.h"

#include "common/pax.h"
#include "common/tarout.h"

#include <stdio.h>
#include <string.h>

/* Attributes of one member: as much as a reader takes. */
#define ATTRS_MAX ((size_t)TARIN_PAX_MAX / 2)

struct writing {
	struct tarout out;
	struct tar_entry entry; /* waits for its attributes */
	char path[TREE_PATH_MAX + 2], target[TREE_PATH_MAX + 1];
	struct buf attrs;
	bool waiting;
};

/* Writes the header that waited, now that its attributes are known. */
static int
start_member(struct writing *w, struct err *e)
{
	struct tar_entry *n = &w->entry;

	if (!w->waiting)
		return 0;
	w->waiting = false;
	if (w->attrs.failed)
		return err_set(
		    e, EX_DATAERR, "%s: attributes too long", w->path);
	n->attrs = (const uint8_t *)w->attrs.data;
	n->attrs_len = w->attrs.len;
	return tarout_entry(&w->out, n, e);
}

/* As a tar has it, a hole is zeros. */
static int
put_zeros(struct writing *w, uint64_t len, struct err *e)
{
	static const char zeros[65536];

	while (len > 0) {
		size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (tarout_data(&w->out, zeros, part, e) < 0)
			return -1;
		len -= part;
	}
	return 0;
}

/* A file that turned out shorter is filled up to the size that was told. */
static int
end_member(struct writing *w, struct err *e)
{
	if (start_member(w, e) < 0)
		return -1;
	return put_zeros(w, w->out.left, e);
}

static int
take_entry(struct writing *w, const struct tree_entry *from, struct err *e)
{
	static const enum tar_type types[] = {
	    [TREE_FILE] = TAR_FILE,
	    [TREE_LINK] = TAR_LINK,
	    [TREE_SYMLINK] = TAR_SYMLINK,
	    [TREE_CHAR] = TAR_CHAR,
	    [TREE_BLOCK] = TAR_BLOCK,
	    [TREE_DIR] = TAR_DIR,
	    [TREE_FIFO] = TAR_FIFO,
	};
	uint64_t size = from->kind == TREE_FILE ? from->size : 0;

	if (end_member(w, e) < 0)
		return -1;
	snprintf(w->path, sizeof(w->path), "%s%s",
	    *from->path ? from->path : ".", from->kind == TREE_DIR ? "/" : "");
	snprintf(w->target, sizeof(w->target), "%s", from->target);
	w->entry = (struct tar_entry){.type = types[from->kind],
	    .path = w->path,
	    .link = w->target,
	    .mode = from->mode,
	    .uid = from->uid,
	    .gid = from->gid,
	    .mtime = from->seconds,
	    .mtime_ns = from->nanoseconds,
	    .major = from->major,
	    .minor = from->minor,
	    .size = size,
	    .stored = size};
	buf_drop(&w->attrs, w->attrs.len);
	w->attrs.failed = false;
	w->waiting = true;
	return 0;
}

static int
take_data(struct writing *w, const struct tree_record *r, struct err *e)
{
	uint64_t at;

	if (start_member(w, e) < 0)
		return -1;
	at = w->entry.stored - w->out.left;
	if (r->offset < at || r->len > w->entry.stored ||
	    r->offset > w->entry.stored - r->len)
		return err_set(
		    e, EX_PROTOCOL, "the copy's stream is malformed");
	if (put_zeros(w, r->offset - at, e) < 0)
		return -1;
	return tarout_data(&w->out, r->data, r->len, e);
}

static void
take_xattr(struct writing *w, const struct tree_record *r)
{
	struct buf key cleanup_buf = BUF_INIT(1024);

	if (!w->waiting)
		return;
	buf_puts(&key, "SCHILY.xattr.");
	pax_encode_name(&key, r->name);
	pax_add_attr(&w->attrs, key.data, key.len, r->data, r->len);
}

static int
take(struct writing *w, const struct tree_record *r, struct err *e)
{
	switch (r->type) {
	case TREE_ENTRY:
		return take_entry(w, &r->entry, e);
	case TREE_XATTR:
		take_xattr(w, r);
		return 0;
	case TREE_DATA:
		return take_data(w, r, e);
	default:
		return end_member(w, e);
	}
}

int
tar_write(int fd, struct tree_reader *reader, struct err *e)
{
	struct writing w = {.attrs = BUF_INIT(ATTRS_MAX)};
	struct tree_record record;
	int got = -1, status;

	status = tarout_init(&w.out, fd, "stdout", e);
	while (status == 0 && (got = tree_next(reader, &record, e)) > 0)
		status = take(&w, &record, e);
	if (status == 0 && got == 0)
		status = end_member(&w, e);
	if (status == 0 && got == 0)
		status = tarout_end(&w.out, e);
	tarout_release(&w.out);
	buf_release(&w.attrs);
	return status < 0 || got < 0 ? -1 : 0;
}
