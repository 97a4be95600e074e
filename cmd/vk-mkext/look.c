/* SPDX-License-Identifier: MIT */
/* look.c - what is in an image, without mounting it */
#include "cmd/vk-mkext/look.h"

#include "cmd/vk-mkext/acl.h"
#include "cmd/vk-mkext/seen.h"
#include "cmd/vk-mkext/view.h"
#include "common/scope.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read at once. */
#define PIECE ((size_t)256 << 10)

/* Attributes in the form that GNU tar understands, too. */
#define TAR_OPTIONS "xattrheader=SCHILY"

/* A directory that waits for its turn. */
struct pending {
	ext2_ino_t inode;
	char *path;
};

struct look {
	const char *image;
	ext2_filsys fs;
	ext2fs_inode_bitmap seen; /* directories */
	struct pending *stack;
	size_t depth, room;
	struct seen names;
	struct archive *tar; /* NULL: list */
	struct err *err;
};

static int
library(struct look *l, errcode_t code, const char *what)
{
	return view_error(code, what, l->err) < 0
		   ? err_prefix(l->err, "%s", l->image)
		   : 0;
}

static int
no_memory(struct look *l)
{
	return err_set(l->err, EX_OSERR, "out of memory");
}

/* ---- as a tar ----------------------------------------------------------- */

static int
tar_error(struct look *l)
{
	const char *text = archive_error_string(l->tar);

	return err_set(l->err, EX_IOERR, "stdout: %s", text ? text : "?");
}

static int
archive_tag_of(uint16_t tag)
{
	switch (tag) {
	case ACL_OWNER:
		return ARCHIVE_ENTRY_ACL_USER_OBJ;
	case ACL_USER:
		return ARCHIVE_ENTRY_ACL_USER;
	case ACL_OWNING_GROUP:
		return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
	case ACL_GROUP:
		return ARCHIVE_ENTRY_ACL_GROUP;
	case ACL_MASK:
		return ARCHIVE_ENTRY_ACL_MASK;
	default:
		return ARCHIVE_ENTRY_ACL_OTHER;
	}
}

struct attributes {
	struct archive_entry *entry;
	struct look *look;
	bool failed;
};

static void
add_acl(struct attributes *a, int type, const void *value, size_t length)
{
	struct acl acl;

	if (acl_parse(&acl, value, length, a->look->err) < 0) {
		a->failed = true;
		return;
	}
	for (size_t i = 0; i < acl.count; i++) {
		const struct acl_entry *x = &acl.entries[i];
		bool named = x->tag == ACL_USER || x->tag == ACL_GROUP;
		char name[16];

		snprintf(name, sizeof(name), "%" PRIu32, x->id);
		archive_entry_acl_add_entry(a->entry, type, x->permissions,
		    archive_tag_of(x->tag), named ? (int)x->id : -1,
		    named ? name : "");
	}
}

static int
add_attribute(char *name, char *value, size_t length, void *with)
{
	struct attributes *a = with;

	if (strcmp(name, "system.posix_acl_access") == 0)
		add_acl(a, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, value, length);
	else if (strcmp(name, "system.posix_acl_default") == 0)
		add_acl(a, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT, value, length);
	else
		archive_entry_xattr_add_entry(a->entry, name, value, length);
	return 0;
}

static int
add_attributes(
    struct look *l, const struct view *v, struct archive_entry *entry)
{
	struct attributes a = {.entry = entry, .look = l};
	struct ext2_xattr_handle *handle;
	errcode_t code;

	code = ext2fs_xattrs_open(l->fs, v->inode, &handle);
	if (code)
		return library(l, code, v->path);
	code = ext2fs_xattrs_read(handle);
	if (!code)
		code = ext2fs_xattrs_iterate(handle, add_attribute, &a);
	ext2fs_xattrs_close(&handle);
	if (a.failed)
		return err_prefix(l->err, "%s: %s", l->image, v->path);
	return library(l, code, v->path);
}

