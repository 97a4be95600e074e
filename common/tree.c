/* SPDX-License-Identifier: MIT */
/* tree.c - files and directories as a stream of records */
#include "common/tree.h"

#include "common/cursor.h"
#include "common/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD 5
/* Written in pieces of this size, or when somebody waits for it. */
#define WRITE_AT ((size_t)TREE_DATA_MAX)

bool
tree_path_valid(const char *path)
{
	size_t len;

	if (*path == '\0')
		return true;
	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (len == 0 || len > 255 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
	}
}

void
tree_name(const char *path, char *into, size_t size)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	snprintf(into, size, "%.*s", (int)(end - start), path + start);
	if (strcmp(into, ".") == 0 || strcmp(into, "..") == 0)
		into[0] = '\0';
}

bool
tree_xattr_harmless(const char *name)
{
	return strncmp(name, "user.", 5) == 0;
}

/* ---- writing --------------------------------------------------------------
 */

void
tree_writer_init(struct tree_writer *w, int fd)
{
	*w = (struct tree_writer){.fd = fd};
	buf_init(&w->out, WRITE_AT + 2 * TREE_RECORD_MAX);
}

void
tree_writer_release(struct tree_writer *w)
{
	buf_release(&w->out);
}

static int
flush(struct tree_writer *w, struct err *e)
{
	if (w->out.failed)
		return err_set(e, EX_OSERR, "out of memory");
	if (io_write(w->fd, w->out.data, w->out.len) < 0)
		return err_errno(e, EX_IOERR, "the copy's stream");
	buf_drop(&w->out, w->out.len);
	return 0;
}

/* A record of two parts. */
static int
put(struct tree_writer *w, enum tree_type type, const struct writer *head,
    const void *data, size_t len, struct err *e)
{
	uint8_t first[HEAD];
	struct writer f = writer_of(first, sizeof(first));
	size_t head_len = head ? writer_len(head) : 0;

	if (head && head->bad)
		return err_set(e, EX_DATAERR, "a record is too long");
	put_le(&f, head_len + len, 4);
	put_le(&f, type, 1);
	buf_add(&w->out, first, sizeof(first));
	if (head)
		buf_add(&w->out, head->start, head_len);
	if (len)
		buf_add(&w->out, data, len);
	return w->out.len >= WRITE_AT || w->out.failed ? flush(w, e) : 0;
}

static void
put_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	put_le(w, len, 2);
	put_bytes(w, text, len);
}

int
tree_put_entry(
    struct tree_writer *w, const struct tree_entry *entry, struct err *e)
{
	uint8_t bytes[2 * TREE_PATH_MAX + 64];
	struct writer p = writer_of(bytes, sizeof(bytes));

	if (strlen(entry->path) > TREE_PATH_MAX ||
	    strlen(entry->target) > TREE_PATH_MAX)
		return err_set(
		    e, EX_DATAERR, "%.80s...: path too long", entry->path);
	put_le(&p, entry->kind, 1);
	put_le(&p, entry->mode, 4);
	put_le(&p, entry->uid, 4);
	put_le(&p, entry->gid, 4);
	put_le(&p, (uint64_t)entry->seconds, 8);
	put_le(&p, entry->nanoseconds, 4);
	put_le(&p, entry->size, 8);
	put_le(&p, entry->major, 4);
	put_le(&p, entry->minor, 4);
	put_text(&p, entry->path);
	put_text(&p, entry->target);
	return put(w, TREE_ENTRY, &p, NULL, 0, e);
}

int
tree_put_xattr(struct tree_writer *w, const char *name, const void *value,
    size_t len, struct err *e)
{
	uint8_t bytes[300];
	struct writer p = writer_of(bytes, sizeof(bytes));

	if (len > TREE_XATTR_MAX)
		return err_set(e, EX_DATAERR, "%s: too long", name);
	put_text(&p, name);
	return put(w, TREE_XATTR, &p, value, len, e);
}

int
tree_put_data(struct tree_writer *w, uint64_t offset, const void *data,
    size_t len, struct err *e)
{
	const char *at = data;

	while (len > 0) {
		uint8_t bytes[8];
		struct writer p = writer_of(bytes, sizeof(bytes));
		size_t part = len < TREE_DATA_MAX ? len : TREE_DATA_MAX;

		put_le(&p, offset, 8);
		if (put(w, TREE_DATA, &p, at, part, e) < 0)
			return -1;
		at += part;
		offset += part;
		len -= part;
	}
	return 0;
}

int
tree_put_close(struct tree_writer *w, struct err *e)
{
	return put(w, TREE_CLOSE, NULL, NULL, 0, e);
}

int
tree_put_end(struct tree_writer *w, struct err *e)
{
	return put(w, TREE_END, NULL, NULL, 0, e) < 0 ? -1 : flush(w, e);
}

/* ---- reading --------------------------------------------------------------
 */

int
tree_reader_init(struct tree_reader *r, int fd)
{
	*r =
	    (struct tree_reader){.fd = fd, .size = 2 * (size_t)TREE_RECORD_MAX};
	r->data = malloc(r->size);
	return r->data ? 0 : -1;
}

void
tree_reader_release(struct tree_reader *r)
{
	free(r->data);
	r->data = NULL;
}

