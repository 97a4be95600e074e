/* SPDX-License-Identifier: MIT */
/* tar.c - a tar, plain or compressed, into a tree */
#include "cmd/vk-mkext/tar.h"

#include "cmd/vk-mkext/acl.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

/* Flags of files (chattr(1)) that say something of the content's use, not of
 * how one file system happens to store it. */
#define FLAGS_KEPT                                                             \
	(FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |       \
	    FS_SYNC_FL | FS_DIRSYNC_FL)

/* A device number of Linux: 12 and 20 bits. */
#define DEVICE_MAJOR_MAX 0xfffu
#define DEVICE_MINOR_MAX 0xfffffu

struct tar {
	struct feed *feed;
	struct intake *in;
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
	unsigned long flags, cleared;

	*m = (struct meta){
	    .mode = (uint16_t)archive_entry_mode(from),
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
	archive_entry_fflags(from, &flags, &cleared);
	m->flags = (uint32_t)flags & FLAGS_KEPT;
}

/* Owners are 32 bits wide; archive_entry_uid(3) has more, also below 0. */
static int
check_numbers(struct archive_entry *from, const char *path, struct err *e)
{
	la_int64_t uid = archive_entry_uid(from);
	la_int64_t gid = archive_entry_gid(from);

	if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX)
		return err_set(e, EX_DATAERR,
		    "%s: an owner that is no 32-bit number", path);
	if (archive_entry_rdevmajor(from) > DEVICE_MAJOR_MAX ||
	    archive_entry_rdevminor(from) > DEVICE_MINOR_MAX)
		return err_set(e, EX_DATAERR,
		    "%s: a device number that Linux does not have", path);
	if (archive_entry_size(from) < 0)
		return err_set(e, EX_DATAERR, "%s: a size below 0", path);
	return 0;
}

static uint16_t
acl_tag_of(int tag)
{
	switch (tag) {
	case ARCHIVE_ENTRY_ACL_USER_OBJ:
		return ACL_OWNER;
	case ARCHIVE_ENTRY_ACL_USER:
		return ACL_USER;
	case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
		return ACL_OWNING_GROUP;
	case ARCHIVE_ENTRY_ACL_GROUP:
		return ACL_GROUP;
	case ARCHIVE_ENTRY_ACL_MASK:
		return ACL_MASK;
	case ARCHIVE_ENTRY_ACL_OTHER:
		return ACL_OTHER;
	default:
		return 0;
	}
}

/* The ACL of one type, as libarchive read it out of the header. */
static int
read_acl(struct tar *t, struct archive_entry *from, int type, struct meta *m,
    struct err *e)
{
	bool access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	struct acl acl = {.count = 0};
	uint8_t encoded[ACL_SIZE_MAX];
	int which, permissions, tag, id;
	const char *name;

	if (archive_entry_acl_reset(from, type) == 0)
		return 0;
	while (archive_entry_acl_next(from, type, &which, &permissions, &tag,
		   &id, &name) == ARCHIVE_OK) {
		struct acl_entry x = {.tag = acl_tag_of(tag),
		    .permissions = permissions & 7,
		    .id = (uint32_t)id};

		if (x.tag == 0)
			continue;
		if ((x.tag == ACL_USER || x.tag == ACL_GROUP) && id < 0) {
			intake_note(&t->in->names, name ? name : "?");
			continue;
		}
		if (acl_add(&acl, &x) < 0)
			return err_set(e, EX_DATAERR, "an ACL too long");
	}
	if (access) {
		m->mode = acl_mode(&acl, m->mode);
		if (acl_is_mode(&acl))
			return 0;
	}
	return xattr_add_raw(&t->in->xattrs,
	    access ? XATTR_ACL_ACCESS : XATTR_ACL_DEFAULT, "", encoded,
	    acl_encode(&acl, encoded), e);
}

static int
read_xattrs(
    struct tar *t, struct archive_entry *from, struct meta *m, struct err *e)
{
	const char *name;
	const void *value;
	size_t length;

	if (archive_entry_xattr_reset(from) > 0)
		while (archive_entry_xattr_next(from, &name, &value, &length) ==
		       ARCHIVE_OK)
			if (intake_xattr(t->in, m, name, value, length, e) < 0)
				return -1;
	if (read_acl(t, from, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, m, e) < 0)
		return -1;
	if (S_ISDIR(m->mode))
		return read_acl(t, from, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, m, e);
	return 0;
}

static int
read_content(
    struct tar *t, struct archive_entry *entry, uint32_t object, struct err *e)
{
	struct store *store = t->in->store;
	const void *data;
	size_t length;
	la_int64_t offset;
	int code;

	if (store_open(store, object, e) < 0)
		return -1;
	while ((code = archive_read_data_block(
		    t->archive, &data, &length, &offset)) == ARCHIVE_OK) {
		if (length > 0 &&
		    store_write(store, (uint64_t)offset, data, length, e) < 0)
			return -1;
		if (t->in->progress)
			t->in->progress(t->in->with);
	}
	if (code != ARCHIVE_EOF)
		return archive_error(t, e);
	return store_close(store, (uint64_t)archive_entry_size(entry), e);
}

static int
read_link(
    struct tar *t, struct archive_entry *entry, const char *path, struct err *e)
{
	uint32_t object;

	if (intake_link(
		t->in, path, archive_entry_hardlink(entry), &object, e) < 0)
		return -1;
	/* pax allows a link to bring the file's content once more. */
	if (archive_entry_size(entry) == 0)
		return 0;
	if (!S_ISREG(tree_object(t->in->tree, object)->mode))
		return err_set(
		    e, EX_DATAERR, "%s: content for what is not a file", path);
	return read_content(t, entry, object, e);
}

static int
read_entry(
    struct tar *t, struct archive_entry *entry, const char *path, struct err *e)
{
	struct meta m;
	uint32_t object;

	if (intake_excludes(t->in->rules, path))
		return 0;
	if (check_numbers(entry, path, e) < 0)
		return -1;
	if (archive_entry_hardlink(entry))
		return read_link(t, entry, path, e);
	meta_of(entry, &m);
	if (read_xattrs(t, entry, &m, e) < 0)
		return err_prefix(e, "%s", path);
	if (intake_entry(t->in, path, &m, &object, e) < 0)
		return -1;
	if (!object || !S_ISREG(m.mode))
		return 0;
	return read_content(t, entry, object, e) < 0 ? err_prefix(e, "%s", path)
						     : 0;
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

		if (!path || !*path)
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
tar_read(struct feed *feed, struct intake *in, struct err *e)
{
	struct tar t = {.feed = feed, .in = in};
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
