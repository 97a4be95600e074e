/* SPDX-License-Identifier: MIT */
/* tar.c - a tar, plain or compressed, into a tree */
#include "cmd/vk-mkext/tar.h"

#include "cmd/vk-mkext/acl.h"
#include "cmd/vk-mkext/acl_text.h"
#include "cmd/vk-mkext/flags.h"
#include "common/packed.h"
#include "common/pax.h"
#include "common/tarin.h"
#include "common/tarsparse.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* A device number of Linux: 12 and 20 bits. */
#define DEVICE_MAJOR_MAX 0xfffu
#define DEVICE_MINOR_MAX 0xfffffu

/* Where a plain tar says what it is, whatever its first name looks like. */
#define MAGIC_OFFSET 257
#define MAGIC        "ustar"

struct tar {
	struct feed *feed;
	struct intake *in;
	struct tarin *reader;
	const void *first; /* of the feed, looked at and not used yet */
	ssize_t first_len;

	bool storing;        /* the data at hand is a file's that is kept */
	uint64_t size, left; /* of it: whole, to come */
	struct sparse_walk walk;
};

/* ---- what an entry says of itself --------------------------------------- */

static struct moment
moment_of(const struct tar_time *t, struct moment otherwise)
{
	return t ? (struct moment){t->seconds, t->nanoseconds} : otherwise;
}

static void
meta_of(const struct tar_entry *n, struct meta *m)
{
	static const uint16_t types[] = {
	    [TAR_FILE] = S_IFREG,
	    [TAR_LINK] = S_IFREG,
	    [TAR_SYMLINK] = S_IFLNK,
	    [TAR_CHAR] = S_IFCHR,
	    [TAR_BLOCK] = S_IFBLK,
	    [TAR_DIR] = S_IFDIR,
	    [TAR_FIFO] = S_IFIFO,
	};

	*m = (struct meta){
	    .mode = (uint16_t)(types[n->type] | n->mode),
	    .uid = n->uid,
	    .gid = n->gid,
	    .modified = {n->mtime, n->mtime_ns},
	    .device_major = n->major,
	    .device_minor = n->minor,
	    .target = n->link,
	};
	m->accessed = moment_of(n->atime, m->modified);
	m->changed = moment_of(n->ctime, m->modified);
}

static int
read_acl(struct tar *t, struct acl_text text, struct meta *m,
    enum xattr_space space, struct err *e)
{
	struct acl acl = {.count = 0};
	struct acl_entry x;
	int more;

	while ((more = acl_text_next(&text, &x, e)) > 0) {
		if (text.name[0])
			intake_note(&t->in->names, text.name);
		else if (acl_add(&acl, &x) < 0)
			return err_set(e, EX_DATAERR, "an ACL too long");
	}
	return more < 0 ? -1 : intake_acl(t->in, m, space, &acl, e);
}

static int
read_xattr(struct tar *t, struct meta *m, const char *key, const uint8_t *value,
    uint32_t len, struct err *e)
{
	char name[TARIN_ATTR_NAME_MAX + 1];

	if (strlen(key) > TARIN_ATTR_NAME_MAX ||
	    pax_decode_name(name, key, strlen(key)) != strlen(name))
		return err_set(e, EX_DATAERR,
		    "an attribute whose name cannot be: '%.40s'", key);
	return intake_xattr(t->in, m, name, value, len, e);
}

/* One of those that tarin carries: attributes, ACLs, flags. */
static int
read_attribute(struct tar *t, struct meta *m, const char *key,
    const uint8_t *value, uint32_t len, struct err *e)
{
	static const char xattr[] = "SCHILY.xattr.";
	struct acl_text text = {.at = (const char *)value, .left = len};

	if (strncmp(key, xattr, strlen(xattr)) == 0)
		return read_xattr(t, m, key + strlen(xattr), value, len, e);
	if (strcmp(key, "SCHILY.acl.access") == 0)
		return read_acl(t, text, m, XATTR_ACL_ACCESS, e);
	if (strcmp(key, "SCHILY.acl.default") == 0 && S_ISDIR(m->mode))
		return read_acl(t, text, m, XATTR_ACL_DEFAULT, e);
	if (strcmp(key, "SCHILY.fflags") == 0)
		m->flags = flags_parse(text.at, text.left);
	return 0;
}

static int
read_attributes(
    struct tar *t, const struct tar_entry *n, struct meta *m, struct err *e)
{
	const uint8_t *value;
	const char *key;
	size_t at = 0;
	uint32_t len;

	while (pax_next_attr(n->attrs, n->attrs_len, &at, &key, &value, &len))
		if (read_attribute(t, m, key, value, len, e) < 0)
			return -1;
	return 0;
}

/* ---- entries ------------------------------------------------------------ */