/* Has at least want bytes from used on. 0, -1 with err. */
static int
fill(struct tree_reader *r, size_t want, struct err *e)
{
	ssize_t n;

	if (r->size - r->used < want) {
		memmove(r->data, r->data + r->used, r->have - r->used);
		r->have -= r->used;
		r->used = 0;
	}
	while (r->have - r->used < want) {
		n = read(r->fd, r->data + r->have, r->size - r->have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, EX_IOERR, "the copy's stream");
		if (n == 0)
			return err_set(e, EX_IOERR, "the copy was cut off");
		r->have += (size_t)n;
	}
	return 0;
}

/* A text of at most max bytes into the reader's own array. */
static int
get_text(struct cursor *c, char *into, size_t max)
{
	size_t len = (size_t)get_le(c, 2);
	const uint8_t *bytes = get_bytes(c, len);

	if (!bytes || len > max || memchr(bytes, 0, len))
		return -1;
	memcpy(into, bytes, len);
	into[len] = '\0';
	return 0;
}

static int
parse_entry(struct tree_reader *r, struct cursor *c, struct tree_entry *entry)
{
	entry->kind = (enum tree_kind)get_u8(c);
	entry->mode = get_le32(c);
	entry->uid = get_le32(c);
	entry->gid = get_le32(c);
	entry->seconds = (int64_t)get_le64(c);
	entry->nanoseconds = get_le32(c);
	entry->size = get_le64(c);
	entry->major = get_le32(c);
	entry->minor = get_le32(c);
	entry->path = r->path;
	entry->target = r->target;
	if (get_text(c, r->path, TREE_PATH_MAX) < 0 ||
	    get_text(c, r->target, TREE_PATH_MAX) < 0 || c->bad || c->left)
		return -1;
	if (entry->kind < TREE_FILE || entry->kind > TREE_FIFO ||
	    entry->mode > 07777 || entry->nanoseconds > 999999999 ||
	    entry->size > INT64_MAX || !tree_path_valid(r->path))
		return -1;
	if (entry->kind == TREE_LINK &&
	    (!*r->target || !tree_path_valid(r->target)))
		return -1;
	return entry->kind == TREE_SYMLINK && !*r->target ? -1 : 0;
}

/* Whether it is one of the paths, or below one. */
static bool
is_asked_for(const struct tree_wanted *w, const char *path)
{
	char name[TREE_PATH_MAX + 1];

	for (char *const *at = w->paths; *at; at++) {
		size_t len;

		tree_name(*at, name, sizeof(name));
		len = strlen(name);
		if (len == 0 && w->recursive)
			return true;
		if (len > 0 && strncmp(path, name, len) == 0 &&
		    (path[len] == '\0' || (w->recursive && path[len] == '/')))
			return true;
	}
	return false;
}

static int
check_wanted(
    const struct tree_wanted *w, const struct tree_entry *entry, struct err *e)
{
	if (is_asked_for(w, entry->path) &&
	    (entry->kind != TREE_LINK || is_asked_for(w, entry->target)) &&
	    (w->recursive ||
		(entry->kind != TREE_DIR && entry->kind != TREE_SYMLINK)))
		return 0;
	return err_set(
	    e, EX_PROTOCOL, "%s: was not asked for, but sent", entry->path);
}

static int
parse(struct tree_reader *r, struct cursor *c, struct tree_record *record)
{
	switch (record->type) {
	case TREE_ENTRY:
		return parse_entry(r, c, &record->entry);
	case TREE_XATTR:
		record->name = r->name;
		if (get_text(c, r->name, sizeof(r->name) - 1) < 0)
			return -1;
		record->data = c->at;
		record->len = c->left;
		return c->left > TREE_XATTR_MAX ? -1 : 0;
	case TREE_DATA:
		record->offset = get_le64(c);
		record->data = c->at;
		record->len = c->left;
		return c->bad || c->left == 0 || c->left > TREE_DATA_MAX ||
			       record->offset > INT64_MAX - TREE_DATA_MAX
			   ? -1
			   : 0;
	case TREE_CLOSE:
	case TREE_END:
		return c->left ? -1 : 0;
	default:
		return -1;
	}
}

int
tree_next(struct tree_reader *r, struct tree_record *record, struct err *e)
{
	struct cursor c;
	uint32_t len;

	if (r->ended)
		return 0;
	if (fill(r, HEAD, e) < 0)
		return -1;
	c = cursor_of(r->data + r->used, HEAD);
	len = get_le32(&c);
	record->type = (enum tree_type)get_u8(&c);
	if (len > TREE_RECORD_MAX)
		return err_set(
		    e, EX_PROTOCOL, "the copy's stream is malformed");
	r->used += HEAD;
	if (fill(r, len, e) < 0)
		return -1;
	c = cursor_of(r->data + r->used, len);
	r->used += len;
	if (parse(r, &c, record) < 0)
		return err_set(
		    e, EX_PROTOCOL, "the copy's stream is malformed");
	if (r->wanted && record->type == TREE_ENTRY &&
	    check_wanted(r->wanted, &record->entry, e) < 0)
		return -1;
	r->ended = record->type == TREE_END;
	return r->ended ? 0 : 1;
}
