/* SPDX-License-Identifier: MIT */
/* pour.c - entries of an image as a tar */
#include "cmd/vk-mkext/pour.h"

#include "cmd/vk-mkext/acl_text.h"
#include "cmd/vk-mkext/flags.h"
#include "common/pax.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Read at once. */
#define PIECE ((size_t)256 << 10)

int
pour_init(struct pour *p, int fd, struct err *e)
{
	*p = (struct pour){
	    .piece = malloc(PIECE), .values_left = POUR_VALUES_MAX};
	buf_init(&p->name, TARIN_PAX_MAX);
	buf_init(&p->attrs, 4 * TARIN_PAX_MAX);
	buf_init(&p->text, TARIN_PAX_MAX);
	if (!p->piece)
		return err_set(e, EX_OSERR, "out of memory");
	return tarout_init(&p->tar, fd, "stdout", e);
}

void
pour_release(struct pour *p)
{
	tarout_release(&p->tar);
	buf_release(&p->name);
	buf_release(&p->attrs);
	buf_release(&p->text);
	free(p->piece);
	p->piece = NULL;
}

int
pour_end(struct pour *p, struct err *e)
{
	return tarout_end(&p->tar, e);
}

/* ---- what an inode says of itself --------------------------------------- */

static void
empty(struct buf *b)
{
	buf_drop(b, b->len);
}

static int
add(struct pour *p, const char *key, const void *value, size_t len)
{
	return pax_add_attr(&p->attrs, key, strlen(key), value, len);
}

static int
add_text(struct pour *p, const char *key)
{
	return p->text.failed ? -1 : add(p, key, p->text.data, p->text.len);
}

static int
add_acl(struct pour *p, const char *key, const void *value, size_t len,
    struct err *e)
{
	struct acl acl;

	if (acl_parse(&acl, value, len, e) < 0)
		return -1;
	empty(&p->text);
	acl_text_write(&p->text, &acl);
	add_text(p, key);
	return 0;
}

struct attributes {
	struct pour *pour;
	struct err *err;
	int result;
};

static int
add_attribute(char *name, char *value, size_t length, void *with)
{
	struct attributes *a = with;
	struct pour *p = a->pour;

	if (strcmp(name, "system.posix_acl_access") == 0)
		a->result =
		    add_acl(p, "SCHILY.acl.access", value, length, a->err);
	else if (strcmp(name, "system.posix_acl_default") == 0)
		a->result =
		    add_acl(p, "SCHILY.acl.default", value, length, a->err);
	else if (strncmp(name, "system.", 7) != 0) {
		empty(&p->text);
		buf_puts(&p->text, "SCHILY.xattr.");
		pax_encode_name(&p->text, name);
		if (!p->text.failed)
			add(p, p->text.data, value, length);
	}
	return a->result < 0 ? XATTR_ABORT : 0;
}

static int
charge(struct pour *p, const struct view *v, struct err *e)
{
	uint64_t own = v->fs->blocksize + EXT2_INODE_SIZE(v->fs->super);
	uint64_t beyond = p->attrs.len > own ? p->attrs.len - own : 0;

	if (beyond > p->values_left)
		return err_set(e, EX_DATAERR,
		    "%s: more than %u MiB of attributes that files share",
		    v->path, (unsigned)(POUR_VALUES_MAX >> 20));
	p->values_left -= beyond;
	return 0;
}

static int
gather_attributes(struct pour *p, const struct view *v, struct err *e)
{
	struct attributes a = {.pour = p, .err = e};
	uint32_t flags = v->raw.i_flags & FLAGS_KEPT;
	struct ext2_xattr_handle *handle;
	errcode_t code;

	empty(&p->attrs);
	if (flags) {
		empty(&p->text);
		flags_write(&p->text, flags);
		add_text(p, "SCHILY.fflags");
	}
	code = ext2fs_xattrs_open(v->fs, v->inode, &handle);
	if (code == EXT2_ET_MISSING_EA_FEATURE)
		return 0;
	if (code)
		return view_error(code, v->path, e);
	code = ext2fs_xattrs_read(handle);
	if (!code)
		code = ext2fs_xattrs_iterate(handle, add_attribute, &a);
	ext2fs_xattrs_close(&handle);
	if (a.result < 0)
		return err_prefix(e, "%s", v->path);
	if (!code && (p->attrs.failed || p->text.failed))
		return err_set(
		    e, EX_DATAERR, "%s: too many attributes", v->path);
	if (view_error(code, v->path, e) < 0)
		return -1;
	return charge(p, v, e);
}

