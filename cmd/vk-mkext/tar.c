/* SPDX-License-Identifier: MIT */
/* tar.c - a tar, plain or compressed, into a tree */
#include "cmd/vk-mkext/tar.h"

#include "common/log.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct tar {
	struct feed *feed;
	struct tree *tree;
	struct store *store;
	struct archive *archive;
	uint64_t entries;
};

static la_ssize_t
read_feed(struct archive *a, void *with, const void **data)
{
	struct tar *t = with;
	ssize_t got = feed_next(t->feed, data);

	if (got < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	return got;
}

static int
archive_error(struct tar *t, struct err *e)
{
	const char *text = archive_error_string(t->archive);

	return err_set(e, EX_DATAERR, "%s", text ? text : "not a tar");
}

static struct moment
moment_of(time_t seconds, long nanoseconds)
{
	return (struct moment){seconds, (uint32_t)nanoseconds};
}

static void
meta_of(struct archive_entry *from, struct meta *m)
{
	*m = (struct meta){
	    .mode = (uint16_t)(archive_entry_mode(from)),
	    .uid = (uint32_t)archive_entry_uid(from),
	    .gid = (uint32_t)archive_entry_gid(from),
	    .modified = moment_of(
		archive_entry_mtime(from), archive_entry_mtime_nsec(from)),
	    .device_major = (uint32_t)archive_entry_rdevmajor(from),
	    .device_minor = (uint32_t)archive_entry_rdevminor(from),
	    .target = archive_entry_symlink(from),
	};
	m->accessed = m->changed = m->modified;
	if (archive_entry_atime_is_set(from))
		m->accessed = moment_of(
		    archive_entry_atime(from), archive_entry_atime_nsec(from));
	if (archive_entry_ctime_is_set(from))
		m->changed = moment_of(
		    archive_entry_ctime(from), archive_entry_ctime_nsec(from));
}

static int
read_content(
    struct tar *t, struct archive_entry *entry, uint32_t object, struct err *e)
{
	const void *data;
	size_t length;
	la_int64_t offset;
	int code;

	store_open(t->store, object);
	while ((code = archive_read_data_block(
		    t->archive, &data, &length, &offset)) == ARCHIVE_OK) {
		if (length > 0 && store_write(t->store, (uint64_t)offset, data,
				      length, e) < 0)
			return -1;
	}
	if (code != ARCHIVE_EOF)
		return archive_error(t, e);
	return store_close(t->store, (uint64_t)archive_entry_size(entry), e);
}

static int
read_entry(
    struct tar *t, struct archive_entry *entry, const char *path, struct err *e)
{
	const char *link = archive_entry_hardlink(entry);
	struct meta m;
	uint32_t object;

	meta_of(entry, &m);
	if (link) {
		if (tree_link(t->tree, path, link, &object, e) < 0)
			return -1;
		if (archive_entry_size(entry) <= 0)
			return 0;
		if (!S_ISREG(tree_object(t->tree, object)->mode))
			return err_set(e, EX_DATAERR,
			    "%s: content for what is not a file", path);
		return read_content(t, entry, object, e);
	}
	if (S_ISSOCK(m.mode)) {
		log_warn("%s: a socket, left out", path);
		return 0;
	}
	if (tree_make(t->tree, path, &m, &object, e) < 0)
		return -1;
	return S_ISREG(m.mode) ? read_content(t, entry, object, e) : 0;
}

/* The next header. The end counts only with its mark, a block of zeros: it
 * lies behind what the last entry took. */
static int
next_entry(struct tar *t, struct archive_entry **entry, struct err *e)
{
	la_int64_t before = 0;
	int code;

	if (t->entries > 0) {
		if (archive_read_data_skip(t->archive) < ARCHIVE_WARN)
			return archive_error(t, e);
		before = archive_filter_bytes(t->archive, 0);
	}
	code = archive_read_next_header(t->archive, entry);
	if (code == ARCHIVE_EOF) {
		if (archive_filter_bytes(t->archive, 0) - before < 512)
			return err_set(e, EX_DATAERR,
			    "cut off: the tar's end mark is missing");
		return 0;
	}
	if (code < ARCHIVE_WARN)
		return archive_error(t, e);
	t->entries++;
	return 1;
}

static int
read_all(struct tar *t, struct err *e)
{
	struct archive_entry *entry;
	const void *data;
	ssize_t got;
	int more;

	while ((more = next_entry(t, &entry, e)) > 0) {
		const char *path = archive_entry_pathname(entry);

		if (!path)
			return err_set(
			    e, EX_DATAERR, "an entry without a name");
		if (read_entry(t, entry, path, e) < 0)
			return -1;
	}
	if (more < 0)
		return -1;
	/* What follows the end mark belongs to the input, and whoever
	 * writes it shall not die of a closed pipe. */
	while ((got = feed_next(t->feed, &data)) > 0)
		continue;
	return got < 0 ? err_errno(e, EX_IOERR, "read") : 0;
}

int
tar_read(
    struct feed *feed, struct tree *tree, struct store *store, struct err *e)
{
	struct tar t = {.feed = feed, .tree = tree, .store = store};
	int result;

	t.archive = archive_read_new();
	if (!t.archive)
		return err_set(e, EX_OSERR, "out of memory");
	archive_read_support_format_tar(t.archive);
	archive_read_support_filter_gzip(t.archive);
	archive_read_support_filter_bzip2(t.archive);
	archive_read_support_filter_xz(t.archive);
	archive_read_support_filter_zstd(t.archive);
	if (archive_read_open(t.archive, &t, NULL, read_feed, NULL) !=
	    ARCHIVE_OK)
		result = archive_error(&t, e);
	else
		result = read_all(&t, e);
	if (result < 0 && feed_count(feed) == 0)
		err_set(e, EX_DATAERR, "nothing there: the input is empty");
	archive_read_free(t.archive);
	return result;
}
