/* SPDX-License-Identifier: MIT */
/* tar_write.c - a tree's records to a tar stream */
#include "cmd/vk-exec/tar.h"

#include "common/io.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOCK  512
#define RECORD (20 * BLOCK) /* what tar(1) pads its output to */
/* Attributes of one member. */
#define EXTENDED_MAX ((size_t)512 << 10)

struct tar {
	int fd;
	struct err *e;
	struct buf out;
	struct tree_entry entry; /* waits for its attributes */
	char path[TREE_PATH_MAX + 2], target[TREE_PATH_MAX + 1];
	bool waiting, in_file;
	struct buf extended;
	uint64_t at;      /* of the file's bytes */
	uint64_t written; /* of the archive */
};

static int
emit(struct tar *t, const void *data, size_t len)
{
	if (io_write(t->fd, data, len) < 0)
		return err_errno(t->e, EX_IOERR, "output");
	t->written += len;
	return 0;
}

static int
emit_zeros(struct tar *t, uint64_t len)
{
	static const char zeros[65536];

	while (len > 0) {
		size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		if (emit(t, zeros, part) < 0)
			return -1;
		len -= part;
	}
	return 0;
}

static int
pad(struct tar *t, uint64_t size)
{
	return emit_zeros(t, -size & (BLOCK - 1));
}

/* "LEN key=value\n", where LEN counts itself. */
static void
add_pax(struct tar *t, const char *key, const void *value, size_t len)
{
	size_t rest = 1 + strlen(key) + 1 + len + 1, total = rest + 1;
	char digits[24];

	for (;;) {
		size_t n =
		    (size_t)snprintf(digits, sizeof(digits), "%zu", total);

		if (n + rest == total)
			break;
		total = n + rest;
	}
	buf_printf(&t->extended, "%s %s=", digits, key);
	buf_add(&t->extended, value, len);
	buf_puts(&t->extended, "\n");
}

static void
add_pax_number(struct tar *t, const char *key, uint64_t value)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" PRIu64, value);

	add_pax(t, key, text, (size_t)len);
}

/* Octal into a field with its NUL; what does not fit is in pax anyway. */
static void
put_octal(char *field, size_t size, uint64_t value)
{
	char text[32];

	if (value >> (3 * (size - 1)))
		value = 0;
	snprintf(text, sizeof(text), "%0*" PRIo64, (int)size - 1, value);
	memcpy(field, text, size);
}

static int
emit_header(
    struct tar *t, const struct tree_entry *entry, char type, uint64_t size)
{
	char h[BLOCK] = {0};
	unsigned sum = 0;
	size_t path_len = strlen(entry->path);
	size_t target_len = strlen(entry->target);

	memcpy(h, entry->path, path_len < 100 ? path_len : 100);
	put_octal(h + 100, 8, entry->mode);
	put_octal(h + 108, 8, entry->uid);
	put_octal(h + 116, 8, entry->gid);
	put_octal(h + 124, 12, size);
	put_octal(
	    h + 136, 12, entry->seconds < 0 ? 0 : (uint64_t)entry->seconds);
	memset(h + 148, ' ', 8);
	h[156] = type;
	memcpy(h + 157, entry->target, target_len < 100 ? target_len : 100);
	memcpy(h + 257, "ustar\00000", 8);
	put_octal(h + 329, 8, entry->major);
	put_octal(h + 337, 8, entry->minor);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	put_octal(h + 148, 7, sum);
	return emit(t, h, BLOCK);
}

/* What the plain header cannot hold. */
static void
extend(struct tar *t)
{
	const struct tree_entry *entry = &t->entry;
	char text[48];
	int len;

	if (strlen(entry->path) > 100)
		add_pax(t, "path", entry->path, strlen(entry->path));
	if (strlen(entry->target) > 100)
		add_pax(t, "linkpath", entry->target, strlen(entry->target));
	if (entry->size >> 33)
		add_pax_number(t, "size", entry->size);
	if (entry->uid >> 21)
		add_pax_number(t, "uid", entry->uid);
	if (entry->gid >> 21)
		add_pax_number(t, "gid", entry->gid);
	if (entry->nanoseconds || entry->seconds < 0 ||
	    (uint64_t)entry->seconds >> 33) {
		len = snprintf(text, sizeof(text), "%" PRId64 ".%09u",
		    entry->seconds, entry->nanoseconds);
		add_pax(t, "mtime", text, (size_t)len);
	}
}