static struct archive_entry *
entry_of(struct look *l, const struct view *v)
{
	struct archive_entry *entry = archive_entry_new2(l->tar);
	const struct ext2_inode_large *r = &v->raw;

	if (!entry)
		return NULL;
	archive_entry_copy_pathname(entry, v->path);
	archive_entry_set_mode(entry, r->i_mode);
	archive_entry_set_uid(entry, view_uid(v));
	archive_entry_set_gid(entry, view_gid(v));
	archive_entry_set_mtime(
	    entry, view_seconds(v), (long)view_nanoseconds(v));
	archive_entry_set_size(entry,
	    S_ISREG(r->i_mode) && !v->same ? (la_int64_t)view_size(v) : 0);
	if (view_is_device(v))
		archive_entry_set_rdev(entry, view_device(v));
	if (v->same)
		archive_entry_copy_hardlink(entry, v->same);
	else if (v->target)
		archive_entry_copy_symlink(entry, v->target);
	return entry;
}

static int
send_content(struct look *l, const struct view *v)
{
	cleanup_free char *piece = malloc(PIECE);
	uint64_t left = view_size(v);
	ext2_file_t file;
	int result = 0;

	if (!piece)
		return no_memory(l);
	if (library(l, ext2fs_file_open(l->fs, v->inode, 0, &file), v->path) <
	    0)
		return -1;
	while (left > 0 && result == 0) {
		unsigned got = 0;
		errcode_t code = ext2fs_file_read(file, piece,
		    left < PIECE ? (unsigned)left : (unsigned)PIECE, &got);

		if (code || got == 0)
			result = library(
			    l, code ? code : EXT2_ET_SHORT_READ, v->path);
		else if (archive_write_data(l->tar, piece, got) < 0)
			result = tar_error(l);
		left -= got;
	}
	ext2fs_file_close(file);
	return result;
}

static int
send_view(struct look *l, const struct view *v)
{
	bool content = S_ISREG(v->raw.i_mode) && !v->same;
	struct archive_entry *entry;
	int result = -1;

	if (S_ISSOCK(v->raw.i_mode))
		return 0;
	entry = entry_of(l, v);
	if (!entry)
		return no_memory(l);
	if (!v->same && add_attributes(l, v, entry) < 0)
		result = -1;
	else if (archive_write_header(l->tar, entry) < ARCHIVE_WARN)
		result = tar_error(l);
	else
		result = content ? send_content(l, v) : 0;
	archive_entry_free(entry);
	return result;
}

/* ---- the walk ----------------------------------------------------------- */

static int
push(struct look *l, ext2_ino_t inode, const char *path)
{
	if (l->depth == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		struct pending *grown =
		    reallocarray(l->stack, room, sizeof(*grown));

		if (!grown)
			return no_memory(l);
		l->stack = grown;
		l->room = room;
	}
	l->stack[l->depth].path = strdup(path);
	if (!l->stack[l->depth].path)
		return no_memory(l);
	l->stack[l->depth++].inode = inode;
	return 0;
}

static int
show(struct look *l, ext2_ino_t inode, const char *path)
{
	struct view v = {.fs = l->fs, .inode = inode, .path = path};
	int result = view_open(&v, l->err);

	if (result < 0)
		err_prefix(l->err, "%s", l->image);
	else if (!S_ISDIR(v.raw.i_mode) && v.raw.i_links_count > 1)
		result = seen_path(
		    &l->names, (uint64_t[]){0, inode}, path, &v.same, l->err);

	if (result == 0)
		result = l->tar ? send_view(l, &v)
			 : view_print(&v) < 0
			     ? err_errno(l->err, EX_IOERR, "stdout")
			     : 0;
	if (result == 0 && S_ISDIR(v.raw.i_mode)) {
		if (ext2fs_test_inode_bitmap2(l->seen, inode))
			result = err_set(l->err, EX_DATAERR,
			    "%s: %s: a directory in two places", l->image,
			    path);
		ext2fs_mark_inode_bitmap2(l->seen, inode);
		if (result == 0)
			result = push(l, inode, path);
	}
	view_close(&v);
	return result;
}

struct children {
	struct look *look;
	const char *path;
	int result;
};

