/* SPDX-License-Identifier: MIT */
/* tar_read.c - a tar stream to a tree's records */
#include "cmd/vk-exec/tar.h"

#include "common/pax.h"
#include "common/scope.h"
#include "common/tarin.h"
#include "common/tarsparse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XATTR_PREFIX "SCHILY.xattr."
/* Where the last of its data may begin, for who reads the records. */
#define SIZE_LIMIT (INT64_MAX - TREE_DATA_MAX)

struct sending {
	struct tree_writer *writer;
	void (*failed)(const struct err *);
	int failures;
	bool is_file; /* the data at hand is a file's that is sent */
	struct sparse_walk walk;
};

static int
put_xattrs(struct sending *s, const struct tar_entry *n, struct err *e)
{
	const size_t prefix = strlen(XATTR_PREFIX);
	char name[TARIN_ATTR_NAME_MAX + 1];
	const uint8_t *value;
	const char *key;
	size_t at = 0;
	uint32_t len;

	while (pax_next_attr(n->attrs, n->attrs_len, &at, &key, &value, &len)) {
		if (strncmp(key, XATTR_PREFIX, prefix) != 0)
			continue;
		key += prefix;
		if (pax_decode_name(name, key, strlen(key)) == strlen(name) &&
		    tree_put_xattr(s->writer, name, value, len, e) < 0)
			return -1;
	}
	return 0;
}

/* "./a//b/" to "a/b". NULL if it would lead out, or is too long. */
static const char *
clean_path(char into[TREE_PATH_MAX + 1], const char *from)
{
	char *to = into;

	if (strlen(from) > TREE_PATH_MAX)
		return NULL;
	while (*from) {
		size_t len = strcspn(from, "/");

		if (len > 0 && !(len == 1 && from[0] == '.')) {
			if (to != into)
				*to++ = '/';
			memcpy(to, from, len);
			to += len;
		}
		from += len;
		from += *from == '/';
	}
	*to = '\0';
	return tree_path_valid(into) ? into : NULL;
}

static int
leave_out(struct sending *s, const char *path, const char *why)
{
	struct err e = ERR_INIT;

	err_set(&e, EX_DATAERR, "%s: %s", path, why);
	s->failures++;
	if (s->failed)
		s->failed(&e);
	return 0;
}

static int
end_file(struct sending *s, struct err *e)
{
	if (!s->is_file)
		return 0;
	s->is_file = false;
	return tree_put_close(s->writer, e);
}

static int
on_entry(void *into, const struct tar_entry *n, struct err *e)
{
	static const enum tree_kind kinds[] = {
	    [TAR_FILE] = TREE_FILE,
	    [TAR_LINK] = TREE_LINK,
	    [TAR_SYMLINK] = TREE_SYMLINK,
	    [TAR_CHAR] = TREE_CHAR,
	    [TAR_BLOCK] = TREE_BLOCK,
	    [TAR_DIR] = TREE_DIR,
	    [TAR_FIFO] = TREE_FIFO,
	};
	char path[TREE_PATH_MAX + 1], target[TREE_PATH_MAX + 1];
	struct sending *s = into;
	struct tree_entry entry = {.kind = kinds[n->type],
	    .mode = n->mode,
	    .uid = n->uid,
	    .gid = n->gid,
	    .seconds = n->mtime,
	    .nanoseconds = n->mtime_ns,
	    .size = n->size,
	    .major = n->major,
	    .minor = n->minor,
	    .path = clean_path(path, n->path),
	    .target = n->link};

	if (end_file(s, e) < 0)
		return -1;
	if (n->type == TAR_LINK)
		entry.target = clean_path(target, n->link);
	if (!entry.path || !entry.target ||
	    ((n->type == TAR_LINK || n->type == TAR_SYMLINK) && !*entry.target))
		return leave_out(
		    s, n->path, "not a path below the destination");
	if (n->size > SIZE_LIMIT)
		return leave_out(s, n->path, "larger than files can be");
	if (tree_put_entry(s->writer, &entry, e) < 0 ||
	    (n->type != TAR_LINK && put_xattrs(s, n, e) < 0))
		return -1;
	if (n->type != TAR_FILE)
		return 0;
	s->is_file = true;
	return sparse_walk_begin(&s->walk, n) < 0
		   ? err_set(e, EX_OSERR, "out of memory")
		   : 0;
}

static bool
is_zero(const char *bytes, size_t len)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

/* Zeros become a hole, which no tar but a sparse one tells. */
static int
on_data(void *into, const void *data, size_t len, struct err *e)
{
	struct sending *s = into;
	const char *from = data;
	uint64_t offset;
	size_t n;

	while (s->is_file && len > 0 &&
	       (n = sparse_walk_next(&s->walk, len, &offset)) > 0) {
		if (!is_zero(from, n) &&
		    tree_put_data(s->writer, offset, from, n, e) < 0)
			return -1;
		from += n;
		len -= n;
	}
	return 0;
}

/* All there is, what pads the last record included: its writer is to end. */
static int
feed_all(struct tarin *t, int fd, struct err *e)
{
	char chunk[65536];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, EX_IOERR, "stdin");
		if (tarin_feed(t, chunk, (size_t)n, e) < 0)
			return err_prefix(e, "stdin");
	}
	if (tarin_end(t, e) < 0)
		return err_prefix(e, "stdin");
	return tarin_marked(t)
		   ? 0
		   : err_set(e, EX_DATAERR,
			 "stdin: cut off: the tar's end mark is missing");
}

int
tar_read(int fd, struct tree_writer *writer, void (*failed)(const struct err *),
    struct err *e)
{
	static const struct tarin_ops ops = {on_entry, on_data, true};
	struct sending s = {.writer = writer, .failed = failed};
	struct tarin *t = tarin_new(&ops, &s, TARIN_PAX_MAX);
	int status;

	if (!t)
		return err_set(e, EX_OSERR, "out of memory");
	status = feed_all(t, fd, e);
	if (status == 0)
		status = end_file(&s, e);
	if (status == 0)
		status = tree_put_end(writer, e);
	sparse_walk_release(&s.walk);
	tarin_free(t);
	return status < 0 ? -1 : s.failures;
}