static enum tar_type
type_of(const struct view *v)
{
	if (v->same)
		return TAR_LINK;
	switch (v->raw.i_mode & S_IFMT) {
	case S_IFDIR:
		return TAR_DIR;
	case S_IFLNK:
		return TAR_SYMLINK;
	case S_IFCHR:
		return TAR_CHAR;
	case S_IFBLK:
		return TAR_BLOCK;
	case S_IFIFO:
		return TAR_FIFO;
	default:
		return TAR_FILE;
	}
}

static int
begin_entry(struct pour *p, const struct view *v, const struct pieces *pieces,
    struct err *e)
{
	struct tar_entry n = {.type = type_of(v),
	    .mode = v->raw.i_mode & 07777,
	    .uid = view_uid(v),
	    .gid = view_gid(v),
	    .mtime = view_seconds(v),
	    .mtime_ns = view_nanoseconds(v),
	    .link = v->same     ? v->same
		    : v->target ? v->target
				: ""};

	empty(&p->name);
	buf_printf(&p->name, "%s%s", v->path, n.type == TAR_DIR ? "/" : "");
	if (p->name.failed)
		return err_set(e, EX_DATAERR, "%s: too long a path", v->path);
	n.path = p->name.data;
	if (view_is_device(v)) {
		n.major = major(view_device(v));
		n.minor = minor(view_device(v));
	}
	if (n.type == TAR_FILE) {
		n.size = view_size(v);
		n.stored = pieces_size(pieces);
		n.sparse = n.stored < n.size;
		n.segments = pieces->at;
		n.segment_count = pieces->count;
	}
	if (!v->same && gather_attributes(p, v, e) < 0)
		return -1;
	if (!v->same) {
		n.attrs = (const uint8_t *)p->attrs.data;
		n.attrs_len = p->attrs.len;
	}
	return tarout_entry(&p->tar, &n, e);
}

/* ---- content ------------------------------------------------------------ */

/* One piece of the file. */
static int
pour_piece(struct pour *p, ext2_file_t file, const struct tar_segment *s,
    struct err *e)
{
	uint64_t left = s->len;
	errcode_t code =
	    ext2fs_file_llseek(file, s->offset, EXT2_SEEK_SET, NULL);

	while (!code && left > 0) {
		unsigned want = left < PIECE ? (unsigned)left : (unsigned)PIECE;
		unsigned got = 0;

		code = ext2fs_file_read(file, p->piece, want, &got);
		/* Behind data in the inode there is a hole that nobody reads.
		 */
		if (!code && got == 0)
			memset(p->piece, 0, got = want);
		if (!code && tarout_data(&p->tar, p->piece, got, e) < 0)
			return -1;
		left -= got;
	}
	return view_error(code, "content", e);
}

static int
pour_content(struct pour *p, const struct view *v, const struct pieces *pieces,
    struct err *e)
{
	ext2_file_t file;
	errcode_t code = ext2fs_file_open(v->fs, v->inode, 0, &file);
	int result = 0;

	if (code)
		return view_error(code, v->path, e);
	for (size_t i = 0; i < pieces->count && result == 0; i++)
		result = pour_piece(p, file, &pieces->at[i], e);
	ext2fs_file_close(file);
	return result < 0 && e->status == EX_DATAERR
		   ? err_prefix(e, "%s", v->path)
		   : result;
}

int
pour_view(struct pour *p, const struct view *v, const struct pieces *pieces,
    struct err *e)
{
	if (S_ISSOCK(v->raw.i_mode))
		return 0;
	if (begin_entry(p, v, pieces, e) < 0)
		return -1;
	return type_of(v) == TAR_FILE ? pour_content(p, v, pieces, e) : 0;
}