static int
child(ext2_ino_t dir, int which, struct ext2_dir_entry *d, int offset,
    int blocksize, char *block, void *with)
{
	struct children *c = with;
	int length = ext2fs_dirent_name_len(d);
	cleanup_free char *path = NULL;

	(void)dir, (void)offset, (void)blocksize, (void)block;
	if (which != DIRENT_OTHER_FILE)
		return 0;
	if (memchr(d->name, '/', (size_t)length) ||
	    memchr(d->name, 0, (size_t)length)) {
		c->result = err_set(c->look->err, EX_DATAERR,
		    "%s: %s: holds a name that cannot be", c->look->image,
		    c->path);
		return DIRENT_ABORT;
	}
	if (asprintf(&path, "%s/%.*s", c->path, length, d->name) < 0) {
		path = NULL;
		c->result = no_memory(c->look);
		return DIRENT_ABORT;
	}
	c->result = show(c->look, d->inode, path);
	return c->result < 0 ? DIRENT_ABORT : 0;
}

/* Directory by directory, without recursion: the depth is the image's. */
static int
walk(struct look *l, ext2_ino_t inode, const char *path)
{
	int result = show(l, inode, path);

	while (result == 0 && l->depth > 0) {
		struct pending p = l->stack[--l->depth];
		struct children c = {.look = l, .path = p.path};
		errcode_t code =
		    ext2fs_dir_iterate2(l->fs, p.inode, 0, NULL, child, &c);

		result = c.result < 0 ? -1 : library(l, code, p.path);
		free(p.path);
	}
	return result;
}

static int
look_open(struct look *l)
{
	if (library(l,
		ext2fs_open2(l->image, NULL,
		    EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0, 0,
		    unix_io_manager, &l->fs),
		"not an ext4 image") < 0)
		return -1;
	return library(
	    l, ext2fs_allocate_inode_bitmap(l->fs, "seen", &l->seen), "inodes");
}

static void
look_close(struct look *l)
{
	while (l->depth > 0)
		free(l->stack[--l->depth].path);
	free(l->stack);
	seen_release(&l->names);
	if (l->seen)
		ext2fs_free_inode_bitmap(l->seen);
	if (l->fs)
		ext2fs_free(l->fs);
	if (l->tar)
		archive_write_free(l->tar);
}

static int
look_at(struct look *l, const char *path)
{
	const char *last = strrchr(path, '/');
	struct ext2_inode inode;
	ext2_ino_t number;

	if (library(l,
		ext2fs_namei(
		    l->fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &number),
		path) < 0 ||
	    library(l, ext2fs_read_inode(l->fs, number, &inode), path) < 0)
		return -1;
	if (S_ISDIR(inode.i_mode))
		return walk(l, number, ".");
	return walk(l, number, last ? last + 1 : path);
}

int
look_uuid(const char *image, uint8_t uuid[UUID_SIZE], struct err *e)
{
	struct look l = {.image = image, .err = e};
	int result = look_open(&l);

	if (result == 0)
		memcpy(uuid, l.fs->super->s_uuid, UUID_SIZE);
	look_close(&l);
	return result;
}

int
look_list(const char *image, const char *path, struct err *e)
{
	struct look l = {.image = image, .err = e};
	int result = look_open(&l);

	if (result == 0)
		result = look_at(&l, path);
	look_close(&l);
	if (result == 0 && fflush(stdout) == EOF)
		return err_errno(e, EX_IOERR, "stdout");
	return result;
}

static int
extract(const char *image, const char *path, struct err *e)
{
	struct look l = {.image = image, .err = e};
	/* libarchive marks names that are not text in the locale's encoding. */
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
	int result;

	result = look_open(&l);
	if (result == 0) {
		l.tar = archive_write_new();
		if (!l.tar ||
		    archive_write_set_format_pax(l.tar) != ARCHIVE_OK ||
		    archive_write_set_options(l.tar, TAR_OPTIONS) !=
			ARCHIVE_OK ||
		    archive_write_open_fd(l.tar, STDOUT_FILENO) != ARCHIVE_OK)
			result = err_set(
			    e, EX_OSERR, "stdout: no tar can be written");
	}
	if (result == 0)
		result = look_at(&l, path);
	if (result == 0 && archive_write_close(l.tar) != ARCHIVE_OK)
		result = tar_error(&l);
	look_close(&l);
	if (utf8) {
		uselocale(before);
		freelocale(utf8);
	}
	return result;
}

int
look_extract(const char *image, const char *path, struct err *e)
{
	if (!isatty(STDOUT_FILENO))
		return extract(image, path, e);
	err_set(e, EX_USAGE, "a tar is not for a terminal");
	return err_hint(e, "use > FILE or a pipe");
}