static char
type_of(enum tree_kind kind)
{
	static const char types[] = {[TREE_FILE] = '0',
	    [TREE_DIR] = '5',
	    [TREE_SYMLINK] = '2',
	    [TREE_LINK] = '1',
	    [TREE_CHAR] = '3',
	    [TREE_BLOCK] = '4',
	    [TREE_FIFO] = '6'};

	return types[kind];
}

/* Writes the header that waited, now that its attributes are known. */
static int
start_member(struct tar *t)
{
	struct tree_entry extended = {.mode = 0644, .target = ""};

	if (!t->waiting)
		return 0;
	t->waiting = false;
	extend(t);
	if (t->extended.failed)
		return err_set(
		    t->e, EX_DATAERR, "%s: attributes too long", t->path);
	if (t->extended.len > 0) {
		extended.path = "pax";
		if (emit_header(t, &extended, 'x', t->extended.len) < 0 ||
		    emit(t, t->extended.data, t->extended.len) < 0 ||
		    pad(t, t->extended.len) < 0)
			return -1;
	}
	t->in_file = t->entry.kind == TREE_FILE;
	t->at = 0;
	return emit_header(t, &t->entry, type_of(t->entry.kind),
	    t->in_file ? t->entry.size : 0);
}

/* A file that turned out shorter is filled up to the size that was told. */
static int
end_member(struct tar *t)
{
	if (start_member(t) < 0)
		return -1;
	if (!t->in_file)
		return 0;
	t->in_file = false;
	return emit_zeros(t, t->entry.size - t->at) < 0 ||
		       pad(t, t->entry.size) < 0
		   ? -1
		   : 0;
}

static int
take_entry(struct tar *t, const struct tree_entry *entry)
{
	if (end_member(t) < 0)
		return -1;
	t->entry = *entry;
	snprintf(t->path, sizeof(t->path), "%s%s",
	    *entry->path ? entry->path : ".",
	    entry->kind == TREE_DIR ? "/" : "");
	snprintf(t->target, sizeof(t->target), "%s", entry->target);
	t->entry.path = t->path;
	t->entry.target = t->target;
	buf_drop(&t->extended, t->extended.len);
	t->extended.failed = false;
	t->waiting = true;
	return 0;
}

static int
take_data(struct tar *t, const struct tree_record *r)
{
	if (start_member(t) < 0)
		return -1;
	if (!t->in_file || r->offset < t->at || r->len > t->entry.size ||
	    r->offset > t->entry.size - r->len)
		return err_set(
		    t->e, EX_PROTOCOL, "the copy's stream is malformed");
	if (emit_zeros(t, r->offset - t->at) < 0 ||
	    emit(t, r->data, r->len) < 0)
		return -1;
	t->at = r->offset + r->len;
	return 0;
}

static int
take_xattr(struct tar *t, const struct tree_record *r)
{
	char key[300];

	if (!t->waiting)
		return 0;
	snprintf(key, sizeof(key), "SCHILY.xattr.%s", r->name);
	add_pax(t, key, r->data, r->len);
	return 0;
}

static int
take(struct tar *t, const struct tree_record *r)
{
	switch (r->type) {
	case TREE_ENTRY:
		return take_entry(t, &r->entry);
	case TREE_XATTR:
		return take_xattr(t, r);
	case TREE_DATA:
		return take_data(t, r);
	default:
		return end_member(t);
	}
}

int
tar_write(int fd, struct tree_reader *reader, struct err *e)
{
	struct tar t = {.fd = fd, .e = e, .extended = BUF_INIT(EXTENDED_MAX)};
	struct tree_record record;
	int got = 0, status = 0;

	while (status == 0 && (got = tree_next(reader, &record, e)) > 0)
		status = take(&t, &record);
	if (status == 0 && got == 0)
		status = end_member(&t);
	if (status == 0 && got == 0)
		status = emit_zeros(&t, (uint64_t)2 * BLOCK);
	if (status == 0 && got == 0)
		status = emit_zeros(&t, (RECORD - t.written % RECORD) % RECORD);
	buf_release(&t.extended);
	return status < 0 || got < 0 ? -1 : 0;
}