/* What comes now is this object's content. */
static int
begin_content(
    struct tar *t, const struct tar_entry *n, uint32_t object, struct err *e)
{
	if (n->size > STORE_FILE_MAX)
		return err_set(
		    e, EX_DATAERR, "larger than ext4 allows (16 TiB)");
	if (store_open(t->in->store, object, e) < 0)
		return -1;
	if (n->stored == 0)
		return store_close(t->in->store, n->size, e);
	t->storing = true;
	t->size = n->size;
	t->left = n->stored;
	return sparse_walk_begin(&t->walk, n) < 0
		   ? err_set(e, EX_OSERR, "out of memory")
		   : 0;
}

static int
read_link(struct tar *t, const struct tar_entry *n, struct err *e)
{
	uint32_t object;

	if (!*n->link)
		return err_set(
		    e, EX_DATAERR, "%s: a hard link without a target", n->path);
	return intake_link(t->in, n->path, n->link, &object, e);
}

static int
on_entry(void *into, const struct tar_entry *n, struct err *e)
{
	struct tar *t = into;
	uint32_t object;
	struct meta m;

	t->storing = false;
	if (!*n->path)
		return err_set(e, EX_DATAERR, "an entry without a name");
	if (intake_excludes(t->in->rules, n->path))
		return 0;
	if (n->type == TAR_LINK)
		return read_link(t, n, e);
	if (n->major > DEVICE_MAJOR_MAX || n->minor > DEVICE_MINOR_MAX)
		return err_set(e, EX_DATAERR,
		    "%s: a device number that Linux does not have", n->path);
	meta_of(n, &m);
	if (read_attributes(t, n, &m, e) < 0)
		return err_prefix(e, "%s", n->path);
	if (intake_entry(t->in, n->path, &m, &object, e) < 0)
		return -1;
	if (n->type != TAR_FILE)
		return 0;
	if (begin_content(t, n, object, e) < 0)
		return err_prefix(e, "%s", n->path);
	return 0;
}

static int
on_data(void *into, const void *data, size_t len, struct err *e)
{
	const uint8_t *from = data;
	struct tar *t = into;

	if (t->in->progress)
		t->in->progress(t->in->with);
	while (t->storing && len > 0) {
		uint64_t offset = 0;
		size_t n = sparse_walk_next(&t->walk, len, &offset);

		if (store_write(t->in->store, offset, from, n, e) < 0)
			return -1;
		from += n;
		len -= n;
		t->left -= n;
		if (t->left == 0) {
			t->storing = false;
			return store_close(t->in->store, t->size, e);
		}
	}
	return 0;
}

/* ---- bytes -------------------------------------------------------------- */

/* The feed from its start: its first piece has been looked at. */
static ssize_t
next_piece(void *with, const void **data)
{
	struct tar *t = with;

	if (!t->first)
		return feed_next(t->feed, data);
	*data = t->first;
	t->first = NULL;
	return t->first_len;
}

static int
read_plain(struct tar *t, struct err *e)
{
	const void *data;
	ssize_t got;

	while ((got = next_piece(t, &data)) > 0)
		if (tarin_feed(t->reader, data, (size_t)got, e) < 0)
			return -1;
	return got < 0 ? err_errno(e, EX_IOERR, "read") : 0;
}

static int
read_packed(struct tar *t, struct err *e)
{
	struct packed *p = packed_open(next_piece, t, e);
	const void *data;
	ssize_t got = -1;

	while (p && (got = packed_next(p, &data, e)) > 0)
		if (tarin_feed(t->reader, data, (size_t)got, e) < 0) {
			got = -1;
			break;
		}
	packed_close(p);
	/* What follows belongs to the input, and whoever writes it shall not
	 * die of a closed pipe. */
	while (got == 0 && (got = feed_next(t->feed, &data)) > 0)
		got = 0;
	return got < 0 ? -1 : 0;
}

static bool
is_plain(const struct tar *t)
{
	size_t len = (size_t)t->first_len;

	if (len >= MAGIC_OFFSET + strlen(MAGIC) &&
	    memcmp((const char *)t->first + MAGIC_OFFSET, MAGIC,
		strlen(MAGIC)) == 0)
		return true;
	return !packed_format(t->first, len);
}

static int
read_all(struct tar *t, struct err *e)
{
	t->first_len = feed_next(t->feed, &t->first);
	if (t->first_len < 0)
		return err_errno(e, EX_IOERR, "read");
	if (t->first_len == 0)
		return err_set(
		    e, EX_DATAERR, "nothing there: the input is empty");
	if ((is_plain(t) ? read_plain(t, e) : read_packed(t, e)) < 0 ||
	    tarin_end(t->reader, e) < 0)
		return -1;
	if (!tarin_marked(t->reader))
		return err_set(
		    e, EX_DATAERR, "cut off: the tar's end mark is missing");
	return 0;
}

int
tar_read(struct feed *feed, struct intake *in, struct err *e)
{
	static const struct tarin_ops ops = {on_entry, on_data, true};
	struct tar t = {.feed = feed, .in = in};
	int result;

	t.reader = tarin_new(&ops, &t, TARIN_PAX_MAX);
	if (!t.reader)
		return err_set(e, EX_OSERR, "out of memory");
	result = read_all(&t, e);
	tarin_free(t.reader);
	sparse_walk_release(&t.walk);
	return result;
}
